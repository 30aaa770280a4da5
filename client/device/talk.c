/* talk.c: see talk.h. Each message has one function; what they do to the state is stored before anything is sent. */
#include "client/device/talk.h"

#include <string.h>

#include "base/clock.h"
#include "client/device/fault.h"
#include "client/device/talk_part.h"
#include "proto/device.pb-c.h"
#include "proto/kind.h"

#define PROTOCOL_VERSION 1
/* While derivd is away, the gateway keeps a Hello for it. */
#define WELCOME_MS 30000
/* A gateway asks after four minutes; who hears nothing for longer asks himself. */
#define SILENCE_MS (5 * 60 * 1000LL)
#define PONG_MS 30000
/* A hint may be lost. */
#define PULL_EVERY_MS (10 * 60 * 1000LL)

struct err *talk_send(struct talk *t, enum msg_number number, const ProtobufCMessage *body)
{
	return wire_send(t->wire, number, ++t->serial, body);
}

bool talk_is_pending(const struct talk *t)
{
	return t->state->stage == STAGE_PENDING;
}

static struct err *send_hello(struct talk *t)
{
	Device__Hello m = DEVICE__HELLO__INIT;
	uint32_t versions[] = { PROTOCOL_VERSION };
	char program[] = "derivd-device " PACKAGE_VERSION;

	m.n_versions = ARRAY_LEN(versions);
	m.versions = versions;
	m.program = program;
	m.platform = t->state->platform;
	m.last_number = t->state->last_number;
	wire_set_phase(t->wire, PH_HELLO);
	t->welcomed = false;
	t->pulling = false;
	t->unsettled = 0;
	t->hello_until_ms = clock_boot_ms() + WELCOME_MS;
	return talk_send(t, MSG_DEVICE_HELLO, &m.base);
}

static struct err *check_welcome(const struct talk *t, const Device__Welcome *m)
{
	uint8_t hash[SHA256_LEN];

	if (m->version != PROTOCOL_VERSION)
		return err_new(&ERR_PROTOCOL, "the kiosk chose version %u, which was not offered",
			m->version);
	if (!bytes_eq(pb_bytes(m->deployment), BYTES(t->state->deployment, DEPLOYMENT_ID_LEN)))
		return err_new(&ERR_TAMPERED, "the kiosk is of another deployment");
	sha256(pb_bytes(m->delivery_public), hash);
	if (memcmp(hash, t->state->delivery_hash, SHA256_LEN) != 0)
		return err_new(&ERR_TAMPERED,
			"the kiosk's delivery key is not the one that the invitation named");
	return NULL;
}

/* An enrolled device asks for what waits; one that has answered an offer says so again. */
static struct err *resume_enrolled(struct talk *t)
{
	const struct attempt *a = t->state->attempt;
	bool open = a && a->operation == COMMON__OPERATION__ISSUE && !a->accepted &&
		    clock_real_ms() < a->expires_ms;

	if (open)
		TRY(talk_state_again(t));
	if (t->options->goal == GOAL_ACCEPTED)
		t->done = true;
	return talk_pull(t);
}

static struct err *on_welcome(struct talk *t, const struct wire_message *in)
{
	const Device__Welcome *m = (const void *)in->body;

	TRY(check_welcome(t, m));
	wire_set_phase(t->wire, PH_READY);
	t->welcomed = true;
	buf_clear(t->delivery_public);
	buf_add_bytes(t->delivery_public, pb_bytes(m->delivery_public));
	tell(&t->options->listener,
		(struct derivd_device_event){ .type = DERIVD_DEVICE_CONNECTED,
			.enrolled = m->enrolled,
			.revoked = m->revoked },
		"%s", m->revoked ? "Connected. This device was revoked." : "Connected.");
	t->was_enrolled = m->enrolled;
	if (m->enrolled)
		TRY(talk_enrolled(t));
	return talk_is_pending(t) ? talk_begin(t) : resume_enrolled(t);
}

static struct err *on_restarted(struct talk *t, UNUSED const struct wire_message *in)
{
	return send_hello(t);
}

/* For an enrolled device, a request that was refused is no reason to hang up. It is not repeated on this connection. */
static struct err *on_error(struct talk *t, const struct wire_message *in)
{
	struct err *e = kind_from_wire((const Common__Error *)(const void *)in->body);

	t->told = talk_is_pending(t) || in->serial == 0 || err_get_fate(e) != FATE_REFUSE ||
		  t->options->goal == GOAL_IDLE;
	if (t->told)
		return e;
	if (in->serial == t->statement_serial)
		return talk_decline(t, e);
	tell_error(&t->options->listener, DERIVD_DEVICE_REFUSED, e);
	err_free(e);
	return t->state->stage == STAGE_REMOVED ? talk_removed() : NULL;
}

