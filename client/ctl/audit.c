/* audit.c: the audit chain, recomputed row by row and held against what derivd-ca saw of it; and watching it grow. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "proto/deployment.h"
#include "evidence/checkpoint.h"
#include "evidence/heads.h"
#include "proto/control.pb-c.h"
#include "proto/sig.h"

#define PAGE 100

/* The hashes of all rows, so that heads can be looked up. */
struct chain {
	size_t n, room;
	uint8_t (*hashes)[SHA256_LEN];
	uint64_t restored; /* the last row that tells of a backup that was put back; 0: none */
};

/* What derivd-ca saw. */
struct heads {
	size_t n, room;
	struct head {
		uint64_t sequence;
		uint8_t hash[SHA256_LEN];
	} * list;
};

struct lost {
	size_t n;
	uint64_t from[OPTION_LIST_MAX], to[OPTION_LIST_MAX];
};

static struct err *check_row(struct chain *chain, const Control__AuditRow *row)
{
	uint8_t before[SHA256_LEN] = { 0 };
	const struct bytes parts[] = { BYTES(before, SHA256_LEN), pb_bytes(row->body) };

	if (row->sequence != chain->n + 1)
		return err_new(&ERR_AUDIT_BAD, _("audit row %zu is missing: the next one is %llu"),
			chain->n + 1, (unsigned long long)row->sequence);
	if (chain->n > 0)
		memcpy(before, chain->hashes[chain->n - 1], SHA256_LEN);
	if (chain->n == chain->room) {
		chain->room = chain->room ? chain->room * 2 : PAGE;
		chain->hashes = xrealloc(chain->hashes, chain->room, sizeof(chain->hashes[0]));
	}
	sha256_labelled(SIG_AUDIT, parts, ARRAY_LEN(parts), chain->hashes[chain->n]);
	if (!bytes_eq(pb_bytes(row->hash), BYTES(chain->hashes[chain->n], SHA256_LEN)))
		return err_new(&ERR_AUDIT_BAD,
			_("audit row %llu was changed: its hash does not follow from the row "
			  "before"),
			(unsigned long long)row->sequence);
	chain->n++;
	if (strcmp(row->event, "restored") == 0)
		chain->restored = row->sequence;
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
		TRY(ctl_next_page(page->next, &ask.after));
	} while (ask.after != 0);
	return NULL;
}

static void add_head(struct heads *heads, uint64_t sequence, const uint8_t hash[static SHA256_LEN])
{
	/* Before the first row there is nothing to compare. */
	if (sequence == 0)
		return;
	if (heads->n == heads->room) {
		heads->room = heads->room ? heads->room * 2 : PAGE;
		heads->list = xrealloc(heads->list, heads->room, sizeof(heads->list[0]));
	}
	heads->list[heads->n].sequence = sequence;
	memcpy(heads->list[heads->n].hash, hash, SHA256_LEN);
	heads->n++;
}

/* Each page is derivd-ca's answer to a challenge of ours: derivd, which carries it, may be what is to be found out about. */
static struct err *get_page(
	struct ctl *c, const struct deployment *d, uint64_t after, struct heads_page **ret_page)
{
	Control__AuditHeads ask = CONTROL__AUDIT_HEADS__INIT;
	AUTO_MSG Control__AuditHeadsReply *reply = NULL;
	struct heads_page expected = { .after = after };

	memcpy(expected.deployment, d->id, DEPLOYMENT_ID_LEN);
	clock_random(expected.challenge, HEADS_CHALLENGE_LEN);
	ask.after = after;
	ask.challenge = pb_lend(BYTES(expected.challenge, HEADS_CHALLENGE_LEN));
	TRY(ctl_call(c, MSG_AUDIT_HEADS, &ask, MSG_AUDIT_HEADS_REPLY, &reply));
	return heads_open(
		reply->page, BYTES(d->receipt_public, ED25519_PUBLIC_LEN), &expected, ret_page);
}

