/*
 * cardclient: derivctl's part of a session with derivd-card, for tests: starts the program with a connection as systemd
 * would, reads one JSON request a line, prints one JSON answer a line. It makes deployment.conf, offers and statements
 * with keys of its own, honest ones or spoiled in one named way, and verifies what the card signed.
 */
#include "tests/unit/unit.h"

#include <jansson.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "proto/deployment.h"
#include "proto/card.pb-c.h"
#include "proto/peer.h"
#include "tests/unit/enrollment.h"

#define CALL_MS 120000
#define LINE_MAX_BYTES 65536

struct client {
	struct peer *peer;
	pid_t pid;
	Card__Facts *facts; /* of the card that is open */
	struct enrollment *enrollment;
};

static const char *word(json_t *request, const char *key)
{
	const char *s = json_string_value(json_object_get(request, key));

	return s ? s : "";
}

static bool is_spoiled(json_t *request, const char *how)
{
	return strcmp(word(request, "spoil"), how) == 0;
}

/* --- starting --- */

static void become_card(const char *program, int fd)
{
	AUTO_MEM char *pid = xasprintf("%d", (int)getpid());

	/* A descriptor that dup2 makes is not close-on-exec, one that is there already may be. */
	int high = dup(fd);
	if (dup2(high, 3) != 3)
		_exit(126);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "connection", 1);
	execl(program, program, NULL);
	_exit(127);
}

static void start(struct client *c, const char *program)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	c->pid = fork();
	assert_true(c->pid >= 0);
	if (c->pid == 0)
		become_card(program, fds[1]);
	close(fds[1]);
	c->peer = peer_new(fds[0], LINK_CARD, SIDE_CLIENT);
	assert_ok(peer_hello(c->peer, "cardclient", CALL_MS));
}

static void write_deployment(const struct enrollment *e, const char *dir)
{
	static char host[] = "kiosk.example.org";
	struct deployment d = { .host = host, .port = 443, .n_pins = 1 };
	AUTO(buf) struct buf *text = NULL;
	AUTO_MEM char *path = xasprintf("%s/deployment.conf", dir);

	memcpy(d.id, e->offer.deployment, DEPLOYMENT_ID_LEN);
	memcpy(d.kiosk, e->kiosk, KIOSK_ID_LEN);
	memcpy(d.delivery_public, e->delivery_public, ED25519_PUBLIC_LEN);
	memcpy(d.receipt_public, e->receipt_public, ED25519_PUBLIC_LEN);
	text = deployment_write(&d);
	assert_ok(io_write_file(path, buf_bytes(text), 0644));
}

/* --- answers --- */

static json_t *json_bytes(struct bytes b)
{
	AUTO_MEM char *hex = text_hex(b);

	return json_string(hex);
}

static json_t *from_error(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	return json_pack("{s:s,s:s,s:s}", "error", err_get_kind(e)->name, "fate",
		err_fate_name(err_get_fate(e)), "text", err_get_text(e));
}

static json_t *from_list(const Card__ReaderList *list)
{
	static const char *const states[] = { "empty", "present", "in-use", "mute" };
	json_t *readers = json_array();

	for (size_t i = 0; i < list->n_readers; i++) {
		const Card__Reader *r = list->readers[i];
		json_array_append_new(
			readers, json_pack("{s:s,s:s,s:o}", "name", r->name, "state",
					 states[r->state], "atr", json_bytes(pb_bytes(r->atr))));
	}
	return json_pack("{s:o,s:s}", "readers", readers, "trouble", list->trouble);
}

