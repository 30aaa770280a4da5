/*
 * card.h: kinds of cards. What a kind knows is where its certificates are and what identifies the card; a new kind is
 * one file and one line in card.c.
 */
#ifndef DERIVD_PKCS11_CARD_H
#define DERIVD_PKCS11_CARD_H

#include "base/buf.h"
#include "pkcs11/hold.h"
#include "pkcs11/object.h"
#include "pkcs11/uri.h"
#include "proto/sig.h"

/* As many certificates as the wire takes; a card with more shows its first ones. */
#define CARD_CERT_LIST_MAX 16
#define CARD_CHUID_MAX 4096
#define CARD_SLOT_MAX 16

struct card_cert {
	struct buf *der;
	uint8_t hash[SHA256_LEN];
	struct buf *id;           /* CKA_ID, which the key has too; may be empty */
	char *label;              /* as the token has it */
	char slot[CARD_SLOT_MAX]; /* "9A" …; "" for a generic token */
	bool has_key; /* a private key that can sign, as far as can be told without a PIN */
	bool saw_key; /* an object of it was seen */
	bool always_authenticate; /* the key wants the PIN for each use */
};

struct card_type;

struct card {
	const struct card_type *type;
	char *serial;      /* NULL: the token's own */
	struct buf *chuid; /* NULL when the card has none */
	size_t n_certs;
	struct card_cert certs[CARD_CERT_LIST_MAX];
};

/* What a card is told from. */
struct card_source {
	const struct token *token;
	const CK_TOKEN_INFO *info;
	const struct hold_look *look; /* all zeros without PC/SC */
	const struct uri *uri;        /* which certificates; NULL: all */
};

struct card_type {
	const char *name; /* "piv", …: on the wire and in card.conf */
	/* Is it one of these? */
	struct err *(*match)(const struct card_source *source, bool *ret_match);
	/* Fills card, which is empty but for the type. */
	struct err *(*read)(const struct card_source *source, struct card *card);
};

extern const struct card_type card_piv;
extern const struct card_type card_generic;

/* NULL when there is no such type. */
const struct card_type *card_type_find(const char *name);

/*
 * Reads what can be read without a PIN. names: the types that are accepted, tried in this order. ERR_CARD_UNKNOWN: none
 * fits, or there is no certificate on the card to be seen; ERR_CARD_*, ERR_MODULE from reading.
 */
MUST_CHECK struct err *card_read(const struct card_source *source, char *const *names,
	size_t n_names, struct card **ret_card);
void card_free(struct card *c);
DEFINE_AUTO(card, struct card *, card_free);

/*
 * Adds a certificate and lends it to be completed. A full list makes room: the last one without a key goes. NULL when there
 * is none such. id may be NULL.
 */
struct card_cert *card_add(struct card *c, struct buf *take_der, struct buf *take_id);
/* Those of which a key was seen come first; otherwise the order stays. */
void card_sort(struct card *c);
/* The list closes up behind it. */
void card_drop(struct card *c, size_t i);
/* Reads value, id and label of a certificate object and adds it. *ret_cert is NULL when the object has no readable
 * value, the URI does not mean it, or the list is full. */
MUST_CHECK struct err *card_read_cert(const struct card_source *source, CK_OBJECT_HANDLE object,
	struct card *card, struct card_cert **ret_cert);
/* NULL when the card has no such certificate. */
const struct card_cert *card_find(const struct card *c, const uint8_t hash[static SHA256_LEN]);
/*
 * Is it still the card that was read, with this certificate on it? Asks the module anew for the CHUID and the
 * certificate. ERR_CARD_CHANGED, ERR_CARD_*, ERR_MODULE.
 */
MUST_CHECK struct err *card_check(
	const struct card_source *source, const struct card *card, const struct card_cert *cert);
/* The CHUID's object, by its label: what tells a PIV card. */
MUST_CHECK struct err *card_find_chuid(
	const struct card_source *source, struct object_list *ret_list);
/* The CHUID, or NULL when the token has none to show. */
MUST_CHECK struct err *card_read_chuid(const struct card_source *source, struct buf **ret_chuid);

#endif