static struct err *get_heads(struct ctl *c, const struct deployment *d, struct heads *heads)
{
	uint64_t after = 0;

	do {
		AUTO_MEM struct heads_page *page = NULL;

		TRY(get_page(c, d, after, &page));
		for (size_t i = 0; i < page->n; i++)
			add_head(heads, page->heads[i].sequence, page->heads[i].hash);
		TRY(ctl_next_page(page->next, &after));
	} while (after != 0);
	return NULL;
}

static struct err *check_checkpoint(
	const struct checkpoint *checkpoint, const struct chain *chain, const char *path)
{
	if (checkpoint->audit_rows == 0)
		return NULL;
	if (checkpoint->audit_rows > chain->n)
		return err_new(&ERR_AUDIT_BAD,
			_("%s has audit row %llu, but the chain ends at %zu: rows were lost"), path,
			(unsigned long long)checkpoint->audit_rows, chain->n);
	if (memcmp(checkpoint->audit_head, chain->hashes[checkpoint->audit_rows - 1], SHA256_LEN) !=
		0)
		return err_new(&ERR_AUDIT_BAD,
			_("audit row %llu is not the one that %s has: the chain was rewritten"),
			(unsigned long long)checkpoint->audit_rows, path);
	return NULL;
}

static struct err *check_checkpoints(
	const struct option_list *files, const struct deployment *d, const struct chain *chain)
{
	for (size_t i = 0; i < files->n; i++) {
		struct checkpoint checkpoint;

		TRY(checkpoint_load(files->values[i], d, &checkpoint));
		TRY(check_checkpoint(&checkpoint, chain, files->values[i]));
	}
	return NULL;
}

/* Rows that are known to be lost, each as "FROM-TO": what the auditor was told of a restore, and believes. */
static struct err *parse_lost(const struct option_list *texts, struct lost *ret_lost)
{
	for (size_t i = 0; i < texts->n; i++) {
		const char *text = texts->values[i], *dash = strchr(text, '-');
		AUTO_MEM char *from = bytes_strdup(BYTES(text, dash ? (size_t)(dash - text) : 0));
		AUTO(err) struct err *e = text_parse_u64(from, INT64_MAX, &ret_lost->from[i]);

		if (!e)
			e = text_parse_u64(dash ? dash + 1 : "", INT64_MAX, &ret_lost->to[i]);
		if (e || ret_lost->from[i] > ret_lost->to[i])
			return ctl_usage(_("--lost %s: give the rows as FROM-TO"), text);
	}
	ret_lost->n = texts->n;
	return NULL;
}

static bool is_lost(const struct lost *lost, uint64_t sequence)
{
	for (size_t i = 0; i < lost->n; i++)
		if (sequence >= lost->from[i] && sequence <= lost->to[i])
			return true;
	return false;
}

static struct err *check_heads(
	const struct heads *heads, const struct chain *chain, const struct lost *lost)
{
	for (size_t i = 0; i < heads->n; i++) {
		const struct head *h = &heads->list[i];
		bool there = h->sequence <= chain->n;

		if (there && memcmp(h->hash, chain->hashes[h->sequence - 1], SHA256_LEN) == 0)
			continue;
		if (is_lost(lost, h->sequence))
			continue;
		if (!there)
			return err_new(&ERR_AUDIT_BAD,
				_("derivd-ca has seen audit row %llu, but the chain ends at %zu: "
				  "rows were lost"),
				(unsigned long long)h->sequence, chain->n);
		return err_new(&ERR_AUDIT_BAD,
			_("audit row %llu is not the one that derivd-ca has seen: the chain was "
			  "rewritten"),
			(unsigned long long)h->sequence);
	}
	return NULL;
}

