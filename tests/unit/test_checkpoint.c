/* test_checkpoint.c: checkpoints, which are kept for years by somebody else, and may come back changed. */
#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/io.h"
#include "evidence/checkpoint.h"
#include "proto/deployment.h"
#include "proto/kind.h"
#include "proto/msg.h"
#include "proto/sig.h"

static EVP_PKEY *receipt_key;
static struct deployment deployment;
static struct checkpoint made;
static char *path;

static int setup(void **state)
{
	receipt_key = sig_new_ed25519();
	sig_raw_public(receipt_key, deployment.receipt_public);
	memset(deployment.id, 1, DEPLOYMENT_ID_LEN);
	memset(made.deployment, 1, DEPLOYMENT_ID_LEN);
	memset(made.challenge, 2, CHECKPOINT_CHALLENGE_LEN);
	made.time_ms = 1700000000000;
	made.audit_rows = 12345;
	memset(made.audit_head, 3, SHA256_LEN);
	made.log_rows = 678;
	memset(made.log_head, 4, SHA256_LEN);
	path = xasprintf("/tmp/derivd-unit-%d.checkpoint", (int)getpid());
	return 0;
}

static int teardown(void **state)
{
	EVP_PKEY_free(receipt_key);
	unlink(path);
	free(path);
	return 0;
}

static struct err *open_body(
	struct bytes body, EVP_PKEY *by, const char *label, struct checkpoint *ret)
{
	AUTO(buf) struct buf *signature = NULL;
	Common__Signed s = COMMON__SIGNED__INIT;

	assert_ok(sig_sign(by, label, body, &signature));
	s.body = pb_lend(body);
	s.signature = pb_lend(buf_bytes(signature));
	return checkpoint_open(&s, BYTES(deployment.receipt_public, ED25519_PUBLIC_LEN), ret);
}

/* Into the file, with the signature of that key. */
static void keep(const struct checkpoint *c, EVP_PKEY *by)
{
	AUTO(buf) struct buf *body = checkpoint_encode(c);
	AUTO(buf) struct buf *signature = NULL;
	Common__Signed s = COMMON__SIGNED__INIT;

	assert_ok(sig_sign(by, SIG_CHECKPOINT, buf_bytes(body), &signature));
	s.body = pb_lend(buf_bytes(body));
	s.signature = pb_lend(buf_bytes(signature));
	AUTO(buf) struct buf *text = checkpoint_text(&s, c);
	assert_ok(io_write_file(path, buf_bytes(text), 0600));
}

static void there_and_back(void **state)
{
	AUTO(buf) struct buf *body = checkpoint_encode(&made);
	struct checkpoint back = { .time_ms = 0 };

	assert_ok(open_body(buf_bytes(body), receipt_key, SIG_CHECKPOINT, &back));
	assert_int_equal(back.log_rows, 678);
	memset(&back, 0, sizeof(back));
	keep(&made, receipt_key);
	assert_ok(checkpoint_load(path, &deployment, &back));
	assert_int_equal(back.audit_rows, 12345);
	assert_memory_equal(back.log_head, made.log_head, SHA256_LEN);
}

static void of_somebody_else(void **state)
{
	AUTO(pkey) EVP_PKEY *own = sig_new_ed25519();
	struct checkpoint other = made, back;
	AUTO(buf) struct buf *body = checkpoint_encode(&made);

	assert_err(open_body(buf_bytes(body), own, SIG_CHECKPOINT, &back), &ERR_SIGNATURE_BAD);
	/* A page of heads is no checkpoint. */
	assert_err(open_body(buf_bytes(body), receipt_key, SIG_HEADS, &back), &ERR_SIGNATURE_BAD);
	keep(&made, own);
	assert_err(checkpoint_load(path, &deployment, &back), &ERR_SIGNATURE_BAD);
	other.deployment[0] = 9;
	keep(&other, receipt_key);
	assert_err_text(checkpoint_load(path, &deployment, &back), &ERR_SIGNATURE_BAD,
		"another deployment");
}

static void what_does_not_parse(void **state)
{
	static const char *const files[] = { "", "body = \"00\"\n", "signature = \"00\"\n",
		"body = \"xy\"\nsignature = \"00\"\n", "body = \"00\"\nsignature = \"00\"\n" };
	AUTO(buf) struct buf *body = checkpoint_encode(&made);
	struct checkpoint back;

	for (size_t len = 0; len < buf_len(body); len++)
		assert_err(
			open_body(BYTES(buf_data(body), len), receipt_key, SIG_CHECKPOINT, &back),
			&ERR_FORMAT);
	buf_add_u8(body, 0);
	assert_err(open_body(buf_bytes(body), receipt_key, SIG_CHECKPOINT, &back), &ERR_FORMAT);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		assert_ok(io_write_file(path, BYTES(files[i], strlen(files[i])), 0600));
		struct err *e = checkpoint_load(path, &deployment, &back);
		assert_non_null(e);
		err_free(e);
	}
	unlink(path);
	assert_err(checkpoint_load(path, &deployment, &back), &ERR_NOTFOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(of_somebody_else),
		cmocka_unit_test(what_does_not_parse),
	};

	return cmocka_run_group_tests_name("checkpoint", tests, setup, teardown);
}
