/* fetch.c: libcurl, told to do as little as possible. Each hop of a redirection is a request of its own, so that every
 * URL passes the rules and every address that is connected to is looked at. */
#include "daemon/courier/fetch.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "base/url.h"
#include "daemon/courier/address.h"
#include "proto/kind.h"

#define CONTENT_TYPE_MAX 128

/* One request. */
struct hop {
	const struct fetch_rules *rules;
	const struct fetch *f;
	const struct url *url;
	struct buf *body;
	bool too_large;
	bool special; /* it led to an address that it must not lead to */
	bool may_be_special;
	char error[CURL_ERROR_SIZE];
};

static void curl_free_handle(CURL *c)
{
	curl_easy_cleanup(c);
}
DEFINE_AUTO(curl, CURL *, curl_free_handle);

static void slist_free(struct curl_slist *l)
{
	curl_slist_free_all(l);
}
DEFINE_AUTO(slist, struct curl_slist *, slist_free);

void fetched_free(struct fetched *f)
{
	if (!f)
		return;
	buf_free(f->body);
	free(f->content_type);
	free(f);
}

void fetch_start(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		err_abort("libcurl cannot start");
}

static size_t on_data(char *data, size_t size, size_t n, void *userdata)
{
	struct hop *h = userdata;
	size_t len = size * n;

	if (len > h->f->max_bytes - buf_len(h->body)) {
		h->too_large = true;
		return 0;
	}
	buf_add(h->body, data, len);
	return len;
}

/* Called with the address that is about to be connected to: after the name was looked up, so no answer of a name server
 * gets around it. */
static curl_socket_t on_open(void *userdata, curlsocktype purpose, struct curl_sockaddr *address)
{
	struct hop *h = userdata;

	(void)purpose;
	if (!h->may_be_special && address_is_special(&address->addr)) {
		h->special = true;
		return CURL_SOCKET_BAD;
	}
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static bool set_limits(CURL *c, struct hop *h, int64_t left_ms)
{
	return curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)left_ms) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)left_ms) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)h->f->max_bytes) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       /* Do not wait for the thread that looks a name up: a mute name server takes its time. */
	       curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_WRITEDATA, h) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error) == CURLE_OK;
}

static bool set_manners(CURL *c, struct hop *h)
{
	/* A proxy is the administrator's choice, and looks names up itself. */
	const char *proxy = h->rules->proxy ? h->rules->proxy : "";

	return curl_easy_setopt(c, CURLOPT_URL, h->url->text) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, proxy) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_HTTP09_ALLOWED, 0L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_USERAGENT, "derivd-courier/" PACKAGE_VERSION) ==
		       CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, on_open) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, h) == CURLE_OK;
}

static struct err *set_up(CURL *c, struct hop *h, int64_t left_ms, struct curl_slist **headers)
{
	if (h->f->accept && *h->f->accept) {
		AUTO_MEM char *accept = xasprintf("Accept: %s", h->f->accept);
		*headers = curl_slist_append(*headers, accept);
	}
	if (!set_limits(c, h, left_ms) || !set_manners(c, h) ||
		curl_easy_setopt(c, CURLOPT_HTTPHEADER, *headers) != CURLE_OK)
		return err_new(&ERR_INTERNAL, "libcurl does not take its options");
	return NULL;
}

/* What libcurl says, with what we know better. */
static struct err *failed(const struct hop *h, CURLcode code)
{
	AUTO_MEM char *error = text_safe(BYTES(h->error, strlen(h->error)));

	if (h->too_large || code == CURLE_FILESIZE_EXCEEDED)
		return err_new(
			&ERR_LIMIT, "%s: larger than %zu bytes", h->url->text, h->f->max_bytes);
	if (h->special)
		return err_new(&ERR_POLICY, "%s: leads to an address of this machine or this link",
			h->url->text);
	if (code == CURLE_OPERATION_TIMEDOUT)
		return err_new(&ERR_TIMEOUT, "%s: not complete in time", h->url->text);
	return err_new(
		&ERR_COURIER, "%s: %s", h->url->text, *error ? error : curl_easy_strerror(code));
}

