/* sim_ca.c: derivd-ca as derivd sees it: it remembers what it issued, repeats itself when asked again, and has bad days. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NONCE_MS (5 * 60 * 1000)
#define VALID_MS (90LL * 24 * 3600 * 1000)

static void answer(struct sim *s, const struct letter *l, enum msg_number number, const void *body)
{
	struct letter back = {
		.from = PARTY_CA, .to = PARTY_CORE, .who = l->who, .message = number, .ask = l->ask
	};

	sim_post(s, &back, body);
}

static void fail(struct sim *s, const struct letter *l, const struct err_kind *kind)
{
	struct letter back = { .from = PARTY_CA,
		.to = PARTY_CORE,
		.who = l->who,
		.message = MSG_ERROR,
		.ask = l->ask };

	back.error = err_new(kind, "so says the simulated derivd-ca");
	sim_post(s, &back, NULL);
}

struct sim_request *sim_ca_find(struct sim *s, const uint8_t *id)
{
	for (size_t i = 0; i < s->ca.n_requests; i++) {
		if (memcmp(s->ca.request[i].id, id, ID_LEN) == 0)
			return &s->ca.request[i];
	}
	sim_fail(s, "derivd-ca is asked for a request that it never assessed");
}

static bool is_lost(const struct sim *s, const uint8_t *device)
{
	for (size_t i = 0; i < s->ca.n_lost; i++) {
		if (memcmp(s->ca.lost[i], device, SHA256_LEN) == 0)
			return true;
	}
	return false;
}

static void holder_id(size_t holder, uint8_t *ret_id)
{
	memset(ret_id, 0xA0 + (int)holder, SHA256_LEN);
}

/* Body and a signature that nobody checks here. */
void sim_ca_sign(struct bytes body, Common__Signed *ret_signed)
{
	static const uint8_t signature[64] = { 7 };

	common__signed__init(ret_signed);
	ret_signed->body = pb_lend(body);
	ret_signed->signature = pb_lend(BYTES(signature, sizeof(signature)));
}

/* --- sessions --- */

static void assess(struct sim *s, const struct letter *l)
{
	const Ca__Assess *m = l->body;
	Ca__Assessment a = CA__ASSESSMENT__INIT;
	struct sim_request *r = &s->ca.request[s->ca.n_requests];
	uint8_t holder[SHA256_LEN], card[SHA256_LEN] = { 9 }, delivery[32] = { 3 },
				    body[48] = { 0 };
	Common__Signed offer;

	if (sim_chance(s, 10)) {
		fail(s, l, sim_chance(s, 2) ? &ERR_CERT_EXPIRED : &ERR_REVOCATION_UNKNOWN);
		return;
	}
	if (++s->ca.n_requests == SIM_REQUESTS)
		sim_fail(s, "too many requests for this test");
	memcpy(r->id, m->request_id.data, ID_LEN);
	r->operation = m->operation;
	r->holder = (size_t)m->certificates[0].data[0] - 1;
	r->purposes[r->n_purposes++] = COMMON__PURPOSE__AUTHENTICATION;
	if (clock_fake_below(2))
		r->purposes[r->n_purposes++] = COMMON__PURPOSE__SIGNING;
	if (clock_fake_below(2))
		r->purposes[r->n_purposes++] = COMMON__PURPOSE__ENCRYPTION;
	holder_id(r->holder, holder);
	memcpy(body, r->id, ID_LEN);
	sim_ca_sign(BYTES(body, sizeof(body)), &offer);
	a.offer = &offer;
	a.delivery_public = pb_lend(BYTES(delivery, sizeof(delivery)));
	a.holder_id = pb_lend(BYTES(holder, sizeof(holder)));
	a.card_id = pb_lend(BYTES(card, sizeof(card)));
	a.name = (char *)(uintptr_t) "A Holder";
	a.last_four = (char *)(uintptr_t) "1234";
	a.n_purposes = r->n_purposes;
	a.purposes = r->purposes;
	answer(s, l, MSG_CA_ASSESSMENT, &a);
}

