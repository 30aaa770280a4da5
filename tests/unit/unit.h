/* unit.h: what every unit test includes first: cmocka with what it needs before it. */
#ifndef DERIVD_TESTS_UNIT_UNIT_H
#define DERIVD_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"

/* cmocka hands a state to each test; ours need none. */
#pragma GCC diagnostic ignored "-Wunused-parameter"

/* Fails with the error's text, which the bare pointer would not show. */
#define assert_ok(expression)                                                                      \
	do {                                                                                       \
		struct err *ok_ = (expression);                                                    \
		if (ok_)                                                                           \
			fail_msg("%s: %s", err_get_kind(ok_)->name, err_get_text(ok_));            \
	} while (0)

/* The expression must fail with this kind. */
#define assert_err(expression, expected_kind)                                                      \
	do {                                                                                       \
		struct err *err_ = (expression);                                                   \
		if (!err_)                                                                         \
			fail_msg("%s succeeded", #expression);                                     \
		if (!err_is(err_, (expected_kind)))                                                \
			fail_msg("%s: %s", err_get_kind(err_)->name, err_get_text(err_));          \
		err_free(err_);                                                                    \
	} while (0)

/* The same, and the error's text contains part. */
#define assert_err_text(expression, expected_kind, part)                                           \
	do {                                                                                       \
		struct err *err_ = (expression);                                                   \
		if (!err_)                                                                         \
			fail_msg("%s succeeded", #expression);                                     \
		if (!err_is(err_, (expected_kind)) || !strstr(err_get_text(err_), (part)))         \
			fail_msg("%s: %s", err_get_kind(err_)->name, err_get_text(err_));          \
		err_free(err_);                                                                    \
	} while (0)

/* Ends a test that cannot run here, and says why. */
#define unit_skip(reason)                                                                          \
	do {                                                                                       \
		print_message("# %s\n", (reason));                                                 \
		skip();                                                                            \
	} while (0)

#endif
