/* template.c: one pass over the text, variable by variable. */
#include "daemon/ca/template.h"

#include <string.h>

#include "base/text.h"
#include "proto/kind.h"

#define VARIABLE_MAX 64

static const char *const fact_names[] = { FACT_NAME, FACT_SUBJECT, FACT_MAIL, FACT_UPN, FACT_SID,
	FACT_FASCN, FACT_UUID, FACT_ID_TYPE, FACT_ID, FACT_ORGANIZATION, FACT_COUNTRY,
	FACT_ANCHOR };

enum part { WHOLE, LOCAL, DOMAIN };

struct variable {
	char name[VARIABLE_MAX];
	enum part part;
	bool optional;
};

/* A variable begins at p ("${"): *ret_len is what it takes. */
static struct err *parse_variable(const char *p, struct variable *ret_variable, size_t *ret_len)
{
	const char *end = strchr(p, '}');
	struct variable v = { .part = WHOLE };

	if (!end)
		return err_new(&ERR_CONFIG, "\"${\" without \"}\"");
	size_t len = (size_t)(end - p) - 2;
	if (len == 0 || len >= VARIABLE_MAX)
		return err_new(&ERR_CONFIG, "a variable's name must have 1 to %d characters",
			VARIABLE_MAX - 1);
	memcpy(v.name, p + 2, len);
	v.optional = v.name[len - 1] == '?';
	if (v.optional)
		v.name[len - 1] = 0;
	char *dot = strchr(v.name, '.');
	if (dot && strcmp(dot, ".local") == 0)
		v.part = LOCAL;
	else if (dot && strcmp(dot, ".domain") == 0)
		v.part = DOMAIN;
	if (v.part != WHOLE)
		*dot = 0;
	*ret_variable = v;
	*ret_len = len + 3;
	return NULL;
}

static const char *find_value(const struct template_value *more, const char *name)
{
	for (; more && more->name; more++)
		if (strcmp(more->name, name) == 0)
			return more->value;
	return NULL;
}

static bool is_known(const char *name, const struct template_value *more)
{
	for (size_t i = 0; i < ARRAY_LEN(fact_names); i++)
		if (strcmp(fact_names[i], name) == 0)
			return true;
	for (; more && more->name; more++)
		if (strcmp(more->name, name) == 0)
			return true;
	return strcmp(name, TEMPLATE_NEW_UUID) == 0;
}

struct err *template_check(const char *text, const struct template_value *more)
{
	for (const char *p = strstr(text, "${"); p; p = strstr(p, "${")) {
		struct variable v;
		size_t len;
		TRY(parse_variable(p, &v, &len));
		if (!is_known(v.name, more)) {
			AUTO_MEM char *shown = text_safe(BYTES(v.name, strlen(v.name)));
			return err_new(&ERR_CONFIG, "there is no variable \"%s\"", shown);
		}
		p += len;
	}
	return NULL;
}

static struct err *cut(const struct variable *v, const char *value, char **ret_value)
{
	const char *at = strchr(value, '@');

	if (v->part == WHOLE) {
		*ret_value = xstrdup(value);
		return NULL;
	}
	if (!at || at == value || !at[1] || strchr(at + 1, '@'))
		return err_new(
			&ERR_POLICY, "the holder's %s is not of the form local@domain", v->name);
	*ret_value = v->part == LOCAL ? bytes_strdup(BYTES(value, at - value)) : xstrdup(at + 1);
	return NULL;
}

static void add_plain(struct buf *out, const char *value)
{
	buf_add_str(out, value);
}

struct err *template_fill(const char *text, const struct facts *facts,
	const struct template_value *more, void (*escape)(struct buf *out, const char *value),
	char **ret_text)
{
	AUTO(buf) struct buf *out = buf_new();

	for (const char *p = text; *p;) {
		const char *next = strstr(p, "${");
		struct variable v;
		size_t len;
		if (!next) {
			buf_add_str(out, p);
			break;
		}
		buf_add(out, p, (size_t)(next - p));
		TRY(parse_variable(next, &v, &len));
		p = next + len;
		const char *value = find_value(more, v.name);
		if (!value)
			value = facts_get(facts, v.name);
		if (!value && v.optional) {
			*ret_text = NULL;
			return NULL;
		}
		if (!value)
			return err_new(&ERR_POLICY, "the card's certificate has no %s", v.name);
		AUTO_MEM char *part = NULL;
		TRY(cut(&v, value, &part));
		(escape ? escape : add_plain)(out, part);
		if (buf_len(out) > TEMPLATE_TEXT_MAX)
			return err_new(&ERR_POLICY, "what \"%s\" stands for is too long", v.name);
	}
	*ret_text = xstrdup(buf_str(out));
	return NULL;
}
