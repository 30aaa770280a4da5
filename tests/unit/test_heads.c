/* test_heads.c: pages of audit heads, which derivd carries and must not be able to change, shorten or replay. */
#include "tests/unit/unit.h"

#include "evidence/heads.h"
#include "proto/kind.h"
#include "proto/msg.h"
#include "proto/sig.h"

static EVP_PKEY *receipt_key;
static uint8_t receipt_public[ED25519_PUBLIC_LEN];

static int make_key(void **state)
{
	receipt_key = sig_new_ed25519();
	sig_raw_public(receipt_key, receipt_public);
	return 0;
}

static int drop_key(void **state)
{
	EVP_PKEY_free(receipt_key);
	return 0;
}

static void fill(struct heads_page *page, size_t n)
{
	memset(page, 0, sizeof(*page));
	memset(page->deployment, 1, DEPLOYMENT_ID_LEN);
	memset(page->challenge, 2, HEADS_CHALLENGE_LEN);
	page->after = 7;
	page->next = 900;
	page->time_ms = 1700000000000;
	page->n = n;
	for (size_t i = 0; i < n; i++) {
		page->heads[i].sequence = i + 1;
		memset(page->heads[i].hash, (int)i, SHA256_LEN);
	}
}

static struct err *open_body(
	struct bytes body, EVP_PKEY *by, const struct heads_page *expected, struct heads_page **ret)
{
	AUTO(buf) struct buf *signature = NULL;
	Common__Signed s = COMMON__SIGNED__INIT;

	assert_ok(sig_sign(by, SIG_HEADS, body, &signature));
	s.body = pb_lend(body);
	s.signature = pb_lend(buf_bytes(signature));
	return heads_open(&s, BYTES(receipt_public, sizeof(receipt_public)), expected, ret);
}

static void there_and_back(void **state)
{
	for (size_t n = 0; n <= HEADS_MAX; n += HEADS_MAX / 2) {
		struct heads_page page;
		AUTO_MEM struct heads_page *back = NULL;
		fill(&page, n);
		AUTO(buf) struct buf *body = heads_encode(&page);
		assert_ok(open_body(buf_bytes(body), receipt_key, &page, &back));
		assert_memory_equal(back, &page, sizeof(page));
	}
}

static void another_key(void **state)
{
	AUTO(pkey) EVP_PKEY *own = sig_new_ed25519();
	AUTO_MEM struct heads_page *back = NULL;
	struct heads_page page;

	fill(&page, 3);
	AUTO(buf) struct buf *body = heads_encode(&page);
	assert_err(open_body(buf_bytes(body), own, &page, &back), &ERR_SIGNATURE_BAD);
}

static void answers_to_other_questions(void **state)
{
	AUTO_MEM struct heads_page *back = NULL;
	struct heads_page page, expected;

	fill(&page, 3);
	AUTO(buf) struct buf *body = heads_encode(&page);
	expected = page;
	expected.challenge[31] ^= 1;
	assert_err(open_body(buf_bytes(body), receipt_key, &expected, &back), &ERR_AUDIT_BAD);
	expected = page;
	expected.after = 6;
	assert_err(open_body(buf_bytes(body), receipt_key, &expected, &back), &ERR_AUDIT_BAD);
	expected = page;
	expected.deployment[0] ^= 1;
	assert_err(open_body(buf_bytes(body), receipt_key, &expected, &back), &ERR_AUDIT_BAD);
	assert_null(back);
}

static void what_does_not_parse(void **state)
{
	struct heads_page page;

	fill(&page, 3);
	AUTO(buf) struct buf *body = heads_encode(&page);
	for (size_t len = 0; len < buf_len(body); len++) {
		AUTO_MEM struct heads_page *back = NULL;
		assert_err(open_body(BYTES(buf_data(body), len), receipt_key, &page, &back),
			&ERR_FORMAT);
	}
	AUTO_MEM struct heads_page *back = NULL;
	buf_add_u8(body, 0);
	assert_err(open_body(buf_bytes(body), receipt_key, &page, &back), &ERR_FORMAT);
}

/* A list with one more than there may be, rightly signed. */
static void too_many(void **state)
{
	AUTO_MEM struct heads_page *back = NULL;
	AUTO(buf) struct buf *body = buf_new();
	struct heads_page page;

	fill(&page, HEADS_MAX);
	AUTO(buf) struct buf *full = heads_encode(&page);
	size_t list = HEADS_MAX * 44, at = buf_len(full) - list - 4;
	buf_add(body, buf_data(full), at);
	buf_add_u32(body, (uint32_t)(list + 44));
	buf_add(body, buf_data(full) + at + 4, list);
	buf_add(body, buf_data(full) + buf_len(full) - 44, 44);
	assert_err(open_body(buf_bytes(body), receipt_key, &page, &back), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(another_key),
		cmocka_unit_test(answers_to_other_questions),
		cmocka_unit_test(what_does_not_parse),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests_name("heads", tests, make_key, drop_key);
}
