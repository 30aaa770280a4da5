/* audit.c: the audit chain, recomputed row by row and held against what derivd-ca saw of it; and watching it grow. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "proto/control.pb-c.h"
#include "proto/sig.h"

#define PAGE 100

/* The hashes of all rows, so that heads can be looked up. */
struct chain {
	size_t n;
	uint8_t (*hashes)[SHA256_LEN];
};

static struct err *check_row(struct chain *chain, const Control__AuditRow *row)
{
	uint8_t before[SHA256_LEN] = { 0 };
	const struct bytes parts[] = { BYTES(before, SHA256_LEN), pb_bytes(row->body) };

	if (row->sequence != chain->n + 1)
		return err_new(&ERR_EVIDENCE_BAD, "audit row %zu is missing: the next one is %llu", chain->n + 1,
			(unsigned long long)row->sequence);
	if (chain->n > 0)
		memcpy(before, chain->hashes[chain->n - 1], SHA256_LEN);
	chain->hashes = xrealloc(chain->hashes, chain->n + 1, sizeof(chain->hashes[0]));
	sha256_labelled(SIG_AUDIT, parts, ARRAY_LEN(parts), chain->hashes[chain->n]);
	if (!bytes_eq(pb_bytes(row->hash), BYTES(chain->hashes[chain->n], SHA256_LEN)))
		return err_new(&ERR_EVIDENCE_BAD, "audit row %llu was changed: its hash does not follow from the row before",
			(unsigned long long)row->sequence);
	chain->n++;
	return NULL;
}

static struct err *check_chain(struct ctl *c, struct chain *chain)
{
	Control__List ask = CONTROL__LIST__INIT;

	ask.what = CONTROL__WHAT__AUDIT;
	ask.most = PAGE;
	do {
		AUTO_MSG Control__Rows *page = NULL;

		TRY(ctl_call(c, MSG_LIST, &ask, MSG_ROWS, &page));
		for (size_t i = 0; i < page->n_audit; i++)
			TRY(check_row(chain, page->audit[i]));
		ask.after = page->next;
	} while (ask.after != 0);
	return NULL;
}

static struct err *check_heads(struct ctl *c, const struct chain *chain, size_t *ret_n)
{
	Control__AuditHeads ask = CONTROL__AUDIT_HEADS__INIT;
	size_t n = 0;

	do {
		AUTO_MSG Control__AuditHeadsReply *page = NULL;

		TRY(ctl_call(c, MSG_AUDIT_HEADS, &ask, MSG_AUDIT_HEADS_REPLY, &page));
		for (size_t i = 0; i < page->n_heads; i++, n++) {
			const Common__AuditHead *head = page->heads[i];

			if (head->sequence > chain->n)
				return err_new(&ERR_EVIDENCE_BAD,
					"derivd-ca has seen audit row %llu, but the chain ends at %zu: rows were lost",
					(unsigned long long)head->sequence, chain->n);
			if (head->sequence == 0)
				continue;
			if (!bytes_eq(pb_bytes(head->hash), BYTES(chain->hashes[head->sequence - 1], SHA256_LEN)))
				return err_new(&ERR_EVIDENCE_BAD,
					"audit row %llu is not the one that derivd-ca has seen: the chain was rewritten",
					(unsigned long long)head->sequence);
		}
		ask.after = page->next;
	} while (ask.after != 0);
	*ret_n = n;
	return NULL;
}

struct err *cmd_audit_verify(struct ctl *c, int argc, char **argv)
{
	const struct option_row none[] = { { NULL, OPTION_FLAG, NULL } };
	struct chain chain = { 0 };
	size_t n_heads = 0;
	struct err *e;

	TRY(options_parse(argc, argv, none, 0, 0, NULL));
	e = check_chain(c, &chain);
	if (!e)
		e = check_heads(c, &chain, &n_heads);
	free(chain.hashes);
	if (e)
		return e;
	if (c->json) {
		AUTO(json) json_t *j = json_pack("{s:b, s:I, s:I}", "good", 1, "rows", (json_int_t)chain.n, "heads",
			(json_int_t)n_heads);

		json_print(j);
	} else {
		(void)printf("good  %zu audit rows, each following from the one before\n", chain.n);
		(void)printf("good  %zu heads that derivd-ca logged with certifications are in the chain\n", n_heads);
	}
	return NULL;
}

static void print_row(const struct ctl *c, const Control__AuditRow *row)
{
	AUTO_MEM char *when = text_time(row->when_ms);
	AUTO_MEM char *text = text_safe(BYTES(row->text, strlen(row->text)));

	if (c->json) {
		AUTO(json) json_t *j = json_from_message(&row->base);

		json_print(j);
	} else {
		(void)printf("%s  %-8llu %.12s  %s\n", when, (unsigned long long)row->sequence, row->request, text);
		(void)fflush(stdout);
	}
}

struct err *cmd_watch(struct ctl *c, int argc, char **argv)
{
	Control__Watch ask = CONTROL__WATCH__INIT;
	struct peer *p;
	const char *request = "";
	int64_t after = 0;
	const struct option_row rows[] = {
		{ "request", OPTION_TEXT, &request },
		{ "after", OPTION_NUMBER, &after },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	ask.request = (char *)request;
	ask.after = (uint64_t)after;
	TRY(ctl_control(c, &p));
	TRY(peer_send(p, MSG_WATCH, 1, &ask));
	for (;;) {
		struct peer_message m = { 0 };
		struct err *e = NULL;

		TRY(peer_recv(p, -1, &m));
		if (m.msg->number == MSG_AUDIT_ROW)
			print_row(c, m.body);
		else if (m.msg->number == MSG_ERROR)
			e = kind_from_wire(m.body);
		msg_free(m.body);
		TRY(e);
	}
}
