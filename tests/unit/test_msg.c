/* test_msg.c: the table, what comes in when, values at the edge of their limits, and memory that is wiped. */
#include "tests/unit/unit.h"

#include "tests/unit/wire.h"

/* msg.c is included, with its allocations watched: each piece must be all zeros when it is freed. */
static void *watched_calloc(size_t n, size_t size);
static void watched_free(void *p);
#define xcalloc(n, size) watched_calloc(n, size)
#define free(p) watched_free(p)
#include "proto/msg.c"
#undef free
#undef xcalloc

static struct {
	const void *p;
	size_t size;
} pieces[4096];
static size_t n_pieces, n_freed;

static void *watched_calloc(size_t n, size_t size)
{
	void *p = xcalloc(n, size);

	assert_in_range(n_pieces, 0, ARRAY_LEN(pieces) - 1);
	pieces[n_pieces].p = p;
	pieces[n_pieces++].size = n * size;
	return p;
}

static void watched_free(void *p)
{
	const uint8_t *bytes = p;
	size_t i = 0;

	while (i < n_pieces && pieces[i].p != p)
		i++;
	assert_true(i < n_pieces);
	for (size_t k = 0; k < pieces[i].size; k++)
		assert_int_equal(bytes[k], 0);
	pieces[i] = pieces[--n_pieces];
	n_freed++;
	free(p);
}

/* --- the table --- */

static void the_table_is_in_order(void **state)
{
	size_t n;
	const struct msg *t = msg_table(&n);
	uint32_t largest = 0;

	for (size_t i = 0; i < n; i++) {
		assert_true(i == 0 || t[i - 1].number < t[i].number);
		assert_ptr_equal(msg_find(t[i].number), &t[i]);
		assert_true(t[i].sender & SIDE_BOTH);
		assert_true(t[i].phases & PH_ANY);
		if (t[i].max > largest)
			largest = t[i].max;
	}
	assert_int_equal(largest, FRAME_BODY_MAX);
	assert_null(msg_find(0));
	assert_null(msg_find(0xffff));
}

static void what_may_come_in(void **state)
{
	static const struct {
		uint16_t number;
		size_t len;
		enum msg_link link;
		enum msg_side sender;
		enum msg_phase phase;
		const char *trouble; /* NULL: admitted */
	} cases[] = {
		{ MSG_CARD_OPEN, 2048, LINK_CARD, SIDE_CLIENT, PH_READY, NULL },
		{ MSG_CARD_OPEN, 2049, LINK_CARD, SIDE_CLIENT, PH_READY, "at most 2048" },
		{ MSG_CARD_OPEN, 0, LINK_CA, SIDE_CLIENT, PH_READY, "this socket" },
		{ MSG_CARD_OPEN, 0, LINK_CARD, SIDE_SERVER, PH_READY, "this side" },
		{ MSG_CARD_OPEN, 0, LINK_CARD, SIDE_CLIENT, PH_HELLO, "now" },
		{ MSG_CARD_OPEN, 0, LINK_CARD, SIDE_CLIENT, PH_OPEN, "now" },
		{ MSG_CARD_SIGN, 0, LINK_CARD, SIDE_CLIENT, PH_READY, "now" },
		{ MSG_CARD_CLOSE, 0, LINK_CARD, SIDE_CLIENT, PH_OPEN, NULL },
		{ MSG_HELLO, 0, LINK_GATEWAY, SIDE_SERVER, PH_HELLO, NULL },
		{ MSG_HELLO, 0, LINK_GATEWAY, SIDE_SERVER, PH_READY, "now" },
		{ MSG_HELLO, 0, LINK_DEVICE, SIDE_CLIENT, PH_HELLO, "this socket" },
		{ MSG_ERROR, 0, LINK_CONTROL, SIDE_CLIENT, PH_HELLO, NULL },
		{ MSG_ERROR, 0, LINK_CONTROL, SIDE_SERVER, PH_OPEN, NULL },
		{ MSG_ERROR, 0, LINK_DEVICE, SIDE_SERVER, PH_READY, "this socket" },
		{ MSG_DEVICE_ERROR, 0, LINK_DEVICE, SIDE_SERVER, PH_READY, NULL },
		{ MSG_DEVICE_PING, 0, LINK_DEVICE, SIDE_SERVER, PH_READY, NULL },
		{ 0x7777, 0, LINK_CARD, SIDE_CLIENT, PH_READY, "0x7777" },
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct msg *msg = NULL;
		AUTO(err)
		struct err *e = msg_admit(cases[i].number, cases[i].len, cases[i].link,
			cases[i].sender, cases[i].phase, &msg);
		assert_int_equal(!e, !cases[i].trouble);
		if (e && (!err_is(e, &ERR_PROTOCOL) || !strstr(err_get_text(e), cases[i].trouble)))
			fail_msg("case %zu: %s", i, err_get_text(e));
		if (!e)
			assert_int_equal(msg->number, cases[i].number);
	}
}

