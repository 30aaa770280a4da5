/*
 * url.h: web addresses that come from certificates: is this one of http or https, well formed and without tricks, and
 * does a list of globs admit it? Nothing is fetched here.
 */
#ifndef DERIVD_BASE_URL_H
#define DERIVD_BASE_URL_H

#include "base/def.h"
#include "base/err.h"

#define URL_MAX 2048

struct url {
	char *text; /* as given, scheme and host in lower case */
	char *host; /* without brackets */
	uint16_t port;
};

/*
 * Only http and https; a host of letters, digits, "-", "." or an address (IPv6 in brackets); no user, no fragment, no
 * blank, no control or non-ASCII character, no backslash. ERR_FORMAT.
 */
MUST_CHECK struct err *url_parse(const char *text, struct url **ret_url);
void url_free(struct url *u);
DEFINE_AUTO(url, struct url *, url_free);

/*
 * Does a glob match the URL? "*" stands for anything, nothing else is special; but what stands before the path matches nothing
 * of the path. A glob without a path whose last character is "*" admits every path. globs ends with NULL.
 */
bool url_matches(const struct url *u, const char *const *globs);
/* The same, and the glob names exactly this host, without a wildcard in it. */
bool url_matches_host(const struct url *u, const char *const *globs);

#endif
