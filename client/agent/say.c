/* say.c: see say.h. Each line is flushed: somebody waits for it, a person or a program. */
#include "client/agent/say.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"

static void print_value(json_t *take_value, size_t flags)
{
	AUTO_MEM char *text = json_dumps(take_value, flags);

	if (!text)
		err_abort("no memory for a line of JSON");
	puts(text);
	fflush(stdout);
	json_decref(take_value);
}

void say_json(json_t *take_value)
{
	print_value(take_value, JSON_INDENT(2));
}

void say(bool json, const char *event, json_t *take_fields, const char *text)
{
	if (json) {
		json_t *line = json_pack("{s:s, s:s}", "event", event, "text", text);
		if (take_fields)
			json_object_update(line, take_fields);
		print_value(line, JSON_COMPACT);
	} else {
		puts(text);
		fflush(stdout);
	}
	json_decref(take_fields);
}

void say_trouble(bool json, const char *event, const struct trouble *t)
{
	if (json) {
		say(json, event,
			json_pack("{s:s, s:s, s:s}", "kind", t->kind, "fate", t->fate, "remedy",
				t->remedy),
			t->text);
		return;
	}
	fprintf(stderr, "%s: %s\n", program_invocation_short_name, t->text);
	if (*t->remedy)
		fprintf(stderr, "  %s\n", t->remedy);
}

/* --- events --- */

static json_t *list(const char *const *texts)
{
	json_t *array = json_array();

	for (size_t i = 0; texts[i]; i++)
		json_array_append_new(array, json_string(texts[i]));
	return array;
}

/* What belongs to an event, or NULL; *ret_name is its name. */
static json_t *fields(const struct derivd_device_event *e, const char **ret_name)
{
	switch (e->type) {
	case DERIVD_DEVICE_CONNECTED:
		*ret_name = "connected";
		return json_pack("{s:b, s:b}", "enrolled", e->enrolled, "revoked", e->revoked);
	case DERIVD_DEVICE_OFFER:
		*ret_name = "offer";
		return json_pack("{s:s, s:o}", "name", e->holder, "purposes", list(e->purposes));
	case DERIVD_DEVICE_DIGITS:
		*ret_name = "digits";
		return json_pack("{s:s}", "digits", e->digits);
	case DERIVD_DEVICE_PROGRESS:
		*ret_name = "progress";
		return json_pack("{s:s, s:s}", "stage", e->stage, "detail", e->detail);
	case DERIVD_DEVICE_ITEM:
		*ret_name = "item";
		return json_pack("{s:I, s:s, s:s, s:i, s:s, s:b}", "number", (json_int_t)e->number,
			"kind", e->kind, "purpose", e->purpose, "status", e->status, "detail",
			e->detail, "again", e->again);
	case DERIVD_DEVICE_DISCONNECTED:
		*ret_name = "disconnected";
		return json_pack("{s:s, s:I}", "kind", derivd_device_error_kind(e->error),
			"retry_ms", (json_int_t)e->retry_ms);
	case DERIVD_DEVICE_ENROLLED:
		*ret_name = "enrolled";
		return NULL;
	default:
		*ret_name = "other";
		return NULL;
	}
}

void say_event(void *context, const struct derivd_device_event *event)
{
	const bool *json = context;
	const char *name;

	if (event->type == DERIVD_DEVICE_OFFER_DECLINED || event->type == DERIVD_DEVICE_REFUSED) {
		AUTO(trouble) struct trouble *t = trouble_show(event->error);
		bool refused = event->type == DERIVD_DEVICE_REFUSED;
		say_trouble(*json, refused ? "refused" : "offer-declined", t);
		return;
	}
	json_t *object = fields(event, &name);
	say(*json, name, object, event->text);
}
