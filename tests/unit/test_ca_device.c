/* test_ca_device.c: items for devices, revocation of certificates and devices, CRLs, status and audit heads. */
#include "tests/unit/unit.h"

#include "evidence/checkpoint.h"
#include "evidence/heads.h"
#include "tests/unit/ca_world.h"

#include "base/proc.h"
#include "base/io.h"
#include "daemon/ca/crl_store.h"
#include "evidence/cert.h"
#include "evidence/pinset.h"
#include "evidence/seal.h"
#include "proto/msg.h"

#define AUTHENTICATION COMMON__PURPOSE__AUTHENTICATION
#define ENCRYPTION COMMON__PURPOSE__ENCRYPTION
#define NONE COMMON__PURPOSE__PURPOSE_UNSET

/* An enrolled device with its authentication and encryption certificates. */
struct issued {
	struct world_run *run;
	Ca__Certified *authentication, *encryption;
};

static struct issued *issue(struct world *w, struct world_device *device)
{
	struct issued *i = xcalloc(1, sizeof(*i));

	i->run = world_run_new(w);
	if (device)
		i->run->device = device;
	world_enroll(i->run);
	assert_ok(world_certify(i->run, AUTHENTICATION, &i->authentication));
	assert_ok(world_make(i->run, ENCRYPTION));
	assert_ok(world_certify(i->run, ENCRYPTION, &i->encryption));
	return i;
}

static void issued_free(struct issued *i)
{
	world_run_free(i->run);
	msg_free(i->authentication);
	msg_free(i->encryption);
	free(i);
}
DEFINE_AUTO(issued, struct issued *, issued_free);

static struct err *item(struct world *w, const struct world_device *d, uint8_t id, uint64_t number,
	Ca__ItemKind kind, Common__Purpose purpose, struct bytes payload)
{
	AUTO_MSG Ca__SignedItem *signed_item = NULL;

	return world_item(w, d->id, id, number, kind, purpose, payload, &signed_item);
}

static struct err *revoke(struct world *w, const char *serial, uint32_t reason, Ca__Revoked **ret)
{
	Ca__Revoke q = CA__REVOKE__INIT;
	Common__AuditHead audit;
	AUTO_MEM char *copy = xstrdup(serial);

	q.serial = copy;
	q.reason = reason;
	q.audit = world_audit(w, &audit);
	return op_revoke(w->s, &q, ret);
}

static Ca__CrlPublished *publish(struct world *w, bool force)
{
	Ca__Crl q = CA__CRL__INIT;
	Ca__CrlPublished *m = NULL;

	q.force = force;
	assert_ok(op_crl(w->s, &q, &m));
	return m;
}

static X509_CRL *read_crl(struct world *w)
{
	AUTO_MEM char *path = world_path(w, "state/public/ca.crl");
	AUTO(buf) struct buf *der = NULL;
	X509_CRL *crl = NULL;

	assert_ok(io_read_file(path, 1 << 20, &der));
	assert_ok(crl_parse(buf_bytes(der), &crl));
	assert_int_equal(X509_CRL_verify(crl, X509_get0_pubkey(w->s->issuer->cert)), 1);
	return crl;
}

/* --- items --- */

static void the_device_reads_what_was_signed(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__SignedItem *m = NULL;
	AUTO_MSG Ca__SignedItem *chain = NULL;
	AUTO(item) struct item *opened = NULL;
	AUTO(item) struct item *opened_chain = NULL;
	struct bytes certs[ITEM_CHAIN_MAX];
	struct bytes key = BYTES(w->s->deployment->delivery_public, ED25519_PUBLIC_LEN);
	size_t n;

	assert_ok(world_item(w, w->device->id, 1, 7, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION,
		pb_bytes(i->authentication->certificate), &m));
	assert_ok(item_open(m->item, pb_bytes(m->payload), key, &opened));
	assert_int_equal(opened->number, 7);
	assert_int_equal(opened->kind, ITEM_CERTIFICATE);
	assert_memory_equal(opened->device_id, w->device->id, SHA256_LEN);
	assert_ok(world_item(
		w, w->device->id, 2, 8, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0), &chain));
	assert_ok(item_open(chain->item, pb_bytes(chain->payload), key, &opened_chain));
	assert_ok(item_chain_decode(pb_bytes(chain->payload), certs, &n));
	assert_int_equal(n, 2);
	assert_true(bytes_eq(certs[0], pb_bytes(i->authentication->chain[0])));
	assert_true(bytes_eq(certs[1], pb_bytes(i->authentication->chain[1])));
}