static void prepare(struct sim *s, const struct letter *l)
{
	const Ca__Prepare *m = l->body;
	Ca__Nonce n = CA__NONCE__INIT;
	AUTO(buf) struct buf *nonce = buf_new();

	sim_ca_find(s, m->offer->body.data);
	clock_random(buf_grow(nonce, 16), 16);
	buf_add_u64(nonce, (uint64_t)clock_real_ms());
	n.nonce = pb_lend(buf_bytes(nonce));
	n.expires_ms = clock_real_ms() + NONCE_MS;
	answer(s, l, MSG_CA_NONCE, &n);
}

/* --- verify --- */

static bool nonce_is_old(struct bytes intent)
{
	struct cursor c = { intent };
	struct bytes skipped;
	uint64_t when = 0;
	struct err *e = cursor_bytes(&c, ID_LEN + 16, &skipped);

	if (!e)
		e = cursor_u64(&c, &when);
	if (e)
		err_abort("an intent that is too short");
	return clock_real_ms() - (int64_t)when > NONCE_MS;
}

Ca__Verified *sim_ca_verified(const struct sim_request *r)
{
	Ca__Verified v = CA__VERIFIED__INIT;
	Ca__Wanted wanted[4], *list[4];
	uint8_t holder[SHA256_LEN], device[SHA256_LEN], card[SHA256_LEN] = { 9 }, body[48] = { 0 },
							pkcs10[80] = { 4 }, hash[32] = { 5 };
	Common__Signed receipt;

	holder_id(r->holder, holder);
	memcpy(device, r->device, SHA256_LEN);
	memcpy(body, r->id, ID_LEN);
	sim_ca_sign(BYTES(body, sizeof(body)), &receipt);
	for (size_t i = 0; i < r->n_purposes; i++) {
		ca__wanted__init(&wanted[i]);
		list[i] = &wanted[i];
		wanted[i].purpose = r->purposes[i];
		wanted[i].origin = r->purposes[i] == COMMON__PURPOSE__ENCRYPTION
					   ? COMMON__ORIGIN__SERVER
					   : COMMON__ORIGIN__DEVICE;
		wanted[i].profile = (char *)(uintptr_t) "default";
		if (wanted[i].origin == COMMON__ORIGIN__DEVICE)
			wanted[i].request = pb_lend(BYTES(pkcs10, sizeof(pkcs10)));
	}
	v.receipt = &receipt;
	v.holder_id = pb_lend(BYTES(holder, sizeof(holder)));
	v.holder_name = (char *)(uintptr_t) "A Holder";
	v.device_id = pb_lend(BYTES(device, SHA256_LEN));
	v.platform = (char *)(uintptr_t) "linux";
	v.card_id = pb_lend(BYTES(card, sizeof(card)));
	v.n_wanted = r->n_purposes;
	v.wanted = list;
	v.intent_hash = pb_lend(BYTES(hash, sizeof(hash)));
	return msg_dup(&v.base);
}

static void note_receipt(struct sim *s, struct sim_request *r, const Common__Evidence *e)
{
	struct sim_known row = { .what = CA__KNOWN__KNOWN_RECEIPT, .id_len = ID_LEN };

	if (r->verified)
		return;
	r->verified = true;
	r->evidence = msg_pack_type(&e->base);
	memcpy(r->device, e->statement->statement.data, SHA256_LEN);
	memcpy(row.id, r->id, ID_LEN);
	sim_log_add(s, &row);
}

static void verify(struct sim *s, const struct letter *l)
{
	const Common__Evidence *e = ((const Ca__Verify *)l->body)->evidence;
	struct sim_request *r = sim_ca_find(s, e->intent.data);

	if (!r->verified && nonce_is_old(pb_bytes(e->intent))) {
		fail(s, l, &ERR_NONCE_EXPIRED);
		return;
	}
	note_receipt(s, r, e);
	AUTO_MSG Ca__Verified *v = sim_ca_verified(r);
	answer(s, l, MSG_CA_VERIFIED, v);
}

/* --- make, certify, sign --- */

