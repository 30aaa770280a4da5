/* op_status.c: what the log and the issuer say of themselves, and the audit heads that came with requests. */
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/crl_publish.h"
#include "daemon/ca/op_part.h"
#include "evidence/cert.h"
#include "evidence/checkpoint.h"
#include "evidence/heads.h"

static struct err *count(struct state *s, const char *sql, uint64_t *ret_n)
{
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	bool found;

	TRY(ledger_query(s->ledger, sql, NULL, 0, &rows));
	TRY(ledger_next(rows, &found));
	*ret_n = found ? (uint64_t)ledger_number(rows, 0) : 0;
	return NULL;
}

/* *ret_found is false while no audit head has come. */
static struct err *newest_head(struct state *s, struct entry_audit *ret_audit, bool *ret_found)
{
	static const char sql[] = "SELECT audit_sequence, audit_hash FROM head ORDER BY "
				  "audit_sequence DESC, row DESC LIMIT 1";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;

	TRY(ledger_query(s->ledger, sql, NULL, 0, &rows));
	TRY(ledger_next(rows, ret_found));
	if (!*ret_found)
		return NULL;
	ret_audit->sequence = (uint64_t)ledger_number(rows, 0);
	return ledger_fixed(rows, 1, ret_audit->hash, SHA256_LEN);
}

static struct err *fill_log(struct state *s, Ca__CaStatus *m, uint8_t head[static SHA256_LEN])
{
	static const char certificates[] = "SELECT count(*) FROM certificate";
	static const char revoked[] = "SELECT count(*) FROM revoked";
	struct entry_crl crl;

	TRY(ledger_head(s->ledger, &m->log_rows, head, &m->newest_ms));
	m->log_head = pb_lend(BYTES(head, SHA256_LEN));
	TRY(count(s, certificates, &m->certificates));
	TRY(count(s, revoked, &m->revoked));
	TRY(entry_crl_newest(s->ledger, s->issuer->key_id, &crl));
	m->crl_this_update_ms = crl.this_update_ms;
	m->crl_next_update_ms = crl.next_update_ms;
	TRY(crl_newest_root(s->ledger, s->issuer, &crl));
	m->root_crl_next_update_ms = crl.next_update_ms;
	return NULL;
}

/* A log that was put back to an earlier state does not have the row, or has another one. */
static struct err *find_row(
	struct state *s, uint64_t row, uint8_t hash[static SHA256_LEN], bool *ret_found)
{
	static const char sql[] = "SELECT hash FROM chain WHERE row = ?";
	const struct ledger_value key = LEDGER_NUMBER(row);
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;

	if (row > INT64_MAX)
		return err_new(&ERR_PROTOCOL, "a row number that no log reaches");
	TRY(ledger_query(s->ledger, sql, &key, 1, &rows));
	TRY(ledger_next(rows, ret_found));
	return *ret_found ? ledger_fixed(rows, 0, hash, SHA256_LEN) : NULL;
}

/* What root has changed where nobody else is asked comes into force by now; that it does not is told by who wants something. */
static struct err *fill_approval(struct state *s, Ca__CaStatus *m, char **ret_change)
{
	struct approval a;

	err_free(approval_check(s, false));
	TRY(approval_look(s, 0, &a));
	m->officers = a.needed;
	AUTO(err) struct err *waits = a.needed > 1 ? approval_tell(s) : NULL;
	if (!err_is(waits, &ERR_UNAPPROVED) && !err_is(waits, &ERR_ALONE))
		return NULL;
	AUTO_MEM char *safe = text_safe(BYTES(err_get_text(waits), strlen(err_get_text(waits))));
	*ret_change = text_cut(safe, 1024);
	m->change = *ret_change;
	m->change_kind = (char *)(uintptr_t)err_get_kind(waits)->name;
	return NULL;
}

struct err *op_status(struct state *s, const Ca__Status *q, Ca__CaStatus **ret)
{
	AUTO_MEM char *subject = cert_subject(s->issuer->cert);
	AUTO_MEM char *change = NULL;
	Ca__CaStatus m = CA__CA_STATUS__INIT;
	Common__AuditHead audit = COMMON__AUDIT_HEAD__INIT;
	ProtobufCBinaryData chain[ISSUER_CHAIN_MAX];
	struct entry_audit newest;
	uint8_t head[SHA256_LEN], row_hash[SHA256_LEN];
	bool found;