static void pins_and_apps_are_filled_in(void **state)
{
	static const char app[] = "{\"email\": \"${mail}\", \"user\": \"${upn.local}\"}";
	static const char conf[] =
		"app \"email-ios\" {\nfile = \"email.json\"\nescape = \"json\"\n}\n";
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(payload_apps) struct payload_apps *apps = NULL;
	AUTO_MSG Ca__SignedItem *pins = NULL;
	AUTO_MSG Ca__SignedItem *m = NULL;
	struct pinset decoded;

	world_write(w, "etc/email.json", BYTES(app, strlen(app)));
	world_write(w, "etc/ca.conf.d/20-app.conf", BYTES(conf, strlen(conf)));
	state_free(w->s);
	w->s = world_open();
	AUTO(issued) struct issued *i = issue(w, NULL);
	assert_ok(
		world_item(w, w->device->id, 1, 1, CA__ITEM_KIND__PINS, NONE, BYTES("", 0), &pins));
	assert_ok(pinset_decode(pb_bytes(pins->payload), &decoded));
	assert_int_equal(decoded.n_pins, 1);
	assert_int_equal(decoded.epoch, 0);
	assert_memory_equal(decoded.deployment, w->s->deployment->id, DEPLOYMENT_ID_LEN);
	assert_memory_equal(decoded.pins[0], w->s->deployment->pins[0], SHA256_LEN);
	assert_ok(world_item(w, w->device->id, 2, 2, CA__ITEM_KIND__APP, NONE, BYTES("", 0), &m));
	assert_ok(payload_apps_decode(pb_bytes(m->payload), &apps));
	assert_int_equal(apps->n, 1);
	assert_string_equal(apps->apps[0].name, "email-ios");
	static const char expected[] = "{\"email\": \"ann@mail.example.org\", \"user\": \"ann\"}";
	assert_true(bytes_eq(apps->apps[0].text, BYTES(expected, strlen(expected))));
}

/* A process that was started before the change signs what holds now. */
static void pins_are_those_of_the_file(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__SignedItem *m = NULL;
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	AUTO(deployment) struct deployment *d = NULL;
	struct pinset p;

	assert_ok(deployment_load(path, &d));
	memset(d->pins[d->n_pins++], 9, SHA256_LEN);
	d->pins_epoch = 1;
	AUTO(buf) struct buf *text = deployment_write(d);
	world_write(w, "etc/deployment.conf", buf_bytes(text));
	assert_ok(
		world_item(w, w->device->id, 1, 1, CA__ITEM_KIND__PINS, NONE, BYTES("", 0), &m));
	assert_ok(pinset_decode(pb_bytes(m->payload), &p));
	assert_int_equal(p.epoch, 1);
	assert_int_equal(p.n_pins, 2);
	assert_memory_equal(p.pins[1], d->pins[1], SHA256_LEN);
}

