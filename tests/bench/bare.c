/* bare.c: the reference: libcrypto's documented interfaces, used as its own programs use them. */
#include "tests/bench/bare.h"

#include <openssl/cms.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "tests/bench/bench.h"

#define COPIES_MAX 8
#define CERTIFICATE_MAX 8192
#define TICKET_LEN 400

struct bare {
	int fd;
	pid_t pid;
};

/* What the child learns once. */
struct shop {
	X509 *model;
	uint32_t n_copies;
	X509 *recipient[COPIES_MAX];
	EVP_PKEY *ca_key, *ticket_key;
};

static void must(bool ok, const char *what)
{
	if (!ok)
		err_abort("OpenSSL alone: %s", what);
}

static void put_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	must(ext && X509_add_ext(cert, ext, -1) == 1, value);
	X509_EXTENSION_free(ext);
}

static X509 *new_recipient(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	must(key && cert && X509_set_version(cert, X509_VERSION_3) == 1, "a recipient");
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), 86400);
	X509_set_pubkey(cert, key);
	put_extension(cert, cert, NID_subject_key_identifier, "hash");
	put_extension(cert, cert, NID_key_usage, "critical,keyAgreement");
	must(X509_sign(cert, key, EVP_sha256()) > 0, "a recipient");
	EVP_PKEY_free(key);
	return cert;
}

static void seal(EVP_PKEY *key, X509 *recipient)
{
	PKCS8_PRIV_KEY_INFO *p8 = EVP_PKEY2PKCS8(key);
	unsigned char *content = NULL, *sealed = NULL;
	int len = p8 ? i2d_PKCS8_PRIV_KEY_INFO(p8, &content) : -1;
	BIO *in = BIO_new_mem_buf(content, len);
	CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_gcm(), CMS_PARTIAL | CMS_BINARY);
	CMS_RecipientInfo *ri =
		CMS_add1_recipient_cert(cms, recipient, CMS_USE_KEYID | CMS_KEY_PARAM);

	must(ri && EVP_PKEY_CTX_set_ecdh_kdf_md(
			   CMS_RecipientInfo_get0_pkey_ctx(ri), EVP_sha256()) == 1,
		"a recipient's parameters");
	must(CMS_final(cms, in, NULL, CMS_BINARY) == 1 && i2d_CMS_ContentInfo(cms, &sealed) > 0,
		"sealing");
	OPENSSL_free(sealed);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	OPENSSL_clear_free(content, (size_t)len);
	PKCS8_PRIV_KEY_INFO_free(p8);
}

/* The model's subject, entry by entry. */
static void put_subject(X509 *cert, const X509 *model)
{
	const X509_NAME *from = X509_get_subject_name(model);
	X509_NAME *to = X509_get_subject_name(cert);

	for (int i = 0; i < X509_NAME_entry_count(from); i++) {
		const X509_NAME_ENTRY *e = X509_NAME_get_entry(from, i);
		const ASN1_STRING *value = X509_NAME_ENTRY_get_data(e);
		must(X509_NAME_add_entry_by_OBJ(to, X509_NAME_ENTRY_get_object(e),
			     ASN1_STRING_type(value), ASN1_STRING_get0_data(value),
			     ASN1_STRING_length(value), -1, 0) == 1,
			"a subject");
	}
}

/* The model's extensions, ready made, but for the subject's key identifier. */
static void put_extensions(X509 *cert, const X509 *model)
{
	for (int i = 0; i < X509_get_ext_count(model); i++) {
		X509_EXTENSION *ext = X509_get_ext(model, i);
		if (OBJ_obj2nid(X509_EXTENSION_get_object(ext)) == NID_subject_key_identifier)
			put_extension(cert, cert, NID_subject_key_identifier, "hash");
		else
			must(X509_add_ext(cert, ext, -1) == 1, "an extension");
	}
}

