/*
 * session_device.c: what an unknown device may do to a session (ENROLLMENT step 4). Everything here comes over the network from
 * somebody: without a valid signature of the invitation key nothing changes and nothing is told.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/core/mail.h"
#include "daemon/core/policy.h"
#include "daemon/core/session_seat.h"

static void answer(
	struct core *c, const struct connection *from, uint32_t serial, Device__Stage stage)
{
	Device__Progress p = DEVICE__PROGRESS__INIT;

	p.stage = stage;
	mail_device(c, from->number, MSG_DEVICE_PROGRESS, serial, &p);
}

/* --- Begin --- */

static struct err *check_begin(const struct connection *from, const Device__Begin *m)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(sig_public_raw(pb_bytes(m->invitation_public), &key));
	return sig_verify(
		key, SIG_BEGIN, BYTES(from->identity, SHA256_LEN), pb_bytes(m->signature));
}

static struct err *unknown_invitation(void)
{
	return err_new(&ERR_INVITATION_UNKNOWN, "no session has this invitation");
}

/* Somebody else holds the seed of a session whose device is known. Before the line both are refused, after it the newcomer. */
static struct err *newcomer(
	struct core *c, struct request *r, struct connection *from, uint32_t serial)
{
	AUTO_MEM char *actor = session_device_actor(from->identity);
	const struct audit_about about = {
		.event = r->state < RS_COMMITTED ? EV_TWO_DEVICES : EV_NEWCOMER,
		.actor = actor,
		.request = r->id,
		.device = from->identity,
		.error = ERR_TWO_DEVICES.name,
	};
	AUTO(err)
	struct err *e =
		err_new(&ERR_TWO_DEVICES, "another device came with the same invitation, from %s",
			*from->address ? from->address : "an unknown address");

	mail_device_error(c, from->number, serial, e);
	if (!from->refused)
		TRY(audit_add(c->audit, &about, "%s", err_get_text(e)));
	from->refused = true;
	if (r->state >= RS_COMMITTED)
		return NULL;
	return session_end(c, r, RE_CANCEL, &ERR_TWO_DEVICES, actor, "%s", err_get_text(e));
}

/* Its first use stops the invitation's clock, and takes the code from the screen. */
static struct err *use_invitation(struct core *c, const struct request *r, struct session *s)
{
	struct seat *seat = seats_find(c->seats, s->request);

	if (s->invited_until_ms && clock_real_ms() > s->invited_until_ms)
		return err_new(&ERR_INVITATION_EXPIRED, "the invitation has expired");
	if (seat)
		seat->invited_boot_ms = INT64_MAX;
	if (!s->invited_until_ms)
		return NULL;
	s->invited_until_ms = 0;
	TRY(store_session_put(c->store, s));
	if (seat)
		session_push_begun(c, seat, r);
	return NULL;
}

/* Where a device goes on that was here before; the answer to its Begin or Statement. */
static void tell_again(struct core *c, const struct connection *from, uint32_t serial,
	const struct request *r, const struct session *s)
{
	Device__Reveal reveal = DEVICE__REVEAL__INIT;

	if (r->state == RS_VERIFIED) {
		answer(c, from, serial, DEVICE__STAGE__ACCEPTED);
		return;
	}
	if (r->state >= RS_COMMITTED) {
		answer(c, from, serial, DEVICE__STAGE__SIGNED);
		return;
	}
	answer(c, from, serial,
		s && s->device_random ? DEVICE__STAGE__DIGITS : DEVICE__STAGE__WAITING);
	if (!s || !s->kiosk_random)
		return;
	reveal.kiosk_random = pb_lend(buf_bytes(s->kiosk_random));
	mail_device(c, from->number, MSG_DEVICE_REVEAL, 0, &reveal);
}

struct err *session_begin(
	struct core *c, struct connection *from, uint32_t serial, const Device__Begin *m)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;

	/* An unknown key and a bad signature look alike from outside. */
	TRY(err_as(&ERR_INVITATION_UNKNOWN, check_begin(from, m), "begin"));
	TRY(store_request_invited(c->store, pb_bytes(m->invitation_public), &r));
	if (!r)
		return unknown_invitation();
	bool known = !id_is_none(r->device, SHA256_LEN);
	bool other = known && memcmp(r->device, from->identity, SHA256_LEN) != 0;
	if (other && r->open)
		return newcomer(c, r, from, serial);
	if (!other && r->state == RS_VERIFIED) {
		tell_again(c, from, serial, r, NULL);
		return NULL;
	}
	TRY(store_session_get(c->store, r->id, &s));
	if (!s)
		return err_new(&ERR_INVITATION_EXPIRED, "the session is over");
	TRY(use_invitation(c, r, s));
	memcpy(from->request, r->id, ID_LEN);
	return session_send_offer(c, s, from->number, serial);
}

/* --- Statement --- */

static struct err *verify_spki(struct bytes spki, struct bytes statement, struct bytes signature)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(sig_public_spki(spki, &key));
	return sig_verify(key, SIG_STATEMENT, statement, signature);
}

static struct err *verify_invitation(
	const struct request *r, struct bytes statement, struct bytes signature)
{
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(sig_public_raw(BYTES(r->invitation, ED25519_PUBLIC_LEN), &key));
	return sig_verify(key, SIG_STATEMENT, statement, signature);
}

