/* notice_text.c: the words of notices. The words "your card" mean the holder's smart card throughout. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/courier/notice.h"
#include "evidence/facts.h"

#define REASON_KEY_COMPROMISE 1 /* RFC 5280 section 5.3.1 */

static const struct {
	const char *name, *subject;
} kinds[] = {
	[COURIER__NOTICE_KIND__ISSUED] = { "issued", "Credentials were issued to a device of yours" },
	[COURIER__NOTICE_KIND__EXPIRING] = { "expiring", "Credentials on your device are about to expire" },
	[COURIER__NOTICE_KIND__REVOKED] = { "revoked", "Credentials on your device were revoked" },
	[COURIER__NOTICE_KIND__DEVICE_REVOKED] = { "device-revoked", "A device of yours was revoked" },
	[COURIER__NOTICE_KIND__OPERATORS] = { "trouble", "derivd needs an operator" },
};

const char *notice_kind_name(const struct notice *n)
{
	return kinds[n->said->kind].name;
}

const char *notice_subject(const struct notice *n)
{
	return kinds[n->said->kind].subject;
}

static const char *purpose_word(Common__Purpose p)
{
	const ProtobufCEnumValue *v =
		protobuf_c_enum_descriptor_get_value(&common__purpose__descriptor, (int)p);

	return v ? v->name : "";
}

/* "authentication, signing". */
static char *purposes(const struct notice *n)
{
	AUTO(buf) struct buf *b = buf_new();

	for (size_t i = 0; i < n->said->n_purposes; i++) {
		buf_add_str(b, i ? ", " : "");
		for (const char *c = purpose_word(n->said->purposes[i]); *c; c++)
			buf_add_u8(b, (uint8_t)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c));
	}
	return xstrdup(buf_str(b));
}

static void add_what_happened(struct buf *b, const struct notice *n, const char *what, const char *when)
{
	bool lost = n->said->reason == REASON_KEY_COMPROMISE;

	switch (n->said->kind) {
	case COURIER__NOTICE_KIND__ISSUED:
		buf_addf(b, "on %s credentials were issued with your smart card to this device:\n\n"
			    "    device       %s\n    credentials  %s\n\n"
			    "If that was you, there is nothing to do. If it was not you, somebody has used "
			    "your card and its PIN: say so at once to %s, and name the device.\n",
			when, n->device, what, n->contact);
		return;
	case COURIER__NOTICE_KIND__EXPIRING:
		buf_addf(b, "credentials on a device of yours end on %s:\n\n"
			    "    device       %s\n    credentials  %s\n\n"
			    "To go on using them, take the device and your smart card to a kiosk before "
			    "that day. With questions, turn to %s.\n",
			when, n->device, what, n->contact);
		return;
	case COURIER__NOTICE_KIND__REVOKED:
		buf_addf(b, "on %s credentials on a device of yours were revoked and cannot be used any "
			    "more:\n\n    device       %s\n    credentials  %s\n\n"
			    "If you do not know why, turn to %s.\n",
			when, n->device, what, n->contact);
		return;
	default:
		buf_addf(b, "on %s a device of yours was %s. All credentials on it are being revoked:\n\n"
			    "    device       %s\n\n"
			    "If you did not ask for that, turn to %s. Another device is enrolled at a "
			    "kiosk, with your smart card.\n",
			when, lost ? "reported lost" : "revoked", n->device, n->contact);
	}
}

static void add_troubles(struct buf *b, const struct notice *n, const char *when)
{
	buf_addf(b, "since %s there was this, on the kiosk of the gateway %s:\n\n", when,
		n->deployment->host);
	for (size_t i = 0; i < n->said->n_troubles; i++) {
		const Courier__Trouble *t = n->said->troubles[i];
		buf_addf(b, "    %s%s%s%s, %u times\n", t->event, *t->error ? " (" : "", t->error,
			*t->error ? ")" : "", t->count);
	}
	buf_add_str(b, "\nWhat it is about, and what to do:\n\n    derivctl status\n"
		       "    derivctl queue list\n    journalctl -u 'derivd*' -p warning\n");
}

char *notice_text(const struct notice *n)
{
	AUTO(buf) struct buf *b = buf_new();
	AUTO_MEM char *when = text_time(n->said->when_ms);
	AUTO_MEM char *what = purposes(n);
	const char *name = n->receipt ? facts_get(n->receipt->facts, FACT_NAME) : NULL;

	buf_addf(b, "Hello%s%s,\n\n", name ? " " : "", name ? name : "");
	if (n->receipt)
		add_what_happened(b, n, what, when);
	else
		add_troubles(b, n, when);
	buf_addf(b, "\nThis mail was written by derivd of %s. Nobody reads answers to it, and it never asks "
		    "for a PIN or a password.\n",
		n->deployment->host);
	return xstrdup(buf_str(b));
}

static json_t *json_troubles(const struct notice *n)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n->said->n_troubles; i++) {
		const Courier__Trouble *t = n->said->troubles[i];
		json_array_append_new(all, json_pack("{s:s, s:s, s:I}", "event", t->event, "error",
						   t->error, "count", (json_int_t)t->count));
	}
	return all;
}

static json_t *json_purposes(const struct notice *n)
{
	json_t *all = json_array();

	for (size_t i = 0; i < n->said->n_purposes; i++)
		json_array_append_new(all, json_string(purpose_word(n->said->purposes[i])));
	return all;
}

char *notice_json(const struct notice *n)
{
	const struct facts *f = n->receipt ? n->receipt->facts : NULL;
	AUTO_MEM char *when = text_time(n->said->when_ms);
	json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "notice", notice_kind_name(n), "id", n->id,
		"time", when, "host", n->deployment->host, "subject", notice_subject(n));

	if (!o)
		err_abort("no memory");
	if (f) {
		json_object_set_new(o, "device", json_string(n->device));
		json_object_set_new(o, "purposes", json_purposes(n));
		json_object_set_new(o, "name", json_string(facts_get(f, FACT_NAME)));
		json_object_set_new(o, "mail", json_string(facts_get(f, FACT_MAIL)));
		json_object_set_new(o, "upn", json_string(facts_get(f, FACT_UPN)));
		json_object_set_new(o, "reason", json_integer((json_int_t)n->said->reason));
	} else {
		json_object_set_new(o, "troubles", json_troubles(n));
	}
	char *text = json_dumps(o, JSON_COMPACT);
	json_decref(o);
	if (!text)
		err_abort("no memory");
	return text;
}