static void make(struct sim *s, const struct letter *l)
{
	const Ca__Make *m = l->body;
	struct sim_request *r = sim_ca_find(s, m->receipt->body.data);
	Ca__Made made = CA__MADE__INIT;
	uint8_t body[64] = { 6 };
	Common__Signed ticket;
	ProtobufCBinaryData escrow = pb_lend(BYTES(body, 60));

	if (is_lost(s, r->device)) {
		fail(s, l, &ERR_DEVICE_REVOKED);
		return;
	}
	r->made = true;
	sim_ca_sign(BYTES(body, sizeof(body)), &ticket);
	made.ticket = &ticket;
	made.sealed_device = pb_lend(BYTES(body, sizeof(body)));
	made.sealed_history = pb_lend(BYTES(body, 61));
	made.n_sealed_escrow = 1;
	made.sealed_escrow = &escrow;
	answer(s, l, MSG_CA_MADE, &made);
}

static struct sim_cert *find_cert(struct sim *s, const uint8_t *request, Common__Purpose purpose)
{
	for (size_t i = 0; i < s->ca.n_certs; i++) {
		struct sim_cert *t = &s->ca.cert[i];
		if (memcmp(t->request, request, ID_LEN) == 0 && t->purpose == purpose)
			return t;
	}
	return NULL;
}

static struct sim_cert *new_cert(
	struct sim *s, const struct sim_request *r, Common__Purpose purpose)
{
	struct sim_cert *t = &s->ca.cert[s->ca.n_certs];

	if (++s->ca.n_certs == SIM_CERTS)
		sim_fail(s, "too many certificates for this test");
	memcpy(t->request, r->id, ID_LEN);
	memcpy(t->device, r->device, SHA256_LEN);
	t->purpose = purpose;
	snprintf(t->serial, sizeof(t->serial), "%032zx", s->ca.n_certs + 0x1000);
	struct sim_known row = {
		.what = CA__KNOWN__KNOWN_CERTIFICATE, .id_len = ID_LEN, .purpose = purpose
	};
	memcpy(row.id, r->id, ID_LEN);
	memcpy(row.serial, t->serial, sizeof(row.serial));
	sim_log_add(s, &row);
	return t;
}

static void note_head(struct sim *s, const Common__AuditHead *head)
{
	if (head->sequence < s->ca.head_sequence)
		return;
	s->ca.head_sequence = head->sequence;
	memcpy(s->ca.head_hash, head->hash.data, SHA256_LEN);
}

Ca__Certified *sim_ca_certified(const struct sim_cert *t)
{
	Ca__Certified c = CA__CERTIFIED__INIT;
	uint8_t der[100] = { 8 };
	char serial[sizeof(t->serial)];
	ProtobufCBinaryData chain = pb_lend(BYTES(der, 90));

	memcpy(serial, t->serial, sizeof(serial));
	memcpy(der + 1, t->serial, 32);
	c.certificate = pb_lend(BYTES(der, sizeof(der)));
	c.serial = serial;
	c.not_before_ms = clock_real_ms();
	c.not_after_ms = clock_real_ms() + VALID_MS;
	c.n_chain = 1;
	c.chain = &chain;
	c.revoked = t->revoked;
	return msg_dup(&c.base);
}

static void certify(struct sim *s, const struct letter *l)
{
	const Ca__Certify *m = l->body;
	struct sim_request *r = sim_ca_find(s, m->receipt->body.data);
	struct sim_cert *t = find_cert(s, r->id, m->purpose);

	note_head(s, m->audit);
	if (m->purpose == COMMON__PURPOSE__ENCRYPTION && (!m->ticket || !r->made))
		sim_fail(s, "a key is certified that was not made before");
	if (!t && is_lost(s, r->device)) {
		fail(s, l, &ERR_DEVICE_REVOKED);
		return;
	}
	if (!t)
		t = new_cert(s, r, m->purpose);
	AUTO_MSG Ca__Certified *c = sim_ca_certified(t);
	answer(s, l, MSG_CA_CERTIFIED, c);
}

/* Numbers of a device only grow; the same item again is the same. False: this one comes too late. */
static bool note_number(struct sim *s, const Ca__SignItem *m)
{
	for (size_t i = 0; i < s->ca.n_signed; i++) {
		struct sim_signed *t = &s->ca.sign[i];
		if (memcmp(t->item, m->item_id.data, ID_LEN) == 0)
			return true;
		if (memcmp(t->device, m->device_id.data, SHA256_LEN) == 0 && t->number >= m->number)
			return false;
	}
	struct sim_signed *t = &s->ca.sign[s->ca.n_signed];
	if (++s->ca.n_signed == SIM_CERTS)
		sim_fail(s, "too many items for this test");
	memcpy(t->item, m->item_id.data, ID_LEN);
	memcpy(t->device, m->device_id.data, SHA256_LEN);
	t->number = m->number;
	struct sim_known row = {
		.what = CA__KNOWN__KNOWN_ITEM, .id_len = SHA256_LEN, .number = m->number
	};
	memcpy(row.id, t->device, SHA256_LEN);
	sim_log_add(s, &row);
	return true;
}

