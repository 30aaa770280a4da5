/*
 * wire_tls.c: see wire_tls.h. Whom we talk to is decided by the hash of the server's key alone (PROTOCOL.device section 1): names,
 * dates and signatures of its certificate mean nothing.
 */
#include "client/device/wire_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/err.h>

#include "base/clock.h"
#include "base/io.h"
#include "client/device/fault.h"
#include "client/device/wire_bio.h"
#include "evidence/cert.h"

#define CONNECT_MS 10000
#define HANDSHAKE_MS 15000

static const unsigned char ALPN[] = "\x08"
				    "derivd/1";

static inline UNUSED void ssl_free(SSL *ssl)
{
	SSL_free(ssl);
}
DEFINE_AUTO(ssl, SSL *, ssl_free);

static inline UNUSED void ssl_ctx_free(SSL_CTX *ctx)
{
	SSL_CTX_free(ctx);
}
DEFINE_AUTO(ssl_ctx, SSL_CTX *, ssl_ctx_free);

static inline UNUSED void addrinfo_free(struct addrinfo *a)
{
	freeaddrinfo(a);
}
DEFINE_AUTO(addrinfo, struct addrinfo *, addrinfo_free);

struct err *wire_tls_wait_fd(int fd, short events, int stop_fd, int64_t until_ms)
{
	struct pollfd p[] = { { .fd = stop_fd, .events = POLLIN }, { .fd = fd, .events = events } };

	for (;;) {
		int64_t left_ms = until_ms - clock_boot_ms();
		if (left_ms < 0)
			left_ms = 0;
		int r = poll(p, ARRAY_LEN(p), left_ms > 60000 ? 60000 : (int)left_ms);
		if (r < 0 && errno != EINTR)
			return err_errno(errno, "poll");
		if (r > 0 && p[0].revents)
			return err_new(&ERR_STOPPED, "it was stopped");
		if (r > 0)
			return NULL;
		if (r == 0 && clock_boot_ms() >= until_ms)
			return err_new(&ERR_TIMEOUT, "nobody answers");
	}
}

/* --- TCP --- */

static int64_t earlier(int64_t a_ms, int64_t b_ms)
{
	return a_ms < b_ms ? a_ms : b_ms;
}

static struct err *connect_one(const struct addrinfo *a, int stop_fd, int64_t until_ms, int *ret_fd)
{
	const int on = 1;
	int error = 0;
	socklen_t len = sizeof(error);
	AUTO_FD int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return err_errno(errno, "a socket");
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
		if (errno != EINPROGRESS)
			return err_errno(errno, "connecting");
		TRY(wire_tls_wait_fd(
			fd, POLLOUT, stop_fd, earlier(clock_boot_ms() + CONNECT_MS, until_ms)));
		if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0 || error != 0)
			return err_errno(error, "connecting");
	}
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		return err_errno(errno, "a socket");
	*ret_fd = fd_take(&fd);
	return NULL;
}

static struct err *connect_any(const struct state *s, int stop_fd, int64_t until_ms, int *ret_fd)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG };
	AUTO(addrinfo) struct addrinfo *list = NULL;
	AUTO(err) struct err *last = NULL;
	char port[8];

	snprintf(port, sizeof(port), "%u", s->port);
	int r = getaddrinfo(s->host, port, &hints, &list);
	if (r != 0)
		return err_new(&ERR_HOST_UNREACHABLE, "%s: %s", s->host,
			r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r));
	for (const struct addrinfo *a = list; a; a = a->ai_next) {
		err_free(last);
		last = connect_one(a, stop_fd, until_ms, ret_fd);
		if (!last || err_is(last, &ERR_STOPPED))
			return take(last);
	}
	return err_as(&ERR_HOST_UNREACHABLE,
		last ? take(last) : err_new(&ERR_NOTFOUND, "no address"), "%s port %s", s->host,
		port);
}

/* --- TLS --- */

