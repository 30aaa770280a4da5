/* session_sign.c: the PIN and the one signature. */
#include "base/log.h"
#include "base/secret.h"
#include "pkcs11/pair.h"
#include "pkcs11/rv.h"
#include "pkcs11/session_impl.h"
#include "pkcs11/signing.h"
#include "proto/kind.h"

/* Before the PIN: PC/SC counts cards put in and taken out, and the module is asked for the certificate again. */
static struct err *check_same(struct session *s, const struct order *order)
{
	struct card_source source = session_source(s);

	if (s->hold)
		TRY(hold_check(s->hold, 0));
	TRY(card_check(&source, s->card, order->cert));
	return session_check_exclusive(s);
}

/*
 * What the card says of its PIN after it refused one, as wrong or as malformed: some cards count that too. Where nobody
 * knows how many tries are left now, the card is read anew before another PIN may be sent.
 */
static void note_refusal(struct session *s, struct bytes pin, CK_RV why)
{
	CK_TOKEN_INFO info = s->slot.token;
	CK_RV rv = MODULE_CALL(s->module, C_GetTokenInfo, s->slot.id, &info);

	if (rv != CKR_OK)
		log_note(NOTE_CARD_ODD, NULL, "the state of the PIN cannot be read: %s",
			rv_name(rv));
	if (pin.len > 0)
		refused_add(s->refused, pin);
	s->spent = s->spent || (rv != CKR_OK && !s->pin.knows_tries);
	s->pin = pin_after_refusal(&s->pin, &info, why == CKR_PIN_INCORRECT);
}

static struct err *refusal(const struct session *s)
{
	const struct pin *p = &s->pin;

	if (p->state == CARD__PIN_STATE__PIN_LOCKED)
		return err_new(&ERR_PIN_LOCKED, "the PIN was wrong, and that was the last try");
	return err_new(&ERR_PIN_WRONG, "the PIN was wrong");
}

static struct err *login(struct session *s, const struct secret *secret)
{
	struct bytes pin = secret_bytes(secret);
	bool pad = s->pin.pad;
	unsigned int seconds = pad ? s->settings->pad_s : 0;
	CK_UTF8CHAR *bytes = pad ? NULL : (CK_UTF8CHAR *)(uintptr_t)pin.data;

	if (s->pin.state == CARD__PIN_STATE__PIN_NONE)
		return NULL;
	CK_RV rv = MODULE_CALL_FOR(
		s->module, seconds, C_Login, s->token.session, CKU_USER, bytes, pad ? 0 : pin.len);
	/* OpenSC's words for a card that does not even compare such a PIN (SP 800-73-4: 6A80). */
	if (rv == CKR_DATA_INVALID || rv == CKR_DATA_LEN_RANGE)
		rv = CKR_PIN_INVALID;
	if (rv == CKR_PIN_INCORRECT || rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
		note_refusal(s, pin, rv);
	if (rv == CKR_PIN_INCORRECT)
		return refusal(s);
	if (rv == CKR_PIN_INVALID || rv == CKR_PIN_LEN_RANGE)
		return err_new(&ERR_PIN_FORMAT, "the card takes no PIN of this form");
	if (rv == CKR_PIN_LOCKED)
		s->pin.state = CARD__PIN_STATE__PIN_LOCKED;
	TRY(rv_error(rv, "C_Login"));
	s->logged_in = true;
	s->spent = true;
	return NULL;
}

/* The keys show only now. */
static struct err *find_key(struct session *s, const struct order *order, CK_OBJECT_HANDLE *ret_key,
	bool *ret_always_authenticate)
{
	EVP_PKEY *public = X509_get0_pubkey(order->x509);
	bool found = false;
	bool signs = false;

	TRY(pair_find(
		&s->token, CKO_PRIVATE_KEY, public, buf_bytes(order->cert->id), ret_key, &found));
	if (!found)
		return err_new(
			&ERR_CARD_NO_KEY, "the certificate's private key is not on the card");
	TRY(object_get_bool(&s->token, *ret_key, CKA_SIGN, true, &signs));
	if (!signs)
		return err_new(&ERR_CARD_NO_KEY, "the certificate's key does not sign");
	return object_get_bool(&s->token, *ret_key, CKA_ALWAYS_AUTHENTICATE,
		order->cert->always_authenticate, ret_always_authenticate);
}

/*
 * The PIN was right for the login, but not when the key asked for it: at a PIN pad it is typed twice. The token wants a
 * new login then, and the operation that was begun is dropped with its session.
 */
static struct err *refused_by_key(struct session *s, struct bytes pin, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	MODULE_CALL(s->module, C_Logout, s->token.session);
	MODULE_CALL(s->module, C_CloseSession, s->token.session);
	s->logged_in = false;
	s->has_token = false;
	CK_RV rv = MODULE_CALL(s->module, C_OpenSession, s->slot.id, CKF_SERIAL_SESSION, NULL, NULL,
		&s->token.session);
	s->has_token = rv == CKR_OK;
	s->spent = rv != CKR_OK;
	note_refusal(s, pin, CKR_PIN_INCORRECT);
	return refusal(s);
}

/* A card, or a module, that does not sign what it was asked to. */
static struct err *check_signature(const struct order *order, struct bytes signature)
{
	AUTO(err)
	struct err *e = intent_verify(X509_get0_pubkey(order->x509), order->algorithm,
		buf_bytes(order->intent), signature);

