/*
 * test_protocol.c: the examples in the PROTOCOL documents against the code. An example is a line that begins with
 * "example", "stream", "memfd" or "refused", indented by four columns, and lines of hexadecimal digits behind it,
 * indented by more. What a document describes in words before an example is built here and must have these bytes.
 */
#include "tests/unit/unit.h"

#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/io.h"
#include "proto/card.pb-c.h"
#include "proto/control.pb-c.h"
#include "proto/courier.pb-c.h"
#include "proto/device.pb-c.h"
#include "proto/frame.h"
#include "proto/gateway.pb-c.h"
#include "proto/kind.h"
#include "tests/unit/protocol_device.h"
#include "tests/unit/wire.h"

static int fds[2];
static size_t n_examples;

/* --- what the documents say in words --- */

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static struct buf *build_hello(void)
{
	Common__Hello m = COMMON__HELLO__INIT;

	m.build = text("0123456789abcdef0123456789abcdef01234567");
	m.program = text("derivctl");
	return msg_pack_type(&m.base);
}

static struct buf *build_empty(void)
{
	return buf_new();
}

static struct buf *build_error(void)
{
	Common__Error m = COMMON__ERROR__INIT;
	Common__Reason r = COMMON__REASON__INIT, *reasons[] = { &r };

	m.kind = text("not-eligible");
	m.fate = COMMON__FATE__REFUSE;
	m.text = text("no certificate");
	m.remedy = text("see ca.conf");
	m.reasons = reasons;
	m.n_reasons = 1;
	r.kind = text("certificate-expired");
	r.subject = text("9A");
	r.text = text("old");
	return msg_pack_type(&m.base);
}

static struct buf *build_open(void)
{
	Card__Open m = CARD__OPEN__INIT;

	m.reader = text("R1");
	return msg_pack_type(&m.base);
}

static struct buf *build_reader_list(void)
{
	static const uint8_t atr[] = { 0x3b, 0x8b, 0x80, 0x01, 0x80, 0xf9, 0xa0, 0x00, 0x00, 0x03,
		0x08, 0x00, 0x00, 0x10, 0x00, 0xc8 };
	Card__ReaderList m = CARD__READER_LIST__INIT;
	Card__Reader r = CARD__READER__INIT, *readers[] = { &r };

	m.readers = readers;
	m.n_readers = 1;
	r.name = text("Reader 00 00");
	r.state = CARD__READER_STATE__PRESENT;
	r.atr = pb_lend(BYTES(atr, sizeof(atr)));
	return msg_pack_type(&m.base);
}

static struct buf *build_pull(void)
{
	Device__Pull m = DEVICE__PULL__INIT;

	m.most = 4;
	return msg_pack_type(&m.base);
}

static struct buf *build_fetch(void)
{
	Courier__Fetch m = COURIER__FETCH__INIT;

	m.url = text("http://ca/iss.crl");
	m.max_bytes = 1024 * 1024;
	m.timeout_ms = 5000;
	m.accept = text("application/pkix-crl");
	return msg_pack_type(&m.base);
}

static struct buf *build_fetched(void)
{
	Courier__Fetched m = COURIER__FETCHED__INIT;

	m.body = pb_lend(BYTES("\x30\x01\x00", 3));
	m.content_type = text("application/pkix-crl");
	m.status = 200;
	return msg_pack_type(&m.base);
}

static struct buf *build_notice(void)
{
	Courier__Notice m = COURIER__NOTICE__INIT;
	Courier__Trouble t = COURIER__TROUBLE__INIT, *troubles[] = { &t };
	uint8_t id[16];

	memset(id, 0x11, sizeof(id));
	m.id = pb_lend(BYTES(id, sizeof(id)));
	m.kind = COURIER__NOTICE_KIND__OPERATORS;
	m.when_ms = 1000;
	m.troubles = troubles;
	m.n_troubles = 1;
	t.event = text("job-blocked");
	t.error = text("ca-misconfigured");
	t.count = 2;
	return msg_pack_type(&m.base);
}

static struct buf *build_noticed(void)
{
	Courier__Noticed m = COURIER__NOTICED__INIT;

	m.mailed = true;
	return msg_pack_type(&m.base);
}

static struct buf *build_channels_reply(void)
{
	Courier__ChannelsReply m = COURIER__CHANNELS_REPLY__INIT;

	m.text = text("none");
	return msg_pack_type(&m.base);
}

