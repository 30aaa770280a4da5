/* test_secret.c: what the kernel says about a secret's pages, and what happens at its edges. */
#include "tests/unit/unit.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/secret.h"

/* Runs in a child and tells how it ended: the exit status, or minus the signal. */
static int run_in_child(void (*run)(struct secret *s), struct secret *s)
{
	const struct rlimit none = { 0, 0 };
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &none);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		close(STDERR_FILENO);
		run(s);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void content_and_capacity(void **state)
{
	AUTO(secret) struct secret *s = secret_new(8);

	assert_int_equal(secret_capacity(s), 8);
	assert_int_equal(secret_bytes(s).len, 0);
	assert_ok(secret_add(s, BYTES("1234", 4)));
	assert_ok(secret_add(s, BYTES("5678", 4)));
	assert_true(bytes_eq(secret_bytes(s), BYTES("12345678", 8)));
	assert_err(secret_add(s, BYTES("9", 1)), &ERR_LIMIT);
	assert_true(bytes_eq(secret_bytes(s), BYTES("12345678", 8)));
	assert_err(secret_add(s, BYTES("", SIZE_MAX)), &ERR_LIMIT);
	assert_ok(secret_add(s, BYTES(NULL, 0)));
}

static void the_room_is_filled_in_place(void **state)
{
	AUTO(secret) struct secret *s = secret_new(4);

	memcpy(secret_room(s), "abcd", 4);
	secret_set_len(s, 2);
	assert_true(bytes_eq(secret_bytes(s), BYTES("ab", 2)));
}

static void clear_wipes_the_capacity_not_the_length(void **state)
{
	AUTO(secret) struct secret *s = secret_new(16);

	memset(secret_room(s), 0xaa, 16);
	secret_set_len(s, 1);
	secret_clear(s);
	assert_int_equal(secret_bytes(s).len, 0);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(secret_room(s)[i], 0);
}

static void a_copy_is_independent(void **state)
{
	char source[] = "1234";
	AUTO(secret) struct secret *s = secret_dup(BYTES(source, 4));
	AUTO(secret) struct secret *empty = secret_dup(BYTES(NULL, 0));

	wipe(source, sizeof(source));
	assert_int_equal(source[0], 0);
	assert_true(bytes_eq(secret_bytes(s), BYTES("1234", 4)));
	assert_int_equal(secret_capacity(empty), 0);
	secret_clear(empty);
}

static void sizes_around_a_page(void **state)
{
	static const size_t sizes[] = { 0, 1, 4095, 4096, 4097, 65536 };

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		AUTO(secret) struct secret *s = secret_new(sizes[i]);
		memset(secret_room(s), 0xff, sizes[i]);
		secret_set_len(s, sizes[i]);
		assert_int_equal(secret_bytes(s).len, sizes[i]);
	}
}

static void overrun(struct secret *s)
{
	volatile uint8_t *past = secret_room(s) + secret_capacity(s);

	*past = 1;
}

static void one_byte_too_many_is_a_fault(void **state)
{
	AUTO(secret) struct secret *s = secret_new(10);

	/* A sanitizer reports the fault and exits itself. */
	assert_int_not_equal(run_in_child(overrun, s), 0);
}

static void too_long(struct secret *s)
{
	secret_set_len(s, secret_capacity(s) + 1);
}

static void a_length_past_the_capacity_is_our_bug(void **state)
{
	AUTO(secret) struct secret *s = secret_new(10);

	assert_int_equal(run_in_child(too_long, s), -SIGABRT);
}

static void look(struct secret *s)
{
	for (size_t i = 0; i < secret_capacity(s); i++) {
		if (secret_room(s)[i])
			_exit(1);
	}
	_exit(42);
}

static void a_child_of_fork_sees_zeros(void **state)
{
	AUTO(secret) struct secret *s = secret_dup(BYTES("12345678", 8));

	assert_int_equal(run_in_child(look, s), 42);
	assert_true(bytes_eq(secret_bytes(s), BYTES("12345678", 8)));
}

/* The VmFlags line of the mapping that holds this address. */
static void read_flags(const void *address, char *ret_flags, size_t size)
{
	FILE *maps = fopen("/proc/self/smaps", "re");
	char line[200];
	bool here = false;

	assert_non_null(maps);
	ret_flags[0] = 0;
	while (fgets(line, sizeof(line), maps)) {
		uintptr_t start, end;
		if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &start, &end) == 2)
			here = (uintptr_t)address >= start && (uintptr_t)address < end;
		if (here && strncmp(line, "VmFlags:", 8) == 0)
			snprintf(ret_flags, size, "%s ", line + 8);
	}
	fclose(maps);
}

static void the_kernel_was_told(void **state)
{
	AUTO(secret) struct secret *s = secret_new(8);
	char flags[256];

	read_flags(secret_room(s), flags, sizeof(flags));
	assert_non_null(strstr(flags, " dd ")); /* not in core dumps */
	assert_non_null(strstr(flags, " wf ")); /* wiped on fork */
#ifndef DERIVD_SANITIZED
	assert_non_null(strstr(flags, " lo ")); /* locked; sanitizers ignore mlock */
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_and_capacity),
		cmocka_unit_test(the_room_is_filled_in_place),
		cmocka_unit_test(clear_wipes_the_capacity_not_the_length),
		cmocka_unit_test(a_copy_is_independent),
		cmocka_unit_test(sizes_around_a_page),
		cmocka_unit_test(one_byte_too_many_is_a_fault),
		cmocka_unit_test(a_length_past_the_capacity_is_our_bug),
		cmocka_unit_test(a_child_of_fork_sees_zeros),
		cmocka_unit_test(the_kernel_was_told),
	};

	return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