static struct err *take_answer(CURL *c, struct hop *h, long status, struct fetched **ret_fetched)
{
	char *type = NULL;

	curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	*ret_fetched = xcalloc(1, sizeof(**ret_fetched));
	(*ret_fetched)->body = take(h->body);
	(*ret_fetched)->status = (uint32_t)status;
	bool good = type && strlen(type) <= CONTENT_TYPE_MAX &&
		    text_is_printable(BYTES(type, strlen(type)));
	(*ret_fetched)->content_type = xstrdup(good ? type : "");
	return NULL;
}

/* One request: the answer, or where it redirects to (the caller frees). */
static struct err *run_hop(
	struct hop *h, int64_t left_ms, char **ret_redirect, struct fetched **ret_fetched)
{
	AUTO(curl) CURL *c = curl_easy_init();
	AUTO(slist) struct curl_slist *headers = NULL;
	char *redirect = NULL;
	long status = 0;

	if (!c)
		err_abort("no memory for libcurl");
	TRY(set_up(c, h, left_ms, &headers));
	CURLcode code = curl_easy_perform(c);
	if (code != CURLE_OK)
		return failed(h, code);
	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(c, CURLINFO_REDIRECT_URL, &redirect);
	if (!redirect)
		return take_answer(c, h, status, ret_fetched);
	*ret_redirect = xstrdup(redirect);
	return NULL;
}

static struct err *admit(const struct fetch_rules *rules, const char *text, struct url **ret_url)
{
	AUTO(url) struct url *url = NULL;

	TRY(url_parse(text, &url));
	if (!url_matches(url, rules->allow))
		return err_new(
			&ERR_POLICY, "%s: not admitted by \"allow\" in courier.conf", url->text);
	*ret_url = take(url);
	return NULL;
}

static struct err *next_url(const struct fetch_rules *rules, const char *redirect, struct url **url)
{
	AUTO(url) struct url *next = NULL;

	TRY(err_as(&ERR_POLICY, admit(rules, redirect, &next), "%s redirects", (*url)->text));
	if (text_starts((*url)->text, "https://") && !text_starts(next->text, "https://"))
		return err_new(&ERR_POLICY, "%s redirects to a place without TLS", (*url)->text);
	url_free(*url);
	*url = take(next);
	return NULL;
}

static struct err *follow(const struct fetch_rules *rules, const struct fetch *f, struct url **url,
	struct fetched **ret_fetched)
{
	int64_t deadline = clock_boot_ms() + f->timeout_ms;

	for (int hops = 0; hops <= FETCH_REDIRECTS_MAX; hops++) {
		AUTO(buf) struct buf *body = buf_new();
		AUTO_MEM char *redirect = NULL;
		struct hop h = { .rules = rules, .f = f, .url = *url, .body = body };
		int64_t left = deadline - clock_boot_ms();
		if (left <= 0)
			return err_new(&ERR_TIMEOUT, "%s: not complete in time", f->url);
		h.may_be_special = rules->proxy || url_matches_host(*url, rules->allow);
		struct err *e = run_hop(&h, left, &redirect, ret_fetched);
		body = h.body; /* NULL when the answer took it */
		TRY(e);
		if (!redirect)
			return NULL;
		TRY(next_url(rules, redirect, url));
	}
	return err_new(&ERR_COURIER, "%s: more than %d redirections", f->url, FETCH_REDIRECTS_MAX);
}

struct err *fetch_get(
	const struct fetch_rules *rules, const struct fetch *f, struct fetched **ret_fetched)
{
	AUTO(url) struct url *url = NULL;

	if (!f->max_bytes || f->max_bytes > FETCH_BYTES_MAX || !f->timeout_ms ||
		f->timeout_ms > FETCH_MS_MAX)
		return err_new(&ERR_FORMAT, "a fetch is of 1 to %d bytes within 1 to %d ms",
			FETCH_BYTES_MAX, FETCH_MS_MAX);
	TRY(admit(rules, f->url, &url));
	return follow(rules, f, &url, ret_fetched);
}
