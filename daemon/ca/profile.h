/*
 * profile.h: what a certificate of one purpose looks like. ca.conf describes profiles; the body, a canonical encoding,
 * is what the offer and the intent name by its digest. derivd-ca logs each body before the first offer names it, and
 * issues by the logged body, so a changed ca.conf changes nothing that a card has signed for.
 */
#ifndef DERIVD_DAEMON_CA_PROFILE_H
#define DERIVD_DAEMON_CA_PROFILE_H

#include "evidence/offer.h"

#define PROFILE_LIST_MAX 16
#define PROFILE_TEXT_MAX 512
#define PROFILE_NAME_MAX 64
/* 1096 days: STANDARDS 2.2. */
#define PROFILE_VALIDITY_MAX_MS (INT64_C(1096) * 86400 * 1000)

/* keyUsage bits as in the BIT STRING's first octet: the only ones that a holder's certificate may have. */
enum profile_usage {
	USAGE_DIGITAL_SIGNATURE = 0x80,
	USAGE_NON_REPUDIATION = 0x40,
	USAGE_KEY_ENCIPHERMENT = 0x20,
	USAGE_KEY_AGREEMENT = 0x08,
};

/* The SID extension, 1.3.6.1.4.1.311.25.2. */
enum profile_sid { SID_NEVER, SID_OPTIONAL, SID_REQUIRED };

struct profile_list {
	size_t n;
	char *v[PROFILE_LIST_MAX];
};

struct profile {
	char *name;
	Common__Purpose purpose;
	Common__Origin origin;
	char key_type[KEY_TYPE_MAX];
	uint64_t validity_ms;
	uint8_t key_usage;
	struct profile_list eku;      /* dotted */
	struct profile_list policies; /* dotted */
	char *subject;                /* RFC 4514 with templates */
	struct profile_list san;      /* "upn:", "mail:" or "uri:" and a template */
	enum profile_sid sid;
	struct profile_list crl;     /* URLs */
	struct profile_list issuers; /* caIssuers URLs */
	struct profile_list ocsp;

	struct buf *body;
	uint8_t digest[SHA256_LEN];
	struct buf *extensions; /* those that every certificate of the profile has, in DER */
};

/* Ends with NULL. */
extern const char *const profile_key_types[];

struct profile *profile_new(void);
void profile_free(struct profile *p);
DEFINE_AUTO(profile, struct profile *, profile_free);
/* ERR_CONFIG when it is full or the text too long. */
MUST_CHECK struct err *profile_list_add(struct profile_list *list, const char *text);

/* Every rule on what a profile may ask for; then fills body, digest and extensions. ERR_CONFIG says what is wrong. */
MUST_CHECK struct err *profile_seal(struct profile *p);
/* From a body. ERR_FORMAT unless the re-encoding is equal, ERR_CONFIG as profile_seal. */
MUST_CHECK struct err *profile_decode(struct bytes body, struct profile **ret_profile);

/* Are private keys of this profile kept in escrow? Signing keys never are (STANDARDS 1.7). */
bool profile_is_escrowed(const struct profile *p);

/* "authentication", ...; NULL for a number without a name. The purpose of a name, 0 when there is none. */
const char *profile_purpose_name(Common__Purpose purpose);
Common__Purpose profile_purpose(const char *name);

#endif