static struct buf *build_up(void)
{
	Gateway__Up m = GATEWAY__UP__INIT;
	uint8_t hash[32];

	for (uint8_t i = 0; i < sizeof(hash); i++)
		hash[i] = i;
	m.connection = 1;
	m.identity_hash = pb_lend(BYTES(hash, sizeof(hash)));
	m.address = text("192.0.2.7");
	return msg_pack_type(&m.base);
}

static struct buf *build_relay(void)
{
	Gateway__Relay m = GATEWAY__RELAY__INIT;
	AUTO(buf) struct buf *pull = build_pull();

	m.connection = 1;
	m.message = MSG_DEVICE_PULL;
	m.serial = 3;
	m.body = pb_lend(buf_bytes(pull));
	return msg_pack_type(&m.base);
}

static struct buf *build_down(void)
{
	Gateway__Down m = GATEWAY__DOWN__INIT;

	m.connection = 1;
	m.reason = text("hung up.");
	return msg_pack_type(&m.base);
}

static struct buf *build_drop(void)
{
	Gateway__Drop m = GATEWAY__DROP__INIT;

	m.connection = 1;
	m.reason = text("revoked");
	return msg_pack_type(&m.base);
}

static struct buf *build_list(void)
{
	Control__List m = CONTROL__LIST__INIT;

	m.what = CONTROL__WHAT__REQUESTS;
	m.most = 10;
	m.open_only = true;
	return msg_pack_type(&m.base);
}

static struct buf *build_credential_revoke(void)
{
	Control__CredentialRevoke m = CONTROL__CREDENTIAL_REVOKE__INIT;

	m.id = text("1c9f");
	m.reason = 1;
	m.text = text("lost");
	return msg_pack_type(&m.base);
}

static struct buf *build_session_digits(void)
{
	Control__SessionDigits m = CONTROL__SESSION_DIGITS__INIT;
	uint8_t id[16];

	for (uint8_t i = 0; i < sizeof(id); i++)
		id[i] = i;
	m.request_id = pb_lend(BYTES(id, sizeof(id)));
	m.match = true;
	return msg_pack_type(&m.base);
}

static struct buf *build_changed(void)
{
	Control__Changed m = CONTROL__CHANGED__INIT;

	m.count = 1;
	return msg_pack_type(&m.base);
}

static struct buf *build_watch(void)
{
	Control__Watch m = CONTROL__WATCH__INIT;

	m.after = 25;
	return msg_pack_type(&m.base);
}

static const struct {
	const char *name;
	struct buf *(*build)(void);
} builders[] = {
	{ "HELLO", build_hello },
	{ "DONE", build_empty },
	{ "ERROR", build_error },
	{ "CARD_LIST_READERS", build_empty },
	{ "CARD_READER_LIST", build_reader_list },
	{ "CARD_OPEN", build_open },
	{ "CARD_CLOSE", build_empty },
	{ "DEVICE_HELLO", build_device_hello },
	{ "DEVICE_WELCOME", build_device_welcome },
	{ "DEVICE_BEGIN", build_device_begin },
	{ "DEVICE_REVEAL", build_device_reveal },
	{ "DEVICE_OPENED", build_device_opened },
	{ "DEVICE_PROGRESS", build_device_progress },
	{ "DEVICE_HINT", build_device_hint },
	{ "DEVICE_PULL", build_pull },
	{ "DEVICE_ITEMS", build_empty },
	{ "DEVICE_SETTLED", build_device_settled },
	{ "DEVICE_PING", build_empty },
	{ "DEVICE_ERROR", build_device_error },
	{ "DEVICE_RESTARTED", build_empty },
	{ "STATUS", build_empty },
	{ "METRICS", build_empty },
	{ "LIST", build_list },
	{ "CREDENTIAL_REVOKE", build_credential_revoke },
	{ "SESSION_DIGITS", build_session_digits },
	{ "CHANGED", build_changed },
	{ "WATCH", build_watch },
	{ "COURIER_FETCH", build_fetch },
	{ "COURIER_FETCHED", build_fetched },
	{ "NOTICE_SEND", build_notice },
	{ "NOTICE_SENT", build_noticed },
	{ "NOTICE_CHANNELS", build_empty },
	{ "NOTICE_CHANNELS_REPLY", build_channels_reply },
	{ "GATEWAY_UP", build_up },
	{ "GATEWAY_RELAY", build_relay },
	{ "GATEWAY_DOWN", build_down },
	{ "GATEWAY_DROP", build_drop },
	{ "GATEWAY_SYNCED", build_empty },
};

