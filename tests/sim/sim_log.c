/* sim_log.c: derivd-ca's log, for a derivd whose store was put back: what was received, issued, revoked and signed, in its order. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Small, so that there are many. */
#define PAGE 7

void sim_log_add(struct sim *s, const struct sim_known *row)
{
	s->ca.log[s->ca.n_log] = *row;
	if (++s->ca.n_log == SIM_LOG)
		sim_fail(s, "too many rows of the log for this test");
}

static void fill_row(struct sim_known *k, size_t number, Ca__KnownRow *ret_row)
{
	ca__known_row__init(ret_row);
	ret_row->row = number;
	ret_row->what = k->what;
	ret_row->id = pb_lend(BYTES(k->id, k->id_len));
	ret_row->purpose = k->purpose;
	ret_row->serial = k->serial;
	ret_row->number = k->number;
	ret_row->reason = k->reason;
}

void sim_log_page(struct sim *s, const Ca__Reconcile *q, Ca__Reconciled **ret)
{
	Ca__Reconciled m = CA__RECONCILED__INIT;
	Ca__KnownRow rows[PAGE], *list[PAGE];

	for (size_t i = q->after; i < s->ca.n_log && m.n_rows < PAGE; i++) {
		fill_row(&s->ca.log[i], i + 1, &rows[m.n_rows]);
		list[m.n_rows] = &rows[m.n_rows];
		m.n_rows++;
	}
	m.rows = list;
	if (m.n_rows && q->after + m.n_rows < s->ca.n_log)
		m.next = q->after + m.n_rows;
	*ret = msg_dup(&m.base);
}

static uint64_t newest_number(const struct sim *s, const uint8_t *device)
{
	uint64_t newest = 0;

	for (size_t i = 0; i < s->ca.n_signed; i++) {
		const struct sim_signed *t = &s->ca.sign[i];
		if (memcmp(t->device, device, SHA256_LEN) == 0 && t->number > newest)
			newest = t->number;
	}
	return newest;
}

/* A phone may have been thrown away since: derivd-ca has its key from the statement. */
void sim_log_phone(struct sim *s, const struct sim_device *d)
{
	struct sim_phone *p = &s->ca.phone[s->ca.n_phones];

	if (++s->ca.n_phones == SIM_REQUESTS)
		sim_fail(s, "too many phones for this test");
	memcpy(p->id, d->id, SHA256_LEN);
	p->spki = buf_new();
	buf_add_bytes(p->spki, buf_bytes(d->spki));
}

static struct bytes identity_of(struct sim *s, const uint8_t *device)
{
	for (size_t i = 0; i < s->ca.n_phones; i++) {
		if (memcmp(s->ca.phone[i].id, device, SHA256_LEN) == 0)
			return buf_bytes(s->ca.phone[i].spki);
	}
	sim_fail(s, "a phone that there never was");
}

void sim_log_recall(struct sim *s, const Ca__Recall *q, Ca__Recalled **ret)
{
	struct sim_request *r = sim_ca_find(s, q->request_id.data);
	Ca__Recalled m = CA__RECALLED__INIT;
	Ca__Issued issued[4], *list[4];
	AUTO_MSG ProtobufCMessage *evidence = NULL;
	uint8_t body[64] = { 6 };
	Common__Signed ticket;

	if (!r->verified)
		sim_fail(s, "derivd recalls a request that was never verified");
	struct err *e =
		msg_parse_type(&common__evidence__descriptor, buf_bytes(r->evidence), &evidence);
	if (e)
		sim_fail(s, "%s", err_get_text(e));
	sim_ca_sign(BYTES(body, sizeof(body)), &ticket);
	m.evidence = (Common__Evidence *)evidence;
	m.verified = sim_ca_verified(r);
	m.identity_public = pb_lend(identity_of(s, r->device));
	m.operation = r->operation;
	m.issued = list;
	m.newest_number = newest_number(s, r->device);
	for (size_t i = 0; i < s->ca.n_certs; i++) {
		const struct sim_cert *t = &s->ca.cert[i];
		if (memcmp(t->request, r->id, ID_LEN) != 0)
			continue;
		Ca__Issued *at = &issued[m.n_issued];
		ca__issued__init(at);
		at->purpose = t->purpose;
		at->certified = sim_ca_certified(t);
		if (t->purpose == COMMON__PURPOSE__ENCRYPTION)
			at->ticket = &ticket;
		list[m.n_issued++] = at;
	}
	*ret = msg_dup(&m.base);
	msg_free(m.verified);
	for (size_t i = 0; i < m.n_issued; i++)
		msg_free(issued[i].certified);
}

void sim_log_free(struct sim *s)
{
	for (size_t i = 0; i < s->ca.n_phones; i++)
		buf_free(s->ca.phone[i].spki);
	for (size_t i = 0; i < s->ca.n_requests; i++)
		buf_free(s->ca.request[i].evidence);
}
