/* test_ctl_audit.c: the audit chain recomputed: rows changed, lost, moved, and a head that derivd-ca saw of another chain. */
#include "tests/unit/unit.h"

#include "client/ctl/audit.c"

#define ROWS 300

/* A good chain, to be spoiled. */
static const struct lost none;

static struct {
	Control__AuditRow row[ROWS];
	char body[ROWS][16];
	uint8_t hash[ROWS][SHA256_LEN];
} made;

static void make_row(size_t i)
{
	const uint8_t zeros[SHA256_LEN] = { 0 };
	const struct bytes parts[] = { BYTES(i == 0 ? zeros : made.hash[i - 1], SHA256_LEN),
		BYTES(made.body[i], strlen(made.body[i])) };
	Control__AuditRow *row = &made.row[i];

	control__audit_row__init(row);
	sha256_labelled(SIG_AUDIT, parts, ARRAY_LEN(parts), made.hash[i]);
	row->sequence = i + 1;
	row->body = pb_lend(parts[1]);
	row->hash = pb_lend(BYTES(made.hash[i], SHA256_LEN));
}

static int make(void **state)
{
	for (size_t i = 0; i < ROWS; i++) {
		(void)snprintf(made.body[i], sizeof(made.body[i]), "row %zu", i);
		make_row(i);
	}
	return 0;
}

/* Rows from and to, end not included. */
static struct err *check_rows(struct chain *chain, size_t from, size_t end)
{
	for (size_t i = from; i < end; i++)
		TRY(check_row(chain, &made.row[i]));
	return NULL;
}

static void a_good_chain(void **state)
{
	struct chain chain = { 0 };
	struct heads heads = { 0 };

	assert_ok(check_rows(&chain, 0, ROWS));
	assert_int_equal(chain.n, ROWS);
	for (size_t i = 0; i < ROWS; i += 2)
		add_head(&heads, i + 1, made.hash[i]);
	add_head(&heads, 0, made.hash[0]); /* before the first row */
	assert_int_equal(heads.n, ROWS / 2);
	assert_ok(check_heads(&heads, &chain, &none));
	free(chain.hashes);
	free(heads.list);
}

static void a_changed_row(void **state)
{
	struct chain chain = { 0 };

	made.body[123][0] = 'R';
	assert_err_text(check_rows(&chain, 0, ROWS), &ERR_AUDIT_BAD, "row 124 was changed");
	free(chain.hashes);
}

/* Whoever changes a row and its hash has to change all that follow. */
static void a_changed_row_with_its_hash(void **state)
{
	struct chain chain = { 0 };

	made.body[123][0] = 'R';
	make_row(123);
	assert_err_text(check_rows(&chain, 0, ROWS), &ERR_AUDIT_BAD, "row 125 was changed");
	free(chain.hashes);
}

static void rows_that_are_missing(void **state)
{
	struct chain chain = { 0 };

	assert_err_text(
		check_rows(&chain, 1, ROWS), &ERR_AUDIT_BAD, "row 1 is missing: the next one is 2");
	assert_ok(check_rows(&chain, 0, 50));
	assert_err_text(check_rows(&chain, 51, ROWS), &ERR_AUDIT_BAD, "row 51 is missing");
	/* Renumbered, it does not follow. */
	made.row[51].sequence = 51;
	assert_err_text(check_row(&chain, &made.row[51]), &ERR_AUDIT_BAD, "row 51 was changed");
	free(chain.hashes);
}

static void a_row_twice(void **state)
{
	struct chain chain = { 0 };

	assert_ok(check_rows(&chain, 0, 10));
	assert_err_text(check_row(&chain, &made.row[9]), &ERR_AUDIT_BAD, "row 11 is missing");
	free(chain.hashes);
}

static void a_hash_of_another_length(void **state)
{
	struct chain chain = { 0 };

	made.row[0].hash.len = 31;
	assert_err(check_row(&chain, &made.row[0]), &ERR_AUDIT_BAD);
	free(chain.hashes);
}

static void a_chain_that_was_cut(void **state)
{
	struct chain chain = { 0 };
	struct heads heads = { 0 };

	assert_ok(check_rows(&chain, 0, 40));
	add_head(&heads, 10, made.hash[9]);
	assert_ok(check_heads(&heads, &chain, &none));
	add_head(&heads, 41, made.hash[40]);
	assert_err_text(check_heads(&heads, &chain, &none), &ERR_AUDIT_BAD, "ends at 40: rows were lost");
	free(chain.hashes);
	free(heads.list);
}

/* All rows made anew from the change on: only derivd-ca knows. */
static void a_chain_that_was_rewritten(void **state)
{
	uint8_t seen[SHA256_LEN];
	struct chain chain = { 0 };
	struct heads heads = { 0 };

	memcpy(seen, made.hash[200], SHA256_LEN);
	add_head(&heads, 100, made.hash[99]);
	made.body[123][0] = 'R';
	for (size_t i = 123; i < ROWS; i++)
		make_row(i);
	assert_ok(check_rows(&chain, 0, ROWS));
	assert_ok(check_heads(&heads, &chain, &none));
	add_head(&heads, 201, seen);
	assert_err_text(check_heads(&heads, &chain, &none), &ERR_AUDIT_BAD,
		"row 201 is not the one that derivd-ca has seen");
	free(chain.hashes);
	free(heads.list);
}

#define FROM_GOOD(test) cmocka_unit_test_setup(test, make)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FROM_GOOD(a_good_chain),
		FROM_GOOD(a_changed_row),
		FROM_GOOD(a_changed_row_with_its_hash),
		FROM_GOOD(rows_that_are_missing),
		FROM_GOOD(a_row_twice),
		FROM_GOOD(a_hash_of_another_length),
		FROM_GOOD(a_chain_that_was_cut),
		FROM_GOOD(a_chain_that_was_rewritten),
	};

	return cmocka_run_group_tests_name("ctl_audit", tests, NULL, NULL);
}
