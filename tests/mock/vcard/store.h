/*
 * What is personalised on a card: data objects, keys, the PIN and PUK it was issued with. Read from
 * a directory; README.md says what may be in it.
 */
#ifndef VCARD_STORE_H
#define VCARD_STORE_H

#include "tests/mock/vcard/bits.h"
#include "tests/mock/vcard/keys.h"

enum { ATR_MAX = 33, PIN_BYTES = 8 };

/* What card.conf says. PIN and PUK are padded with FF to eight bytes. */
struct settings {
	uint8_t atr[ATR_MAX];
	size_t atr_n;
	uint8_t pin[PIN_BYTES];
	uint8_t puk[PIN_BYTES];
	uint8_t global_pin[PIN_BYTES];
	bool has_global_pin;
	bool any_pin; /* not only six to eight digits */
	unsigned pin_tries;
	unsigned puk_tries;
	bool default_app; /* PIV is selected after a reset */
	bool t0;          /* the ATR offers no T=1 */
};

struct store;

/* Reads a card's directory. False with the reason. */
MUST_CHECK bool store_load(const char *dir, struct store **ret_store, struct why *why);
void store_free(struct store *s);
DEFINE_AUTO(store, struct store, store_free);

const struct settings *store_settings(const struct store *s);

/* The bytes that GET DATA answers for a tag; false if the card has no such object. */
bool store_object(const struct store *s, uint32_t tag, struct span *ret_bytes);

/* The private key in a slot, or NULL. Lent. */
EVP_PKEY *store_key(const struct store *s, const struct slot *slot);

/* Puts another ATR in place of the directory's. False if it is not 2 to 33 bytes of hex. */
MUST_CHECK bool store_set_atr(struct store *s, const char *hex, struct why *why);

/* Parts, for store.c: card.conf, and the files of keys and certificates (store_files.c). */
MUST_CHECK bool settings_read(const char *path, struct settings *ret, struct why *why);
MUST_CHECK bool settings_set_atr(struct settings *s, const char *hex, struct why *why);
void settings_default(struct settings *ret);
MUST_CHECK bool files_read(const char *path, struct blob *out, struct why *why);
MUST_CHECK bool files_key(const char *path, EVP_PKEY **ret, struct why *why);
/* DER of the certificate in a PEM or DER file, of a chain the holder's. *ret_has_key: a private key is in it too. */
MUST_CHECK bool files_cert(
	const char *path, struct blob *ret_der, bool *ret_has_key, struct why *why);
/* Key and certificate out of PKCS#12; the password is the first line of PATH.pass, or empty. */
MUST_CHECK bool files_p12(
	const char *path, EVP_PKEY **ret_key, struct blob *ret_der, struct why *why);

#endif
