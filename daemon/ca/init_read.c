/* init_read.c: what init is told: certificates of officers, and the gateway's address and pins. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "daemon/ca/init_part.h"
#include "evidence/cert.h"
#include "proto/host.h"
#include "evidence/seal.h"

#define FILE_MAX (64 * 1024)

struct buf *init_pem(struct bytes der)
{
	AUTO(x509) X509 *cert = NULL;
	struct buf *out = buf_new();
	char *data = NULL;
	BIO *bio = BIO_new(BIO_s_mem());
	struct err *e = cert_parse(der, &cert);

	if (e || !bio || PEM_write_bio_X509(bio, cert) != 1)
		err_abort("a certificate of our own does not parse");
	long len = BIO_get_mem_data(bio, &data);
	buf_add(out, data, (size_t)len);
	BIO_free(bio);
	return out;
}

/* One certificate, PEM or DER. */
static struct err *read_certificate(const char *path, X509 **ret_cert)
{
	AUTO(buf) struct buf *content = NULL;

	TRY(err_as(&ERR_CONFIG, io_read_file(path, FILE_MAX, &content), "certificate"));
	if (buf_len(content) && *buf_data(content) == 0x30)
		return err_as(&ERR_CONFIG, cert_parse(buf_bytes(content), ret_cert), "%s", path);
	BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	*ret_cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	return *ret_cert ? NULL : err_new(&ERR_CONFIG, "%s: no certificate", path);
}

/* Whoever cannot be sealed to is found out now, not when the first key is made. */
static struct err *try_recipient(const char *path, X509 *cert)
{
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	AUTO(buf) struct buf *sealed = NULL;
	const struct seal_context context = { .purpose = COMMON__PURPOSE__ENCRYPTION };

	struct err *e = seal_recipient(cert);
	if (!e)
		e = seal(key, cert, &context, &sealed);
	return err_as(&ERR_CONFIG, e, "%s: keys cannot be sealed to it", path);
}

static struct err *read_recipient(const char *path, struct buf **ret_der)
{
	AUTO(x509) X509 *cert = NULL;

	TRY(read_certificate(path, &cert));
	TRY(try_recipient(path, cert));
	*ret_der = cert_der(cert);
	return NULL;
}

struct err *init_read_recipients(struct ceremony *c)
{
	if (!c->options->n_escrow)
		return err_new(&ERR_CONFIG, "--escrow FILE is needed: the certificate of an "
					    "officer who keeps its key offline. Without a copy for "
					    "escrow, mail is lost with the phone");
	for (; c->n_escrow < c->options->n_escrow; c->n_escrow++)
		TRY(err_wrap(
			read_recipient(c->options->escrow[c->n_escrow], &c->escrow[c->n_escrow]),
			"--escrow"));
	if (c->options->history)
		TRY(err_wrap(read_recipient(c->options->history, &c->history), "--history"));
	return NULL;
}

static struct err *read_public_key(const char *path, struct buf **ret_spki)
{
	AUTO(buf) struct buf *content = NULL;
	AUTO(x509) X509 *cert = NULL;
	AUTO(pkey) EVP_PKEY *key = NULL;

	TRY(err_as(&ERR_CONFIG, io_read_file(path, FILE_MAX, &content), "the key"));
	BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	ERR_clear_error();
	if (!key) {
		TRY(err_wrap(read_certificate(path, &cert), "the key"));
		key = X509_get_pubkey(cert);
	}
	if (!key)
		return err_new(
			&ERR_CONFIG, "%s: neither a certificate nor a public key", path);
	*ret_spki = sig_spki(key);
	return NULL;
}

struct err *init_read_pin(const char *text, uint8_t ret_pin[static SHA256_LEN])
{
	AUTO(buf) struct buf *bytes = NULL;
	AUTO(buf) struct buf *spki = NULL;

	err_free(text_unhex(text, &bytes));
	if (bytes && buf_len(bytes) == SHA256_LEN) {
		memcpy(ret_pin, buf_data(bytes), SHA256_LEN);
		return NULL;
	}
	TRY(read_public_key(text, &spki));
	sha256(buf_bytes(spki), ret_pin);
	return NULL;
}

struct err *init_read_gateway(struct ceremony *c)
{
	struct deployment *d = c->deployment;
	uint64_t port = 0;

	if (!c->options->host || !host_is_good(c->options->host))
		return err_new(
			&ERR_CONFIG, "--host NAME is needed: where phones reach the gateway");
	err_free(text_parse_u64(c->options->port ? c->options->port : "", 65535, &port));
	if (!port)
		return err_new(
			&ERR_CONFIG, "--port NUMBER is needed: where phones reach the gateway");
	if (!c->options->n_pins)
		return err_new(&ERR_CONFIG, "--pin is needed: the gateway's certificate, or the "
					    "SHA-256 of its public key in hexadecimal");
	d->host = xstrdup(c->options->host);
	d->port = (uint16_t)port;
	for (; d->n_pins < c->options->n_pins; d->n_pins++)
		TRY(err_wrap(init_read_pin(c->options->pins[d->n_pins], d->pins[d->n_pins]),
			"--pin"));
	return NULL;
}
