/*
 * delivery_client.c: devices for bench_delivery.py, light ones: each connects once and either ends at once (handshake) or fetches
 * one item and acknowledges it (deliver). Several processes play them, one device after the other each. Prints how many seconds
 * all of them took.
 *
 *     delivery_client handshake|deliver FIRST DEVICES PROCESSES KEYS PORT...
 *
 * DEVICES: of each process. KEYS: a directory with 0.pem, 1.pem and so on, key and certificate; FIRST: the first of them. The
 * processes are spread over the ports.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "evidence/item.h"
#include "proto/device.pb-c.h"
#include "proto/frame.h"
#include "proto/msg.h"
#include "proto/sig.h"
#include "tests/bench/bench.h"

#define BODY_MAX 1048576
#define READ_CHUNK 16384

struct device {
	SSL_CTX *ctx;
	EVP_PKEY *identity;
	uint8_t id[SHA256_LEN];
};

struct line {
	SSL *ssl;
	struct buf *in;
	uint32_t serial;
};

static void must(bool ok, const char *what)
{
	if (!ok)
		err_abort("a device: %s", what);
}

static void must_be_good(struct err *e, const char *what)
{
	if (e)
		err_abort("a device: %s: %s", what, err_get_text(e));
}

/* --- one connection --- */

static int connect_to(uint16_t port)
{
	const struct sockaddr_in to = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) == 0, "connecting");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	return fd;
}

static void send_message(struct line *l, enum msg_number number, const void *message)
{
	AUTO(buf) struct buf *body = NULL;
	AUTO(buf) struct buf *frame = buf_new();

	must_be_good(msg_pack(msg_find((uint16_t)number), message, &body), "packing");
	frame_pack_stream(frame, (uint16_t)number, ++l->serial, buf_bytes(body));
	must(SSL_write(l->ssl, buf_data(frame), (int)buf_len(frame)) == (int)buf_len(frame),
		"sending");
}

static void read_more(struct line *l)
{
	size_t len = buf_len(l->in);
	int n = SSL_read(l->ssl, buf_grow(l->in, READ_CHUNK), READ_CHUNK);

	must(n > 0, "the gateway hung up");
	buf_cut(l->in, len + (size_t)n);
}

static struct frame *next_frame(struct line *l)
{
	struct frame *f = NULL;
	size_t used = 0;

	for (;;) {
		must_be_good(frame_unpack_stream(buf_bytes(l->in), BODY_MAX, &used, &f), "a frame");
		if (f)
			break;
		read_more(l);
	}
	struct buf *rest = buf_new();
	buf_add(rest, buf_data(l->in) + used, buf_len(l->in) - used);
	buf_free(l->in);
	l->in = rest;
	return f;
}

/* The answer to what was sent last; hints and pings are passed over. */
static void *answer(struct line *l, enum msg_number expected)
{
	ProtobufCMessage *body = NULL;

	for (;;) {
		AUTO(frame) struct frame *f = next_frame(l);
		if (f->serial != l->serial)
			continue;
		must(f->number == expected, "another answer than expected");
		must_be_good(
			msg_parse(msg_find(f->number), buf_bytes(f->body), &body), "an answer");
		return body;
	}
}

static void acknowledge(const struct device *d, struct line *l, const Device__Item *sent)
{
	AUTO(item) struct item *item = NULL;
	AUTO(buf) struct buf *signature = NULL;
	struct acknowledgement a = { 0 };
	Device__Acknowledge m = DEVICE__ACKNOWLEDGE__INIT;

	must_be_good(item_decode(pb_bytes(sent->item->body), &item), "the item");
	memcpy(a.device_id, d->id, SHA256_LEN);
	memcpy(a.item_id, item->item_id, ITEM_ID_LEN);
	a.number = item->number;
	sha256(pb_bytes(sent->item->body), a.item_digest);
	AUTO(buf) struct buf *body = acknowledgement_encode(&a);
	must_be_good(sig_sign(d->identity, SIG_ACKNOWLEDGEMENT, buf_bytes(body), &signature),
		"acknowledging");
	m.acknowledgement = pb_lend(buf_bytes(body));
	m.signature = pb_lend(buf_bytes(signature));
	send_message(l, MSG_DEVICE_ACKNOWLEDGE, &m);
	AUTO_MSG Device__Settled *settled = answer(l, MSG_DEVICE_SETTLED);
	must(settled->number == a.number, "another item was settled");
}

