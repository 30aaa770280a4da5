/*
 * The keys of the card and what they can do (SP 800-78-5, SP 800-73-4 Part 2 section 3.2.4): raw
 * RSA with the private key, ECDSA, ECDH. Padding is the host's business.
 */
#ifndef VCARD_KEYS_H
#define VCARD_KEYS_H

#include "tests/mock/vcard/bits.h"

#include <openssl/evp.h>

/* When the PIN is needed (SP 800-73-4 Part 1 table 5). */
enum pin_rule { PIN_NEVER, PIN_ONCE, PIN_ALWAYS };

/* One key reference of the card. */
struct slot {
	uint8_t ref;
	uint32_t cert_tag; /* container of its certificate */
	enum pin_rule pin;
	bool signs;  /* EC: ECDSA */
	bool agrees; /* EC: ECDH */
};

/* The slot of a key reference, or of a file's stem ("9a"), or NULL. */
const struct slot *slot_find(uint8_t ref);
const struct slot *slot_by_name(const char *name);

/* True if alg (07, 11 …) is the algorithm of this key. */
bool keys_match(const EVP_PKEY *pkey, uint8_t alg);
/* True if the card knows what to do with the key at all. */
bool keys_usable(const EVP_PKEY *pkey);

enum key_result { KEY_DONE, KEY_BAD_DATA, KEY_FAILED };

/* c^d mod n, of exactly the modulus' length: signing and decrypting are the same for the card. */
enum key_result keys_rsa(EVP_PKEY *pkey, struct span in, struct blob *out);
/* Signs a hash (at most as long as the group's order): DER SEQUENCE { r, s }. */
enum key_result keys_ecdsa(EVP_PKEY *pkey, struct span hash, struct blob *out);
/* point is 04 || X || Y on the key's curve; the answer is the X coordinate of the shared point. */
enum key_result keys_ecdh(EVP_PKEY *pkey, struct span point, struct blob *out);

#endif
