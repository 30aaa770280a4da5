/* ca_world.c: the deployment, the cards and the devices. */
#include "tests/unit/unit.h"

#include "tests/unit/ca_world.h"

#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/ca/init.h"
#include "evidence/cert.h"

int64_t world_start_ms = WORLD_START_MS;
int64_t world_now_ms = WORLD_START_MS;
const char *world_parent;

int64_t clock_real_ms(void)
{
	return world_now_ms;
}

int64_t clock_boot_ms(void)
{
	return world_now_ms - world_start_ms + 1000000;
}

struct err *clock_boot_id(uint8_t ret_id[static 16])
{
	memset(ret_id, 7, 16);
	return NULL;
}

void clock_random(void *ret_bytes, size_t len)
{
	assert_int_equal(getrandom(ret_bytes, len, 0), (ssize_t)len);
}

char *world_path(const struct world *w, const char *name)
{
	return xasprintf("%s/%s", w->dir, name);
}

void world_write(const struct world *w, const char *name, struct bytes content)
{
	AUTO_MEM char *path = world_path(w, name);

	assert_ok(io_write_file(path, content, 0644));
}

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
	CONF *conf = NCONF_new(NULL);
	X509V3_CTX ctx;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509V3_set_nconf(&ctx, conf);
	X509_EXTENSION *ext = X509V3_EXT_nconf_nid(conf, &ctx, nid, value);
	if (!ext)
		fail_msg("extension %s = %s", OBJ_nid2sn(nid), value);
	assert_int_equal(X509_add_ext(cert, ext, -1), 1);
	X509_EXTENSION_free(ext);
	NCONF_free(conf);
}

/* A certificate without extensions, not yet signed. */
static X509 *new_cert(const char *cn, EVP_PKEY *key, X509 *issuer, int64_t from_ms, int64_t to_ms)
{
	static long serial = 0x2001;
	X509 *cert = X509_new();
	X509_NAME *name = X509_get_subject_name(cert);

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), serial++);
	ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(from_ms / 1000));
	ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(to_ms / 1000));
	X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const unsigned char *)"US", -1, -1, 0);
	X509_NAME_add_entry_by_txt(
		name, "O", MBSTRING_UTF8, (const unsigned char *)"Example Agency", -1, -1, 0);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer ? issuer : cert));
	X509_set_pubkey(cert, key);
	return cert;
}

static X509 *new_ca(const char *cn, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = new_cert(cn, key, issuer, world_start_ms - 100 * WORLD_DAY_MS,
		world_start_ms + 3650 * WORLD_DAY_MS);

	add_ext(cert, issuer ? issuer : cert, NID_subject_key_identifier, "hash");
	if (issuer)
		add_ext(cert, issuer, NID_authority_key_identifier, "keyid:always");
	add_ext(cert, cert, NID_basic_constraints, "critical,CA:TRUE");
	add_ext(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign");
	if (issuer)
		add_ext(cert, cert, NID_certificate_policies, "2.5.29.32.0");
	assert_true(X509_sign(cert, issuer_key, EVP_sha256()) > 0);
	return cert;
}

struct buf *world_make_crl(
	X509 *issuer, EVP_PKEY *key, const X509 *revoked, long number, int64_t validity_ms)
{
	X509_CRL *crl = X509_CRL_new();
	ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)(world_now_ms / 1000) - 60);
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	struct buf *out = buf_new();

	X509_CRL_set_version(crl, 1);
	X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer));
	X509_CRL_set1_lastUpdate(crl, time);
	ASN1_TIME_set(time, (time_t)((world_now_ms + validity_ms) / 1000));
	X509_CRL_set1_nextUpdate(crl, time);
	ASN1_INTEGER_set(n, number);
	X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0);
	if (revoked) {
		X509_REVOKED *entry = X509_REVOKED_new();
		X509_REVOKED_set_serialNumber(
			entry, (ASN1_INTEGER *)X509_get0_serialNumber(revoked));
		ASN1_TIME_set(time, (time_t)(world_now_ms / 1000) - 120);
		X509_REVOKED_set_revocationDate(entry, time);
		X509_CRL_add0_revoked(crl, entry);
	}
	assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
	uint8_t *p = buf_grow(out, (size_t)i2d_X509_CRL(crl, NULL));
	assert_true(i2d_X509_CRL(crl, &p) > 0);
	ASN1_INTEGER_free(n);
	ASN1_TIME_free(time);
	X509_CRL_free(crl);
	return out;
}

