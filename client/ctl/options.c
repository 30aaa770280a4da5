/* options.c: see options.h. */
#include "client/ctl/options.h"

#include <string.h>

#include "base/text.h"
#include "client/ctl/ctl.h"

static const struct option_row *find(const struct option_row *rows, const char *name, size_t len)
{
	for (; rows->name; rows++)
		if (strlen(rows->name) == len && memcmp(rows->name, name, len) == 0)
			return rows;
	return NULL;
}

static struct err *set(const struct option_row *row, const char *value)
{
	struct option_list *list = row->target;
	uint64_t number;

	switch (row->type) {
	case OPTION_FLAG:
		*(bool *)row->target = true;
		return NULL;
	case OPTION_TEXT:
		*(const char **)row->target = value;
		return NULL;
	case OPTION_NUMBER:
		TRY(err_as(&CTL_ERR_USAGE, text_parse_u64(value, INT32_MAX, &number), "--%s",
			row->name));
		*(int64_t *)row->target = (int64_t)number;
		return NULL;
	case OPTION_LIST:
		if (list->n == OPTION_LIST_MAX)
			return ctl_usage(
				_("--%s may be given %d times"), row->name, OPTION_LIST_MAX);
		list->values[list->n++] = value;
		return NULL;
	}
	return NULL;
}

static struct err *one(int argc, char **argv, int *i, const struct option_row *rows)
{
	const char *name = argv[*i] + 2;
	size_t len = strcspn(name, "=");
	const struct option_row *row = find(rows, name, len);

	if (!row)
		return ctl_usage(_("there is no option --%.*s here"), (int)len, name);
	if (row->type == OPTION_FLAG) {
		if (name[len] != '\0')
			return ctl_usage(_("--%s takes no value"), row->name);
		return set(row, NULL);
	}
	if (name[len] == '=')
		return set(row, name + len + 1);
	if (*i + 1 >= argc)
		return ctl_usage(_("--%s needs a value"), row->name);
	return set(row, argv[++*i]);
}

struct err *options_parse(int argc, char **argv, const struct option_row *rows, size_t min_rest,
	size_t max_rest, const char **ret_rest)
{
	bool only_rest = false;
	size_t n = 0;

	for (int i = 1; i < argc; i++) {
		if (!only_rest && strcmp(argv[i], "--") == 0) {
			only_rest = true;
		} else if (!only_rest && text_starts(argv[i], "--")) {
			TRY(one(argc, argv, &i, rows));
		} else {
			if (n == max_rest)
				return ctl_usage(_("'%s' is one word too many"), argv[i]);
			ret_rest[n++] = argv[i];
		}
	}
	if (n < min_rest)
		return ctl_usage(_("something is missing behind the command"));
	return NULL;
}