static void fetch_one(const struct device *d, struct line *l)
{
	Device__Hello hello = DEVICE__HELLO__INIT;
	Device__Pull pull = DEVICE__PULL__INIT;
	uint32_t version = 1;
	char program[] = "bench", platform[] = "linux";

	hello.versions = &version;
	hello.n_versions = 1;
	hello.program = program;
	hello.platform = platform;
	send_message(l, MSG_DEVICE_HELLO, &hello);
	AUTO_MSG Device__Welcome *welcome = answer(l, MSG_DEVICE_WELCOME);
	must(welcome->enrolled, "not enrolled");
	pull.most = 1;
	send_message(l, MSG_DEVICE_PULL, &pull);
	AUTO_MSG Device__Items *items = answer(l, MSG_DEVICE_ITEMS);
	must(items->n_items == 1, "no item");
	acknowledge(d, l, items->items[0]);
}

static void visit(const struct device *d, uint16_t port, bool deliver)
{
	struct line l = { .ssl = SSL_new(d->ctx), .in = buf_new() };
	AUTO_FD int fd = connect_to(port);

	must(l.ssl && SSL_set_fd(l.ssl, fd) == 1 && SSL_connect(l.ssl) == 1, "the handshake");
	if (deliver)
		fetch_one(d, &l);
	SSL_shutdown(l.ssl);
	SSL_free(l.ssl);
	buf_free(l.in);
}

/* --- one device --- */

static const unsigned char alpn[] = "\x08"
				    "derivd/1";

static void load(struct device *d, const char *keys, long i)
{
	AUTO_MEM char *file = xasprintf("%s/%ld.pem", keys, i);

	d->ctx = SSL_CTX_new(TLS_client_method());
	must(d->ctx && SSL_CTX_set_min_proto_version(d->ctx, TLS1_3_VERSION) == 1 &&
			SSL_CTX_set_alpn_protos(d->ctx, alpn, sizeof(alpn) - 1) == 0 &&
			SSL_CTX_use_certificate_file(d->ctx, file, SSL_FILETYPE_PEM) == 1 &&
			SSL_CTX_use_PrivateKey_file(d->ctx, file, SSL_FILETYPE_PEM) == 1,
		file);
	d->identity = SSL_CTX_get0_privatekey(d->ctx);
	AUTO(buf) struct buf *spki = sig_spki(d->identity);
	sha256(buf_bytes(spki), d->id);
}

struct order {
	const char *keys;
	long first, n;
	uint16_t port;
	bool deliver;
};

/* Has read its keys when it is ready; begins when the parent closes its end. */
static _Noreturn void play(const struct order *o, int ready, int start)
{
	struct device *devices = xcalloc((size_t)o->n, sizeof(*devices));
	char byte = 0;

	for (long i = 0; i < o->n; i++)
		load(&devices[i], o->keys, o->first + i);
	must(write(ready, &byte, 1) == 1 && read(start, &byte, 1) == 0, "the parent");
	for (long i = 0; i < o->n; i++)
		visit(&devices[i], o->port, o->deliver);
	_exit(0);
}

static void wait_all(long n)
{
	int status;

	while (n--)
		must(wait(&status) > 0 && status == 0, "one has failed");
}

int main(int argc, char **argv)
{
	int ready[2], start[2];
	char byte;

	if (argc < 7)
		err_abort("usage: delivery_client handshake|deliver FIRST DEVICES PROCESSES KEYS "
			  "PORT...");
	struct order o = { .keys = argv[5],
		.first = strtol(argv[2], NULL, 10),
		.n = strtol(argv[3], NULL, 10),
		.deliver = strcmp(argv[1], "deliver") == 0 };
	long processes = strtol(argv[4], NULL, 10);
	must(pipe(ready) == 0 && pipe(start) == 0, "pipes");
	for (long i = 0; i < processes; i++, o.first += o.n) {
		o.port = (uint16_t)strtol(argv[6 + i % (argc - 6)], NULL, 10);
		pid_t pid = fork();
		must(pid >= 0, "fork");
		if (pid > 0)
			continue;
		close(start[1]);
		play(&o, ready[1], start[0]);
	}
	for (long i = 0; i < processes; i++)
		must(read(ready[0], &byte, 1) == 1, "a device");
	double began = bench_now();
	close(start[1]);
	wait_all(processes);
	printf("%.6f\n", bench_now() - began);
	return 0;
}