static json_t *from_facts(const Card__Facts *f)
{
	static const char *const pins[] = { "ok", "low", "final", "locked", "unset", "none",
		"change" };
	json_t *certs = json_array();

	for (size_t i = 0; i < f->n_certificates; i++) {
		const Card__Certificate *c = f->certificates[i];
		json_array_append_new(certs,
			json_pack("{s:s,s:s,s:b,s:b,s:o}", "slot", c->slot, "label", c->label,
				"has_key", c->has_key, "always", c->always_authenticate, "der",
				json_bytes(pb_bytes(c->der))));
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:o,s:s,s:b,s:i,s:i,s:i,s:o}", "reader",
		f->reader, "type", f->card_type, "label", f->label, "model", f->model,
		"manufacturer", f->manufacturer, "serial", f->serial, "chuid",
		json_bytes(pb_bytes(f->chuid)), "pin", pins[f->pin], "pin_pad", f->pin_pad,
		"pin_min", (int)f->pin_min, "pin_max", (int)f->pin_max, "tries", (int)f->tries_left,
		"certs", certs);
}

/* --- requests --- */

static json_t *do_readers(struct client *c, bool watch)
{
	Card__ListReaders list = CARD__LIST_READERS__INIT;
	Card__WatchReaders watch_body = CARD__WATCH_READERS__INIT;
	AUTO_MSG Card__ReaderList *reply = NULL;
	struct err *e = watch ? peer_call(c->peer, MSG_CARD_WATCH_READERS, &watch_body,
					MSG_CARD_READER_LIST, CALL_MS, &reply)
			      : peer_call(c->peer, MSG_CARD_LIST_READERS, &list,
					MSG_CARD_READER_LIST, CALL_MS, &reply);

	return e ? from_error(e) : from_list(reply);
}

static json_t *do_next(struct client *c, json_t *request)
{
	int timeout_ms = (int)json_integer_value(json_object_get(request, "timeout"));
	struct peer_message m;
	struct err *e = peer_recv(c->peer, timeout_ms, &m);

	if (e)
		return from_error(e);
	AUTO_MSG void *body = m.body;
	assert_int_equal(m.msg->number, MSG_CARD_READER_LIST);
	return from_list(body);
}

static json_t *do_open(struct client *c, json_t *request)
{
	Card__Open open = CARD__OPEN__INIT;
	AUTO_MSG Card__Facts *facts = NULL;

	open.reader = (char *)(uintptr_t)word(request, "reader");
	open.uri = (char *)(uintptr_t)word(request, "uri");
	struct err *e = peer_call(c->peer, MSG_CARD_OPEN, &open, MSG_CARD_FACTS, CALL_MS, &facts);
	if (e)
		return from_error(e);
	peer_set_phase(c->peer, PH_OPEN);
	msg_free(c->facts);
	c->facts = take(facts);
	return from_facts(c->facts);
}

static json_t *do_close(struct client *c)
{
	Card__Close close_body = CARD__CLOSE__INIT;
	AUTO_MSG Common__Done *done = NULL;
	struct err *e = peer_call(c->peer, MSG_CARD_CLOSE, &close_body, MSG_DONE, CALL_MS, &done);

	return e ? from_error(e) : json_pack("{s:b}", "ok", 1);
}

static const Card__Certificate *cert_in_slot(const struct client *c, const char *slot)
{
	for (size_t i = 0; c->facts && i < c->facts->n_certificates; i++)
		if (strcmp(c->facts->certificates[i]->slot, slot) == 0)
			return c->facts->certificates[i];
	return NULL;
}

/* --- an offer and a statement for the card that is open --- */

static void sign_offer(struct enrollment *e, EVP_PKEY *key)
{
	buf_free(e->offer_bytes);
	buf_free(e->offer_signature);
	e->offer_signature = NULL;
	e->offer_bytes = offer_encode(&e->offer);
	assert_ok(sig_sign(key, SIG_OFFER, buf_bytes(e->offer_bytes), &e->offer_signature));
	e->wire_offer.body = pb_lend(buf_bytes(e->offer_bytes));
	e->wire_offer.signature = pb_lend(buf_bytes(e->offer_signature));
	sha256(buf_bytes(e->offer_bytes), e->statement.offer_digest);
}