static int judge_server(X509_STORE_CTX *store, void *arg)
{
	const struct state *s = arg;
	const X509 *cert = X509_STORE_CTX_get0_cert(store);
	uint8_t hash[SHA256_LEN];

	/* As it stands there: nobody has proved anything yet, and OpenSSL need not understand it. */
	if (cert)
		cert_key_hash(cert, hash);
	for (size_t i = 0; cert && i < s->n_pins; i++) {
		if (memcmp(s->pins[i], hash, SHA256_LEN) == 0)
			return 1;
	}
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

static struct err *make_context(
	const struct state *s, EVP_PKEY *identity, struct bytes certificate, SSL_CTX **ret_ctx)
{
	AUTO(ssl_ctx) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_alpn_protos(ctx, ALPN, sizeof(ALPN) - 1) != 0 ||
		SSL_CTX_use_certificate_ASN1(ctx, (int)certificate.len, certificate.data) != 1 ||
		SSL_CTX_use_PrivateKey(ctx, identity) != 1)
		return sig_openssl_error(&ERR_SYSTEM, "TLS cannot be set up");
	SSL_CTX_set_options(ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, judge_server, (void *)(uintptr_t)s);
	*ret_ctx = take(ctx);
	return NULL;
}

struct err *wire_tls_wait(
	const SSL *ssl, int fd, int stop_fd, int r, int64_t until_ms, const char *what)
{
	int error = SSL_get_error(ssl, r);

	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
		short events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
		struct err *e = wire_tls_wait_fd(fd, events, stop_fd, until_ms);
		if (!err_is(e, &ERR_TIMEOUT))
			return e;
		return err_as(&ERR_TIMEOUT, e, "%s: the gateway", what);
	}
	if (error == SSL_ERROR_ZERO_RETURN || error == SSL_ERROR_SYSCALL)
		return err_new(&ERR_GONE, "%s: the gateway hung up", what);
	return sig_openssl_error(&ERR_TLS, "%s", what);
}

static struct err *handshake(SSL *ssl, int fd, int stop_fd, int64_t until_ms)
{
	until_ms = earlier(clock_boot_ms() + HANDSHAKE_MS, until_ms);
	int r;

	ERR_clear_error();
	while ((r = SSL_do_handshake(ssl)) != 1) {
		if (SSL_get_verify_result(ssl) == X509_V_ERR_CERT_UNTRUSTED)
			return err_new(&ERR_GATEWAY_KEY, "the key of the other side is none of "
							 "those that this device knows");
		struct err *e = wire_tls_wait(ssl, fd, stop_fd, r, until_ms, "the TLS handshake");
		if (err_is(e, &ERR_STOPPED))
			return e;
		TRY(err_as(&ERR_TLS, e, "no secure connection"));
		ERR_clear_error();
	}
	return NULL;
}

static bool chose_our_protocol(const SSL *ssl)
{
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(ssl, &name, &len);
	return len == sizeof(ALPN) - 2 && memcmp(name, ALPN + 1, len) == 0;
}

struct err *wire_tls_open(const struct state *s, EVP_PKEY *identity, struct bytes certificate,
	int stop_fd, int64_t until_ms, SSL **ret_ssl, int *ret_fd)
{
	AUTO(ssl_ctx) SSL_CTX *ctx = NULL;
	AUTO_FD int fd = -1;

	TRY(make_context(s, identity, certificate, &ctx));
	TRY(connect_any(s, stop_fd, until_ms, &fd));
	AUTO(ssl) SSL *ssl = SSL_new(ctx);
	BIO *bio = ssl ? wire_bio_new(fd) : NULL;
	if (!bio)
		return sig_openssl_error(&ERR_SYSTEM, "TLS cannot be set up");
	SSL_set_bio(ssl, bio, bio);
	SSL_set_connect_state(ssl);
	TRY(handshake(ssl, fd, stop_fd, until_ms));
	if (!chose_our_protocol(ssl))
		return err_new(&ERR_TLS, "the other side does not speak derivd/1");
	*ret_ssl = take(ssl);
	*ret_fd = fd_take(&fd);
	return NULL;
}
