/* fuzz_cert.c: certificates, requests and keys. The first byte chooses; of a certificate everything is asked for. */
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "evidence/cert.h"
#include "evidence/key.h"
#include "evidence/statement.h"
#include "tests/fuzz/fuzz.h"

static struct err *certificate(struct bytes b)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(facts) struct facts *f = facts_new();
	uint8_t hash[SHA256_LEN];

	TRY(cert_parse(b, &cert));
	AUTO(buf) struct buf *again = cert_der(cert);
	if (!bytes_eq(buf_bytes(again), b))
		err_abort("two encodings of one certificate");
	AUTO_MEM char *subject = cert_subject(cert), *issuer = cert_issuer(cert),
		      *serial = cert_serial(cert);
	cert_hash(cert, hash);
	cert_key_hash(cert, hash);
	if (cert_not_before_ms(cert) > cert_not_after_ms(cert) && !*subject && !*issuer && !*serial)
		return NULL;
	(void)cert_has_policy(cert, "2.16.840.1.101.3.2.1.3.13");
	(void)cert_has_eku(cert, "1.3.6.1.5.5.7.3.2");
	(void)cert_has_key_usage(cert, KU_DIGITAL_SIGNATURE, true);
	return cert_facts(cert, f);
}

static struct err *request(struct bytes b)
{
	const struct statement_request r = { .pkcs10 = b };
	uint8_t hash[SHA256_LEN];

	return statement_key_hash(&r, hash);
}

static struct err *key(struct bytes b)
{
	AUTO(pkey) EVP_PKEY *k = NULL;

	TRY(key_parse(b, &k));
	AUTO(buf) struct buf *again = sig_spki(k);
	if (!bytes_eq(buf_bytes(again), b))
		err_abort("two encodings of one key");
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct err *(*const kinds[])(struct bytes) = { certificate, request, key };

	if (size < 1 || data[0] >= ARRAY_LEN(kinds))
		return 0;
	err_free(kinds[data[0]](BYTES(data + 1, size - 1)));
	return 0;
}