/* --- limits --- */

static const struct msg *the_row(uint16_t number)
{
	const struct msg *msg = msg_find(number);

	if (!msg)
		abort();
	return msg;
}

static uint8_t zeros[65536];

static void fill_sign(Card__Sign *s, Common__Signed *offer, Common__Statement *statement)
{
	*s = (Card__Sign)CARD__SIGN__INIT;
	*offer = (Common__Signed)COMMON__SIGNED__INIT;
	*statement = (Common__Statement)COMMON__STATEMENT__INIT;
	offer->body = pb_lend(BYTES("offer", 5));
	offer->signature = pb_lend(BYTES(zeros, 64));
	statement->statement = pb_lend(BYTES("statement", 9));
	statement->identity_signature = pb_lend(BYTES(zeros, 70));
	s->pin = pb_lend(BYTES("123456", 6));
	s->nonce = pb_lend(BYTES(zeros, 40));
	s->offer = offer;
	s->statement = statement;
}

/* Through bytes and back: what the other side would say. */
static struct err *cross(const ProtobufCMessage *m)
{
	AUTO(buf) struct buf *b = msg_pack_type(m);
	AUTO_MSG ProtobufCMessage *back = NULL;

	return msg_parse_type(m->descriptor, buf_bytes(b), &back);
}

/* Sender and receiver agree. */
static void assert_refused(const ProtobufCMessage *m, const char *part)
{
	assert_err_text(msg_check(m), &ERR_PROTOCOL, part);
	assert_err_text(cross(m), &ERR_PROTOCOL, part);
}

static void assert_taken(const ProtobufCMessage *m)
{
	assert_ok(msg_check(m));
	assert_ok(cross(m));
}

static void bytes_at_the_edge(void **state)
{
	Card__Sign s;
	Common__Signed offer;
	Common__Statement statement;

	fill_sign(&s, &offer, &statement);
	assert_taken(&s.base);
	s.pin = pb_lend(BYTES(NULL, 0)); /* a PIN pad */
	assert_taken(&s.base);
	s.pin = pb_lend(BYTES(zeros, 64));
	assert_taken(&s.base);
	s.pin = pb_lend(BYTES(zeros, 65));
	assert_refused(&s.base, "pin: 65 bytes, at most 64");
	fill_sign(&s, &offer, &statement);
	s.invitation_public = pb_lend(BYTES(zeros, 31));
	assert_refused(&s.base, "card.Sign.invitation_public: 31 bytes, at least 32");
	fill_sign(&s, &offer, &statement);
	offer.signature = pb_lend(BYTES(NULL, 0));
	assert_refused(&s.base, "offer: common.Signed.signature: 0 bytes");
	fill_sign(&s, &offer, &statement);
	statement.statement = pb_lend(BYTES(zeros, 32768));
	assert_taken(&s.base);
	statement.statement = pb_lend(BYTES(zeros, 32769));
	assert_refused(&s.base, "at most 32768");
}