/* Both signatures, or for op = issue the identity key's alone. */
static struct err *check_signatures(
	const struct request *r, const struct connection *from, const Device__Statement *m)
{
	struct bytes statement = pb_bytes(m->statement->statement);
	uint8_t hash[SHA256_LEN];
	bool issue = r->operation == COMMON__OPERATION__ISSUE;

	sha256(pb_bytes(m->identity_public), hash);
	if (memcmp(hash, from->identity, SHA256_LEN) != 0)
		return err_new(&ERR_STATEMENT_BAD, "the identity key is not the connection's");
	TRY(verify_spki(pb_bytes(m->identity_public), statement,
		pb_bytes(m->statement->identity_signature)));
	if (!issue)
		return verify_invitation(
			r, statement, pb_bytes(m->statement->invitation_signature));
	if (m->statement->invitation_signature.len)
		return err_new(&ERR_STATEMENT_BAD, "an enrolled device has no invitation");
	return NULL;
}

/* The session that a statement is for: that of the connection's Begin, or the one that the device is in. */
static struct err *find_session(
	struct core *c, const struct connection *from, struct request **ret_request)
{
	if (!id_is_none(from->request, ID_LEN))
		return store_request_get(c->store, from->request, ret_request);
	TRY(store_request_of_device(c->store, from->identity, ret_request));
	return *ret_request ? NULL : unknown_invitation();
}

static struct err *accept(struct core *c, const struct connection *from, uint32_t serial,
	const Device__Statement *m, struct request *r, struct session *s)
{
	AUTO_MEM char *actor = session_device_actor(from->identity);
	const struct cause cause = { .actor = actor };
	const struct seat *seat = seats_find(c->seats, r->id);

	s->statement = msg_pack_type(&m->statement->base);
	s->identity_public = buf_new();
	buf_add_bytes(s->identity_public, pb_bytes(m->identity_public));
	free(s->address);
	s->address = xstrdup(from->address);
	memcpy(r->device, from->identity, SHA256_LEN);
	TRY(store_session_put(c->store, s));
	TRY(request_step(
		c, r, r->operation == COMMON__OPERATION__ISSUE ? RE_RETURN : RE_STATEMENT, &cause));
	answer(c, from, serial, DEVICE__STAGE__WAITING);
	return seat ? session_push_statement(c, seat, r, s) : NULL;
}

/* Are these the statement's bytes that are stored? (Its signatures may be new ones.) */
static struct err *is_same(const struct session *s, const Device__Statement *m, bool *ret_same)
{
	AUTO_MSG ProtobufCMessage *stored = NULL;

	TRY(msg_parse_type(&common__statement__descriptor, buf_bytes(s->statement), &stored));
	*ret_same = bytes_eq(pb_bytes(((const Common__Statement *)stored)->statement),
		pb_bytes(m->statement->statement));
	return NULL;
}

struct err *session_statement(
	struct core *c, struct connection *from, uint32_t serial, const Device__Statement *m)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;
	bool same = false;

	TRY(find_session(c, from, &r));
	TRY(check_signatures(r, from, m));
	TRY(store_session_get(c->store, r->id, &s));
	if (!s && r->state == RS_VERIFIED) {
		tell_again(c, from, serial, r, NULL);
		return NULL;
	}
	if (!s)
		return err_new(&ERR_SESSION_OVER, "the session is over: the request is %s",
			request_state_name(r->state));
	/* What derivd-ca could not know: this key was revoked here, or is somebody else's. */
	if (r->operation == COMMON__OPERATION__ENROLL)
		TRY(policy_device(c, r->holder, from->identity));
	if (!s->statement)
		return accept(c, from, serial, m, r, s);
	TRY(is_same(s, m, &same));
	if (!same && r->operation == COMMON__OPERATION__ISSUE)
		return err_new(
			&ERR_WRONG_STATE, "another statement of this device is being worked on");
	if (!same)
		return newcomer(c, r, from, serial);
	tell_again(c, from, serial, r, s);
	return NULL;
}

/* --- Opened, and a device that connects again --- */

struct err *session_opened(
	struct core *c, struct connection *from, uint32_t serial, const Device__Opened *m)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;
	AUTO_MEM char *actor = session_device_actor(from->identity);
	const struct cause cause = { .actor = actor };

	TRY(store_request_of_device(c->store, from->identity, &r));
	if (r)
		TRY(store_session_get(c->store, r->id, &s));
	if (!s && r && r->state == RS_VERIFIED) {
		tell_again(c, from, serial, r, NULL);
		return NULL;
	}
	if (!s)
		return err_new(&ERR_SESSION_OVER, "this device has no session");
	answer(c, from, serial, DEVICE__STAGE__DIGITS);
	if (s->device_random && bytes_eq(buf_bytes(s->device_random), pb_bytes(m->device_random)))
		return NULL;
	buf_free(s->device_random);
	s->device_random = buf_new();
	buf_add_bytes(s->device_random, pb_bytes(m->device_random));
	/* A second, different one has no state to go to. */
	TRY(request_step(c, r, RE_DISCLOSE, &cause));
	TRY(store_session_put(c->store, s));
	const struct seat *seat = seats_find(c->seats, r->id);
	if (seat)
		session_push_opened(c, seat, r, s);
	return NULL;
}

struct err *session_greeted(struct core *c, struct connection *from)
{
	AUTO(request) struct request *r = NULL;
	AUTO(session) struct session *s = NULL;

	TRY(store_request_of_device(c->store, from->identity, &r));
	if (!r || r->operation != COMMON__OPERATION__ISSUE || r->state != RS_INVITED)
		return NULL;
	TRY(store_session_get(c->store, r->id, &s));
	return s ? session_send_offer(c, s, from->number, 0) : NULL;
}
