/* options.h: long options of a command, as a table that fills in its variables. */
#ifndef DERIVD_CTL_OPTIONS_H
#define DERIVD_CTL_OPTIONS_H

#include "base/def.h"
#include "base/err.h"

enum option_type {
	OPTION_FLAG,   /* bool *: set */
	OPTION_TEXT,   /* const char **: lent from argv */
	OPTION_NUMBER, /* int64_t *: 0 to 2^31-1 */
	OPTION_LIST,   /* struct option_list *: may be given several times */
};

#define OPTION_LIST_MAX 16
struct option_list {
	size_t n;
	const char *values[OPTION_LIST_MAX];
};

struct option_row {
	const char *name; /* without dashes; NULL ends the table */
	enum option_type type;
	void *target;
};

/*
 * Options "--name value" and "--name=value"; what is left, at most max_rest words and at least min_rest, goes to ret_rest
 * (lent, may be NULL when max_rest is 0). CTL_ERR_USAGE.
 */
MUST_CHECK struct err *options_parse(int argc, char **argv, const struct option_row *rows,
	size_t min_rest, size_t max_rest, const char **ret_rest);

#endif