static void a_required_message_must_be_there(void **state)
{
	Card__Sign s;
	Common__Signed offer;
	Common__Statement statement;

	fill_sign(&s, &offer, &statement);
	s.offer = NULL;
	assert_refused(&s.base, "card.Sign.offer is missing");
	fill_sign(&s, &offer, &statement);
	assert_null(s.predecessor); /* not required */
	assert_taken(&s.base);
}

static void lists_at_the_edge(void **state)
{
	Ca__Assess a = CA__ASSESS__INIT;
	ProtobufCBinaryData certs[17];

	for (size_t i = 0; i < ARRAY_LEN(certs); i++)
		certs[i] = pb_lend(BYTES(zeros, 16384));
	a.request_id = pb_lend(BYTES(zeros, 16));
	a.certificates = certs;
	a.n_certificates = 16;
	assert_taken(&a.base);
	a.n_certificates = 17;
	assert_refused(&a.base, "certificates: 17 of them, at most 16");
	a.n_certificates = 16;
	certs[15] = pb_lend(BYTES(zeros, 16385));
	assert_refused(&a.base, "certificates: 16385 bytes");
	certs[15] = pb_lend(BYTES(NULL, 0));
	assert_refused(&a.base, "certificates: 0 bytes");
}

static void enums_are_known_values(void **state)
{
	Ca__Assess a = CA__ASSESS__INIT;
	Common__Purpose purposes[] = { COMMON__PURPOSE__SIGNING, (Common__Purpose)5 };

	a.request_id = pb_lend(BYTES(zeros, 16));
	a.operation = COMMON__OPERATION__ISSUE;
	a.purposes = purposes;
	a.n_purposes = 1;
	assert_taken(&a.base);
	a.n_purposes = 2;
	assert_refused(&a.base, "ca.Assess.purposes: 5 is no value of common.Purpose");
	a.n_purposes = 1;
	a.operation = (Common__Operation)3;
	assert_refused(&a.base, "ca.Assess.operation: 3");
	a.operation = (Common__Operation)-1;
	assert_refused(&a.base, "ca.Assess.operation: -1");
}

static void texts_are_printable(void **state)
{
	static const char *const bad[] = { "\x1b[2J", "a\nb", "\xff", "\xc3", "\xed\xa0\x80",
		"\xe2\x80\xae", "\x7f" };
	Card__Open o = CARD__OPEN__INIT;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		AUTO_MEM char *s = xstrdup(bad[i]);
		o.reader = s;
		assert_refused(&o.base, "card.Open.reader: not printable");
	}
	char good[] = "Gem\xc3\xa4\xc3\x9f 00 00";
	o.reader = good;
	assert_taken(&o.base);
	o.reader = NULL; /* as good as empty for the packer */
	assert_ok(msg_check(&o.base));
}

static void lines_have_line_feeds_and_no_more(void **state)
{
	Control__AuditRow r = CONTROL__AUDIT_ROW__INIT;
	char event[] = "issued", lines[] = "one\n\ttwo\n", escape[] = "one\n\x1b[2J";

	r.event = event;
	r.hash = pb_lend(BYTES(zeros, 32));
	r.text = lines;
	assert_taken(&r.base);
	r.text = escape;
	assert_refused(&r.base, "control.AuditRow.text: not printable");
	r.text = lines;
	r.event = lines;
	assert_refused(&r.base, "control.AuditRow.event: not printable");
}

/* --- parsing and packing --- */

static void unknown_fields_are_ignored(void **state)
{
	AUTO(buf)
	struct buf *b = unhex("0a0178"               /* reader = "x" */
			      "a23f03616263"         /* field 1012, bytes */
			      "a83f7f"               /* field 1013, number */
			      "b13f0102030405060708" /* field 1014, 64 bits */
			      "bd3f01020304");       /* field 1015, 32 bits */
	AUTO_MSG Card__Open *o = NULL;

	assert_ok(msg_parse(the_row(MSG_CARD_OPEN), buf_bytes(b), (ProtobufCMessage **)&o));
	assert_string_equal(o->reader, "x");
	assert_string_equal(o->uri, "");
}

