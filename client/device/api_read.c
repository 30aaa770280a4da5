/* api_read.c: what is in the directory, for the app: status, credentials, configurations of mail apps: derivd-device.h. */
#include "client/device/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/device/fault.h"
#include "evidence/cert.h"

/* What the app only reads is ours to free. */
static void drop(const void *p)
{
	free((void *)(uintptr_t)p);
}

static void drop_all(const char *const *texts)
{
	for (size_t i = 0; texts && texts[i]; i++)
		drop(texts[i]);
	drop(texts);
}

struct err *api_load(const struct derivd_device *d, struct state **ret_state)
{
	TRY(home_load(d->home, ret_state));
	if (!*ret_state)
		return err_new(
			&ERR_NOT_BEGUN, "%s: no enrollment was begun here", home_dir(d->home));
	return NULL;
}

/* --- status --- */

static const char *stage_name(enum stage stage)
{
	static const char *const names[] = {
		[STAGE_PENDING] = "enrolling",
		[STAGE_ENROLLED] = "enrolled",
		[STAGE_REMOVED] = "removed",
	};

	return names[stage];
}

static const char *const *app_names(const struct state *s)
{
	const char **names = xcalloc(s->n_apps + 1, sizeof(*names));

	for (size_t i = 0; i < s->n_apps; i++)
		names[i] = xstrdup(s->apps[i].name);
	return names;
}

static const char *const *pin_names(const struct state *s)
{
	const char **names = xcalloc(s->n_pins + 1, sizeof(*names));

	for (size_t i = 0; i < s->n_pins; i++)
		names[i] = text_hex(BYTES(s->pins[i], SHA256_LEN));
	return names;
}

static struct err *get_status(const struct derivd_device *d, struct derivd_device_status **ret)
{
	AUTO(state) struct state *s = NULL;

	TRY(api_load(d, &s));
	struct derivd_device_status *status = xcalloc(1, sizeof(*status));
	*status = (struct derivd_device_status){
		.stage = stage_name(s->stage),
		.host = xstrdup(s->host),
		.port = s->port,
		.deployment = text_hex(BYTES(s->deployment, DEPLOYMENT_ID_LEN)),
		.device = text_hex(BYTES(s->identity_key, SHA256_LEN)),
		.holder = xstrdup(s->holder),
		.platform = xstrdup(s->platform),
		.last_number = s->last_number,
		.credentials = s->n_slots,
		.chain = s->n_chain,
		.apps = app_names(s),
		.pins = pin_names(s),
		.pins_epoch = s->pins_epoch,
	};
	for (size_t i = 0; i < s->n_slots; i++)
		status->usable += slot_is_whole(&s->slots[i]);
	*ret = status;
	return NULL;
}

struct derivd_device_error *derivd_device_get_status(
	const struct derivd_device *device, struct derivd_device_status **ret_status)
{
	return api_error(get_status(device, ret_status));
}

void derivd_device_status_free(struct derivd_device_status *status)
{
	if (!status)
		return;
	drop(status->host);
	drop(status->deployment);
	drop(status->device);
	drop(status->holder);
	drop(status->platform);
	drop_all(status->apps);
	drop_all(status->pins);
	free(status);
}

/* --- credentials --- */

static struct err *add_certificate(
	const struct home *h, const struct slot *s, struct derivd_device_credential *c)
{
	AUTO(buf) struct buf *der = NULL;
	AUTO(x509) X509 *cert = NULL;

	TRY(home_get_object(h, s->certificate, &der));
	TRY(err_as(&ERR_HOME_DAMAGED, cert_parse(buf_bytes(der), &cert), "a certificate"));
	c->subject = cert_subject(cert);
	c->serial = cert_serial(cert);
	c->certificate = text_hex(BYTES(s->certificate, SHA256_LEN));
	c->not_before_ms = cert_not_before_ms(cert);
	c->not_after_ms = cert_not_after_ms(cert);
	return NULL;
}

static struct err *get_credentials(
	const struct derivd_device *d, struct derivd_device_credentials *list)
{
	AUTO(state) struct state *s = NULL;

	TRY(api_load(d, &s));
	const struct derivd_device_credential **rows = xcalloc(s->n_slots + 1, sizeof(*rows));
	list->list = rows;
	for (; list->n < s->n_slots; list->n++) {
		const struct slot *slot = &s->slots[list->n];
		struct derivd_device_credential *c = xcalloc(1, sizeof(*c));
		rows[list->n] = c;
		c->id = text_hex(BYTES(slot->key_hash, SHA256_LEN));
		c->purpose = purpose_name(slot->purpose);
		c->origin = slot->origin == COMMON__ORIGIN__DEVICE ? "device" : "server";
		c->has_key = slot->has_key;
		c->has_certificate = slot->has_certificate;
		if (slot->has_certificate)
			TRY(add_certificate(d->home, slot, c));
	}
	return NULL;
}

struct derivd_device_error *derivd_device_get_credentials(
	const struct derivd_device *device, struct derivd_device_credentials **ret_credentials)
{
	struct derivd_device_credentials *list = xcalloc(1, sizeof(*list));
	struct err *e = get_credentials(device, list);

	if (e)
		derivd_device_credentials_free(list);
	else
		*ret_credentials = list;
	return api_error(e);
}

/* Up to the empty place behind the last one: the one that failed is not counted. */
void derivd_device_credentials_free(struct derivd_device_credentials *credentials)
{
	if (!credentials)
		return;
	for (size_t i = 0; credentials->list && credentials->list[i]; i++) {
		const struct derivd_device_credential *c = credentials->list[i];
		drop(c->id);
		drop(c->subject);
		drop(c->serial);
		drop(c->certificate);
		drop(c);
	}
	drop(credentials->list);
	free(credentials);
}

/* --- apps --- */

static struct err *get_apps(const struct derivd_device *d, struct derivd_device_apps *list)
{
	AUTO(state) struct state *s = NULL;

	TRY(api_load(d, &s));
	const struct derivd_device_app **rows = xcalloc(s->n_apps + 1, sizeof(*rows));
	list->list = rows;
	for (; list->n < s->n_apps; list->n++) {
		const struct kept_app *kept = &s->apps[list->n];
		AUTO(buf) struct buf *text = NULL;
		TRY(home_get_object(d->home, kept->text, &text));
		struct derivd_device_app *a = xcalloc(1, sizeof(*a));
		rows[list->n] = a;
		a->name = xstrdup(kept->name);
		a->type = xstrdup(kept->type);
		a->text = bytes_strdup(buf_bytes(text));
		a->len = buf_len(text);
	}
	return NULL;
}

struct derivd_device_error *derivd_device_get_apps(
	const struct derivd_device *device, struct derivd_device_apps **ret_apps)
{
	struct derivd_device_apps *list = xcalloc(1, sizeof(*list));
	struct err *e = get_apps(device, list);

	if (e)
		derivd_device_apps_free(list);
	else
		*ret_apps = list;
	return api_error(e);
}

void derivd_device_apps_free(struct derivd_device_apps *apps)
{
	if (!apps)
		return;
	for (size_t i = 0; apps->list && apps->list[i]; i++) {
		drop(apps->list[i]->name);
		drop(apps->list[i]->type);
		drop(apps->list[i]->text);
		drop(apps->list[i]);
	}
	drop(apps->list);
	free(apps);
}
