/* test_payload.c: pin sets and app configurations in items: what is written is read, anything else is refused. */
#include "tests/unit/unit.h"

#include "base/io.h"
#include "base/text.h"
#include "evidence/payload.h"
#include "evidence/pinset.h"
#include "proto/kind.h"

static struct pinset sample(size_t n)
{
	struct pinset p = { .epoch = 3, .until_ms = 1800000000000, .n_pins = n };

	for (size_t i = 0; i < n; i++)
		memset(p.pins[i], (int)(7 + i), SHA256_LEN);
	for (size_t i = 0; i < DEPLOYMENT_ID_LEN; i++)
		p.deployment[i] = (uint8_t)i;
	return p;
}

static void pin_sets_are_read_as_they_were_written(void **state)
{
	for (size_t n = 1; n <= PINS_MAX; n++) {
		const struct pinset p = sample(n);
		AUTO(buf) struct buf *b = pinset_encode(&p);
		struct pinset got;
		assert_ok(pinset_decode(buf_bytes(b), &got));
		assert_int_equal(got.epoch, 3);
		assert_int_equal(got.until_ms, 1800000000000);
		assert_int_equal(got.n_pins, n);
		assert_memory_equal(got.pins, p.pins, n * SHA256_LEN);
		assert_memory_equal(got.deployment, p.deployment, DEPLOYMENT_ID_LEN);
		assert_true(pinset_has(&got, p.pins[n - 1]));
		memset(got.pins[0], 99, SHA256_LEN);
		assert_false(pinset_has(&got, p.pins[0]));
	}
}

static void pin_sets_of_another_form_are_refused(void **state)
{
	struct pinset p = sample(PINS_MAX), got;
	AUTO(buf) struct buf *b = pinset_encode(&p);

	for (size_t len = 0; len < buf_len(b); len++)
		assert_err(pinset_decode(BYTES(buf_data(b), len), &got), &ERR_FORMAT);
	buf_add_u8(b, 0);
	assert_err(pinset_decode(buf_bytes(b), &got), &ERR_FORMAT);
	p.n_pins = 0;
	AUTO(buf) struct buf *none = pinset_encode(&p);
	assert_err_text(pinset_decode(buf_bytes(none), &got), &ERR_FORMAT, "pins");
	p = sample(2);
	memcpy(p.pins[1], p.pins[0], SHA256_LEN);
	AUTO(buf) struct buf *twice = pinset_encode(&p);
	assert_err_text(pinset_decode(buf_bytes(twice), &got), &ERR_FORMAT, "twice");
}

struct signer {
	EVP_PKEY *key;
	uint8_t public[ED25519_PUBLIC_LEN], hash[SHA256_LEN];
};

static struct signer signer(uint8_t seed)
{
	struct signer s = { .key = NULL };
	uint8_t bytes[ED25519_SEED_LEN];

	memset(bytes, seed, sizeof(bytes));
	assert_ok(sig_from_seed(BYTES(bytes, sizeof(bytes)), &s.key));
	sig_raw_public(s.key, s.public);
	sha256(BYTES(s.public, sizeof(s.public)), s.hash);
	return s;
}

static char *signed_text(const struct signer *s, const char *label, const struct pinset *p)
{
	AUTO(buf) struct buf *body = pinset_encode(p);
	AUTO(buf) struct buf *signature = NULL;

	assert_ok(sig_sign(s->key, label, buf_bytes(body), &signature));
	return pinset_text(buf_bytes(body), s->public, buf_bytes(signature));
}

/* Whoever hands a pin set over, only the delivery key of the QR code makes it one. */
static void only_the_delivery_key_makes_a_pin_set(void **state)
{
	struct signer ours = signer(1), theirs = signer(2);
	const struct pinset p = sample(2);
	AUTO_MEM char *good = signed_text(&ours, SIG_PINS, &p);
	AUTO_MEM char *foreign = signed_text(&theirs, SIG_PINS, &p);
	AUTO_MEM char *item = signed_text(&ours, SIG_ITEM, &p);
	struct pinset got;

	assert_ok(pinset_open(good, ours.hash, &got));
	assert_int_equal(got.epoch, 3);
	assert_true(strlen(good) <= PINSET_TEXT_MAX);
	assert_err(pinset_open(foreign, ours.hash, &got), &ERR_SIGNATURE_BAD);
	assert_err(pinset_open(item, ours.hash, &got), &ERR_SIGNATURE_BAD);
	/* Our key's name over their signature. */
	memcpy(theirs.public, ours.public, sizeof(ours.public));
	AUTO_MEM char *borrowed = signed_text(&theirs, SIG_PINS, &p);
	assert_err(pinset_open(borrowed, ours.hash, &got), &ERR_SIGNATURE_BAD);
	for (size_t i = 0; i < strlen(good); i++) {
		AUTO_MEM char *bad = xstrdup(good);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		struct err *e = pinset_open(bad, ours.hash, &got);
		assert_non_null(e);
		err_free(e);
		bad[i] = 0;
		e = pinset_open(bad, ours.hash, &got);
		assert_non_null(e);
		err_free(e);
	}
	AUTO_MEM char *more = xasprintf("%s&x=", good);
	assert_err(pinset_open(more, ours.hash, &got), &ERR_FORMAT);
	EVP_PKEY_free(ours.key);
	EVP_PKEY_free(theirs.key);
}