static struct buf *build(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(builders); i++) {
		if (strcmp(builders[i].name, name) == 0)
			return builders[i].build();
	}
	fail_msg("nobody builds the example %s", name);
	abort();
}

static const struct msg *row(const char *name)
{
	size_t n;
	const struct msg *t = msg_table(&n);

	for (size_t i = 0; i < n; i++) {
		if (strcmp(t[i].name, name) == 0)
			return &t[i];
	}
	fail_msg("messages.def has no %s", name);
	abort();
}

/* --- examples of each sort --- */

static void assert_bytes(struct bytes a, struct bytes b, const char *what)
{
	AUTO_MEM char *ha = text_hex(a), *hb = text_hex(b);

	if (!bytes_eq(a, b))
		fail_msg("%s: the document says %s, the code %s", what, ha, hb);
}

static void send_raw(struct bytes b)
{
	assert_int_equal(send(fds[0], b.data, b.len, MSG_NOSIGNAL), b.len);
}

static void check_example(const char *name, uint32_t serial, struct bytes bytes)
{
	AUTO(buf) struct buf *body = build(name);
	AUTO(frame) struct frame *f = NULL;
	AUTO_MSG ProtobufCMessage *m = NULL;
	uint8_t sent[FRAME_DATAGRAM_MAX];
	bool was_sent = false;

	assert_ok(frame_send(fds[0], row(name)->number, serial, buf_bytes(body), &was_sent));
	ssize_t n = recv(fds[1], sent, sizeof(sent), 0);
	assert_true(n >= 0);
	assert_bytes(bytes, BYTES(sent, n), name);
	send_raw(bytes);
	assert_ok(frame_recv(fds[1], &f));
	assert_int_equal(f->number, row(name)->number);
	assert_int_equal(f->serial, serial);
	assert_ok(msg_parse(row(name), buf_bytes(f->body), &m));
}

static void check_stream(const char *name, uint32_t serial, struct bytes bytes)
{
	AUTO(buf) struct buf *body = build(name);
	AUTO(buf) struct buf *out = buf_new();
	AUTO(frame) struct frame *f = NULL;
	size_t used;

	frame_pack_stream(out, row(name)->number, serial, buf_bytes(body));
	assert_bytes(bytes, buf_bytes(out), name);
	assert_ok(frame_unpack_stream(bytes, row(name)->max, &used, &f));
	assert_int_equal(used, bytes.len);
	assert_int_equal(f->serial, serial);
}

/* The datagram that announces a body of len bytes; the descriptor beside it is looked at, too. */
static void check_memfd(const char *name, uint32_t serial, size_t len, struct bytes bytes)
{
	AUTO(buf) struct buf *body = buf_new();
	uint8_t sent[64];
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct iovec iov = { sent, sizeof(sent) };
	struct msghdr m = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control) };
	bool was_sent = false;

	buf_grow(body, len);
	assert_ok(frame_send(fds[0], row(name)->number, serial, buf_bytes(body), &was_sent));
	ssize_t n = recvmsg(fds[1], &m, MSG_CMSG_CLOEXEC);
	assert_true(n >= 0);
	assert_bytes(bytes, BYTES(sent, n), name);
	AUTO_FD int fd = -1;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (!c)
		fail_msg("%s: no descriptor came along", name);
	else
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	assert_int_equal(lseek(fd, 0, SEEK_END), len);
	assert_int_equal(
		fcntl(fd, F_GET_SEALS), F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
}

static void check_refused(struct bytes bytes)
{
	AUTO(frame) struct frame *f = NULL;

	send_raw(bytes);
	assert_err(frame_recv(fds[1], &f), &ERR_PROTOCOL);
}

static void check_refused_body(const char *name, struct bytes bytes)
{
	AUTO_MSG ProtobufCMessage *m = NULL;

	assert_err(msg_parse(row(name), bytes, &m), &ERR_PROTOCOL);
}

