/* payload_fill.c: chains, pins and the configurations of mail apps. */
#include "daemon/ca/payload_fill.h"

#include <stdlib.h>
#include <string.h>

#include "base/proc.h"
#include "daemon/ca/template.h"
#include "evidence/item.h"
#include "evidence/payload.h"
#include "evidence/pinset.h"
#include "proto/kind.h"

struct chain {
	size_t n;
	struct buf *certs[ITEM_CHAIN_MAX];
};

static void chain_free(struct chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		buf_free(c->certs[i]);
	free(c);
}
DEFINE_AUTO(chain, struct chain *, chain_free);

/* Each once: two issuers may have one root. What does not fit is left to the next item. */
static void add(struct chain *c, struct bytes cert)
{
	for (size_t i = 0; i < c->n; i++)
		if (bytes_eq(buf_bytes(c->certs[i]), cert))
			return;
	if (c->n == ITEM_CHAIN_MAX)
		return;
	c->certs[c->n] = buf_new();
	buf_add_bytes(c->certs[c->n++], cert);
}

static struct err *collect(
	struct state *s, const uint8_t device_id[static SHA256_LEN], struct chain *c)
{
	static const char sql[] =
		"SELECT issuer.certificate, issuer.parent FROM issuer WHERE issuer.key_id IN"
		" (SELECT issuer FROM certificate WHERE device_id = ?) ORDER BY issuer.row DESC";
	const struct ledger_value value = LEDGER_HASH(device_id);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool more;

	TRY(ledger_query(s->ledger, sql, &value, 1, &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		add(c, ledger_bytes(rows, 0));
		add(c, ledger_bytes(rows, 1));
	}
}

struct err *payload_fill_chain(
	struct state *s, const uint8_t device_id[static SHA256_LEN], struct buf **ret_payload)
{
	AUTO(chain) struct chain *c = xcalloc(1, sizeof(*c));
	struct bytes certs[ITEM_CHAIN_MAX];

	TRY(collect(s, device_id, c));
	bool none = c->n == 0;
	for (size_t i = 0; none && i < s->issuer->n_chain; i++)
		add(c, buf_bytes(s->issuer->chain[i]));
	for (size_t i = 0; i < c->n; i++)
		certs[i] = buf_bytes(c->certs[i]);
	*ret_payload = item_chain_encode(certs, c->n);
	return NULL;
}

struct buf *payload_pinset(const struct deployment *d, int64_t until_ms)
{
	struct pinset p = { .epoch = d->pins_epoch, .until_ms = until_ms };

	memcpy(p.deployment, d->id, DEPLOYMENT_ID_LEN);
	for (size_t i = 0; i < d->n_pins; i++)
		if (!pinset_has(&p, d->pins[i]))
			memcpy(p.pins[p.n_pins++], d->pins[i], SHA256_LEN);
	return pinset_encode(&p);
}

/* As the file is now: this process may have been started before the last change, and devices must not get older pins. */
void payload_fill_pins(const struct state *s, int64_t now_ms, struct buf **ret_payload)
{
	*ret_payload = payload_pinset(s->deployment, now_ms + PINSET_MOST_MS);
}

static void escape_xml(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (strchr("&<>\"'", *value))
			buf_addf(out, "&#%d;", *value);
		else
			buf_add_u8(out, (uint8_t)*value);
	}
}

/* Facts have no control characters. */
static void escape_json(struct buf *out, const char *value)
{
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, (uint8_t)*value);
	}
}

static struct err *fill_app(const struct app *app, const struct facts *facts, char **ret_text)
{
	void (*const escapes[])(struct buf * out, const char *value) = {
		[ESCAPE_NONE] = NULL,
		[ESCAPE_XML] = escape_xml,
		[ESCAPE_JSON] = escape_json,
	};

	return err_wrap(template_fill(app->text, facts, NULL, escapes[app->escape], ret_text),
		"app \"%s\"", app->name);
}

static void free_texts(char **texts)
{
	for (size_t i = 0; i < APPS_MAX; i++)
		free(texts[i]);
	free(texts);
}
DEFINE_AUTO(texts, char **, free_texts);

struct err *payload_fill_apps(
	struct state *s, const struct entry_receipt *device, struct buf **ret_payload)
{
	AUTO(receipt) struct receipt *receipt = NULL;
	AUTO(texts) char **filled = xcalloc(APPS_MAX, sizeof(*filled));
	struct payload_app apps[APPS_MAX];
	const struct settings *settings = s->settings;
	size_t n = 0;

	TRY(err_as(&ERR_STORE, receipt_decode(buf_bytes(device->body), &receipt),
		"receipt in the log"));
	for (size_t i = 0; i < settings->n_apps; i++) {
		TRY(fill_app(settings->apps[i], receipt->facts, &filled[i]));
		if (!filled[i])
			continue; /* an optional fact is missing: this holder does not get this app's configuration */
		apps[n].name = settings->apps[i]->name;
		apps[n].type = settings->apps[i]->type;
		apps[n++].text = BYTES(filled[i], strlen(filled[i]));
	}
	if (!n)
		return err_new(&ERR_POLICY, "ca.conf has no app's configuration for this holder");
	*ret_payload = payload_apps_encode(apps, n);
	if (buf_len(*ret_payload) <= ITEM_PAYLOAD_MAX)
		return NULL;
	buf_free(take(*ret_payload));
	return err_new(&ERR_CA_MISCONFIGURED,
		"the configurations of all apps are larger than %d bytes together",
		ITEM_PAYLOAD_MAX);
}
