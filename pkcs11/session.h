/*
 * session.h: one session with one card: open, sign, close. The card is held from session_open to session_free, which
 * resets it.
 */
#ifndef DERIVD_PKCS11_SESSION_H
#define DERIVD_PKCS11_SESSION_H

#include "pkcs11/card.h"
#include "pkcs11/order.h"
#include "pkcs11/pin.h"
#include "pkcs11/settings.h"
#include "pkcs11/slot.h"

struct secret;
struct session;

/*
 * Finds the card (reader: exact name or "", uri: "" for the one of card.conf), loads the module, reads the card without
 * a PIN. settings is lent for the session's life, refused for remembering PINs. ERR_PCSC_GONE, ERR_READER_*,
 * ERR_CARD_*, ERR_MODULE, ERR_FORMAT (the URI).
 */
MUST_CHECK struct err *session_open(const struct settings *settings, struct refused *refused,
	const char *reader, const char *uri, struct session **ret_session);
/* Logs out, ends the module, resets the card. What fails on the way is logged: there is nothing else to do. */
void session_free(struct session *s);
DEFINE_AUTO(session, struct session *, session_free);

/* All lent. */
const char *session_reader(const struct session *s);
const CK_TOKEN_INFO *session_token_info(const struct session *s);
const struct card *session_card(const struct session *s);
const struct pin *session_pin(const struct session *s);

/*
 * Is it the same card; may the PIN be sent; login; signature; its verification. pin: empty with a PIN pad, or where none
 * is asked for; cleared as soon as it has been used, and in any case. ERR_PIN_*, ERR_CARD_*, ERR_TIMED_OUT (PIN pad), ERR_MODULE. When session_is_spent afterwards, the
 * session can only be freed: after a login that succeeded (unless the key refused the PIN then), and after a card that failed.
 */
MUST_CHECK struct err *session_sign(struct session *s, const struct order *order,
	struct secret *pin, bool insist, struct buf **ret_signature);
bool session_is_spent(const struct session *s);

#endif
