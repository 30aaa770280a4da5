/* identify.c: whom a certificate identifies, by the means that the anchor's configuration lists. */
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "daemon/ca/eligible.h"
#include "evidence/number.h"
#include "proto/kind.h"

/* The serialNumber attribute of the subject. */
static char *subject_serial(const X509 *cert)
{
	const X509_NAME *name = X509_get_subject_name(cert);
	int at = X509_NAME_get_index_by_NID(name, NID_serialNumber, -1);
	unsigned char *utf8 = NULL;

	if (at < 0)
		return NULL;
	int len =
		ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
	if (len < 0)
		return NULL;
	char *text = len && !memchr(utf8, 0, (size_t)len) ? bytes_strdup(BYTES(utf8, (size_t)len))
							  : NULL;
	OPENSSL_free(utf8);
	return text;
}

static char *copy_fact(const struct facts *facts, const char *name)
{
	const char *value = facts_get(facts, name);

	return value && *value ? xstrdup(value) : NULL;
}

static char *identity(enum identify what, const X509 *cert, const struct facts *facts)
{
	switch (what) {
	case IDENTIFY_UPN:
		return copy_fact(facts, FACT_UPN);
	case IDENTIFY_FASCN_PERSON:
		return number_fascn_person(facts);
	case IDENTIFY_EDIPI:
		return number_edipi(facts);
	case IDENTIFY_MAIL:
		return copy_fact(facts, FACT_MAIL);
	case IDENTIFY_UUID:
		return copy_fact(facts, FACT_UUID);
	case IDENTIFY_SERIAL:
		return subject_serial(cert);
	case IDENTIFY_SUBJECT:
		return copy_fact(facts, FACT_SUBJECT);
	case IDENTIFY_N:
		break;
	}
	return NULL;
}

static struct err *no_identity(const struct anchor *anchor)
{
	AUTO(buf) struct buf *means = buf_new();

	for (size_t i = 0; i < anchor->n_identify; i++)
		buf_addf(means, "%s%s", i ? ", " : "", identify_name(anchor->identify[i]));
	return err_new(&ERR_CERT_NOT_ELIGIBLE,
		"it has nothing that identifies the holder by the means of anchor \"%s\" (%s)",
		anchor->name, buf_str(means));
}

struct err *eligible_identify(const struct anchor *anchor, const X509 *cert, struct facts *facts)
{
	AUTO_MEM char *anchor_hash = text_hex(BYTES(anchor->key_hash, SHA256_LEN));

	for (size_t i = 0; i < anchor->n_identify; i++) {
		AUTO_MEM char *id = identity(anchor->identify[i], cert, facts);
		if (!id)
			continue;
		TRY(facts_add(facts, FACT_ID_TYPE, identify_name(anchor->identify[i])));
		TRY(facts_add(facts, FACT_ID, id));
		return facts_add(facts, FACT_ANCHOR, anchor_hash);
	}
	return no_identity(anchor);
}
