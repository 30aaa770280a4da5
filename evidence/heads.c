/* heads.c: see heads.h. */
#include "evidence/heads.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/part.h"
#include "evidence/record.h"
#include "proto/kind.h"
#include "proto/msg.h"

#define HEAD_LEN (8 + SHA256_LEN)

struct buf *heads_encode(const struct heads_page *page)
{
	AUTO(buf) struct buf *list = buf_new();
	struct buf *out = buf_new();

	assert(page->n <= HEADS_MAX);
	record_put(out, BYTES(page->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(page->challenge, HEADS_CHALLENGE_LEN));
	record_put_u64(out, page->after);
	record_put_u64(out, page->next);
	record_put_u64(out, (uint64_t)page->time_ms);
	for (size_t i = 0; i < page->n; i++) {
		buf_add_u32(list, HEAD_LEN);
		buf_add_u64(list, page->heads[i].sequence);
		buf_add(list, page->heads[i].hash, SHA256_LEN);
	}
	record_put_nested(out, list);
	return out;
}

static struct err *get_head(struct cursor *list, struct heads_page *page)
{
	struct bytes field, hash;

	if (page->n == HEADS_MAX)
		return err_new(&ERR_FORMAT, "heads: more than %d", HEADS_MAX);
	TRY(record_get(list, "head", HEAD_LEN, HEAD_LEN, &field));
	struct cursor inner = { field };
	TRY(cursor_u64(&inner, &page->heads[page->n].sequence));
	TRY(cursor_bytes(&inner, SHA256_LEN, &hash));
	memcpy(page->heads[page->n].hash, hash.data, SHA256_LEN);
	page->n++;
	return NULL;
}

static struct err *decode(struct bytes b, struct heads_page *page)
{
	struct cursor c = { b }, list;

	TRY(record_get_fixed(&c, "deployment", DEPLOYMENT_ID_LEN, page->deployment));
	TRY(record_get_fixed(&c, "challenge", HEADS_CHALLENGE_LEN, page->challenge));
	TRY(record_get_u64(&c, "after", &page->after));
	TRY(record_get_u64(&c, "next", &page->next));
	TRY(record_get_time(&c, "time", &page->time_ms));
	TRY(record_get_list(&c, "heads", &list));
	while (list.rest.len)
		TRY(get_head(&list, page));
	return cursor_end(&c);
}

struct err *heads_open(const Common__Signed *s, struct bytes receipt_public,
	const struct heads_page *expected, struct heads_page **ret_page)
{
	AUTO_MEM struct heads_page *page = xcalloc(1, sizeof(*page));

	TRY(err_wrap(part_open(s, SIG_HEADS, receipt_public), "audit heads"));
	TRY(err_wrap(decode(pb_bytes(s->body), page), "audit heads"));
	if (memcmp(page->deployment, expected->deployment, DEPLOYMENT_ID_LEN) != 0 ||
		memcmp(page->challenge, expected->challenge, HEADS_CHALLENGE_LEN) != 0 ||
		page->after != expected->after)
		return err_new(&ERR_AUDIT_BAD,
			"derivd gives audit heads that answer another question: derivd-ca did not "
			"sign them now");
	*ret_page = take(page);
	return NULL;
}
