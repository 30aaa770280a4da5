/*
 * fuzz_card.c: what a card or its module says, byte by byte: the first byte chooses CHUID, raw ECDSA signature or PKCS#11
 * URI. A GUID that is found lies within the bytes; DER that is made verifies as DER.
 */
#include <openssl/ecdsa.h>
#include <string.h>

#include "base/buf.h"
#include "pkcs11/chuid.h"
#include "pkcs11/signing.h"
#include "pkcs11/uri.h"
#include "tests/fuzz/fuzz.h"

static struct err *chuid(struct bytes b)
{
	struct bytes guid = { 0 };

	TRY(chuid_guid(b, &guid));
	if (guid.len == 0)
		return NULL;
	if (guid.len != CHUID_GUID_LEN || guid.data < b.data ||
		guid.data + guid.len > b.data + b.len)
		err_abort("a GUID from elsewhere");
	return NULL;
}

static struct err *signature(struct bytes b)
{
	AUTO(buf) struct buf *der = NULL;

	TRY(signing_ecdsa_der(CARD_ECDSA_P384_SHA384, b, &der));
	const unsigned char *p = buf_data(der);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)buf_len(der));
	if (!sig || p != buf_data(der) + buf_len(der))
		err_abort("a signature that is no DER");
	ECDSA_SIG_free(sig);
	return NULL;
}

static struct err *uri(struct bytes b)
{
	AUTO(uri) struct uri *u = NULL;
	AUTO_MEM char *text = bytes_strdup(b);
	CK_SLOT_INFO slot = { 0 };
	CK_TOKEN_INFO token = { 0 };

	TRY(uri_parse(text, &u));
	(void)uri_matches(u, 1, &slot, &token);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct err *(*const parsers[])(struct bytes b) = { chuid, signature, uri };

	if (size == 0)
		return 0;
	err_free(parsers[*data % ARRAY_LEN(parsers)](BYTES(data + 1, size - 1)));
	return 0;
}