	if (!e)
		return NULL;
	log_note(NOTE_CARD_ODD, NULL, "%s", err_get_text(e));
	return err_new(&ERR_CARD_FAILED, "the card signed with another key than its certificate's");
}

static struct err *use_key(struct session *s, const struct order *order, struct secret *pin,
	struct buf **ret_signature)
{
	struct bytes intent = buf_bytes(order->intent);
	AUTO(buf) struct buf *signature = NULL;
	CK_OBJECT_HANDLE key = 0;
	bool always = false;

	TRY(find_key(s, order, &key, &always));
	if (!always)
		secret_clear(pin);
	struct signing_pin again = {
		.pin = secret_bytes(pin),
		.pad = s->pin.pad,
		.seconds = s->pin.pad ? s->settings->pad_s : 0,
	};
	if (always && !again.pad && again.pin.len == 0)
		return err_new(
			&ERR_CARD_NO_KEY, "the key wants a PIN, and the card says it has none");
	size_t key_size = (size_t)EVP_PKEY_get_size(X509_get0_pubkey(order->x509));
	struct err *e = signing_sign(
		&s->token, key, order->algorithm, key_size, intent, always, &again, &signature);
	if (err_is(e, &ERR_PIN_WRONG))
		return refused_by_key(s, secret_bytes(pin), e);
	secret_clear(pin);
	TRY(e);
	TRY(check_signature(order, buf_bytes(signature)));
	*ret_signature = take(signature);
	return NULL;
}

/* Kinds after which nothing more can be had of this session. */
static bool is_final(const struct err *e)
{
	return e && !err_is(e, &ERR_PIN_WRONG) && !err_is(e, &ERR_PIN_FORMAT) &&
	       !err_is(e, &ERR_PIN_FINAL) && !err_is(e, &ERR_TIMED_OUT);
}

static struct err *run(struct session *s, const struct order *order, struct secret *pin,
	bool insist, struct buf **ret_signature)
{
	TRY(check_same(s, order));
	TRY(signing_check(s->module, s->slot.id, order->algorithm));
	TRY(pin_check(&s->pin, s->refused, secret_bytes(pin), insist));
	TRY(login(s, pin));
	return use_key(s, order, pin, ret_signature);
}

struct err *session_sign(struct session *s, const struct order *order, struct secret *pin,
	bool insist, struct buf **ret_signature)
{
	struct err *e = session_explain(s, run(s, order, pin, insist, ret_signature));

	secret_clear(pin);
	s->spent = s->spent || is_final(e);
	return e;
}
