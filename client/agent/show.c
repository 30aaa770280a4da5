/* show.c: see show.h. */
#include "client/agent/show.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/agent/say.h"

/* --- credentials --- */

static const char *state_of(const struct derivd_device_credential *c)
{
	if (c->has_key && c->has_certificate)
		return "usable";
	return c->has_key ? "waits for its certificate" : "waits for its key";
}

static json_t *row_of(const struct derivd_device_credential *c)
{
	json_t *row = json_pack("{s:s, s:s, s:s, s:s}", "purpose", c->purpose, "origin", c->origin,
		"key", c->id, "state", state_of(c));

	if (!c->has_certificate)
		return row;
	AUTO_MEM char *from = text_time(c->not_before_ms);
	AUTO_MEM char *until = text_time(c->not_after_ms);
	json_object_set_new(row, "subject", json_string(c->subject));
	json_object_set_new(row, "serial", json_string(c->serial));
	json_object_set_new(row, "not_before", json_string(from));
	json_object_set_new(row, "not_after", json_string(until));
	json_object_set_new(row, "certificate", json_string(c->certificate));
	return row;
}

static void print_credential(const struct derivd_device_credential *c)
{
	printf("%-15s %-26s ", c->purpose, state_of(c));
	if (c->has_certificate) {
		AUTO_MEM char *until = text_time(c->not_after_ms);
		printf("serial %s, until %s", c->serial, until);
	}
	puts("");
}

struct trouble *show_list(const struct derivd_device *d, bool json)
{
	struct derivd_device_credentials *all;

	PASS(trouble_device(derivd_device_get_credentials(d, &all)));
	json_t *rows = json_array();
	for (size_t i = 0; i < all->n; i++) {
		if (json)
			json_array_append_new(rows, row_of(all->list[i]));
		else
			print_credential(all->list[i]);
	}
	if (json)
		say_json(json_incref(rows));
	json_decref(rows);
	derivd_device_credentials_free(all);
	return NULL;
}

/* --- status --- */

static json_t *list(const char *const *texts)
{
	json_t *array = json_array();

	for (size_t i = 0; texts[i]; i++)
		json_array_append_new(array, json_string(texts[i]));
	return array;
}

static json_t *status_of(const struct derivd_device_status *s)
{
	return json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:I, s:i, s:i, s:i, s:o, s:o, s:I}",
		"stage", s->stage, "host", s->host, "port", (int)s->port, "deployment",
		s->deployment, "device", s->device, "holder", s->holder, "platform", s->platform,
		"last_number", (json_int_t)s->last_number, "credentials", (int)s->credentials,
		"usable", (int)s->usable, "chain", (int)s->chain, "apps", list(s->apps), "pins",
		list(s->pins), "pins_epoch", (json_int_t)s->pins_epoch);
}

static void print_status(const struct derivd_device_status *s)
{
	printf("Stage:        %s\nHolder:       %s\nDevice:       %s\nDeployment:   %s\n"
	       "Gateway:      %s port %u, keys as of change %" PRIu64
	       "\nCredentials:  %zu usable of %zu\nLast item:    %" PRIu64 "\n",
		s->stage, *s->holder ? s->holder : "(not known yet)", s->device, s->deployment,
		s->host, s->port, s->pins_epoch, s->usable, s->credentials, s->last_number);
}

struct trouble *show_status(const struct derivd_device *d, bool json)
{
	struct derivd_device_status *s;

	PASS(trouble_device(derivd_device_get_status(d, &s)));
	if (json)
		say_json(status_of(s));
	else
		print_status(s);
	derivd_device_status_free(s);
	return NULL;
}
