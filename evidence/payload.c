/* payload.c: see payload.h. Reading is exact: nothing may follow, and one value has one encoding. */
#include "evidence/payload.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

bool payload_is_app_name(const char *name)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz";
	size_t len = strlen(name);

	return len > 0 && len <= PAYLOAD_APP_NAME_MAX && strspn(name, letters) > 0 &&
	       strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-") == len;
}

struct buf *payload_apps_encode(const struct payload_app *apps, size_t n)
{
	struct buf *out = buf_new();

	for (size_t i = 0; i < n; i++) {
		AUTO(buf) struct buf *one = buf_new();
		record_put_str(one, apps[i].name);
		record_put_str(one, apps[i].type);
		record_put(one, apps[i].text);
		record_put_nested(out, one);
	}
	return out;
}

/* What an app's element may have: its three fields at their longest. */
#define ELEMENT_MAX (PAYLOAD_APP_NAME_MAX + PAYLOAD_APP_TYPE_MAX + PAYLOAD_APP_TEXT_MAX + 12)

static struct err *get_app(struct cursor *c, struct payload_app *app)
{
	struct bytes element;

	TRY(record_get(c, "app", 1, ELEMENT_MAX, &element));
	struct cursor one = { element };
	TRY(record_get_str(&one, "name", PAYLOAD_APP_NAME_MAX, &app->name));
	TRY(record_get_str(&one, "type", PAYLOAD_APP_TYPE_MAX, &app->type));
	TRY(record_get(&one, "text", 0, PAYLOAD_APP_TEXT_MAX, &app->text));
	if (!payload_is_app_name(app->name))
		return err_new(&ERR_FORMAT, "a name that is not of a-z, 0-9 and -");
	if (!text_is_utf8(app->text))
		return err_new(&ERR_FORMAT, "%s: a text that is not UTF-8", app->name);
	return cursor_end(&one);
}

struct err *payload_apps_decode(struct bytes payload, struct payload_apps **ret_apps)
{
	AUTO(payload_apps) struct payload_apps *a = xcalloc(1, sizeof(*a));
	struct cursor c = { payload };

	while (c.rest.len) {
		if (a->n == PAYLOAD_APPS_MAX)
			return err_new(&ERR_FORMAT, "apps: more than %d", PAYLOAD_APPS_MAX);
		struct payload_app *app = &a->apps[a->n++];
		TRY(err_wrap(get_app(&c, app), "apps"));
		if (a->n > 1 && strcmp(app[-1].name, app->name) >= 0)
			return err_new(&ERR_FORMAT, "apps: out of order, or one name twice");
	}
	*ret_apps = take(a);
	return NULL;
}

void payload_apps_free(struct payload_apps *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < a->n; i++) {
		free(a->apps[i].name);
		free(a->apps[i].type);
	}
	free(a);
}
