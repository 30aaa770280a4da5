/* cfssl.c: starting it, and as much HTTP as its answers need. */
#include "tests/bench/cfssl.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"

#define CONNECT_TRIES 500
#define ANSWER_MAX 65536

struct cfssl {
	pid_t pid;
	struct sockaddr_in address;
};

/* A year, for clients; nothing is kept and nothing is looked up. */
static const char config[] = "{\"signing\": {\"default\": {\"expiry\": \"8760h\", \"usages\": "
			     "[\"digital signature\", \"client auth\"]}}}\n";

static FILE *create(const char *dir, const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");

	if (!f)
		err_abort("%s cannot be written", path);
	return f;
}

static void write_files(const char *dir, X509 *ca, EVP_PKEY *key)
{
	FILE *f = create(dir, "cfssl-ca.pem");

	PEM_write_X509(f, ca);
	fclose(f);
	f = create(dir, "cfssl-ca.key");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
	f = create(dir, "cfssl.json");
	fputs(config, f);
	fclose(f);
}

static void choose_port(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd < 0 || bind(fd, (struct sockaddr *)address, len) != 0 ||
		getsockname(fd, (struct sockaddr *)address, &len) != 0)
		err_abort("no port is free on loopback");
	close(fd);
}

static _Noreturn void run(const char *dir, int port)
{
	AUTO_MEM char *number = xasprintf("%d", port);
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (chdir(dir) != 0 || null < 0)
		_exit(126);
	dup2(null, 1);
	dup2(null, 2);
	execlp("cfssl", "cfssl", "serve", "-address", "127.0.0.1", "-port", number, "-ca",
		"cfssl-ca.pem", "-ca-key", "cfssl-ca.key", "-config", "cfssl.json", "-loglevel",
		"3", (char *)NULL);
	_exit(127);
}

struct cfssl *cfssl_start(const char *dir, X509 *ca, EVP_PKEY *key)
{
	const struct timespec pause = { .tv_nsec = 20000000 };
	struct cfssl *c = xcalloc(1, sizeof(*c));
	int fd = -1;

	write_files(dir, ca, key);
	choose_port(&c->address);
	c->pid = fork();
	if (c->pid == 0)
		run(dir, ntohs(c->address.sin_port));
	for (int i = 0; fd < 0 && i < CONNECT_TRIES; i++) {
		nanosleep(&pause, NULL);
		if (waitpid(c->pid, NULL, WNOHANG) != 0)
			err_abort("cfssl does not run: is golang-cfssl installed?");
		fd = cfssl_connect(c);
	}
	if (fd < 0)
		err_abort("cfssl does not listen");
	close(fd);
	return c;
}

void cfssl_free(struct cfssl *c)
{
	if (!c)
		return;
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	free(c);
}

int cfssl_connect(const struct cfssl *c)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, (const struct sockaddr *)&c->address, sizeof(c->address)) == 0)
		return fd;
	close(fd);
	return -1;
}

struct buf *cfssl_request(struct bytes pkcs10)
{
	AUTO(buf) struct buf *body = buf_new();
	struct buf *out = buf_new();
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;

	PEM_write_bio(bio, "CERTIFICATE REQUEST", "", pkcs10.data, (long)pkcs10.len);
	long len = BIO_get_mem_data(bio, &pem);
	buf_add_str(body, "{\"hosts\": [\"ann@mail.example.org\"], \"subject\": {\"CN\": \"Ann "
			  "Example\", \"names\": [{\"C\": \"US\", \"O\": \"Example Agency\"}]}, "
			  "\"certificate_request\": \"");
	for (long i = 0; i < len; i++) {
		if (pem[i] == '\n')
			buf_add_str(body, "\\n");
		else
			buf_add(body, &pem[i], 1);
	}
	buf_add_str(body, "\"}");
	BIO_free(bio);
	buf_addf(out,
		"POST /api/v1/cfssl/sign HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
		"application/json\r\nContent-Length: %zu\r\n\r\n",
		buf_len(body));
	buf_add_bytes(out, buf_bytes(body));
	return out;
}

static bool is_whole(const char *text)
{
	const char *body = strstr(text, "\r\n\r\n");
	const char *length = strcasestr(text, "\r\nContent-Length: ");

	if (!body)
		return false;
	body += 4;
	if (length && length < body)
		return strlen(body) >= strtoul(length + 18, NULL, 10);
	return strlen(body) >= 5 && strcmp(body + strlen(body) - 5, "0\r\n\r\n") == 0;
}

bool cfssl_receive(int fd, struct buf *answer)
{
	char part[4096];
	ssize_t n = recv(fd, part, sizeof(part), 0);

	if (n <= 0 || buf_len(answer) > ANSWER_MAX)
		err_abort("cfssl hung up: %s", buf_str(answer));
	buf_add(answer, part, (size_t)n);
	if (!is_whole(buf_str(answer)))
		return false;
	if (!strstr(buf_str(answer), "BEGIN CERTIFICATE"))
		err_abort("cfssl does not sign: %s", buf_str(answer));
	return true;
}