static void the_same_item_is_the_same_bytes(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__SignedItem *first = NULL;
	AUTO_MSG Ca__SignedItem *again = NULL;
	struct bytes cert = pb_bytes(i->authentication->certificate);

	assert_ok(world_item(
		w, w->device->id, 1, 5, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0), &first));
	world_now_ms += 5000;
	assert_ok(world_item(
		w, w->device->id, 1, 5, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0), &again));
	assert_true(bytes_eq(pb_bytes(first->item->body), pb_bytes(again->item->body)));
	assert_true(bytes_eq(pb_bytes(first->item->signature), pb_bytes(again->item->signature)));
	assert_true(bytes_eq(pb_bytes(first->payload), pb_bytes(again->payload)));
	/* Its id for something else, or with another number. */
	assert_err(item(w, w->device, 1, 5, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION, cert),
		&ERR_WRONG_STATE);
	assert_err(item(w, w->device, 1, 6, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_WRONG_STATE);
}

static void numbers_only_grow(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);

	assert_ok(item(w, w->device, 1, 10, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)));
	assert_err(item(w, w->device, 2, 10, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_WRONG_STATE);
	assert_err(item(w, w->device, 2, 9, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_WRONG_STATE);
	assert_err(
		item(w, w->device, 2, 0, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)), &ERR_PROTOCOL);
	assert_err(item(w, w->device, 2, UINT64_MAX, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_PROTOCOL);
	assert_ok(item(w, w->device, 2, 12, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)));
	/* Nor by so much that none is left for later items. */
	assert_err(item(w, w->device, 3, INT64_MAX, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_WRONG_STATE);
	assert_err(
		item(w, w->device, 3, 12 + (1 << 20) + 1, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_WRONG_STATE);
	assert_ok(item(w, w->device, 3, 12 + (1 << 20), CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)));
}

static void items_for_another_device(void **state)
{
	const struct world_card_options bob = {
		.subject = "Bob Example",
		.san = "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:bob@example.org,email:bob@example.org"
	};
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(world_device) struct world_device *second = world_new_device();
	AUTO(world_device) struct world_device *bobs = world_new_device();
	AUTO(world_device) struct world_device *unknown = world_new_device();
	AUTO(world_card) struct world_card *card = world_new_card(w, &bob);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO(issued) struct issued *more = issue(w, second);
	AUTO(world_run) struct world_run *r = world_run_new(w);
	struct bytes cert = pb_bytes(i->authentication->certificate);
	struct bytes key = pb_bytes(i->run->made->sealed_device);
	struct bytes encryption = pb_bytes(i->encryption->certificate);

	r->card = card;
	r->device = bobs;
	world_enroll(r);
	assert_err(item(w, second, 1, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION, cert),
		&ERR_EVIDENCE_BAD);
	assert_err(item(w, second, 1, 1, CA__ITEM_KIND__SEALED_KEY, ENCRYPTION, key), &ERR_NO_SUCH);
	assert_err(item(w, unknown, 1, 1, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_DEVICE_UNKNOWN);
	assert_err(item(w, bobs, 1, 1, CA__ITEM_KIND__CERTIFICATE, ENCRYPTION, encryption),
		&ERR_EVIDENCE_BAD);
	assert_err(item(w, bobs, 1, 1, CA__ITEM_KIND__REMOVAL, ENCRYPTION, encryption),
		&ERR_EVIDENCE_BAD);
	/* All devices of a holder share the encryption certificate. */
	assert_ok(item(w, second, 1, 1, CA__ITEM_KIND__CERTIFICATE, ENCRYPTION, encryption));
}

static void items_of_ones_own(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO(buf) struct buf *stranger = cert_der(w->card->cert);
	AUTO(buf) struct buf *changed = buf_new();
	AUTO(world_run) struct world_run *r = world_run_new(w);

	buf_add_bytes(changed, pb_bytes(i->authentication->certificate));
	buf_grow(changed, 0)[-1] ^= 1;
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION,
			   buf_bytes(stranger)),
		&ERR_NO_SUCH);
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION,
			   buf_bytes(changed)),
		&ERR_NO_SUCH);
	assert_err(
		item(w, w->device, 1, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION, BYTES("x", 1)),
		&ERR_CERT_BAD);
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__SEALED_KEY, ENCRYPTION, BYTES("x", 1)),
		&ERR_NO_SUCH);
	assert_err(
		item(w, w->device, 1, 1, CA__ITEM_KIND__PINS, NONE, BYTES("x", 1)), &ERR_PROTOCOL);
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__CHAIN, NONE, buf_bytes(stranger)),
		&ERR_PROTOCOL);
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__ITEM_UNSET, NONE, BYTES("", 0)),
		&ERR_PROTOCOL);
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__CERTIFICATE, ENCRYPTION,
			   pb_bytes(i->authentication->certificate)),
		&ERR_EVIDENCE_BAD);
	assert_err(
		item(w, w->device, 1, 1, CA__ITEM_KIND__REMOVAL, NONE, BYTES("", 0)), &ERR_POLICY);
	/* A key whose certificate was never issued. */
	world_enroll(r);
	assert_ok(world_make(r, ENCRYPTION));
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__SEALED_KEY, ENCRYPTION,
			   pb_bytes(r->made->sealed_device)),
		&ERR_WRONG_STATE);
	assert_ok(item(w, w->device, 1, 1, CA__ITEM_KIND__SEALED_KEY, ENCRYPTION,
		pb_bytes(i->run->made->sealed_device)));
}