static char mail[] = "mail", work[] = "work-2", json[] = "application/json";

static void apps_are_read_as_they_were_written(void **state)
{
	const struct payload_app apps[] = {
		{ .name = mail, .type = json, .text = BYTES("{}", 2) },
		{ .name = work, .type = json, .text = BYTES(NULL, 0) },
	};
	AUTO(buf) struct buf *b = payload_apps_encode(apps, 2);
	AUTO(payload_apps) struct payload_apps *got = NULL;

	assert_ok(payload_apps_decode(buf_bytes(b), &got));
	assert_int_equal(got->n, 2);
	assert_string_equal(got->apps[0].name, "mail");
	assert_true(bytes_eq(got->apps[0].text, apps[0].text));
	assert_string_equal(got->apps[1].type, "application/json");
	for (size_t len = 1; len < buf_len(b); len++) {
		AUTO(payload_apps) struct payload_apps *cut = NULL;
		struct err *e = payload_apps_decode(BYTES(buf_data(b), len), &cut);
		/* A cut between two apps leaves a whole list. */
		assert_true(e || cut->n == 1);
		err_free(e);
	}
}

static void apps_with_bad_names_or_out_of_order_are_refused(void **state)
{
	static char bad[][8] = { "", "../x", "Mail", "1st", "a/b", "a.b" };
	AUTO(payload_apps) struct payload_apps *got = NULL;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		const struct payload_app app = { .name = bad[i], .type = json };
		AUTO(buf) struct buf *b = payload_apps_encode(&app, 1);
		assert_err(payload_apps_decode(buf_bytes(b), &got), &ERR_FORMAT);
	}
	const struct payload_app twice[] = { { .name = mail, .type = json },
		{ .name = mail, .type = json } };
	AUTO(buf) struct buf *b = payload_apps_encode(twice, 2);
	assert_err(payload_apps_decode(buf_bytes(b), &got), &ERR_FORMAT);
	const struct payload_app binary = { .name = mail, .type = json, .text = BYTES("\xff", 1) };
	AUTO(buf) struct buf *c = payload_apps_encode(&binary, 1);
	assert_err_text(payload_apps_decode(buf_bytes(c), &got), &ERR_FORMAT, "UTF-8");
}

/* The hexadecimal lines behind "    payload NAME" in PROTOCOL.device. */
static struct buf *example(const char *name)
{
	AUTO_MEM char *path = xasprintf("%s/proto/PROTOCOL.device", getenv("abs_top_srcdir"));
	AUTO_MEM char *head = xasprintf("    payload %s\n", name);
	AUTO(buf) struct buf *file = NULL;
	AUTO(buf) struct buf *digits = buf_new();
	struct buf *bytes = NULL;

	assert_ok(io_read_file(path, 1024 * 1024, &file));
	const char *at = strstr(buf_str(file), head);
	assert_non_null(at);
	at += strlen(head);
	for (; text_starts(at, "        "); at += strcspn(at, "\n") + 1) {
		for (size_t i = 0; i < strcspn(at, "\n"); i++) {
			if (at[i] != ' ')
				buf_add_u8(digits, (uint8_t)at[i]);
		}
	}
	assert_ok(text_unhex(buf_str(digits), &bytes));
	return bytes;
}

static void the_documents_examples_are_ours(void **state)
{
	const struct payload_app app = { .name = mail, .type = json, .text = BYTES("{}", 2) };
	const struct pinset p = sample(1);

	AUTO(buf) struct buf *pins = pinset_encode(&p);
	AUTO(buf) struct buf *apps = payload_apps_encode(&app, 1);
	AUTO(buf) struct buf *said_pins = example("pins");
	AUTO(buf) struct buf *said_apps = example("apps");
	assert_true(bytes_eq(buf_bytes(pins), buf_bytes(said_pins)));
	assert_true(bytes_eq(buf_bytes(apps), buf_bytes(said_apps)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pin_sets_are_read_as_they_were_written),
		cmocka_unit_test(pin_sets_of_another_form_are_refused),
		cmocka_unit_test(only_the_delivery_key_makes_a_pin_set),
		cmocka_unit_test(apps_are_read_as_they_were_written),
		cmocka_unit_test(the_documents_examples_are_ours),
		cmocka_unit_test(apps_with_bad_names_or_out_of_order_are_refused),
	};

	return cmocka_run_group_tests_name("payload", tests, NULL, NULL);
}