static void sign_item(struct sim *s, const struct letter *l)
{
	const Ca__SignItem *m = l->body;
	Ca__SignedItem out = CA__SIGNED_ITEM__INIT;
	AUTO(buf) struct buf *body = buf_new();
	Common__Signed item;

	if (m->kind != CA__ITEM_KIND__REMOVAL && is_lost(s, m->device_id.data)) {
		fail(s, l, &ERR_DEVICE_REVOKED);
		return;
	}
	if (m->kind == CA__ITEM_KIND__APP && clock_fake_below(2)) {
		fail(s, l, &ERR_POLICY);
		return;
	}
	if (!note_number(s, m)) {
		fail(s, l, &ERR_WRONG_STATE);
		return;
	}
	buf_add_bytes(body, pb_bytes(m->item_id));
	buf_add_u64(body, m->number);
	buf_add_u8(body, (uint8_t)m->kind);
	sim_ca_sign(buf_bytes(body), &item);
	out.item = &item;
	out.payload = m->payload;
	if (m->kind == CA__ITEM_KIND__CHAIN || m->kind == CA__ITEM_KIND__APP)
		out.payload = item.signature;
	answer(s, l, MSG_CA_SIGNED_ITEM, &out);
}

/* --- revocations --- */

static void revoke_one(struct sim *s, struct sim_cert *t, unsigned int reason)
{
	struct sim_known row = { .what = CA__KNOWN__KNOWN_REVOKED, .reason = reason };

	if (t->revoked)
		return;
	t->revoked = true;
	memcpy(row.serial, t->serial, sizeof(row.serial));
	sim_log_add(s, &row);
}

static void revoke(struct sim *s, const struct letter *l)
{
	const Ca__Revoke *m = l->body;
	Ca__Revoked out = CA__REVOKED__INIT;

	note_head(s, m->audit);
	for (size_t i = 0; i < s->ca.n_certs; i++) {
		if (strcmp(s->ca.cert[i].serial, m->serial) == 0)
			revoke_one(s, &s->ca.cert[i], m->reason);
	}
	out.revoked_ms = clock_real_ms();
	answer(s, l, MSG_CA_REVOKED, &out);
}

static void lose(struct sim *s, const Ca__RevokeDevice *m)
{
	struct sim_known row = {
		.what = CA__KNOWN__KNOWN_DEVICE_REVOKED, .id_len = SHA256_LEN, .reason = m->reason
	};

	if (s->ca.n_lost == ARRAY_LEN(s->ca.lost))
		sim_fail(s, "too many lost devices for this test");
	memcpy(s->ca.lost[s->ca.n_lost++], m->device_id.data, SHA256_LEN);
	memcpy(row.id, m->device_id.data, SHA256_LEN);
	sim_log_add(s, &row);
}

static void revoke_device(struct sim *s, const struct letter *l)
{
	const Ca__RevokeDevice *m = l->body;
	Ca__Revoked out = CA__REVOKED__INIT;

	if (!is_lost(s, m->device_id.data))
		lose(s, m);
	for (size_t i = 0; i < s->ca.n_certs; i++) {
		if (memcmp(s->ca.cert[i].device, m->device_id.data, SHA256_LEN) == 0)
			revoke_one(s, &s->ca.cert[i], m->reason);
	}
	out.revoked_ms = clock_real_ms();
	answer(s, l, MSG_CA_REVOKED, &out);
}

static void publish(struct sim *s, const struct letter *l)
{
	Ca__CrlPublished out = CA__CRL_PUBLISHED__INIT;

	out.number = 1;
	out.this_update_ms = clock_real_ms();
	out.next_update_ms = clock_real_ms() + 7LL * 24 * 3600 * 1000;
	answer(s, l, MSG_CA_CRL_PUBLISHED, &out);
}