void world_crls(struct world *w, const X509 *revoked, int64_t validity_ms)
{
	AUTO(buf)
	struct buf *cards = world_make_crl(w->ca, w->ca_key, revoked, ++w->crl_number, validity_ms);
	AUTO(buf)
	struct buf *root = world_make_crl(w->root, w->root_key, NULL, w->crl_number, validity_ms);

	world_write(w, "cards.crl", buf_bytes(cards));
	world_write(w, "root.crl", buf_bytes(root));
}

static void write_pem(const struct world *w, const char *name, X509 *cert)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data = NULL;

	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	long len = BIO_get_mem_data(bio, &data);
	world_write(w, name, BYTES(data, (size_t)len));
	BIO_free(bio);
}

void world_limit_issuer(struct world *w, int nid, const char *value)
{
	int at = X509_get_ext_by_NID(w->ca, nid, -1);

	if (at >= 0)
		X509_EXTENSION_free(X509_delete_ext(w->ca, at));
	add_ext(w->ca, w->root, nid, value);
	assert_true(X509_sign(w->ca, w->root_key, EVP_sha256()) > 0);
	write_pem(w, "issuer.pem", w->ca);
	state_free(w->s);
	w->s = world_open();
}

static const char *card_san(const struct world_card_options *o)
{
	return o->san ? o->san
		      : "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:ann@example.org,email:ann@mail."
			"example.org,"
			"URI:urn:uuid:00112233-4455-4677-8899-aabbccddeeff";
}

struct world_card *world_new_card(struct world *w, const struct world_card_options *options)
{
	const struct world_card_options none = { 0 }, *o = options ? options : &none;
	struct world_card *c = xcalloc(1, sizeof(*c));
	X509 *issuer = o->issuer ? o->issuer : w->ca;
	AUTO_MEM char *crl = o->crl_url ? xasprintf("URI:%s", o->crl_url) : NULL;
	int64_t to = o->expired ? world_now_ms - WORLD_DAY_MS : world_start_ms + 800 * WORLD_DAY_MS;

	if (o->key && EVP_PKEY_up_ref(o->key))
		c->key = o->key;
	else
		c->key = o->rsa_bits ? EVP_RSA_gen(o->rsa_bits)
				     : EVP_EC_gen(o->curve ? o->curve : "P-256");
	c->cert = new_cert(o->subject ? o->subject : "Ann Example", c->key, issuer,
		world_start_ms - 10 * WORLD_DAY_MS, to);
	add_ext(c->cert, issuer, NID_authority_key_identifier, "keyid:always");
	add_ext(c->cert, issuer, NID_key_usage,
		o->key_usage ? o->key_usage : "critical,digitalSignature");
	add_ext(c->cert, issuer, NID_certificate_policies,
		o->policy ? o->policy : "2.16.840.1.101.3.2.1.3.13");
	if (!o->eku || *o->eku)
		add_ext(c->cert, issuer, NID_ext_key_usage, o->eku ? o->eku : "clientAuth");
	if (*card_san(o))
		add_ext(c->cert, issuer, NID_subject_alt_name, card_san(o));
	if (o->is_ca)
		add_ext(c->cert, issuer, NID_basic_constraints, "critical,CA:TRUE");
	if (crl)
		add_ext(c->cert, issuer, NID_crl_distribution_points, crl);
	assert_true(
		X509_sign(c->cert, o->issuer_key ? o->issuer_key : w->ca_key, EVP_sha256()) > 0);
	c->der = cert_der(c->cert);
	return c;
}

void world_card_free(struct world_card *c)
{
	if (!c)
		return;
	EVP_PKEY_free(c->key);
	X509_free(c->cert);
	buf_free(c->der);
	free(c);
}

struct world_device *world_new_device(void)
{
	struct world_device *d = xcalloc(1, sizeof(*d));

	d->identity = sig_new_p256();
	d->sealing = sig_new_p256();
	d->keys[0] = sig_new_p256();
	d->keys[1] = sig_new_p256();
	d->identity_spki = sig_spki(d->identity);
	d->sealing_cert = new_cert("device", d->sealing, NULL, world_start_ms - WORLD_DAY_MS,
		world_start_ms + 3650 * WORLD_DAY_MS);
	add_ext(d->sealing_cert, d->sealing_cert, NID_subject_key_identifier, "hash");
	add_ext(d->sealing_cert, d->sealing_cert, NID_key_usage, "critical,keyAgreement");
	assert_true(X509_sign(d->sealing_cert, d->identity, EVP_sha256()) > 0);
	d->sealing_der = cert_der(d->sealing_cert);
	sha256(buf_bytes(d->identity_spki), d->id);
	return d;
}