	m.issuer = subject;
	m.issuer_key_id = pb_lend(BYTES(s->issuer->key_id, SHA256_LEN));
	m.issuer_not_after_ms = s->issuer->not_after_ms;
	TRY(fill_log(s, &m, head));
	TRY(find_row(s, q->row, row_hash, &found));
	m.row = q->row;
	if (found)
		m.row_hash = pb_lend(BYTES(row_hash, SHA256_LEN));
	TRY(fill_approval(s, &m, &change));
	TRY(newest_head(s, &newest, &found));
	if (found) {
		audit.sequence = newest.sequence;
		audit.hash = pb_lend(BYTES(newest.hash, SHA256_LEN));
		m.audit = &audit;
	}
	for (size_t i = 0; i < s->issuer->n_chain; i++)
		chain[i] = pb_lend(buf_bytes(s->issuer->chain[i]));
	m.chain = chain;
	m.n_chain = s->issuer->n_chain;
	*ret = msg_dup(&m.base);
	return NULL;
}

static struct err *add_head(const struct ledger_rows *rows, struct heads_page *page)
{
	page->heads[page->n].sequence = (uint64_t)ledger_number(rows, 1);
	TRY(ledger_fixed(rows, 2, page->heads[page->n].hash, SHA256_LEN));
	page->n++;
	return NULL;
}

/* Fills in heads and next. */
static struct err *read_page(struct state *s, struct heads_page *page)
{
	static const char sql[] = "SELECT row, audit_sequence, audit_hash FROM head WHERE row > ? "
				  "ORDER BY row LIMIT ?";
	const struct ledger_value values[] = { LEDGER_NUMBER(page->after),
		LEDGER_NUMBER(HEADS_MAX + 1) };
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	uint64_t last = 0;
	bool more;

	TRY(ledger_query(s->ledger, sql, values, ARRAY_LEN(values), &rows));
	for (;;) {
		TRY(ledger_next(rows, &more));
		if (!more)
			return NULL;
		if (page->n == HEADS_MAX)
			break;
		TRY(add_head(rows, page));
		last = (uint64_t)ledger_number(rows, 0);
	}
	page->next = last;
	return NULL;
}

struct err *op_heads(struct state *s, const Ca__Heads *q, Ca__HeadPage **ret)
{
	AUTO_MEM struct heads_page *page = xcalloc(1, sizeof(*page));
	AUTO(buf) struct buf *signature = NULL;
	Ca__HeadPage m = CA__HEAD_PAGE__INIT;

	if (q->after > INT64_MAX)
		return err_new(&ERR_PROTOCOL, "a row number that no log reaches");
	memcpy(page->deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(page->challenge, q->challenge.data, HEADS_CHALLENGE_LEN);
	page->after = q->after;
	page->time_ms = clock_real_ms();
	TRY(read_page(s, page));
	AUTO(buf) struct buf *body = heads_encode(page);
	TRY(state_sign_receipt(s, SIG_HEADS, buf_bytes(body), &signature));
	PART_SIGNED(signed_page, body, signature);
	m.page = &signed_page;
	*ret = msg_dup(&m.base);
	return NULL;
}

/* derivd's head is what derivd says, as with a certification: a wrong one makes its own chain fail against the checkpoint. */
struct err *op_checkpoint(struct state *s, const Ca__Checkpoint *q, Ca__CheckpointSigned **ret)
{
	AUTO(buf) struct buf *signature = NULL;
	Ca__CheckpointSigned m = CA__CHECKPOINT_SIGNED__INIT;
	struct checkpoint c = { .time_ms = clock_real_ms() };
	struct entry_audit audit;
	int64_t newest;

	TRY(part_audit(q->audit, &audit));
	memcpy(c.deployment, s->deployment->id, DEPLOYMENT_ID_LEN);
	memcpy(c.challenge, q->challenge.data, CHECKPOINT_CHALLENGE_LEN);
	c.audit_rows = audit.sequence;
	memcpy(c.audit_head, audit.hash, SHA256_LEN);
	TRY(ledger_head(s->ledger, &c.log_rows, c.log_head, &newest));
	AUTO(buf) struct buf *body = checkpoint_encode(&c);
	TRY(state_sign_receipt(s, SIG_CHECKPOINT, buf_bytes(body), &signature));
	PART_SIGNED(signed_checkpoint, body, signature);
	m.checkpoint = &signed_checkpoint;
	*ret = msg_dup(&m.base);
	return NULL;
}
