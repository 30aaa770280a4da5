/*
 * http.h: as much of HTTP/1.1 as a scrape takes: one request on a connection, one answer, the end. What is asked for in any
 * other way is refused; nothing of a request but its method, its path and its Accept is looked at.
 */
#ifndef DERIVD_METRICS_HTTP_H
#define DERIVD_METRICS_HTTP_H

#include "base/buf.h"
#include "client/metrics/render.h"

/* The largest head of a request. */
#define HTTP_HEAD_MAX 8192

struct http_request {
	unsigned int status; /* 200, or why not: 400, 404, 405 */
	bool head_only;
	enum render_format format;
};

/* Where the head of the request ends, its empty line included; 0: more has to come. */
size_t http_head_len(struct bytes data);
/* Takes a head apart. */
void http_parse(struct bytes head, struct http_request *ret_request);
/* The whole answer. body may be NULL for a status other than 200: the status stands for it then. */
struct buf *http_answer(const struct http_request *q, const struct buf *body);

#endif
