/* ca_world_run.c: one request through all steps: what derivctl, derivd-card and the device do between them. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include "base/clock.h"
#include "evidence/cert.h"
#include "evidence/key.h"
#include "proto/msg.h"

struct world_run *world_run_new(struct world *w)
{
	struct world_run *r = xcalloc(1, sizeof(*r));

	r->w = w;
	r->card = w->card;
	r->device = w->device;
	r->operation = COMMON__OPERATION__ENROLL;
	memset(r->request_id, ++w->next_id & 0xff, sizeof(r->request_id));
	r->request_id[0] ^= (uint8_t)(w->next_id >> 8);
	r->n_certs = 1;
	r->serial = "";
	return r;
}

void world_run_free(struct world_run *r)
{
	if (!r)
		return;
	card_reasons_clear(&r->reasons);
	msg_free(r->assessment);
	offer_free(r->offer);
	EVP_PKEY_free(r->invitation);
	for (size_t i = 0; i < ARRAY_LEN(r->pkcs10); i++)
		buf_free(r->pkcs10[i]);
	buf_free(r->statement);
	buf_free(r->invitation_signature);
	buf_free(r->identity_signature);
	msg_free(r->nonce);
	buf_free(r->intent);
	buf_free(r->card_signature);
	msg_free(r->verified);
	msg_free(r->made);
	free(r);
}

static void fill_certs(struct world_run *r)
{
	if (!r->certs[0].data)
		r->certs[0] = pb_lend(buf_bytes(r->card->der));
}

struct err *world_assess(struct world_run *r)
{
	Ca__Assess q = CA__ASSESS__INIT;
	AUTO_MEM char *serial = xstrdup(r->serial);

	fill_certs(r);
	q.request_id = pb_lend(BYTES(r->request_id, REQUEST_ID_LEN));
	q.operation = r->operation;
	q.certificates = r->certs;
	q.n_certificates = r->n_certs;
	q.purposes = r->purposes;
	q.n_purposes = r->n_purposes;
	q.predecessor = r->predecessor;
	q.serial = serial;
	assert_ok(msg_check(&q.base));
	card_reasons_clear(&r->reasons);
	TRY(op_assess(r->w->s, &q, &r->reasons, &r->assessment));
	assert_ok(msg_check(&r->assessment->base));
	return offer_open(r->assessment->offer,
		BYTES(r->w->s->deployment->delivery_public, ED25519_PUBLIC_LEN), &r->offer);
}

static struct buf *pkcs10(EVP_PKEY *key)
{
	X509_REQ *req = X509_REQ_new();
	struct buf *out = buf_new();

	X509_REQ_set_version(req, 0);
	X509_REQ_set_pubkey(req, key);
	assert_true(X509_REQ_sign(req, key, EVP_sha256()) > 0);
	uint8_t *p = buf_grow(out, (size_t)i2d_X509_REQ(req, NULL));
	assert_true(i2d_X509_REQ(req, &p) > 0);
	X509_REQ_free(req);
	return out;
}

static void sign_statement(struct world_run *r)
{
	struct bytes body = buf_bytes(r->statement);

	common__statement__init(&r->wire_statement);
	r->wire_statement.statement = pb_lend(body);
	if (r->invitation) {
		assert_ok(sig_sign(r->invitation, SIG_STATEMENT, body, &r->invitation_signature));
		r->wire_statement.invitation_signature =
			pb_lend(buf_bytes(r->invitation_signature));
	}
	assert_ok(sig_sign(r->device->identity, SIG_STATEMENT, body, &r->identity_signature));
	r->wire_statement.identity_signature = pb_lend(buf_bytes(r->identity_signature));
}

static void add_requests(struct world_run *r, struct statement *st)
{
	for (size_t i = 0; i < r->offer->n_purposes; i++) {
		const struct offer_purpose *p = &r->offer->purposes[i];
		size_t at = (size_t)p->purpose - 1;
		if (p->origin != COMMON__ORIGIN__DEVICE)
			continue;
		r->pkcs10[at] = pkcs10(r->device->keys[at]);
		st->requests[st->n_requests].purpose = p->purpose;
		st->requests[st->n_requests++].pkcs10 = buf_bytes(r->pkcs10[at]);
	}
}

void world_state(struct world_run *r)
{
	struct statement st = {
		.version = 1, .host = r->w->s->deployment->host, .has_invitation = !r->predecessor
	};
	char platform[] = "test device 1.0";

	memcpy(st.deployment, r->w->s->deployment->id, DEPLOYMENT_ID_LEN);
	if (st.has_invitation) {
		r->invitation = sig_new_ed25519();
		sig_raw_public(r->invitation, r->invitation_public);
		memcpy(st.invitation_public, r->invitation_public, ED25519_PUBLIC_LEN);
		clock_random(r->r_d, R_LEN);
		clock_random(r->r_k, R_LEN);
		sha256(BYTES(r->r_d, R_LEN), st.commitment);
	}
	sha256(pb_bytes(r->assessment->offer->body), st.offer_digest);
	st.identity_public = buf_bytes(r->device->identity_spki);
	st.sealing_certificate = buf_bytes(r->device->sealing_der);
	st.platform = platform;
	add_requests(r, &st);
	r->statement = statement_encode(&st);
	sign_statement(r);
}

struct err *world_prepare(struct world_run *r)
{
	Ca__Prepare q = CA__PREPARE__INIT;

	fill_certs(r);
	q.offer = r->assessment->offer;
	q.statement = &r->wire_statement;
	if (!r->predecessor) {
		q.device_random = pb_lend(BYTES(r->r_d, R_LEN));
		q.kiosk_random = pb_lend(BYTES(r->r_k, R_LEN));
	}
	q.certificates = r->certs;
	q.n_certificates = r->offer->n_certs;
	q.predecessor = r->predecessor;
	assert_ok(msg_check(&q.base));
	msg_free(r->nonce);
	r->nonce = NULL;
	TRY(op_prepare(r->w->s, &q, &r->nonce));
	return msg_check(&r->nonce->base);
}

void world_card_sign(struct world_run *r)
{
	const EVP_MD *md = EVP_PKEY_get_bits(r->card->key) == 384 ? EVP_sha384() : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t signature[1024];
	size_t len = sizeof(signature);

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, r->card->key), 1);
	assert_int_equal(
		EVP_DigestSign(ctx, signature, &len, buf_data(r->intent), buf_len(r->intent)), 1);
	EVP_MD_CTX_free(ctx);
	buf_free(r->card_signature);
	r->card_signature = buf_new();
	buf_add(r->card_signature, signature, len);
	r->evidence.intent = pb_lend(buf_bytes(r->intent));
	r->evidence.card_signature = pb_lend(buf_bytes(r->card_signature));
}

void world_sign(struct world_run *r)
{
	AUTO(statement) struct statement *st = NULL;
	AUTO(intent) struct intent *intent = NULL;
	enum card_algorithm algorithm;

	assert_ok(statement_decode(buf_bytes(r->statement), &st));
	assert_ok(intent_algorithm(r->card->key, &algorithm));
	assert_ok(intent_build(r->offer, st, pb_bytes(r->nonce->nonce), NULL, 0, algorithm,
		r->w->s->deployment->kiosk, &intent));
	buf_free(r->intent);
	r->intent = intent_encode(intent);
	common__evidence__init(&r->evidence);
	world_card_sign(r);
	r->evidence.statement = &r->wire_statement;
	if (!r->predecessor) {
		r->evidence.device_random = pb_lend(BYTES(r->r_d, R_LEN));
		r->evidence.kiosk_random = pb_lend(BYTES(r->r_k, R_LEN));
	}
	memcpy(r->evidence_certs, r->certs, sizeof(r->certs));
	r->evidence.card_certificates = r->evidence_certs;
	r->evidence.n_card_certificates = r->offer->n_certs;
	r->evidence.offer = r->assessment->offer;
	r->evidence.predecessor = r->predecessor;
}

struct err *world_verify(struct world_run *r)
{
	Ca__Verify q = CA__VERIFY__INIT;
	Ca__Verified *verified = NULL;

	q.evidence = &r->evidence;
	assert_ok(msg_check(&q.base));
	TRY(op_verify(r->w->s, &q, &verified));
	msg_free(r->verified);
	r->verified = verified;
	return msg_check(&verified->base);
}

void world_enroll(struct world_run *r)
{
	assert_ok(world_assess(r));
	world_state(r);
	assert_ok(world_prepare(r));
	world_sign(r);
	assert_ok(world_verify(r));
}

struct world_run *world_enrolled(struct world *w)
{
	struct world_run *r = world_run_new(w);

	world_enroll(r);
	return r;
}

uint64_t world_rows(struct world *w)
{
	uint8_t hash[SHA256_LEN];
	uint64_t row;
	int64_t time;

	assert_ok(ledger_head(w->s->ledger, &row, hash, &time));
	return row;
}

Common__AuditHead *world_audit(struct world *w, Common__AuditHead *head)
{
	w->audit.sequence++;
	memset(w->audit.hash, (int)w->audit.sequence, SHA256_LEN);
	common__audit_head__init(head);
	head->sequence = w->audit.sequence;
	head->hash = pb_lend(BYTES(w->audit.hash, SHA256_LEN));
	return head;
}

struct err *world_make(struct world_run *r, Common__Purpose purpose)
{
	Ca__Make q = CA__MAKE__INIT;
	Common__AuditHead audit;
	Ca__Made *made = NULL;

	q.receipt = r->verified->receipt;
	q.purpose = purpose;
	q.audit = world_audit(r->w, &audit);
	assert_ok(msg_check(&q.base));
	TRY(op_make(r->w->s, &q, &made));
	msg_free(r->made);
	r->made = made;
	return msg_check(&made->base);
}

struct err *world_certify(struct world_run *r, Common__Purpose purpose, Ca__Certified **ret)
{
	Ca__Certify q = CA__CERTIFY__INIT;
	Common__AuditHead audit;

	q.receipt = r->verified->receipt;
	q.purpose = purpose;
	q.audit = world_audit(r->w, &audit);
	if (r->pkcs10[purpose - 1])
		q.request = pb_lend(buf_bytes(r->pkcs10[purpose - 1]));
	else if (r->made)
		q.ticket = r->made->ticket;
	assert_ok(msg_check(&q.base));
	TRY(op_certify(r->w->s, &q, ret));
	return msg_check(&(*ret)->base);
}

struct err *world_item(struct world *w, const uint8_t device_id[static SHA256_LEN], uint8_t id,
	uint64_t number, Ca__ItemKind kind, Common__Purpose purpose, struct bytes payload,
	Ca__SignedItem **ret)
{
	Ca__SignItem q = CA__SIGN_ITEM__INIT;
	uint8_t item_id[ITEM_ID_LEN];

	memset(item_id, id, sizeof(item_id));
	q.device_id = pb_lend(BYTES(device_id, SHA256_LEN));
	q.item_id = pb_lend(BYTES(item_id, ITEM_ID_LEN));
	q.number = number;
	q.kind = kind;
	q.purpose = purpose;
	q.payload = pb_lend(payload);
	assert_ok(msg_check(&q.base));
	TRY(op_sign_item(w->s, &q, ret));
	return msg_check(&(*ret)->base);
}

struct err *world_revoke_device(
	struct world *w, const uint8_t device_id[static SHA256_LEN], Ca__Revoked **ret)
{
	Ca__RevokeDevice q = CA__REVOKE_DEVICE__INIT;
	Common__AuditHead audit;

	q.device_id = pb_lend(BYTES(device_id, SHA256_LEN));
	q.reason = 1;
	q.audit = world_audit(w, &audit);
	return op_revoke_device(w->s, &q, ret);
}