static void too_large_a_body_is_not_parsed(void **state)
{
	AUTO_MSG ProtobufCMessage *m = NULL;

	assert_err(msg_parse(the_row(MSG_CARD_OPEN), BYTES(zeros, 2049), &m), &ERR_PROTOCOL);
	assert_err(msg_parse_type(
			   &card__open__descriptor, BYTES(zeros, (size_t)FRAME_BODY_MAX + 1), &m),
		&ERR_PROTOCOL);
}

static void pack_refuses_what_the_row_has_no_room_for(void **state)
{
	Control__Rows rows = CONTROL__ROWS__INIT;
	Control__CredentialRow row = CONTROL__CREDENTIAL_ROW__INIT, *list[100];
	AUTO(buf) struct buf *b = NULL;
	char id[] = "aa";

	row.id = id;
	row.certificate = pb_lend(BYTES(zeros, 16384));
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		list[i] = &row;
	rows.credentials = list;
	rows.n_credentials = 60;
	assert_ok(msg_pack(the_row(MSG_ROWS), &rows.base, &b));
	buf_free(take(b));
	rows.n_credentials = 100;
	assert_err(msg_pack(the_row(MSG_ROWS), &rows.base, &b), &ERR_LIMIT);
	row.certificate.len = 16385;
	rows.n_credentials = 1;
	assert_err_text(msg_pack(the_row(MSG_ROWS), &rows.base, &b), &ERR_PROTOCOL,
		"ROWS: credentials: control.CredentialRow.certificate");
}

static void a_copy_has_the_same_bytes(void **state)
{
	Card__Sign s;
	Common__Signed offer;
	Common__Statement statement;

	fill_sign(&s, &offer, &statement);
	AUTO_MSG Card__Sign *copy = msg_dup(&s.base);
	AUTO(buf) struct buf *a = msg_pack_type(&s.base);
	AUTO(buf) struct buf *b = msg_pack_type(&copy->base);
	assert_true(bytes_eq(buf_bytes(a), buf_bytes(b)));
	assert_ptr_not_equal(copy->pin.data, s.pin.data);
}

static void all_memory_of_a_message_is_wiped(void **state)
{
	Card__Sign s;
	Common__Signed offer;
	Common__Statement statement;

	fill_sign(&s, &offer, &statement);
	Card__Sign *copy = msg_dup(&s.base);
	n_freed = 0;
	msg_free(copy);
	/* Sign, PIN, nonce, offer with two fields, statement with two. */
	assert_int_equal(n_freed, 9);
	msg_free(NULL);
}

static void a_refused_message_leaves_nothing_behind(void **state)
{
	AUTO(buf) struct buf *b = unhex("0a03616263"); /* pin = "abc", and no more */
	ProtobufCMessage *m = NULL;

	n_freed = 0;
	assert_err(msg_parse_type(&card__sign__descriptor, buf_bytes(b), &m), &ERR_PROTOCOL);
	assert_null(m);
	assert_int_equal(n_freed, 2);
	assert_int_equal(n_pieces, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_is_in_order),
		cmocka_unit_test(what_may_come_in),
		cmocka_unit_test(bytes_at_the_edge),
		cmocka_unit_test(a_required_message_must_be_there),
		cmocka_unit_test(lists_at_the_edge),
		cmocka_unit_test(enums_are_known_values),
		cmocka_unit_test(texts_are_printable),
		cmocka_unit_test(lines_have_line_feeds_and_no_more),
		cmocka_unit_test(unknown_fields_are_ignored),
		cmocka_unit_test(too_large_a_body_is_not_parsed),
		cmocka_unit_test(pack_refuses_what_the_row_has_no_room_for),
		cmocka_unit_test(a_copy_has_the_same_bytes),
		cmocka_unit_test(all_memory_of_a_message_is_wiped),
		cmocka_unit_test(a_refused_message_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("msg", tests, NULL, NULL);
}
