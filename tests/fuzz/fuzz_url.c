/*
 * fuzz_url.c: addresses as they stand in certificates. The lists of derivd-ca and of the courier judge by what base/url.c reads,
 * libcurl goes where it reads itself: both must read the same host and port. The first line is a glob, the rest the URL.
 */
#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "base/url.h"
#include "tests/fuzz/fuzz.h"

static char *get(CURLU *parts, CURLUPart part)
{
	char *text = NULL;

	if (curl_url_get(parts, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK)
		err_abort("a URL without part %d", (int)part);
	return text;
}

/* libcurl writes numbers in other forms (0x7f.1) as an address: what is connected to is looked at again, as an address. */
static bool is_number(const char *host)
{
	return host[strspn(host, "0123456789abcdefxABCDEFX.:")] == 0;
}

static void compare(const struct url *u, CURLU *parts)
{
	char *host = get(parts, CURLUPART_HOST), *port = get(parts, CURLUPART_PORT);

	if (!is_number(u->host) && strcasecmp(host, u->host) != 0)
		err_abort("%s: host %s here, %s there", u->text, u->host, host);
	if (strtoul(port, NULL, 10) != u->port)
		err_abort("%s: port %u here, %s there", u->text, u->port, port);
	curl_free(host);
	curl_free(port);
}

static void judge(const struct url *u, const char *glob)
{
	const char *const globs[] = { glob, NULL }, *const any[] = { "*", NULL };
	const char *const own[] = { u->text, NULL };

	if (!url_matches(u, any) || (!strchr(u->text, '*') && !url_matches(u, own)))
		err_abort("%s: matches not itself", u->text);
	if (url_matches_host(u, globs) && !url_matches(u, globs))
		err_abort("%s: its host alone is admitted", u->text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_MEM char *glob = bytes_strdup(BYTES(data, size));
	char *text = strchr(glob, '\n');
	AUTO(url) struct url *u = NULL;

	if (!text)
		return 0;
	*text++ = 0;
	AUTO(err) struct err *e = url_parse(text, &u);
	if (e)
		return 0;
	judge(u, glob);
	CURLU *parts = curl_url();
	if (!parts)
		err_abort("no memory for libcurl");
	/* What libcurl does not take it does not fetch. */
	if (curl_url_set(parts, CURLUPART_URL, u->text, 0) == CURLUE_OK)
		compare(u, parts);
	curl_url_cleanup(parts);
	return 0;
}
