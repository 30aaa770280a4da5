/*
 * invitation.c: the content of the QR code. The text has one form: it is taken apart, put together again, and must be
 * the same.
 */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "base/buf.h"
#include "base/text.h"
#include "evidence/invitation.h"
#include "proto/host.h"

#define SCHEME "derivd:1?"

void invitation_uri_free(struct invitation_uri *u)
{
	if (!u)
		return;
	free(u->host);
	wipe(u, sizeof(*u));
	free(u);
}

static void put(struct buf *out, const char *key, const uint8_t *bytes, size_t len)
{
	char *text = text_base64url(BYTES(bytes, len));

	buf_add_str(out, key);
	buf_add_str(out, text);
	wipe(text, strlen(text));
	free(text);
}

char *invitation_uri_text(const struct invitation_uri *u)
{
	AUTO(buf) struct buf *out = buf_new();
	bool v6 = strchr(u->host, ':') != NULL;

	buf_addf(out, SCHEME "h=%s%s%s:%u", v6 ? "[" : "", u->host, v6 ? "]" : "", u->port);
	put(out, "&d=", u->deployment, DEPLOYMENT_ID_LEN);
	put(out, "&s=", u->seed, sizeof(u->seed));
	put(out, "&k=", u->delivery_hash, SHA256_LEN);
	for (size_t i = 0; i < u->n_pins; i++)
		put(out, "&p=", u->pins[i], SHA256_LEN);
	return bytes_strdup(buf_bytes(out));
}

/* "HOST:PORT" or "[ADDRESS]:PORT" */
static struct err *get_host(const char *text, struct invitation_uri *u)
{
	const char *colon = strrchr(text, ':');
	uint64_t port = 0;

	if (!colon)
		return err_new(&ERR_FORMAT, "no port");
	TRY(err_wrap(text_parse_u64(colon + 1, UINT16_MAX, &port), "port"));
	bool v6 = text[0] == '[' && colon > text + 1 && colon[-1] == ']';
	size_t len = (size_t)(colon - text);
	u->host = v6 ? bytes_strdup(BYTES(text + 1, len - 2)) : bytes_strdup(BYTES(text, len));
	u->port = (uint16_t)port;
	if (!host_is_good(u->host) || port == 0)
		return err_new(&ERR_FORMAT, "no host name, or port 0");
	return NULL;
}

static struct err *get_binary(const char *text, size_t len, uint8_t *ret_bytes)
{
	AUTO(buf) struct buf *b = NULL;

	TRY(text_unbase64url(text, &b));
	if (buf_len(b) != len)
		return err_new(&ERR_FORMAT, "%zu bytes, not %zu", buf_len(b), len);
	memcpy(ret_bytes, buf_data(b), len);
	return NULL;
}

static struct err *get_value(char key, const char *value, struct invitation_uri *u)
{
	switch (key) {
	case 'h':
		return u->host ? err_new(&ERR_FORMAT, "two of them") : get_host(value, u);
	case 'd':
		return get_binary(value, DEPLOYMENT_ID_LEN, u->deployment);
	case 's':
		return get_binary(value, sizeof(u->seed), u->seed);
	case 'k':
		return get_binary(value, SHA256_LEN, u->delivery_hash);
	case 'p':
		if (u->n_pins == PINS_MAX)
			return err_new(&ERR_FORMAT, "more than %d", PINS_MAX);
		return get_binary(value, SHA256_LEN, u->pins[u->n_pins++]);
	default:
		return err_new(&ERR_FORMAT, "unknown");
	}
}

/* text is cut into its parts. That nothing is missing, out of order or given twice is found by comparing in the end. */
static struct err *get_values(char *text, struct invitation_uri *u)
{
	char *next = text;

	while (next) {
		char *part = strsep(&next, "&");
		if (!part[0] || part[1] != '=')
			return err_new(&ERR_FORMAT, "a part that is not KEY=VALUE");
		TRY(err_wrap(get_value(part[0], part + 2, u), "part %c", part[0]));
	}
	if (!u->host || u->n_pins == 0)
		return err_new(&ERR_FORMAT, "host or pin is missing");
	return NULL;
}

static void wipe_text(char *text)
{
	wipe(text, strlen(text));
	free(text);
}

struct err *invitation_uri_parse(const char *uri, struct invitation_uri **ret_uri)
{
	AUTO(invitation_uri) struct invitation_uri *u = xcalloc(1, sizeof(*u));

	if (strlen(uri) > INVITATION_URI_MAX || !text_starts(uri, SCHEME) ||
		!text_is_printable(BYTES(uri, strlen(uri))))
		return err_new(&ERR_FORMAT, "not an invitation of derivd");
	char *copy = xstrdup(uri + strlen(SCHEME));
	size_t len = strlen(copy);
	struct err *e = get_values(copy, u);
	wipe(copy, len);
	free(copy);
	TRY(err_wrap(e, "invitation"));
	char *again = invitation_uri_text(u);
	bool equal = strcmp(again, uri) == 0;
	wipe_text(again);
	if (!equal)
		return err_new(&ERR_FORMAT, "invitation: not in its one form");
	*ret_uri = take(u);
	return NULL;
}
