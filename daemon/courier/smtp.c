/* smtp.c: see smtp.h. The body goes as base64 of UTF-8, so that no line of it means anything to SMTP. */
#include "daemon/courier/smtp.h"

#include <curl/curl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "proto/kind.h"

#define LINE_BYTES 57 /* 76 characters of base64, RFC 2045 section 6.8 */

static void handle_free(CURL *c)
{
	curl_easy_cleanup(c);
}
DEFINE_AUTO(handle, CURL *, handle_free);

static void names_free(struct curl_slist *l)
{
	curl_slist_free_all(l);
}
DEFINE_AUTO(names, struct curl_slist *, names_free);

struct upload {
	struct bytes rest;
};

static size_t on_read(char *to, size_t size, size_t n, void *userdata)
{
	struct upload *u = userdata;
	size_t len = size * n < u->rest.len ? size * n : u->rest.len;

	memcpy(to, u->rest.data, len);
	u->rest = BYTES(u->rest.data + len, u->rest.len - len);
	return len;
}

/* RFC 5322 section 3.3, whatever the locale. */
static void add_date(struct buf *b)
{
	static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug",
		"Sep", "Oct", "Nov", "Dec" };
	time_t now = (time_t)(clock_real_ms() / 1000);
	struct tm t;

	gmtime_r(&now, &t);
	buf_addf(b, "Date: %s, %d %s %d %02d:%02d:%02d +0000\r\n", days[t.tm_wday], t.tm_mday,
		months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min, t.tm_sec);
}

static void add_body(struct buf *b, const char *text)
{
	size_t len = strlen(text);
	unsigned char line[LINE_BYTES * 2];

	for (size_t at = 0; at < len; at += LINE_BYTES) {
		size_t n = len - at < LINE_BYTES ? len - at : LINE_BYTES;
		EVP_EncodeBlock(line, (const unsigned char *)text + at, (int)n);
		buf_addf(b, "%s\r\n", (const char *)line);
	}
}

struct buf *smtp_write(const struct smtp_rules *rules, const struct mail *mail)
{
	struct buf *b = buf_new();

	buf_addf(b, "From: derivd <%s>\r\nTo: ", rules->from);
	for (size_t i = 0; i < mail->n_to; i++)
		buf_addf(b, "%s<%s>", i ? ",\r\n " : "", mail->to[i]);
	buf_addf(b, "\r\nSubject: %s\r\n", mail->subject);
	add_date(b);
	/* RFC 3834: no out-of-office answer is to come. */
	buf_addf(b, "Message-ID: <%s%s>\r\nAuto-Submitted: auto-generated\r\n", mail->id,
		strchr(rules->from, '@'));
	buf_add_str(b, "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
		       "Content-Transfer-Encoding: base64\r\n\r\n");
	add_body(b, mail->text);
	return b;
}

static bool set_login(CURL *c, const struct smtp_rules *rules)
{
	bool ok = curl_easy_setopt(c, CURLOPT_USE_SSL,
			  (long)(rules->tls ? CURLUSESSL_ALL : CURLUSESSL_NONE)) == CURLE_OK;

	if (rules->ca)
		ok = ok && curl_easy_setopt(c, CURLOPT_CAINFO, rules->ca) == CURLE_OK;
	if (rules->user && rules->password)
		ok = ok && curl_easy_setopt(c, CURLOPT_USERNAME, rules->user) == CURLE_OK &&
		     curl_easy_setopt(c, CURLOPT_PASSWORD, buf_str(rules->password)) == CURLE_OK;
	return ok;
}

static bool set_up(CURL *c, const struct smtp_rules *rules, struct upload *u,
	struct curl_slist *to, char *error)
{
	return curl_easy_setopt(c, CURLOPT_URL, rules->url) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)SMTP_MS) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_MAIL_FROM, rules->from) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_MAIL_RCPT, to) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READFUNCTION, on_read) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_READDATA, u) == CURLE_OK &&
	       curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error) == CURLE_OK && set_login(c, rules);
}

/* Only an answer of the server to the mail itself is for good: what it says to our name, or to a password, may be mended. */
static struct err *failed(CURL *c, const struct smtp_rules *rules, CURLcode code, const char *error)
{
	AUTO_MEM char *said = text_safe(BYTES(error, strlen(error)));
	long status = 0;
	bool about_mail = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
			  code == CURLE_WEIRD_SERVER_REPLY;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	bool for_good = about_mail && status >= 500 && status <= 599;
	return err_new(for_good ? &ERR_NOTICE_REFUSED : &ERR_NOTICE, "%s: %s", rules->url,
		*said ? said : curl_easy_strerror(code));
}

struct err *smtp_send(const struct smtp_rules *rules, const struct mail *mail)
{
	AUTO(handle) CURL *c = curl_easy_init();
	AUTO(names) struct curl_slist *to = NULL;
	AUTO(buf) struct buf *bytes = smtp_write(rules, mail);
	struct upload u = { buf_bytes(bytes) };
	char error[CURL_ERROR_SIZE] = "";

	if (!c)
		err_abort("no memory for libcurl");
	for (size_t i = 0; i < mail->n_to; i++)
		to = curl_slist_append(to, mail->to[i]);
	if (!set_up(c, rules, &u, to, error))
		return err_new(&ERR_INTERNAL, "libcurl does not take its options");
	CURLcode code = curl_easy_perform(c);
	return code == CURLE_OK ? NULL : failed(c, rules, code, error);
}