/* A restore that was meant looks like one that was not: the auditor is shown where to read of it, and decides. */
static struct err *point_at_restore(const struct chain *chain, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (!chain->restored)
		return take(e);
	return err_new(&ERR_AUDIT_BAD,
		_("%s. Audit row %llu tells of a backup that was put back, and which rows are lost "
		  "by it (derivctl audit show): if that was meant, name them with --lost"),
		err_get_text(e), (unsigned long long)chain->restored);
}

/* The heads first: the chain that is read after them has to have them all, also when it grows meanwhile. */
static struct err *verify(struct ctl *c, const char *conf, const struct option_list *checkpoints,
	const struct lost *lost, struct chain *chain, struct heads *heads)
{
	AUTO(deployment) struct deployment *d = NULL;

	TRY(deployment_load(conf, &d));
	TRY(get_heads(c, d, heads));
	TRY(check_chain(c, chain));
	TRY(check_checkpoints(checkpoints, d, chain));
	struct err *e = check_heads(heads, chain, lost);
	return e ? point_at_restore(chain, e) : NULL;
}

struct err *cmd_audit_verify(struct ctl *c, int argc, char **argv)
{
	AUTO_MEM char *standard = proc_config_path("deployment.conf");
	const char *conf = standard;
	struct option_list checkpoints = { .n = 0 }, lost_texts = { .n = 0 };
	struct lost lost = { .n = 0 };
	const struct option_row rows[] = {
		{ "deployment", OPTION_TEXT, &conf },
		{ "checkpoint", OPTION_LIST, &checkpoints },
		{ "lost", OPTION_LIST, &lost_texts },
		{ NULL, OPTION_FLAG, NULL },
	};
	struct chain chain = { 0 };
	struct heads heads = { 0 };
	struct err *e;

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	TRY(parse_lost(&lost_texts, &lost));
	e = verify(c, conf, &checkpoints, &lost, &chain, &heads);
	free(chain.hashes);
	free(heads.list);
	if (e)
		return e;
	if (c->json) {
		AUTO(json)
		json_t *j = json_pack("{s:b, s:I, s:I, s:I}", "good", 1, "rows",
			(json_int_t)chain.n, "heads", (json_int_t)heads.n, "checkpoints",
			(json_int_t)checkpoints.n);

		json_print(j);
	} else {
		(void)printf(
			_("good  %zu audit rows, each following from the one before\n"), chain.n);
		(void)printf(_("good  %zu heads that derivd-ca logged and signed for are in the "
			       "chain\n"),
			heads.n);
		if (checkpoints.n)
			(void)printf(_("good  %zu checkpoints are in the chain\n"), checkpoints.n);
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
		(void)printf("%s  %-8llu %.12s  %s\n", when, (unsigned long long)row->sequence,
			row->request, text);
	}
}

/* Until derivd says something, or nobody reads any more what we say. */
static struct err *wait_for_row(struct peer *p)
{
	struct pollfd fds[] = {
		{ .fd = peer_get_fd(p), .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	bool ready = false;

	TRY(ctl_written());
	TRY(peer_wait(p, 0, &ready));
	while (!ready) {
		if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
			return err_errno(errno, "poll");
		if (fds[1].revents)
			return err_new(&CTL_ERR_CANCELLED, _("nobody reads the output any more"));
		ready = fds[0].revents != 0;
	}
	return NULL;
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
	TRY(request[0] ? ctl_check_id(request) : NULL);
	ask.request = (char *)request;
	ask.after = (uint64_t)after;
	TRY(ctl_control(c, &p));
	TRY(peer_send(p, MSG_WATCH, 1, &ask));
	for (;;) {
		struct peer_message m = { 0 };
		struct err *e = NULL;

		TRY(wait_for_row(p));
		TRY(peer_recv(p, -1, &m));
		if (m.msg->number == MSG_AUDIT_ROW)
			print_row(c, m.body);
		else if (m.msg->number == MSG_ERROR)
			e = kind_from_wire(m.body);
		msg_free(m.body);
		TRY(e);
	}
}
