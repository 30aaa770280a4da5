/*
 * tls.c: see tls.h. No session is resumed: a ticket would stand for the device's key without proving it, and knowing
 * devices by the bare key is what makes a full handshake cheap here: no chain is built, nothing is looked up.
 */
#include "daemon/gateway/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/buf.h"
#include "base/credential.h"
#include "proto/pem.h"

static const unsigned char ALPN[] = "\x08"
				    "derivd/1";

/* A key and a certificate; both are small. */
#define FILE_MAX (64 * 1024)
/* A device's certificate message. Attested keys bring some extensions; nothing brings more than this. */
#define CLIENT_CERT_MAX 8192

/* The DER of a certificate's key, on the stack: false when it is not a P-256 key in the one form. */
static bool p256_spki(const X509 *cert, uint8_t ret_spki[static P256_SPKI_LEN])
{
	X509_PUBKEY *public = X509_get_X509_PUBKEY(cert);
	uint8_t *p = ret_spki;

	if (!public || i2d_X509_PUBKEY(public, NULL) != P256_SPKI_LEN)
		return false;
	return i2d_X509_PUBKEY(public, &p) == P256_SPKI_LEN &&
	       sig_is_p256_spki(BYTES(ret_spki, P256_SPKI_LEN));
}

/* Takes the place of building a chain. */
static int judge_client(X509_STORE_CTX *store, UNUSED void *arg)
{
	X509 *cert = X509_STORE_CTX_get0_cert(store);
	uint8_t spki[P256_SPKI_LEN];

	if (cert && p256_spki(cert, spki))
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_EE_KEY_TOO_SMALL);
	return 0;
}

static int choose_protocol(UNUSED SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *in, unsigned int in_len, UNUSED void *arg)
{
	/* The API wants to point into a list of ours or theirs through one non-const pointer. */
	unsigned char *chosen = NULL;

	if (SSL_select_next_proto(&chosen, out_len, ALPN, sizeof(ALPN) - 1, in, in_len) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* OpenSSL leaves a client that does not speak of ALPN alone; we do not. */
static int demand_alpn(SSL *ssl, int *alert, UNUSED void *arg)
{
	const unsigned char *list;
	size_t len;

	if (SSL_client_hello_get0_ext(
		    ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	return SSL_CLIENT_HELLO_ERROR;
}

static bool set_rules(SSL_CTX *ctx)
{
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF |
					 SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* An idle connection keeps no record buffers; a KeyUpdate is not a reason to read on without end. */
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	SSL_CTX_set_max_cert_list(ctx, CLIENT_CERT_MAX);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, judge_client, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	SSL_CTX_set_client_hello_cb(ctx, demand_alpn, NULL);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, "X25519:P-256") == 1 &&
	       SSL_CTX_set1_client_sigalgs_list(ctx, "ECDSA+SHA256") == 1;
}

static struct err *read_key(SSL_CTX *ctx, const char *path)
{
	AUTO(buf) struct buf *pem = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(err_wrap(credential_read(path, FILE_MAX, &pem),
		"the TLS key (derivd-gateway init makes one)"));
	TRY(err_as(&ERR_CONFIG, pem_read_key(buf_bytes(pem), &key), "%s", path));
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1)
		return sig_openssl_error(
			&ERR_CONFIG, "%s: does not belong to the certificate", path);
	return NULL;
}

static struct err *read_certificate(const char *path, X509 **ret_cert)
{
	AUTO(buf) struct buf *pem = NULL;

	TRY(err_wrap(credential_read(path, FILE_MAX, &pem),
		"the TLS certificate (derivd-gateway init makes one)"));
	BIO *bio = BIO_new_mem_buf(buf_data(pem), (int)buf_len(pem));
	*ret_cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (!*ret_cert)
		return sig_openssl_error(&ERR_CONFIG, "%s: no certificate in PEM", path);
	return NULL;
}

struct err *tls_new(const char *key_path, const char *certificate_path, SSL_CTX **ret_ctx)
{
	AUTO(ssl_ctx) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	X509 *cert = NULL;

	if (!ctx || !set_rules(ctx))
		return sig_openssl_error(&ERR_CONFIG, "TLS cannot be set up");
	TRY(read_certificate(certificate_path, &cert));
	int used = SSL_CTX_use_certificate(ctx, cert);
	X509_free(cert);
	if (used != 1)
		return sig_openssl_error(&ERR_CONFIG, "%s: not usable", certificate_path);
	TRY(read_key(ctx, key_path));
	*ret_ctx = take(ctx);
	return NULL;
}

int64_t tls_not_after(const SSL_CTX *ctx)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(SSL_CTX_get0_certificate(ctx)), &tm) == 1)
		return (int64_t)timegm(&tm) * 1000;
	ERR_clear_error();
	return 0;
}

SSL *tls_accept(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl && SSL_set_fd(ssl, fd) == 1) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	SSL_free(ssl);
	ERR_clear_error();
	return NULL;
}

void tls_identity(const SSL *ssl, uint8_t ret_hash[static SHA256_LEN])
{
	uint8_t spki[P256_SPKI_LEN];

	/* judge_client saw it: the handshake would not have ended without. */
	if (!p256_spki(SSL_get0_peer_certificate(ssl), spki))
		err_abort("a TLS handshake without the client's key");
	sha256(BYTES(spki, sizeof(spki)), ret_hash);
}

struct err *tls_pin(const char *certificate_path, uint8_t ret_pin[static SHA256_LEN])
{
	X509 *cert = NULL;

	TRY(read_certificate(certificate_path, &cert));
	unsigned char *spki = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
	X509_free(cert);
	if (len <= 0)
		return sig_openssl_error(&ERR_CONFIG, "%s: no key in it", certificate_path);
	sha256(BYTES(spki, (size_t)len), ret_pin);
	OPENSSL_free(spki);
	return NULL;
}
