/*
 * signing.h: one signature by a key on a token: mechanism by the key's type, the PIN for keys that want it each time,
 * the forms of signatures. The token's list of mechanisms only says what is impossible: it is per card, not per key.
 */
#ifndef DERIVD_PKCS11_SIGNING_H
#define DERIVD_PKCS11_SIGNING_H

#include "evidence/intent.h"
#include "pkcs11/object.h"

/* What a key that wants the PIN for each use needs. seconds: for its login, 0: as any call. */
struct signing_pin {
	struct bytes pin; /* empty with a PIN pad */
	bool pad;
	unsigned int seconds;
};

/*
 * Signs message: RSA PKCS#1 v1.5 with SHA-256, or ECDSA as DER. key_size: bytes of the RSA key's modulus.
 * always_authenticate: the PIN is sent between C_SignInit and C_Sign. ERR_CARD_NO_KEY, ERR_CARD_*, ERR_PIN_*, ERR_MODULE. The caller verifies the signature.
 */
MUST_CHECK struct err *signing_sign(const struct token *t, CK_OBJECT_HANDLE key,
	enum card_algorithm algorithm, size_t key_size, struct bytes message,
	bool always_authenticate, const struct signing_pin *pin, struct buf **ret_signature);
/* Before the PIN: can the token make such signatures at all? ERR_CARD_NO_KEY when it says no. */
MUST_CHECK struct err *signing_check(
	struct module *m, CK_SLOT_ID slot, enum card_algorithm algorithm);

/* The hash that is signed, and for RSA the DigestInfo around it (RFC 8017 section 9.2). */
struct buf *signing_input(enum card_algorithm algorithm, struct bytes message);
/* The same padded to the size of the modulus in bytes, for a token that only computes. */
struct buf *signing_block(struct bytes input, size_t size);
/* r and s, each half of the bytes, as DER (RFC 3279 section 2.2.3). ERR_CARD_FAILED when that cannot be. */
MUST_CHECK struct err *signing_ecdsa_der(
	enum card_algorithm algorithm, struct bytes raw, struct buf **ret_der);

#endif
