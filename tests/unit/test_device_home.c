/* test_device_home.c: the state directory: whose it is, one writer, files that are what their names say, nothing left over. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "client/device/fault.h"
#include "client/device/make.h"
#include "proto/kind.h"

static char base[] = "/tmp/derivd-unit-home.XXXXXX";
static char dir[64];

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static int setup(void **state)
{
	nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return 0;
}

static size_t count_files(const char *folder)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, folder);
	DIR *d = opendir(path);
	const struct dirent *e;
	size_t n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void one_writer_at_a_time_and_any_number_of_readers(void **state)
{
	AUTO(home) struct home *h = NULL;
	AUTO(home) struct home *reader = NULL;
	AUTO(home) struct home *other = NULL;

	assert_err(home_open(dir, false, &reader), &ERR_NOTFOUND);
	assert_ok(home_open(dir, true, &h));
	assert_ok(home_open(dir, false, &reader));
	assert_err_text(home_open(dir, true, &other), &ERR_BUSY, "another program");
	home_free(take(h));
	assert_ok(home_open(dir, true, &h));
}

static void others_may_not_read_it(void **state)
{
	AUTO(home) struct home *h = NULL;
	struct stat st;

	assert_ok(home_open(dir, true, &h));
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	home_free(take(h));
	assert_int_equal(chmod(dir, 0750), 0);
	assert_err_text(home_open(dir, true, &h), &ERR_HOME, "chmod 700");
	assert_err(home_open(dir, false, &h), &ERR_HOME);
}

static void keys_and_objects_come_back_and_damage_is_seen(void **state)
{
	AUTO(home) struct home *h = NULL;
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(pkey) EVP_PKEY *got = NULL;
	AUTO(buf) struct buf *object = NULL;
	uint8_t hash[SHA256_LEN], object_hash[SHA256_LEN];

	assert_ok(home_open(dir, true, &h));
	assert_ok(home_put_key(h, key, hash));
	assert_ok(home_get_key(h, hash, &got));
	assert_int_equal(EVP_PKEY_eq(key, got), 1);
	assert_ok(home_put_object(h, BYTES("abc", 3), object_hash));
	assert_ok(home_get_object(h, object_hash, &object));
	assert_string_equal(buf_str(object), "abc");

	AUTO_MEM char *hex = text_hex(BYTES(object_hash, SHA256_LEN));
	AUTO_MEM char *path = xasprintf("%s/objects/%s", dir, hex);
	assert_ok(io_write_file(path, BYTES("abd", 3), 0600));
	buf_free(take(object));
	assert_err(home_get_object(h, object_hash, &object), &ERR_HOME_DAMAGED);

	AUTO_MEM char *key_hex = text_hex(BYTES(hash, SHA256_LEN));
	AUTO_MEM char *key_path = xasprintf("%s/keys/%s", dir, key_hex);
	assert_ok(io_write_file(key_path, BYTES("nonsense", 8), 0600));
	EVP_PKEY_free(take(got));
	assert_err(home_get_key(h, hash, &got), &ERR_HOME_DAMAGED);
	assert_int_equal(unlink(key_path), 0);
	assert_err(home_get_key(h, hash, &got), &ERR_HOME_DAMAGED);
}

static void sweeping_leaves_what_the_state_names(void **state)
{
	AUTO(home) struct home *h = NULL;
	AUTO(state) struct state *s = state_new();
	AUTO(pkey) EVP_PKEY *stray = sig_new_p256();
	uint8_t hash[SHA256_LEN];

	assert_ok(home_open(dir, true, &h));
	assert_ok(make_identity(h, s));
	assert_ok(home_put_key(h, stray, hash));
	assert_ok(home_put_object(h, BYTES("stray", 5), hash));
	/* What an interrupted write leaves. */
	AUTO_MEM char *half = xasprintf("%s/state.AbCdEf", dir);
	assert_ok(io_write_file(half, BYTES("secret", 6), 0600));
	AUTO_MEM char *hex = text_hex(BYTES(s->identity_key, SHA256_LEN));
	AUTO_MEM char *half_key = xasprintf("%s/keys/%s.AbCdEf", dir, hex);
	assert_ok(io_write_file(half_key, BYTES("secret", 6), 0600));

	assert_ok(home_sweep(h, s));
	assert_int_equal(count_files("keys"), 2);
	assert_int_equal(count_files("objects"), 2);
	assert_int_equal(count_files(""), 3); /* lock, keys, objects */
	AUTO(pkey) EVP_PKEY *identity = NULL;
	assert_ok(home_get_key(h, s->identity_key, &identity));
}

static void no_state_is_no_error_and_a_damaged_one_is(void **state)
{
	AUTO(home) struct home *h = NULL;
	AUTO(state) struct state *s = NULL;
	AUTO_MEM char *path = xasprintf("%s/state", dir);

	assert_ok(home_open(dir, true, &h));
	assert_ok(home_load(h, &s));
	assert_null(s);
	assert_ok(io_write_file(path, BYTES("x", 1), 0600));
	assert_err_text(home_load(h, &s), &ERR_HOME_DAMAGED, path);
}

static int group_setup(void **state)
{
	assert_non_null(mkdtemp(base));
	snprintf(dir, sizeof(dir), "%s/home", base);
	return 0;
}

static int group_teardown(void **state)
{
	setup(state);
	return rmdir(base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(one_writer_at_a_time_and_any_number_of_readers, setup),
		cmocka_unit_test_setup(others_may_not_read_it, setup),
		cmocka_unit_test_setup(keys_and_objects_come_back_and_damage_is_seen, setup),
		cmocka_unit_test_setup(sweeping_leaves_what_the_state_names, setup),
		cmocka_unit_test_setup(no_state_is_no_error_and_a_damaged_one_is, setup),
	};

	return cmocka_run_group_tests_name("device home", tests, group_setup, group_teardown);
}
