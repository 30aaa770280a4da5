/* http.c: see http.h. */
#include "client/metrics/http.h"

#include <string.h>
#include <strings.h>

size_t http_head_len(struct bytes data)
{
	for (size_t i = 0; i < data.len; i++) {
		if (data.data[i] != '\n')
			continue;
		if (i + 1 < data.len && data.data[i + 1] == '\n')
			return i + 2;
		if (i + 2 < data.len && data.data[i + 1] == '\r' && data.data[i + 2] == '\n')
			return i + 3;
	}
	return 0;
}

/* The next line, without its end. */
static struct bytes next_line(struct bytes *rest)
{
	const uint8_t *end = memchr(rest->data, '\n', rest->len);
	size_t len = end ? (size_t)(end - rest->data) : rest->len;
	struct bytes line = { rest->data, len };

	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	rest->data += end ? len + 1 : len;
	rest->len -= end ? len + 1 : len;
	return line;
}

static struct bytes next_word(struct bytes *line)
{
	const uint8_t *end = memchr(line->data, ' ', line->len);
	struct bytes word = { line->data, end ? (size_t)(end - line->data) : line->len };

	line->data += end ? word.len + 1 : word.len;
	line->len -= end ? word.len + 1 : word.len;
	return word;
}

static bool is(struct bytes b, const char *text)
{
	return b.len == strlen(text) && memcmp(b.data, text, b.len) == 0;
}

static bool has(struct bytes b, const char *text)
{
	return memmem(b.data, b.len, text, strlen(text)) != NULL;
}

/* The path, without what may stand behind a "?". */
static bool is_metrics(struct bytes target)
{
	const uint8_t *query = memchr(target.data, '?', target.len);

	if (query)
		target.len = (size_t)(query - target.data);
	return is(target, "/metrics");
}

static unsigned int judge_line(struct bytes line, struct http_request *q)
{
	struct bytes method = next_word(&line), target = next_word(&line);

	if (!is(line, "HTTP/1.1") && !is(line, "HTTP/1.0"))
		return 400;
	q->head_only = is(method, "HEAD");
	if (!q->head_only && !is(method, "GET"))
		return 405;
	return is_metrics(target) ? 200 : 404;
}

void http_parse(struct bytes head, struct http_request *ret_request)
{
	static const char accept[] = "accept:";
	struct bytes line = next_line(&head);

	*ret_request = (struct http_request){ .format = RENDER_TEXT };
	ret_request->status = judge_line(line, ret_request);
	while (head.len) {
		line = next_line(&head);
		if (line.len < sizeof(accept) - 1 ||
			strncasecmp((const char *)line.data, accept, sizeof(accept) - 1) != 0)
			continue;
		if (has(line, "application/openmetrics-text"))
			ret_request->format = RENDER_OPENMETRICS;
	}
}

static const char *status_text(unsigned int status)
{
	switch (status) {
	case 200:
		return "OK";
	case 404:
		return "Not Found";
	case 405:
		return "Method Not Allowed";
	default:
		return "Bad Request";
	}
}

struct buf *http_answer(const struct http_request *q, const struct buf *body)
{
	AUTO(buf) struct buf *own = buf_new();
	struct buf *out = buf_new();

	if (!body) {
		buf_addf(own, "%s; the metrics are at /metrics\n", status_text(q->status));
		body = own;
	}
	buf_addf(out, "HTTP/1.1 %u %s\r\n", q->status, status_text(q->status));
	buf_addf(out, "Content-Type: %s\r\n",
		q->status == 200 ? render_type(q->format) : "text/plain; charset=utf-8");
	buf_addf(out, "Content-Length: %zu\r\n", buf_len(body));
	if (q->status == 405)
		buf_add_str(out, "Allow: GET, HEAD\r\n");
	buf_add_str(out, "Cache-Control: no-store\r\nConnection: close\r\n\r\n");
	if (!q->head_only)
		buf_add_bytes(out, buf_bytes(body));
	return out;
}