void world_device_free(struct world_device *d)
{
	if (!d)
		return;
	EVP_PKEY_free(d->identity);
	EVP_PKEY_free(d->sealing);
	for (size_t i = 0; i < ARRAY_LEN(d->keys); i++)
		EVP_PKEY_free(d->keys[i]);
	buf_free(d->identity_spki);
	buf_free(d->sealing_der);
	X509_free(d->sealing_cert);
	free(d);
}

static void make_dirs(struct world *w)
{
	static const char *const names[] = { "etc", "state", "run" };
	static const char *const variables[] = { "CONFIGURATION_DIRECTORY", "STATE_DIRECTORY",
		"RUNTIME_DIRECTORY" };
	/* In memory where that can be had: each of hundreds of worlds syncs some thirty files. */
	const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	w->dir = xasprintf("%s/derivd-ca-test.XXXXXX", world_parent ? world_parent : tmp);
	assert_non_null(mkdtemp(w->dir));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		AUTO_MEM char *path = world_path(w, names[i]);
		assert_ok(io_mkdirs(path, 0755));
		assert_int_equal(setenv(variables[i], path, 1), 0);
	}
}

static void make_card_pki(struct world *w)
{
	w->root_key = sig_new_p256();
	w->ca_key = sig_new_p256();
	w->officer_key = sig_new_p256();
	w->root = new_ca("Card Root", w->root_key, NULL, w->root_key);
	w->ca = new_ca("Card Issuer", w->ca_key, w->root, w->root_key);
	w->officer = new_cert("Officer", w->officer_key, NULL, world_start_ms - WORLD_DAY_MS,
		world_start_ms + 3650 * WORLD_DAY_MS);
	add_ext(w->officer, w->officer, NID_subject_key_identifier, "hash");
	add_ext(w->officer, w->officer, NID_key_usage, "critical,keyAgreement");
	assert_true(X509_sign(w->officer, w->officer_key, EVP_sha256()) > 0);
	write_pem(w, "root.pem", w->root);
	write_pem(w, "issuer.pem", w->ca);
	write_pem(w, "officer.pem", w->officer);
	world_crls(w, NULL, 30 * WORLD_DAY_MS);
}

static void make_ca(struct world *w, const char *extra)
{
	AUTO_MEM char *officer = world_path(w, "officer.pem");
	AUTO_MEM char *report = NULL;
	AUTO_MEM char *conf =
		xasprintf("anchor \"test\" {\n"
			  "certificate = \"%s/root.pem\"\nintermediates = {\"%s/issuer.pem\"}\n"
			  "policies = {\"2.16.840.1.101.3.2.1.3.13\"}\n"
			  "crl-files = {\"%s/root.crl\", \"%s/cards.crl\"}\n}\n",
			w->dir, w->dir, w->dir, w->dir);
	const struct init init = {
		.organization = "Example Agency",
		.algorithm = "p256",
		.host = "kiosk.example.org",
		.port = "4433",
		.n_pins = 1,
		.pins = { "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f" },
		.n_escrow = 1,
		.escrow = { officer },
	};

	assert_ok(init_run(&init, &report));
	world_write(w, "etc/ca.conf.d/10-test.conf",
		BYTES(extra ? extra : conf, strlen(extra ? extra : conf)));
}

struct state *world_open(void)
{
	struct state *s = NULL;

	assert_ok(state_open(&s));
	return s;
}

struct world *world_new(const char *extra)
{
	struct world *w = xcalloc(1, sizeof(*w));

	world_now_ms = world_start_ms;
	make_dirs(w);
	make_card_pki(w);
	make_ca(w, extra);
	world_now_ms += 60000;
	w->s = world_open();
	w->card = world_new_card(w, NULL);
	w->device = world_new_device();
	return w;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void world_free(struct world *w)
{
	if (!w)
		return;
	state_free(w->s);
	world_card_free(w->card);
	world_device_free(w->device);
	EVP_PKEY_free(w->root_key);
	EVP_PKEY_free(w->ca_key);
	EVP_PKEY_free(w->officer_key);
	X509_free(w->root);
	X509_free(w->ca);
	X509_free(w->officer);
	nftw(w->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(w->dir);
	free(w);
}
