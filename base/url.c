/* url.c: a narrow reading of RFC 3986: what it refuses, no certificate needs. */
#include "base/url.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/text.h"

static bool is_clean(const char *s)
{
	for (; *s; s++)
		if (*s <= ' ' || (uint8_t)*s >= 0x7f || strchr("\\#<>\"{}|^`", *s))
			return false;
	return true;
}

static size_t scheme_len(const char *s)
{
	if (strncasecmp(s, "http://", 7) == 0)
		return 7;
	return strncasecmp(s, "https://", 8) == 0 ? 8 : 0;
}

void url_free(struct url *u)
{
	if (!u)
		return;
	free(u->text);
	free(u->host);
	free(u);
}

/* "host", "host:port", "[v6]", "[v6]:port" of len bytes. */
static struct err *parse_authority(const char *s, size_t len, struct url *u)
{
	bool bracket = len && *s == '[';
	const char *close = bracket ? memchr(s, ']', len) : NULL;
	const char *host = bracket ? s + 1 : s;
	size_t host_len = bracket ? (close ? (size_t)(close - host) : 0) : strcspn(s, ":/?");
	const char *rest = host + host_len + (bracket ? 1 : 0);
	static const char name[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	static const char address[] = "0123456789abcdefABCDEF:.";
	uint64_t port;

	if (host_len > len || host_len == 0 || strspn(host, bracket ? address : name) < host_len)
		return err_new(&ERR_FORMAT, "a URL whose host is no name and no address");
	u->host = bytes_strdup(BYTES(host, host_len));
	if (rest == s + len)
		return NULL;
	AUTO_MEM char *digits = bytes_strdup(BYTES(rest + 1, (size_t)(s + len - rest) - 1));
	if (*rest != ':')
		return err_new(&ERR_FORMAT, "a URL with something between host and path");
	TRY(err_wrap(text_parse_u64(digits, 65535, &port), "the URL's port"));
	u->port = (uint16_t)port;
	return NULL;
}

struct err *url_parse(const char *text, struct url **ret_url)
{
	AUTO(url) struct url *u = xcalloc(1, sizeof(*u));
	size_t scheme = scheme_len(text);

	if (strlen(text) > URL_MAX || !is_clean(text))
		return err_new(
			&ERR_FORMAT, "a URL that is too long or has characters that none has");
	if (!scheme)
		return err_new(&ERR_FORMAT, "a URL that is neither http nor https");
	size_t len = strcspn(text + scheme, "/?");
	if (memchr(text + scheme, '@', len))
		return err_new(&ERR_FORMAT, "a URL with a user in it");
	u->port = scheme == 7 ? 80 : 443;
	TRY(parse_authority(text + scheme, len, u));
	u->text = xstrdup(text);
	for (size_t i = 0; i < scheme + len; i++)
		if (u->text[i] >= 'A' && u->text[i] <= 'Z')
			u->text[i] = (char)(u->text[i] - 'A' + 'a');
	for (char *p = u->host; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p - 'A' + 'a');
	*ret_url = take(u);
	return NULL;
}

static bool matches(struct bytes glob, struct bytes text)
{
	size_t g = 0, t = 0, star = glob.len, from = 0;

	while (t < text.len) {
		if (g < glob.len && glob.data[g] == '*') {
			star = g++;
			from = t;
		} else if (g < glob.len && glob.data[g] == text.data[t]) {
			g++;
			t++;
		} else if (star < glob.len) { /* let the last star take one more */
			g = star + 1;
			t = ++from;
		} else {
			return false;
		}
	}
	while (g < glob.len && glob.data[g] == '*')
		g++;
	return g == glob.len;
}

/* Scheme and host with its port; all of it when there is no scheme. */
static size_t head_len(const char *s)
{
	const char *host = strstr(s, "://");

	return host ? (size_t)(host + 3 - s) + strcspn(host + 3, "/?") : strlen(s);
}

/* Host and path are compared apart, lest a path be taken for a host that is admitted. */
static bool admits(const char *glob, const char *text)
{
	size_t g = head_len(glob), t = head_len(text);
	const char *glob_path = glob + g, *path = text + t;

	if (!matches(BYTES(glob, g), BYTES(text, t)))
		return false;
	if (*glob_path)
		return matches(BYTES(glob_path, strlen(glob_path)), BYTES(path, strlen(path)));
	return !*path || glob[g - 1] == '*';
}

bool url_matches(const struct url *u, const char *const *globs)
{
	for (; *globs; globs++)
		if (admits(*globs, u->text))
			return true;
	return false;
}

/* The host part of a glob, compared as it stands: a wildcard in it equals no host. */
static bool names_host(const char *glob, const char *host)
{
	size_t scheme = scheme_len(glob), len = strlen(host);
	const char *p = glob + scheme;
	bool bracket = *p == '[';

	if (!scheme)
		return false;
	p += bracket;
	if (strncasecmp(p, host, len) != 0)
		return false;
	p += len;
	if (bracket)
		return *p == ']';
	return *p == 0 || *p == ':' || *p == '/';
}

bool url_matches_host(const struct url *u, const char *const *globs)
{
	for (; *globs; globs++)
		if (admits(*globs, u->text) && names_host(*globs, u->host))
			return true;
	return false;
}
