/* outbox_ask.c: from a job's rows to the question for derivd-ca. */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/mail.h"
#include "daemon/core/notice.h"
#include "daemon/core/outbox.h"

/* The committed head: with each certification derivd-ca sees how far the chain had come. */
static void fill_head(struct core *c, Common__AuditHead *ret_head)
{
	const struct audit_link *head = audit_head(c->audit);

	common__audit_head__init(ret_head);
	ret_head->sequence = head->sequence;
	ret_head->hash = pb_lend(BYTES(head->hash, SHA256_LEN));
}

static void post(struct core *c, const struct job *j, enum msg_number number, const void *body)
{
	struct ask ask = { .kind = ASK_JOB };

	memcpy(ask.id, j->id, ID_LEN);
	mail_ask(c, &ask, number, body);
}

/* The receipt of a request; the caller's, as common.Signed. */
static struct err *get_receipt(struct core *c, const struct job *j, ProtobufCMessage **ret_receipt)
{
	AUTO(buf) struct buf *receipt = NULL;

	TRY(store_evidence_get(c->store, j->request, NULL, &receipt));
	if (!receipt)
		return err_new(&ERR_INTERNAL, "the receipt is missing");
	return msg_parse_type(&common__signed__descriptor, buf_bytes(receipt), ret_receipt);
}

static struct err *ask_verify(struct core *c, const struct job *j)
{
	AUTO(buf) struct buf *packed = NULL;
	AUTO_MSG ProtobufCMessage *evidence = NULL;
	Ca__Verify m = CA__VERIFY__INIT;

	TRY(store_evidence_get(c->store, j->request, &packed, NULL));
	if (!packed)
		return err_new(&ERR_INTERNAL, "the evidence is missing");
	TRY(msg_parse_type(&common__evidence__descriptor, buf_bytes(packed), &evidence));
	m.evidence = (Common__Evidence *)evidence;
	post(c, j, MSG_CA_VERIFY, &m);
	return NULL;
}

static struct err *ask_make(struct core *c, const struct job *j)
{
	AUTO_MSG ProtobufCMessage *receipt = NULL;
	Common__AuditHead head;
	Ca__Make m = CA__MAKE__INIT;

	TRY(get_receipt(c, j, &receipt));
	fill_head(c, &head);
	m.receipt = (Common__Signed *)receipt;
	m.purpose = j->purpose;
	m.audit = &head;
	post(c, j, MSG_CA_MAKE, &m);
	return NULL;
}

static struct err *ask_certify(struct core *c, const struct job *j)
{
	AUTO_MSG ProtobufCMessage *receipt = NULL;
	AUTO_MSG ProtobufCMessage *ticket = NULL;
	AUTO(papers) struct papers *p = NULL;
	Common__AuditHead head;
	Ca__Certify m = CA__CERTIFY__INIT;

	TRY(get_receipt(c, j, &receipt));
	TRY(store_papers_get(c->store, j->credential, &p));
	if (p->ticket)
		TRY(msg_parse_type(&common__signed__descriptor, buf_bytes(p->ticket), &ticket));
	fill_head(c, &head);
	m.receipt = (Common__Signed *)receipt;
	m.purpose = j->purpose;
	if (p->request)
		m.request = pb_lend(buf_bytes(p->request));
	m.ticket = (Common__Signed *)ticket;
	m.audit = &head;
	post(c, j, MSG_CA_CERTIFY, &m);
	return NULL;
}

/* Certificates and sealed keys are with the credential until derivd-ca has put them into the item. */
static struct err *get_payload(struct core *c, struct item *i)
{
	AUTO(papers) struct papers *p = NULL;

	if (i->kind == CA__ITEM_KIND__SEALED_KEY) {
		TRY(store_sealed_device(c->store, i->credential, &i->payload));
		return i->payload ? NULL : err_new(&ERR_INTERNAL, "the sealed key is missing");
	}
	if (i->kind != CA__ITEM_KIND__CERTIFICATE)
		return NULL;
	TRY(store_papers_get(c->store, i->credential, &p));
	i->payload = take(p->certificate);
	return i->payload ? NULL : err_new(&ERR_INTERNAL, "the certificate is missing");
}

static struct err *ask_sign_item(struct core *c, const struct job *j)
{
	AUTO(item) struct item *i = NULL;
	Ca__SignItem m = CA__SIGN_ITEM__INIT;

	TRY(store_item_get(c->store, j->id, &i));
	if (!i)
		return err_new(&ERR_INTERNAL, "the item is missing");
	TRY(get_payload(c, i));
	m.device_id = pb_lend(BYTES(i->device, SHA256_LEN));
	m.item_id = pb_lend(BYTES(i->id, ID_LEN));
	m.number = i->number;
	m.kind = (Ca__ItemKind)i->kind;
	m.purpose = i->purpose;
	if (i->payload)
		m.payload = pb_lend(buf_bytes(i->payload));
	post(c, j, MSG_CA_SIGN_ITEM, &m);
	return NULL;
}

static struct err *ask_revoke(struct core *c, const struct job *j)
{
	AUTO(credential) struct credential *k = NULL;
	AUTO(papers) struct papers *p = NULL;
	Common__AuditHead head;
	Ca__Revoke m = CA__REVOKE__INIT;

	TRY(store_credential_get(c->store, j->credential, &k));
	if (!k->serial)
		return err_new(&ERR_INTERNAL, "the credential has no serial number");
	fill_head(c, &head);
	m.serial = k->serial;
	m.reason = j->reason;
	m.audit = &head;
	/* derivd-ca needs it where its log has lost it. */
	TRY(store_papers_get(c->store, k->id, &p));
	if (p->certificate)
		m.certificate = pb_lend(buf_bytes(p->certificate));
	post(c, j, MSG_CA_REVOKE, &m);
	return NULL;
}

static struct err *ask_revoke_device(struct core *c, const struct job *j)
{
	Common__AuditHead head;
	Ca__RevokeDevice m = CA__REVOKE_DEVICE__INIT;

	fill_head(c, &head);
	m.device_id = pb_lend(BYTES(j->device, SHA256_LEN));
	m.reason = j->reason;
	m.audit = &head;
	post(c, j, MSG_CA_REVOKE_DEVICE, &m);
	return NULL;
}

static struct err *ask_crl(struct core *c, const struct job *j)
{
	Ca__Crl m = CA__CRL__INIT;

	TRY(store_crl_get(c->store, &m.above));
	post(c, j, MSG_CA_CRL, &m);
	return NULL;
}

struct err *outbox_ask(struct core *c, const struct job *j)
{
	static struct err *(*const ask[JOB_WHATS])(struct core *, const struct job *) = {
		[JOB_VERIFY] = ask_verify,
		[JOB_MAKE] = ask_make,
		[JOB_CERTIFY] = ask_certify,
		[JOB_SIGN_ITEM] = ask_sign_item,
		[JOB_REVOKE] = ask_revoke,
		[JOB_REVOKE_DEVICE] = ask_revoke_device,
		[JOB_CRL] = ask_crl,
		[JOB_NOTICE] = notice_ask,
	};

	if (!ask[j->what])
		return err_new(&ERR_INTERNAL, "a job that is not derivd-ca's");
	return ask[j->what](c, j);
}