static void certify(const struct shop *s, EVP_PKEY *key)
{
	unsigned char serial[20], *der = NULL;
	X509 *cert = X509_new();

	must(cert && RAND_bytes(serial, sizeof(serial)) == 1, "a serial number");
	serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40);
	BIGNUM *number = BN_bin2bn(serial, sizeof(serial), NULL);
	BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert));
	BN_free(number);
	X509_set_version(cert, X509_VERSION_3);
	X509_set_issuer_name(cert, X509_get_issuer_name(s->model));
	X509_set1_notBefore(cert, X509_get0_notBefore(s->model));
	X509_set1_notAfter(cert, X509_get0_notAfter(s->model));
	put_subject(cert, s->model);
	X509_set_pubkey(cert, key);
	put_extensions(cert, s->model);
	must(X509_sign(cert, s->ca_key, EVP_sha256()) > 0 && i2d_X509(cert, &der) > 0,
		"a certificate");
	OPENSSL_free(der);
	X509_free(cert);
}

static void sign_ticket(const struct shop *s)
{
	static const unsigned char ticket[TICKET_LEN];
	unsigned char signature[64];
	size_t len = sizeof(signature);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	must(ctx && EVP_DigestSignInit(ctx, NULL, NULL, NULL, s->ticket_key) == 1 &&
			EVP_DigestSign(ctx, signature, &len, ticket, sizeof(ticket)) == 1,
		"a ticket");
	EVP_MD_CTX_free(ctx);
}

static void issue(const struct shop *s)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	must(key != NULL, "a key");
	for (uint32_t i = 0; i < s->n_copies; i++)
		seal(key, s->recipient[i]);
	sign_ticket(s);
	certify(s, key);
	EVP_PKEY_free(key);
}

static void learn(struct shop *s, const uint8_t *message, size_t len)
{
	const unsigned char *p = message + sizeof(s->n_copies);

	memcpy(&s->n_copies, message, sizeof(s->n_copies));
	must(s->n_copies <= COPIES_MAX, "too many copies");
	s->model = d2i_X509(NULL, &p, (long)(len - sizeof(s->n_copies)));
	must(s->model != NULL, "the model");
	for (uint32_t i = 0; i < s->n_copies; i++)
		s->recipient[i] = new_recipient();
	s->ca_key = EVP_EC_gen("P-256");
	s->ticket_key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	must(s->ca_key && s->ticket_key, "keys");
}

static struct bench_time run(const struct shop *s, uint32_t n)
{
	struct bench_time began = bench_begin();

	while (n--)
		issue(s);
	return bench_since(began);
}

/* The first message is what to do like, each other one a number of certificates. */
static _Noreturn void serve(int fd)
{
	struct shop s = { 0 };
	uint8_t message[CERTIFICATE_MAX];
	ssize_t len = recv(fd, message, sizeof(message), 0);
	uint32_t n;

	if (len > (ssize_t)sizeof(s.n_copies))
		learn(&s, message, (size_t)len);
	while (recv(fd, &n, sizeof(n), 0) == (ssize_t)sizeof(n)) {
		struct bench_time took = run(&s, n);
		must(send(fd, &took, sizeof(took), MSG_NOSIGNAL) > 0, "an answer");
	}
	_exit(0);
}

struct bare *bare_start(void)
{
	struct bare *b = xcalloc(1, sizeof(*b));
	int fd[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0, "a socket");
	b->pid = fork();
	must(b->pid >= 0, "fork");
	if (b->pid == 0) {
		close(fd[0]);
		serve(fd[1]);
	}
	close(fd[1]);
	b->fd = fd[0];
	return b;
}

void bare_free(struct bare *b)
{
	if (!b)
		return;
	close(b->fd);
	waitpid(b->pid, NULL, 0);
	free(b);
}

void bare_teach(struct bare *b, struct bytes certificate, uint32_t copies)
{
	AUTO(buf) struct buf *message = buf_new();

	buf_add(message, &copies, sizeof(copies));
	buf_add_bytes(message, certificate);
	must(send(b->fd, buf_data(message), buf_len(message), MSG_NOSIGNAL) > 0, "it ended");
}

struct bench_time bare_issue(struct bare *b, uint32_t n)
{
	struct bench_time took = { 0 };

	must(send(b->fd, &n, sizeof(n), MSG_NOSIGNAL) > 0 &&
			recv(b->fd, &took, sizeof(took), 0) == (ssize_t)sizeof(took),
		"it ended");
	return took;
}