/* --- revocation --- */

static void a_revoked_certificate(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__Revoked *first = NULL;
	AUTO_MSG Ca__Revoked *again = NULL;
	AUTO_MSG Ca__Certified *c = NULL;
	struct bytes cert = pb_bytes(i->authentication->certificate);

	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__REMOVAL, AUTHENTICATION, cert),
		&ERR_POLICY);
	assert_err(revoke(w, i->authentication->serial, 6, &first), &ERR_POLICY);
	assert_err(revoke(w, i->authentication->serial, 2, &first), &ERR_POLICY);
	assert_err(revoke(w, "00", 1, &first), &ERR_NO_SUCH);
	assert_err(revoke(w, "4000000000000000000000000000000000000000", 1, &first), &ERR_NO_SUCH);
	assert_ok(revoke(w, i->authentication->serial, 1, &first));
	assert_int_equal(first->certificates, 1);
	world_now_ms += 1000;
	assert_ok(revoke(w, i->authentication->serial, 4, &again));
	assert_int_equal(again->certificates, 0);
	assert_int_equal(again->revoked_ms, first->revoked_ms);
	assert_ok(world_certify(i->run, AUTHENTICATION, &c));
	assert_true(c->revoked);
	assert_err(item(w, w->device, 1, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION, cert),
		&ERR_WRONG_STATE);
	assert_ok(item(w, w->device, 1, 1, CA__ITEM_KIND__REMOVAL, AUTHENTICATION, cert));
}