static void status(struct sim *s, const struct letter *l)
{
	Ca__CaStatus out = CA__CA_STATUS__INIT;
	Common__AuditHead head = COMMON__AUDIT_HEAD__INIT;

	head.sequence = s->ca.head_sequence;
	head.hash = pb_lend(BYTES(s->ca.head_hash, SHA256_LEN));
	out.audit = &head;
	answer(s, l, MSG_CA_STATUS_REPLY, &out);
}

static void reconcile(struct sim *s, const struct letter *l)
{
	AUTO_MSG Ca__Reconciled *m = NULL;

	sim_log_page(s, l->body, &m);
	answer(s, l, MSG_CA_RECONCILED, m);
}

static void recall(struct sim *s, const struct letter *l)
{
	AUTO_MSG Ca__Recalled *m = NULL;

	sim_log_recall(s, l->body, &m);
	answer(s, l, MSG_CA_RECALLED, m);
}

/* A bad day: retried, blocked, or refused for good. The answer may be lost after the work was done. */
static bool bad_day(struct sim *s, const struct letter *l)
{
	bool catching_up = l->ask.kind == ASK_RECONCILE || l->ask.kind == ASK_RECALL;
	if (l->ask.kind != ASK_JOB && !catching_up)
		return false;
	if (sim_chance(s, 8)) {
		fail(s, l, &ERR_CA_UNREACHABLE);
		return true;
	}
	if (!catching_up && sim_chance(s, 40)) {
		fail(s, l, &ERR_CA_MISCONFIGURED);
		return true;
	}
	bool refusable = l->message == MSG_CA_CERTIFY || l->message == MSG_CA_MAKE ||
			 l->message == MSG_CA_SIGN_ITEM;
	if (refusable && sim_chance(s, 40) &&
		!(l->message == MSG_CA_CERTIFY && s->ca.n_certs == 0)) {
		const Ca__Certify *m = l->body;
		/* Not after it said yes once: a certificate stays issued. */
		if (l->message == MSG_CA_CERTIFY && find_cert(s, m->receipt->body.data, m->purpose))
			return false;
		fail(s, l, &ERR_CA_REJECTED);
		return true;
	}
	return false;
}

/* derivd-courier: its server is away now and then, or takes no mail for somebody. */
static void tell(struct sim *s, const struct letter *l)
{
	Courier__Noticed m = COURIER__NOTICED__INIT;

	if (l->message == MSG_NOTICE_CHANNELS)
		return;
	if (sim_chance(s, 8)) {
		fail(s, l, &ERR_UNREACHABLE);
		return;
	}
	if (sim_chance(s, 20)) {
		fail(s, l, &ERR_NOTICE_REFUSED);
		return;
	}
	m.mailed = true;
	s->told++;
	answer(s, l, MSG_NOTICE_SENT, &m);
}

void sim_ca_receive(struct sim *s, const struct letter *l)
{
	static void (*const operation[])(struct sim *, const struct letter *) = {
		[MSG_CA_ASSESS - MSG_CA_ASSESS] = assess,
		[MSG_CA_PREPARE - MSG_CA_ASSESS] = prepare,
		[MSG_CA_VERIFY - MSG_CA_ASSESS] = verify,
		[MSG_CA_MAKE - MSG_CA_ASSESS] = make,
		[MSG_CA_CERTIFY - MSG_CA_ASSESS] = certify,
		[MSG_CA_SIGN_ITEM - MSG_CA_ASSESS] = sign_item,
		[MSG_CA_REVOKE - MSG_CA_ASSESS] = revoke,
		[MSG_CA_REVOKE_DEVICE - MSG_CA_ASSESS] = revoke_device,
		[MSG_CA_CRL - MSG_CA_ASSESS] = publish,
		[MSG_CA_STATUS - MSG_CA_ASSESS] = status,
		[MSG_CA_RECONCILE - MSG_CA_ASSESS] = reconcile,
		[MSG_CA_RECALL - MSG_CA_ASSESS] = recall,
	};

	if (l->ask.kind == ASK_NOTICE || l->ask.kind == ASK_CHANNELS) {
		tell(s, l);
		return;
	}
	if (bad_day(s, l))
		return;
	operation[l->message - MSG_CA_ASSESS](s, l);
}