static void check(const char *head, struct bytes bytes)
{
	char name[64];
	unsigned int serial;
	size_t len;

	n_examples++;
	if (sscanf(head, "example %63s serial %u", name, &serial) == 2)
		check_example(name, serial, bytes);
	else if (sscanf(head, "stream %63s serial %u", name, &serial) == 2)
		check_stream(name, serial, bytes);
	else if (sscanf(head, "memfd %63s serial %u length %zu", name, &serial, &len) == 3)
		check_memfd(name, serial, len, bytes);
	else if (sscanf(head, "refused body %63s", name) == 1)
		check_refused_body(name, bytes);
	else if (strcmp(head, "refused") == 0)
		check_refused(bytes);
	else
		fail_msg("an example that nobody understands: %s", head);
}

/* --- reading a document --- */

static bool is_head(const char *line)
{
	return text_starts(line, "    example ") || text_starts(line, "    stream ") ||
	       text_starts(line, "    memfd ") || text_starts(line, "    refused");
}

/* The digits of the lines from at on that are indented like bytes; *at ends behind them. */
static struct buf *read_bytes(const char **at)
{
	AUTO(buf) struct buf *digits = buf_new();

	while (text_starts(*at, "        ")) {
		size_t len = strcspn(*at, "\n");
		for (size_t i = 0; i < len; i++) {
			if ((*at)[i] != ' ')
				buf_add_u8(digits, (uint8_t)(*at)[i]);
		}
		*at += len + ((*at)[len] == '\n');
	}
	return unhex(buf_str(digits));
}

static void check_document(const char *name, size_t expected)
{
	AUTO_MEM char *path = xasprintf("%s/proto/PROTOCOL.%s", getenv("abs_top_srcdir"), name);
	AUTO(buf) struct buf *file = NULL;

	n_examples = 0;
	assert_ok(io_read_file(path, 1024 * 1024, &file));
	for (const char *at = buf_str(file); *at;) {
		size_t len = strcspn(at, "\n");
		AUTO_MEM char *line = bytes_strdup(BYTES(at, len));
		at += len + (at[len] == '\n');
		if (!is_head(line))
			continue;
		AUTO(buf) struct buf *bytes = read_bytes(&at);
		check(line + 4, buf_bytes(bytes));
	}
	assert_int_equal(n_examples, expected);
}

static void examples_of_frame(void **state)
{
	check_document("frame", 15);
}

static void examples_of_card(void **state)
{
	check_document("card", 4);
}

static void examples_of_courier(void **state)
{
	check_document("courier", 6);
}

static void examples_of_gateway(void **state)
{
	check_document("gateway", 5);
}

static void examples_of_device(void **state)
{
	check_document("device", 16);
}

static void examples_of_control(void **state)
{
	check_document("control", 7);
}

/* A document with one blank wherever it has some white space. */
static struct buf *read_words(const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/proto/PROTOCOL.%s", getenv("abs_top_srcdir"), name);
	AUTO(buf) struct buf *file = NULL;
	struct buf *words = buf_new();

	assert_ok(io_read_file(path, 1024 * 1024, &file));
	for (const char *at = buf_str(file); *at;) {
		size_t len = strcspn(at, " \n");
		buf_add(words, at, len);
		at += len;
		at += strspn(at, " \n");
		buf_add_str(words, " ");
	}
	return words;
}

/* Section 11 names the maximum of each message as the table has it. */
static void sizes_of_device(void **state)
{
	AUTO(buf) struct buf *words = read_words("device");
	const char *section = strstr(buf_str(words), " Largest bodies in bytes:");
	size_t n;
	const struct msg *table = msg_table(&n);

	assert_non_null(section);
	for (size_t i = 0; i < n; i++) {
		if (table[i].link != LINK_DEVICE)
			continue;
		AUTO_MEM char *said =
			xasprintf(" %s %u", table[i].name + strlen("DEVICE_"), table[i].max);
		for (char *p = said + 2; *p; p++)
			*p = (char)tolower((unsigned char)*p);
		const char *found = strstr(section, said);
		if (!found || !strchr(", ", found[strlen(said)]))
			fail_msg("PROTOCOL.device section 11 does not say%s", said);
	}
}

static int setup(void **state)
{
	socket_pair(SOCK_SEQPACKET, fds);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_frame),
		cmocka_unit_test(examples_of_card),
		cmocka_unit_test(examples_of_courier),
		cmocka_unit_test(examples_of_gateway),
		cmocka_unit_test(examples_of_device),
		cmocka_unit_test(examples_of_control),
		cmocka_unit_test(sizes_of_device),
	};

	return cmocka_run_group_tests_name("protocol", tests, setup, NULL);
}
