/* wire_bio.c: see wire_bio.h: OpenSSL's own socket BIO, but for how it sends. */
#include "client/device/wire_bio.h"

#include <pthread.h>
#include <sys/socket.h>

#include "base/err.h"

static BIO_METHOD *method;
static pthread_once_t made = PTHREAD_ONCE_INIT;

static int send_quietly(BIO *bio, const char *data, int len)
{
	int fd = -1;

	BIO_clear_retry_flags(bio);
	if (len < 0 || BIO_get_fd(bio, &fd) < 0)
		return -1;
	int n = (int)send(fd, data, (size_t)len, MSG_NOSIGNAL);
	if (n <= 0 && BIO_sock_should_retry(n))
		BIO_set_retry_write(bio);
	return n;
}

static void make_method(void)
{
	const BIO_METHOD *socket_method = BIO_s_socket();

	method = BIO_meth_new(BIO_TYPE_SOCKET, "derivd socket");
	if (!method || BIO_meth_set_write(method, send_quietly) != 1 ||
		BIO_meth_set_read(method, BIO_meth_get_read(socket_method)) != 1 ||
		BIO_meth_set_ctrl(method, BIO_meth_get_ctrl(socket_method)) != 1 ||
		BIO_meth_set_create(method, BIO_meth_get_create(socket_method)) != 1 ||
		BIO_meth_set_destroy(method, BIO_meth_get_destroy(socket_method)) != 1)
		err_abort("no memory for a BIO");
}

BIO *wire_bio_new(int fd)
{
	pthread_once(&made, make_method);
	BIO *bio = BIO_new(method);
	if (bio)
		BIO_set_fd(bio, fd, BIO_NOCLOSE);
	return bio;
}
