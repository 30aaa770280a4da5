/* page.h: one answer to List while it is put together (control_list.c, control_rows.c, control_queue.c). */
#ifndef DERIVD_CORE_PAGE_H
#define DERIVD_CORE_PAGE_H

#include "daemon/core/control.h"

struct page {
	struct core *core;
	Control__Rows rows;
	/* What the message points to, until it has been copied into the mail. */
	void **kept;
	size_t n_kept, room;
};
void page_cleanup(struct page *p);
#define AUTO_PAGE __attribute__((cleanup(page_cleanup)))

/* Keeps an allocation as long as the page, and lends it. */
void *page_keep(struct page *p, void *take_it);
/* "" for an id that is none. */
char *page_hex(struct page *p, const uint8_t *id, size_t len);
char *page_copy(struct page *p, const char *text);
/* Foreign text, made safe and cut. */
char *page_shown(struct page *p, const char *text);
/* A constant, as protobuf-c wants it; NULL is "". */
char *page_lend(const char *text);

/* A page that is not full is the last one. */
void page_end(struct page *p, size_t n, const struct filter *f);

/* A page of each kind, or the one with that id. */
struct err *page_requests(struct page *p, const struct filter *f);
struct err *page_request(struct page *p, const uint8_t *id);
struct err *page_devices(struct page *p, const struct filter *f);
struct err *page_device(struct page *p, const uint8_t *id);
struct err *page_credentials(struct page *p, const struct filter *f);
struct err *page_credential(struct page *p, const uint8_t *id);
struct err *page_queue(struct page *p, const struct filter *f);
struct err *page_job(struct page *p, const uint8_t *id);
struct err *page_audit(struct page *p, const struct filter *f);

#endif