static void a_revoked_device(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO(world_run) struct world_run *waiting = world_run_new(w);
	AUTO_MSG Ca__Revoked *m = NULL;
	AUTO_MSG Ca__Revoked *again = NULL;
	AUTO_MSG Ca__Certified *c = NULL;
	AUTO(buf) struct buf *copy = NULL;
	struct bytes cert = pb_bytes(i->authentication->certificate);
	AUTO(entry_made) struct entry_made *made = NULL;

	assert_ok(item(w, w->device, 9, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION, cert));
	world_enroll(waiting);
	assert_ok(world_make(waiting, ENCRYPTION));
	assert_ok(world_revoke_device(w, w->device->id, &m));
	assert_int_equal(m->certificates, 2);
	assert_int_equal(m->revoked_ms, world_now_ms);
	world_now_ms += 1000;
	assert_ok(world_revoke_device(w, w->device->id, &again));
	assert_int_equal(again->certificates, 0);
	assert_int_equal(again->revoked_ms, m->revoked_ms);
	/* What was issued is said to be revoked; nothing new comes; what was made is gone. */
	assert_ok(world_certify(i->run, AUTHENTICATION, &c));
	assert_true(c->revoked);
	msg_free(take(c));
	assert_err(world_certify(waiting, AUTHENTICATION, &c), &ERR_DEVICE_REVOKED);
	assert_err(world_certify(waiting, ENCRYPTION, &c), &ERR_DEVICE_REVOKED);
	assert_err(world_make(waiting, ENCRYPTION), &ERR_DEVICE_REVOKED);
	assert_ok(entry_made_get(
		w->s->ledger, waiting->verified->intent_hash.data, ENCRYPTION, &made));
	assert_ok(ledger_get_piece(w->s->ledger, made->row, PIECE_DEVICE_COPY, &copy));
	assert_null(copy);
	/* Neither new items nor old ones, but the notice of removal. */
	assert_err(item(w, w->device, 1, 2, CA__ITEM_KIND__CHAIN, NONE, BYTES("", 0)),
		&ERR_DEVICE_REVOKED);
	assert_err(item(w, w->device, 9, 1, CA__ITEM_KIND__CERTIFICATE, AUTHENTICATION, cert),
		&ERR_DEVICE_REVOKED);
	assert_ok(item(w, w->device, 1, 2, CA__ITEM_KIND__REMOVAL, NONE, BYTES("", 0)));
}

static void the_crl(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__CrlPublished *idle = publish(w, false);
	AUTO_MSG Ca__Revoked *m = NULL;
	AUTO(x509) X509 *cert = NULL;
	X509_REVOKED *entry = NULL;

	assert_int_equal(idle->number, 1); /* init's is not old yet */
	assert_ok(revoke(w, i->authentication->serial, 4, &m));
	AUTO_MSG Ca__CrlPublished *due = publish(w, false);
	assert_int_equal(due->number, 2);
	AUTO_MSG Ca__CrlPublished *not_again = publish(w, false);
	assert_int_equal(not_again->number, 2);
	AUTO_MSG Ca__CrlPublished *forced = publish(w, true);
	assert_int_equal(forced->number, 3);
	world_now_ms += 13 * 3600 * 1000;
	AUTO_MSG Ca__CrlPublished *aged = publish(w, false);
	assert_int_equal(aged->number, 4);
	assert_int_equal(aged->next_update_ms - aged->this_update_ms, 7 * WORLD_DAY_MS);
	AUTO(crl) X509_CRL *crl = read_crl(w);
	assert_ok(cert_parse(pb_bytes(i->authentication->certificate), &cert));
	assert_int_equal(X509_CRL_get0_by_cert(crl, &entry, cert), 1);
	assert_true(crl_is_current(crl, world_now_ms));
	int reason = -1, critical;
	ASN1_ENUMERATED *value = X509_REVOKED_get_ext_d2i(entry, NID_crl_reason, &critical, NULL);
	reason = (int)ASN1_ENUMERATED_get(value);
	ASN1_ENUMERATED_free(value);
	assert_int_equal(reason, 4);
}

/* An expired certificate stays for one more CRL, then it goes. */
static void expired_entries_leave_the_crl(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__Revoked *m = NULL;

	assert_ok(revoke(w, i->authentication->serial, 4, &m));
	world_now_ms += 366 * WORLD_DAY_MS;
	msg_free(publish(w, false));
	AUTO(crl) X509_CRL *once_more = read_crl(w);
	assert_int_equal(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(once_more)), 1);
	world_now_ms += WORLD_DAY_MS;
	msg_free(publish(w, false));
	AUTO(crl) X509_CRL *gone = read_crl(w);
	assert_true(sk_X509_REVOKED_num(X509_CRL_get_REVOKED(gone)) <= 0);
}

