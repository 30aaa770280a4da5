/*
 * facts.h: what is known of a holder, taken from card certificates: an ordered list of name and value, no name
 * twice, sorted by name, so that it has one encoding and one digest.
 */
#ifndef DERIVD_EVIDENCE_FACTS_H
#define DERIVD_EVIDENCE_FACTS_H

#include "base/buf.h"
#include "proto/sig.h"

/* Names that derivd gives a meaning. Values are printable UTF-8. */
#define FACT_NAME "name"                 /* the person's name as the certificate has it (CN without qualifiers) */
#define FACT_SUBJECT "subject"           /* whole subject, RFC 4514 */
#define FACT_MAIL "mail"                 /* rfc822Name, the first */
#define FACT_UPN "upn"                   /* 1.3.6.1.4.1.311.20.2.3 */
#define FACT_SID "sid"                   /* 1.3.6.1.4.1.311.25.2 */
#define FACT_FASCN "fascn"               /* hexadecimal, 50 digits */
#define FACT_UUID "uuid"                 /* the card's urn:uuid, without the prefix */
#define FACT_ID_TYPE "id-type"           /* what identifies the holder: upn, mail, fascn-person, edipi, uuid, serial, subject */
#define FACT_ID "id"                     /* its value */
#define FACT_ORGANIZATION "organization" /* the last O of the subject */
#define FACT_COUNTRY "country"
#define FACT_ANCHOR "anchor"             /* SHA-256 of the anchor's SPKI, hexadecimal */

#define FACTS_MAX 24
#define FACT_VALUE_MAX 1024

struct facts;

struct facts *facts_new(void);
void facts_free(struct facts *f);
DEFINE_AUTO(facts, struct facts *, facts_free);

/* Sets a fact; a second value for a name is ERR_FORMAT, a value that is not printable or too long too. */
MUST_CHECK struct err *facts_add(struct facts *f, const char *name, const char *value);
/* NULL when it is not there; lent. */
const char *facts_get(const struct facts *f, const char *name);
size_t facts_len(const struct facts *f);
/* The i-th in order of names, lent. */
void facts_at(const struct facts *f, size_t i, const char **ret_name, const char **ret_value);

void facts_encode(const struct facts *f, struct buf *out);
MUST_CHECK struct err *facts_decode(struct bytes b, struct facts **ret_facts);
void facts_digest(const struct facts *f, uint8_t ret_digest[static SHA256_LEN]);
/* SHA-256 labelled SIG_HOLDER over anchor, id type and id: the holder id (ENROLLMENT step 8). ERR_FORMAT when
 * one of the three is missing. */
MUST_CHECK struct err *facts_holder_id(const struct facts *f, uint8_t ret_id[static SHA256_LEN]);

#endif