/* op = issue: the offer names the receipt, the statement no invitation. */
static void make_further(struct enrollment *e)
{
	e->offer.operation = COMMON__OPERATION__ISSUE;
	sha256(buf_bytes(e->receipt_bytes), e->offer.predecessor);
	e->statement.has_invitation = false;
	memset(e->statement.invitation_public, 0, ED25519_PUBLIC_LEN);
	memset(e->statement.commitment, 0, COMMITMENT_LEN);
}

/* Another identity key than the receipt names, and all that hangs on it. */
static void become_other_device(struct enrollment *e)
{
	EVP_PKEY_free(e->identity);
	X509_free(e->sealing_cert);
	buf_free(e->sealing_der);
	buf_free(e->identity_spki);
	e->identity = sig_new_p256();
	e->sealing_cert =
		enrollment_cert("device", e->sealing, NULL, e->identity, false, e->now_ms);
	e->sealing_der = cert_der(e->sealing_cert);
	e->identity_spki = sig_spki(e->identity);
	e->statement.identity_public = buf_bytes(e->identity_spki);
	e->statement.sealing_certificate = buf_bytes(e->sealing_der);
}

static void spoil_offer(struct enrollment *e, json_t *request)
{
	if (is_spoiled(request, "expired"))
		e->offer.expires_ms = clock_real_ms() - 1;
	if (is_spoiled(request, "deployment"))
		e->offer.deployment[0] ^= 1;
	if (is_spoiled(request, "certificate"))
		e->offer.certs[0][0] ^= 1;
	if (is_spoiled(request, "predecessor"))
		e->offer.predecessor[0] ^= 1;
	if (is_spoiled(request, "further-certificate"))
		e->offer.n_certs = 2;
}

static struct enrollment *make_parts(
	const struct client *c, const Card__Certificate *cert, json_t *request)
{
	struct enrollment *e = c->enrollment;

	e->offer.operation = COMMON__OPERATION__ENROLL;
	memset(e->offer.predecessor, 0, SHA256_LEN);
	sha256(pb_bytes(cert->der), e->offer.certs[0]);
	if (strcmp(word(request, "operation"), "issue") == 0)
		make_further(e);
	spoil_offer(e, request);
	memcpy(e->statement.deployment, e->offer.deployment, DEPLOYMENT_ID_LEN);
	sign_offer(e, is_spoiled(request, "delivery") ? e->receipt_key : e->delivery);
	if (is_spoiled(request, "other-device"))
		become_other_device(e);
	enrollment_sign_statement(e);
	return e;
}

static void spoil_statement(struct enrollment *e, json_t *request)
{
	if (is_spoiled(request, "invitation"))
		memcpy(e->invitation_public, e->receipt_public, ED25519_PUBLIC_LEN);
	if (is_spoiled(request, "statement"))
		e->wire_statement.statement.data[e->wire_statement.statement.len - 1] ^= 1;
	if (is_spoiled(request, "identity"))
		e->wire_statement.identity_signature.data[20] ^= 1;
	if (is_spoiled(request, "commitment"))
		e->r_d[0] ^= 1;
	if (is_spoiled(request, "receipt"))
		e->wire_receipt.signature.data[0] ^= 1;
}

/* What the card signed must be the intent that these parts make, under the certificate's key. */
static json_t *judge(const struct enrollment *e, const Card__Certificate *cert,
	const struct intent_consent *consent, const Card__Signature *reply)
{
	AUTO(x509) X509 *x = NULL;
	AUTO(intent) struct intent *intent = NULL;
	enum card_algorithm algorithm = 0;

	assert_ok(cert_parse(pb_bytes(cert->der), &x));
	assert_ok(intent_algorithm(X509_get0_pubkey(x), &algorithm));
	assert_ok(intent_build(&e->offer, &e->statement, BYTES(e->nonce, sizeof(e->nonce)), consent,
		1, algorithm, e->kiosk, &intent));
	AUTO(buf) struct buf *expected = intent_encode(intent);
	bool equal = bytes_eq(buf_bytes(expected), pb_bytes(reply->intent));
	AUTO(err)
	struct err *bad = intent_verify(X509_get0_pubkey(x), algorithm, pb_bytes(reply->intent),
		pb_bytes(reply->signature));
	return json_pack("{s:b,s:b,s:i}", "intent", equal, "signature", bad == NULL, "algorithm",
		(int)algorithm);
}