/* A crash between commit and file: the next call, due or not, writes the file. */
static void a_crl_that_was_not_written(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO_MEM char *path = world_path(w, "state/public/ca.crl");

	msg_free(publish(w, true));
	assert_int_equal(remove(path), 0);
	msg_free(publish(w, false));
	AUTO(crl) X509_CRL *crl = read_crl(w);
	assert_non_null(crl);
}

/* --- what is told --- */

/* As derivctl asks, through derivd. */
static struct heads_page *ask_heads(struct world *w, uint64_t after)
{
	struct heads_page expected = { .after = after };
	Ca__Heads q = CA__HEADS__INIT;
	AUTO_MSG Ca__HeadPage *m = NULL;
	struct heads_page *page = NULL;

	memcpy(expected.deployment, w->s->deployment->id, DEPLOYMENT_ID_LEN);
	memset(expected.challenge, (int)after + 1, HEADS_CHALLENGE_LEN);
	q.after = after;
	q.challenge = pb_lend(BYTES(expected.challenge, HEADS_CHALLENGE_LEN));
	assert_ok(op_heads(w->s, &q, &m));
	assert_ok(msg_check(&m->base));
	assert_ok(heads_open(m->page, BYTES(w->s->deployment->receipt_public, ED25519_PUBLIC_LEN),
		&expected, &page));
	return page;
}

static void status_and_heads(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	Ca__Status q = CA__STATUS__INIT;
	AUTO_MSG Ca__CaStatus *before = NULL;
	AUTO_MSG Ca__CaStatus *after = NULL;

	assert_ok(op_status(w->s, &q, &before));
	assert_ok(msg_check(&before->base));
	assert_null(before->audit);
	AUTO(issued) struct issued *i = issue(w, NULL);
	assert_ok(op_status(w->s, &q, &after));
	assert_ok(msg_check(&after->base));
	assert_int_equal(after->certificates, 2);
	assert_int_equal(after->audit->sequence, w->audit.sequence);
	assert_true(after->log_rows > before->log_rows);
	assert_int_equal(after->newest_ms, world_now_ms);
	AUTO_MEM struct heads_page *page = ask_heads(w, 0);
	assert_int_equal(page->n, 3);
	assert_int_equal(page->heads[0].sequence, 1);
	assert_int_equal(page->heads[2].sequence, 3);
	assert_int_equal(page->next, 0);
	assert_int_equal(page->time_ms, world_now_ms);
}

/* What a store that has lost everything can learn. */
static void the_log_can_be_asked_again(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__Reconciled *page = NULL;
	AUTO_MSG Ca__Reconciled *rest = NULL;
	AUTO_MSG Ca__Recalled *m = NULL;
	Ca__Reconcile q = CA__RECONCILE__INIT;
	Ca__Recall recall = CA__RECALL__INIT;
	uint8_t nobody[REQUEST_ID_LEN] = { 1 };
	unsigned int n[6] = { 0 };

	assert_ok(op_reconcile(w->s, &q, &page));
	assert_ok(msg_check(&page->base));
	assert_int_equal(page->next, 0);
	for (size_t k = 0; k < page->n_rows; k++) {
		assert_true(k == 0 || page->rows[k]->row > page->rows[k - 1]->row);
		n[page->rows[k]->what]++;
	}
	assert_int_equal(n[CA__KNOWN__KNOWN_RECEIPT], 1);
	assert_int_equal(n[CA__KNOWN__KNOWN_CERTIFICATE], 2);
	recall.request_id = page->rows[0]->id;
	assert_ok(op_recall(w->s, &recall, &m));
	assert_ok(msg_check(&m->base));
	assert_int_equal(m->n_issued, 2);
	for (size_t k = 0; k < m->n_issued; k++)
		assert_int_equal(m->issued[k]->ticket != NULL, m->issued[k]->purpose == ENCRYPTION);
	/* The same receipt again, and a page after the last row. */
	AUTO_MSG Ca__Verified *again = NULL;
	Ca__Verify verify = CA__VERIFY__INIT;
	verify.evidence = m->evidence;
	assert_ok(op_verify(w->s, &verify, &again));
	assert_true(bytes_eq(pb_bytes(again->receipt->body), pb_bytes(m->verified->receipt->body)));
	q.after = page->rows[page->n_rows - 1]->row;
	assert_ok(op_reconcile(w->s, &q, &rest));
	assert_int_equal(rest->n_rows, 0);
	recall.request_id = pb_lend(BYTES(nobody, sizeof(nobody)));
	msg_free(take(m));
	assert_err(op_recall(w->s, &recall, &m), &ERR_NO_SUCH);
}

