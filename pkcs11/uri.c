/* uri.c: PKCS#11 URIs, by p11-kit. */
#include "pkcs11/uri.h"

#include <p11-kit/uri.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

struct uri {
	P11KitUri *parsed;
};

/* Of CKA_ID or CKA_LABEL; NULL: the URI does not say. */
static const CK_ATTRIBUTE *attribute(const struct uri *u, CK_ATTRIBUTE_TYPE type)
{
	return u ? p11_kit_uri_get_attribute(u->parsed, type) : NULL;
}

static bool is_other_class(P11KitUri *parsed)
{
	const CK_ATTRIBUTE *class = p11_kit_uri_get_attribute(parsed, CKA_CLASS);

	return class && *(const CK_OBJECT_CLASS *)class->pValue != CKO_CERTIFICATE;
}

static const char *what_is_wrong(P11KitUri *parsed, int result)
{
	if (result != P11_KIT_URI_OK)
		return p11_kit_uri_message(result);
	if (p11_kit_uri_any_unrecognized(parsed))
		return "an attribute that is not of RFC 7512";
	if (p11_kit_uri_get_pin_value(parsed) || p11_kit_uri_get_pin_source(parsed))
		return "a PIN has no place in it";
	if (p11_kit_uri_get_module_path(parsed) || p11_kit_uri_get_module_name(parsed))
		return "the module is chosen in card.conf";
	if (is_other_class(parsed))
		return "only certificates are chosen, by id or object: type=cert";
	return NULL;
}

struct err *uri_parse(const char *text, struct uri **ret_uri)
{
	if (strlen(text) > URI_MAX)
		return err_new(&ERR_FORMAT, "a PKCS#11 URI of more than %d bytes", URI_MAX);
	P11KitUri *parsed = p11_kit_uri_new();
	if (!parsed)
		err_abort("no memory for a URI");
	const char *wrong =
		what_is_wrong(parsed, p11_kit_uri_parse(text, P11_KIT_URI_FOR_ANY, parsed));
	/* The text itself is not repeated: this goes to the journal, and the text may have a PIN in it. */
	if (wrong) {
		p11_kit_uri_free(parsed);
		return err_new(&ERR_FORMAT, "the PKCS#11 URI is not accepted: %s", wrong);
	}
	struct uri *u = xcalloc(1, sizeof(*u));
	u->parsed = parsed;
	*ret_uri = u;
	return NULL;
}

void uri_free(struct uri *u)
{
	if (!u)
		return;
	p11_kit_uri_free(u->parsed);
	free(u);
}

bool uri_matches(const struct uri *u, CK_SLOT_ID id, CK_SLOT_INFO *slot, CK_TOKEN_INFO *token)
{
	if (!u)
		return true;
	CK_SLOT_ID wanted = p11_kit_uri_get_slot_id(u->parsed);
	return (wanted == (CK_SLOT_ID)-1 || wanted == id) &&
	       p11_kit_uri_match_slot_info(u->parsed, slot) == 1 &&
	       p11_kit_uri_match_token_info(u->parsed, token) == 1;
}

static bool is_meant(const CK_ATTRIBUTE *wanted, struct bytes value)
{
	return !wanted || bytes_eq(BYTES(wanted->pValue, wanted->ulValueLen), value);
}

bool uri_matches_cert(const struct uri *u, struct bytes id, struct bytes label)
{
	return is_meant(attribute(u, CKA_ID), id) && is_meant(attribute(u, CKA_LABEL), label);
}

bool uri_chooses_certs(const struct uri *u)
{
	return attribute(u, CKA_ID) || attribute(u, CKA_LABEL);
}