static json_t *do_sign(struct client *c, json_t *request)
{
	static char kind[] = "issue";
	const struct intent_consent own = { "issue", 0 };
	const Card__Certificate *cert = cert_in_slot(c, word(request, "slot"));
	Card__Sign sign = CARD__SIGN__INIT;
	Card__Consent consent = CARD__CONSENT__INIT;
	Card__Consent *consents[] = { &consent };
	AUTO_MSG Card__Signature *reply = NULL;
	const char *pin = word(request, "pin");

	if (!cert)
		return json_pack("{s:s}", "error", "no certificate in that slot");
	struct enrollment *e = make_parts(c, cert, request);
	spoil_statement(e, request);
	consent.kind = kind;
	sign.pin = pb_lend(BYTES(pin, strlen(pin)));
	sign.insist = json_is_true(json_object_get(request, "insist"));
	sign.offer = &e->wire_offer;
	sign.statement = &e->wire_statement;
	sign.nonce = pb_lend(BYTES(e->nonce, sizeof(e->nonce)));
	sign.n_consents = 1;
	sign.consents = consents;
	if (e->offer.operation == COMMON__OPERATION__ENROLL) {
		sign.invitation_public = pb_lend(BYTES(e->invitation_public, ED25519_PUBLIC_LEN));
		sign.device_random = pb_lend(BYTES(e->r_d, R_LEN));
	} else if (!is_spoiled(request, "no-receipt")) {
		sign.predecessor = &e->wire_receipt;
	}
	struct err *failed =
		peer_call(c->peer, MSG_CARD_SIGN, &sign, MSG_CARD_SIGNATURE, CALL_MS, &reply);
	return failed ? from_error(failed) : judge(e, cert, &own, reply);
}

static json_t *serve(struct client *c, json_t *request)
{
	const char *what = word(request, "do");

	if (strcmp(what, "readers") == 0)
		return do_readers(c, false);
	if (strcmp(what, "watch") == 0)
		return do_readers(c, true);
	if (strcmp(what, "next") == 0)
		return do_next(c, request);
	if (strcmp(what, "open") == 0)
		return do_open(c, request);
	if (strcmp(what, "sign") == 0)
		return do_sign(c, request);
	if (strcmp(what, "close") == 0)
		return do_close(c);
	return json_pack("{s:s}", "error", "no such request");
}

static void print(json_t *take_answer)
{
	json_dumpf(take_answer, stdout, JSON_COMPACT);
	putchar('\n');
	fflush(stdout);
	json_decref(take_answer);
}

int main(int argc, char **argv)
{
	struct client c = { 0 };
	char line[LINE_MAX_BYTES];

	if (argc != 3) {
		fputs("usage: cardclient DERIVD-CARD CONFIGDIR\n", stderr);
		return 2;
	}
	c.enrollment = enrollment_new();
	c.enrollment->now_ms = clock_real_ms();
	c.enrollment->offer.created_ms = c.enrollment->now_ms;
	c.enrollment->offer.expires_ms = c.enrollment->now_ms + 900000;
	enrollment_build(c.enrollment);
	write_deployment(c.enrollment, argv[2]);
	setenv("CONFIGURATION_DIRECTORY", argv[2], 1);
	start(&c, argv[1]);
	print(json_pack("{s:i}", "pid", (int)c.pid));
	while (fgets(line, sizeof(line), stdin)) {
		json_t *request = json_loads(line, 0, NULL);
		print(request ? serve(&c, request) : json_pack("{s:s}", "error", "not JSON"));
		json_decref(request);
	}
	peer_free(c.peer);
	int status = 0;
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	print(json_pack("{s:i}", "status", status));
	msg_free(c.facts);
	enrollment_free(c.enrollment);
	return 0;
}
