/* pem.c: see pem.h. */
#include "proto/pem.h"

#include <limits.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "proto/sig.h"

/* Moves what the BIO holds into a buffer of ours. */
static struct buf *collect(BIO *take_bio)
{
	struct buf *text = buf_new();
	char *data;
	long len = BIO_get_mem_data(take_bio, &data);

	if (len > 0)
		buf_add(text, data, (size_t)len);
	BIO_free(take_bio);
	return text;
}

struct err *pem_write_key(EVP_PKEY *key, struct buf **ret_pem)
{
	/* This kind of BIO wipes what it held. */
	BIO *bio = BIO_new(BIO_s_secmem());

	if (!bio || PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		BIO_free(bio);
		return sig_openssl_error(&ERR_SYSTEM, "a key cannot be written");
	}
	*ret_pem = collect(bio);
	return NULL;
}

struct err *pem_read_key(struct bytes pem, EVP_PKEY **ret_key)
{
	char none[] = "";
	BIO *bio = pem.len <= INT_MAX ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;

	/* The empty passphrase keeps OpenSSL from asking on a terminal. */
	EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, none) : NULL;
	BIO_free(bio);
	if (!key)
		return sig_openssl_error(&ERR_FORMAT, "no private key in PEM");
	*ret_key = key;
	return NULL;
}

struct buf *pem_write_certificate(struct bytes der)
{
	BIO *bio = BIO_new(BIO_s_mem());

	if (!bio || PEM_write_bio(bio, PEM_STRING_X509, "", der.data, (long)der.len) <= 0)
		err_abort("no memory for a certificate in PEM");
	return collect(bio);
}
