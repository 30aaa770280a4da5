/* doctor_gateway.c: what a device meets that connects to the gateway: does it answer, with which key, for how long? */
#include <openssl/ssl.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/doctor.h"
#include "evidence/cert.h"
#include "proto/deployment.h"

#define CONNECT_S 5
#define NAP_MS 50
#define SOON_MS (INT64_C(30) * 86400 * 1000)

static inline UNUSED void context_free(SSL_CTX *c)
{
	SSL_CTX_free(c);
}
DEFINE_AUTO(context, SSL_CTX *, context_free);
static inline UNUSED void bio_free_all(BIO *b)
{
	BIO_free_all(b);
}
DEFINE_AUTO(bio_free_all, BIO *, bio_free_all);

/* A device checks the pin, not a path; so do we, below. It has a certificate, which we lack: the gateway hangs up later. */
static SSL_CTX *new_context(void)
{
	static const unsigned char alpn[] = "\x08"
					    "derivd/1";
	SSL_CTX *c = SSL_CTX_new(TLS_client_method());

	if (!c || SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION) != 1 ||
		SSL_CTX_set_alpn_protos(c, alpn, sizeof(alpn) - 1) != 0)
		err_abort("OpenSSL cannot make a TLS context");
	SSL_CTX_set_verify(c, SSL_VERIFY_NONE, NULL);
	return c;
}

/* *ret_cert stays NULL when nothing came that speaks TLS. */
static void meet(const struct deployment *deployment, X509 **ret_cert)
{
	bool v6 = strchr(deployment->host, ':') != NULL;
	AUTO_MEM char *name = xasprintf(
		"%s%s%s:%u", v6 ? "[" : "", deployment->host, v6 ? "]" : "", deployment->port);
	AUTO(context) SSL_CTX *context = new_context();
	AUTO(bio_free_all) BIO *bio = BIO_new_ssl_connect(context);
	SSL *ssl = NULL;

	if (!bio || BIO_set_conn_hostname(bio, name) != 1)
		err_abort("OpenSSL cannot make a connection");
	if (BIO_do_connect_retry(bio, CONNECT_S, NAP_MS) == 1 && BIO_get_ssl(bio, &ssl) == 1 && ssl)
		*ret_cert = SSL_get1_peer_certificate(ssl);
}

static bool is_pinned(const struct deployment *deployment, const X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	uint8_t hash[SHA256_LEN];
	bool found = false;

	if (len <= 0)
		return false;
	sha256(BYTES(der, (size_t)len), hash);
	OPENSSL_free(der);
	for (size_t i = 0; i < deployment->n_pins; i++)
		found = found || memcmp(deployment->pins[i], hash, SHA256_LEN) == 0;
	return found;
}

static void check_end(struct doctor *d, const X509 *cert)
{
	int64_t now = clock_real_ms(), end = cert_not_after_ms(cert);
	AUTO_MEM char *when = text_time(end);

	if (end - now > SOON_MS)
		doctor_note(d, VERDICT_OK,
			_("the gateway's key is pinned, its certificate is good until %s"), when);
	else
		doctor_say(d, end < now ? VERDICT_FAULT : VERDICT_WARNING, ADVICE_GATEWAY_ENDS,
			_("the gateway's certificate is good until %s"), when);
}

void doctor_certificate(struct doctor *d)
{
	AUTO(deployment) struct deployment *deployment = NULL;
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	AUTO(x509) X509 *cert = NULL;
	struct err *e = deployment_load(path, &deployment);

	if (e) {
		doctor_error(d, ctl_is_set_up() || d->status ? VERDICT_FAULT : VERDICT_SKIPPED,
			err_wrap(e, "%s", _("this kiosk is not set up")));
		return;
	}
	meet(deployment, &cert);
	if (!cert) {
		doctor_say(d, VERDICT_FAULT, ADVICE_GATEWAY_SILENT,
			_("nobody answers with TLS at %s port %u"), deployment->host,
			deployment->port);
		return;
	}
	if (!is_pinned(deployment, cert))
		doctor_say(d, VERDICT_FAULT, ADVICE_GATEWAY_KEY,
			_("the gateway has another key than deployment.conf pins"));
	check_end(d, cert);
}