static void a_checkpoint_has_both_ends(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	AUTO(issued) struct issued *i = issue(w, NULL);
	AUTO_MSG Ca__CheckpointSigned *m = NULL;
	Ca__Checkpoint q = CA__CHECKPOINT__INIT;
	Common__AuditHead head = COMMON__AUDIT_HEAD__INIT;
	uint8_t challenge[CHECKPOINT_CHALLENGE_LEN] = { 1, 2, 3 }, hash[SHA256_LEN],
		log[SHA256_LEN];
	struct checkpoint c;
	int64_t newest;
	uint64_t rows;

	memset(hash, 9, sizeof(hash));
	head.sequence = 77;
	head.hash = pb_lend(BYTES(hash, sizeof(hash)));
	q.audit = &head;
	q.challenge = pb_lend(BYTES(challenge, sizeof(challenge)));
	assert_ok(op_checkpoint(w->s, &q, &m));
	assert_ok(msg_check(&m->base));
	assert_ok(checkpoint_open(
		m->checkpoint, BYTES(w->s->deployment->receipt_public, ED25519_PUBLIC_LEN), &c));
	assert_memory_equal(c.challenge, challenge, sizeof(challenge));
	assert_int_equal(c.audit_rows, 77);
	assert_memory_equal(c.audit_head, hash, sizeof(hash));
	assert_ok(ledger_head(w->s->ledger, &rows, log, &newest));
	assert_int_equal(c.log_rows, rows);
	assert_memory_equal(c.log_head, log, sizeof(log));
	assert_int_equal(c.time_ms, world_now_ms);
}

static void heads_come_in_pages(void **state)
{
	AUTO(world) struct world *w = world_new(NULL);
	uint64_t last = 0, after = 0;
	size_t n = 0;

	for (int i = 0; i < 600; i++) {
		AUTO_MSG Ca__Revoked *m = NULL;
		uint8_t device[SHA256_LEN] = { (uint8_t)(i >> 8), (uint8_t)i };
		assert_ok(world_revoke_device(w, device, &m));
	}
	do {
		AUTO_MEM struct heads_page *page = ask_heads(w, after);
		for (size_t i = 0; i < page->n; i++) {
			assert_int_equal(page->heads[i].sequence, last + 1);
			last = page->heads[i].sequence;
			n++;
		}
		after = page->next;
	} while (after);
	assert_int_equal(n, 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_device_reads_what_was_signed),
		cmocka_unit_test(pins_and_apps_are_filled_in),
		cmocka_unit_test(pins_are_those_of_the_file),
		cmocka_unit_test(the_same_item_is_the_same_bytes),
		cmocka_unit_test(numbers_only_grow),
		cmocka_unit_test(items_for_another_device),
		cmocka_unit_test(items_of_ones_own),
		cmocka_unit_test(a_revoked_certificate),
		cmocka_unit_test(a_revoked_device),
		cmocka_unit_test(the_crl),
		cmocka_unit_test(expired_entries_leave_the_crl),
		cmocka_unit_test(a_crl_that_was_not_written),
		cmocka_unit_test(status_and_heads),
		cmocka_unit_test(the_log_can_be_asked_again),
		cmocka_unit_test(a_checkpoint_has_both_ends),
		cmocka_unit_test(heads_come_in_pages),
	};

	seal_start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
