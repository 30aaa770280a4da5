/* show.c: see show.h. */
#include "client/device/show.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/device/fault.h"
#include "evidence/cert.h"

static const char *const STAGES[] = {
	[STAGE_PENDING] = "enrolling",
	[STAGE_ENROLLED] = "enrolled",
	[STAGE_REMOVED] = "removed",
};

static json_t *hex(struct bytes b)
{
	AUTO_MEM char *text = text_hex(b);

	return json_string(text);
}

static struct err *load(const struct home *h, struct state **ret_state)
{
	TRY(home_load(h, ret_state));
	if (!*ret_state)
		return err_new(&ERR_NOT_BEGUN, "%s: no enrollment was begun here", home_dir(h));
	return NULL;
}

static const char *slot_state(const struct slot *s)
{
	if (slot_is_whole(s))
		return "usable";
	return s->has_key ? "waits for its certificate" : "waits for its key";
}

static struct err *add_certificate(const struct home *h, const struct slot *s, json_t *row)
{
	AUTO(buf) struct buf *der = NULL;
	AUTO(x509) X509 *cert = NULL;

	TRY(home_get_object(h, s->certificate, &der));
	TRY(err_as(&ERR_HOME_DAMAGED, cert_parse(buf_bytes(der), &cert), "a certificate"));
	AUTO_MEM char *subject = cert_subject(cert);
	AUTO_MEM char *serial = cert_serial(cert);
	AUTO_MEM char *from = text_time(cert_not_before_ms(cert));
	AUTO_MEM char *until = text_time(cert_not_after_ms(cert));
	json_object_set_new(row, "subject", json_string(subject));
	json_object_set_new(row, "serial", json_string(serial));
	json_object_set_new(row, "not_before", json_string(from));
	json_object_set_new(row, "not_after", json_string(until));
	json_object_set_new(row, "certificate", hex(BYTES(s->certificate, SHA256_LEN)));
	return NULL;
}

static struct err *add_credential(const struct home *h, const struct slot *s, json_t *list)
{
	json_t *row = json_pack("{s:s, s:s, s:o, s:s}", "purpose", purpose_name(s->purpose),
		"origin", s->origin == COMMON__ORIGIN__DEVICE ? "device" : "server", "key",
		hex(BYTES(s->key_hash, SHA256_LEN)), "state", slot_state(s));

	json_array_append_new(list, row);
	return s->has_certificate ? add_certificate(h, s, row) : NULL;
}

static struct err *credentials(const struct home *h, const struct state *s, json_t *list)
{
	for (size_t i = 0; i < s->n_slots; i++)
		TRY(add_credential(h, &s->slots[i], list));
	return NULL;
}

static void print_credential(const json_t *row)
{
	const char *serial = json_string_value(json_object_get(row, "serial"));
	const char *until = json_string_value(json_object_get(row, "not_after"));

	printf("%-15s %-26s %s%s%s%s\n", json_string_value(json_object_get(row, "purpose")),
		json_string_value(json_object_get(row, "state")), serial ? "serial " : "",
		serial ? serial : "", until ? ", until " : "", until ? until : "");
}

struct err *show_list(const struct home *h, const struct say *say)
{
	AUTO(state) struct state *s = NULL;
	json_t *list = json_array(), *row;
	size_t i;
	struct err *e = load(h, &s);

	if (!e)
		e = credentials(h, s, list);
	if (e) {
		json_decref(list);
		return e;
	}
	if (say_is_json(say)) {
		say_json(list);
		return NULL;
	}
	json_array_foreach(list, i, row) print_credential(row);
	json_decref(list);
	return NULL;
}

static json_t *status_of(const struct state *s)
{
	json_t *apps = json_array(), *pins = json_array();
	size_t usable = 0;

	for (size_t i = 0; i < s->n_apps; i++)
		json_array_append_new(apps, json_string(s->apps[i].name));
	for (size_t i = 0; i < s->n_pins; i++)
		json_array_append_new(pins, hex(BYTES(s->pins[i], SHA256_LEN)));
	for (size_t i = 0; i < s->n_slots; i++)
		usable += slot_is_whole(&s->slots[i]);
	return json_pack("{s:s, s:s, s:i, s:o, s:o, s:s, s:s, s:I, s:i, s:i, s:i, s:o, s:o, s:I}",
		"stage", STAGES[s->stage], "host", s->host, "port", (int)s->port, "deployment",
		hex(BYTES(s->deployment, DEPLOYMENT_ID_LEN)), "device",
		hex(BYTES(s->identity_key, SHA256_LEN)), "holder", s->holder, "platform",
		s->platform, "last_number", (json_int_t)s->last_number, "credentials",
		(int)s->n_slots, "usable", (int)usable, "chain", (int)s->n_chain, "apps", apps,
		"pins", pins, "pins_epoch", (json_int_t)s->pins_epoch);
}

struct err *show_status(const struct home *h, const struct say *say)
{
	AUTO(state) struct state *s = NULL;

	TRY(load(h, &s));
	if (say_is_json(say)) {
		say_json(status_of(s));
		return NULL;
	}
	AUTO_MEM char *device = text_hex(BYTES(s->identity_key, SHA256_LEN));
	AUTO_MEM char *deployment = text_hex(BYTES(s->deployment, DEPLOYMENT_ID_LEN));
	size_t usable = 0;
	for (size_t i = 0; i < s->n_slots; i++)
		usable += slot_is_whole(&s->slots[i]);
	printf("Stage:        %s\nHolder:       %s\nDevice:       %s\nDeployment:   %s\n"
	       "Gateway:      %s port %u, keys as of change %" PRIu64 "\nCredentials:  %zu usable of %zu\nLast item:    %" PRIu64
	       "\n",
		STAGES[s->stage], *s->holder ? s->holder : "(not known yet)", device, deployment,
		s->host, s->port, s->pins_epoch, usable, s->n_slots, s->last_number);
	return NULL;
}