static struct err *dispatch(struct talk *t, const struct wire_message *in)
{
	static const struct {
		enum msg_number number;
		struct err *(*handle)(struct talk *, const struct wire_message *);
	} messages[] = {
		{ MSG_DEVICE_WELCOME, on_welcome },
		{ MSG_DEVICE_OFFER, talk_on_offer },
		{ MSG_DEVICE_REVEAL, talk_on_reveal },
		{ MSG_DEVICE_PROGRESS, talk_on_progress },
		{ MSG_DEVICE_HINT, talk_on_hint },
		{ MSG_DEVICE_ITEMS, talk_on_items },
		{ MSG_DEVICE_SETTLED, talk_on_settled },
		{ MSG_DEVICE_RESTARTED, on_restarted },
		{ MSG_DEVICE_ERROR, on_error },
	};

	for (size_t i = 0; i < ARRAY_LEN(messages); i++) {
		if (messages[i].number == in->msg->number)
			return messages[i].handle(t, in);
	}
	return NULL;
}

/* --- time --- */

static struct err *send_ping(struct talk *t)
{
	Device__Ping m = DEVICE__PING__INIT;

	t->pong_until_ms = clock_boot_ms() + PONG_MS;
	return talk_send(t, MSG_DEVICE_PING, &m.base);
}

/* What has to be done for the clock's sake; *ret_next_ms: when to look again. */
static struct err *keep_time(struct talk *t, int64_t *ret_next_ms)
{
	int64_t now_ms = clock_boot_ms(), heard_ms = wire_heard_ms(t->wire);

	if (now_ms >= t->options->until_boot_ms)
		return err_new(&ERR_TIMED_OUT, "it took too long");
	*ret_next_ms = t->options->until_boot_ms;
	if (!t->welcomed) {
		if (now_ms >= t->hello_until_ms)
			return err_new(&ERR_TIMEOUT, "the gateway is there, but the service behind "
						     "it does not answer");
		if (t->hello_until_ms < *ret_next_ms)
			*ret_next_ms = t->hello_until_ms;
		return NULL;
	}
	if (heard_ms + SILENCE_MS > now_ms)
		t->pong_until_ms = 0;
	else if (!t->pong_until_ms)
		TRY(send_ping(t));
	else if (now_ms >= t->pong_until_ms)
		return err_new(&ERR_GONE, "the gateway is silent");
	if (!talk_is_pending(t) && now_ms >= t->pulled_ms + PULL_EVERY_MS) {
		t->pulling = false;
		TRY(talk_pull(t));
	}
	int64_t next_ms = t->pong_until_ms ? t->pong_until_ms : heard_ms + SILENCE_MS;
	if (next_ms < *ret_next_ms)
		*ret_next_ms = next_ms;
	return NULL;
}

static struct err *converse(struct talk *t)
{
	TRY(send_hello(t));
	while (!t->done) {
		struct wire_message in;
		int64_t next_ms;
		TRY(keep_time(t, &next_ms));
		TRY(wire_recv(t->wire, next_ms, &in));
		if (!in.msg)
			continue;
		struct err *e = dispatch(t, &in);
		msg_free(in.body);
		TRY(e);
	}
	return NULL;
}

static struct err *open_talk(struct talk *t)
{
	AUTO(buf) struct buf *certificate = NULL;

	TRY(home_load(t->home, &t->state));
	if (!t->state)
		return err_new(
			&ERR_NOT_BEGUN, "%s: no enrollment was begun here", home_dir(t->home));
	TRY(home_get_key(t->home, t->state->identity_key, &t->identity));
	TRY(home_get_object(t->home, t->state->identity_certificate, &certificate));
	t->spki = sig_spki(t->identity);
	t->delivery_public = buf_new();
	struct err *e = wire_connect(t->state, t->identity, buf_bytes(certificate),
		t->options->stop_fd, t->options->until_boot_ms, &t->wire);
	if (!e || err_is(e, &ERR_STOPPED) || clock_boot_ms() < t->options->until_boot_ms)
		return e;
	return err_as(&ERR_TIMED_OUT, e, "it took too long");
}

struct err *talk_run(
	const struct home *h, const struct talk_options *options, struct talk_end *ret_end)
{
	struct talk t = { .home = h, .options = options };
	struct err *e = open_talk(&t);

	if (!e)
		e = converse(&t);
	*ret_end = (struct talk_end){ .welcomed = t.welcomed, .told = t.told };
	wire_free(t.wire);
	buf_free(t.delivery_public);
	buf_free(t.spki);
	EVP_PKEY_free(t.identity);
	state_free(t.state);
	return e;
}
