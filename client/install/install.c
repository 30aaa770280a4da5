/* install.c: see install.h. */
#include "client/install/install.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cert.h>
#include <certdb.h>
#include <keyhi.h>
#include <nss.h>
#include <nssb64.h>
#include <pk11pub.h>
#include <prerror.h>
#include <secasn1.h>
#include <secmod.h>

#include "base/buf.h"
#include "client/agent/bring.h"

#define PASSWORD_FILE_MAX 1024
#define PEM_BEGIN "-----BEGIN "
#define PEM_DASHES "-----"

struct install {
	PK11SlotInfo *slot;
	SECMODModule *module;
	struct buf *password; /* NULL: none; wiped when it is freed */
	bool asked;           /* it was given to NSS once */
	bool started;
};

static struct trouble *nss_trouble(const char *what)
{
	PRErrorCode code = PR_GetError();
	const char *text = PR_ErrorToString(code, PR_LANGUAGE_I_DEFAULT);

	return trouble_new(DERIVD_DEVICE_KIND_SYSTEM, "%s: NSS says: %s", what,
		text && *text ? text : "unknown error");
}

/* NSS asks again when the first answer was wrong: a token must not be locked by that. */
static char *give_password(PK11SlotInfo *slot UNUSED, PRBool retry, void *arg)
{
	struct install *i = arg;

	if (retry || i->asked || !i->password)
		return NULL;
	i->asked = true;
	return PORT_Strdup(buf_str(i->password));
}

/* --- opening --- */

static struct trouble *open_database(struct install *i, const char *dir)
{
	AUTO_MEM char *file = xasprintf("%s/cert9.db", dir);
	AUTO_MEM char *name = xasprintf("sql:%s", dir);

	if (access(file, F_OK) != 0)
		return trouble_new(DERIVD_DEVICE_KIND_NO_CREDENTIAL,
			"%s is not there: this is no NSS database (certutil -N -d sql:%s makes "
			"one)",
			file, dir);
	if (NSS_InitReadWrite(name) != SECSuccess)
		return nss_trouble(dir);
	i->started = true;
	i->slot = PK11_GetInternalKeySlot();
	return i->slot ? NULL : nss_trouble(dir);
}

/* In a module's specification a value stands in double quotation marks, with a backslash before those in it. */
static struct buf *quoted(const char *text)
{
	struct buf *out = buf_new();

	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_u8(out, '\\');
		buf_add_u8(out, (uint8_t)*text);
	}
	return out;
}

static struct trouble *find_token(struct install *i, const struct install_target *target)
{
	for (int n = 0; n < i->module->slotCount; n++) {
		PK11SlotInfo *slot = i->module->slots[n];
		if (PK11_IsPresent(slot) && strcmp(PK11_GetTokenName(slot), target->token) == 0) {
			i->slot = PK11_ReferenceSlot(slot);
			return NULL;
		}
	}
	return trouble_new(DERIVD_DEVICE_KIND_NO_CREDENTIAL, "%s has no token \"%s\"",
		target->module, target->token);
}

static struct trouble *open_token(struct install *i, const struct install_target *target)
{
	AUTO(buf) struct buf *library = quoted(target->module);
	AUTO_MEM char *spec = xasprintf("library=\"%s\" name=\"derivd-device\"", buf_str(library));

	if (NSS_NoDB_Init(NULL) != SECSuccess)
		return nss_trouble("starting");
	i->started = true;
	i->module = SECMOD_LoadUserModule(spec, NULL, PR_FALSE);
	if (!i->module || !i->module->loaded)
		return nss_trouble(target->module);
	return find_token(i, target);
}

static struct trouble *log_in(struct install *i)
{
	if (!PK11_NeedLogin(i->slot))
		return NULL;
	if (PK11_NeedUserInit(i->slot))
		return trouble_new("password", "its password was never set");
	if (!i->password)
		return trouble_new("password", "it needs a password: --password-file");
	if (PK11_Authenticate(i->slot, PR_TRUE, i) != SECSuccess)
		return trouble_new(
			"password", "the password is refused; it was tried once, and not again");
	return NULL;
}

struct trouble *install_open(const struct install_target *target, struct install **ret_install)
{
	AUTO(install) struct install *i = xcalloc(1, sizeof(*i));

	if (target->password_file)
		PASS(bring_password(target->password_file, PASSWORD_FILE_MAX, &i->password));
	PK11_SetPasswordFunc(give_password);
	PASS(target->nss ? open_database(i, target->nss) : open_token(i, target));
	PASS(log_in(i));
	*ret_install = take(i);
	return NULL;
}

void install_free(struct install *i)
{
	if (!i)
		return;
	if (i->slot)
		PK11_FreeSlot(i->slot);
	if (i->module) {
		(void)SECMOD_UnloadUserModule(i->module);
		SECMOD_DestroyModule(i->module);
	}
	if (i->started)
		(void)NSS_Shutdown();
	buf_free(i->password);
	free(i);
}

/* --- PEM --- */

/* The first block from *at on; *at is behind it then. NULL: there is none. The caller gives it to SECITEM_ZfreeItem. */
static SECItem *next_block(const char **at)
{
	const char *begin = strstr(*at, PEM_BEGIN);
	const char *line = begin ? strchr(begin, '\n') : NULL;
	const char *end = line ? strstr(line, PEM_DASHES) : NULL;

	if (!end)
		return NULL;
	*at = end + strlen(PEM_DASHES);
	return NSSBase64_DecodeBuffer(NULL, NULL, line, (unsigned int)(end - line));
}

static inline UNUSED void item_free(SECItem *item)
{
	SECITEM_ZfreeItem(item, PR_TRUE);
}
DEFINE_AUTO(item, SECItem *, item_free);

static inline UNUSED void certificate_free(CERTCertificate *c)
{
	CERT_DestroyCertificate(c);
}
DEFINE_AUTO(certificate, CERTCertificate *, certificate_free);

static inline UNUSED void public_free(SECKEYPublicKey *key)
{
	SECKEY_DestroyPublicKey(key);
}
DEFINE_AUTO(public, SECKEYPublicKey *, public_free);

static struct trouble *parse(const char **at, CERTCertificate **ret_cert)
{
	AUTO(item) SECItem *der = next_block(at);

	*ret_cert =
		der ? CERT_NewTempCertificate(CERT_GetDefaultCertDB(), der, NULL, PR_FALSE, PR_TRUE)
		    : NULL;
	return *ret_cert ? NULL : nss_trouble("a certificate");
}

static struct trouble *hash_certificate(
	const CERTCertificate *c, unsigned char ret_hash[static INSTALL_HASH_LEN])
{
	if (PK11_HashBuf(SEC_OID_SHA256, ret_hash, c->derCert.data, (PRInt32)c->derCert.len) !=
		SECSuccess)
		return nss_trouble("a hash");
	return NULL;
}

/* --- what is there --- */

static struct trouble *find(struct install *i, const unsigned char hash[static INSTALL_HASH_LEN],
	CERTCertificate **ret_cert)
{
	CERTCertList *all = PK11_ListCertsInSlot(i->slot);
	unsigned char its[INSTALL_HASH_LEN];
	struct trouble *t = all ? NULL : nss_trouble("what is there");

	*ret_cert = NULL;
	for (const CERTCertListNode *n = all ? CERT_LIST_HEAD(all) : NULL;
		n && !CERT_LIST_END(n, all) && !t && !*ret_cert; n = CERT_LIST_NEXT(n)) {
		t = hash_certificate(n->cert, its);
		if (!t && memcmp(its, hash, sizeof(its)) == 0)
			*ret_cert = CERT_DupCertificate(n->cert);
	}
	if (all)
		CERT_DestroyCertList(all);
	return t;
}

static bool has_key(struct install *i, CERTCertificate *cert)
{
	SECKEYPrivateKey *key = PK11_FindKeyByDERCert(i->slot, cert, i);

	if (key)
		SECKEY_DestroyPrivateKey(key);
	return key != NULL;
}

/* --- changing it --- */

/* RFC 5915 */
struct ec_key {
	SECItem version, value, parameters, public;
};
static const SEC_ASN1Template EC_KEY_TEMPLATE[] = {
	{ SEC_ASN1_SEQUENCE, 0, NULL, sizeof(struct ec_key) },
	{ SEC_ASN1_INTEGER, offsetof(struct ec_key, version), NULL, 0 },
	{ SEC_ASN1_OCTET_STRING, offsetof(struct ec_key, value), NULL, 0 },
	{ SEC_ASN1_OPTIONAL | SEC_ASN1_CONSTRUCTED | SEC_ASN1_EXPLICIT | SEC_ASN1_CONTEXT_SPECIFIC,
		offsetof(struct ec_key, parameters), SEC_ObjectIDTemplate, 0 },
	{ SEC_ASN1_OPTIONAL | SEC_ASN1_CONSTRUCTED | SEC_ASN1_EXPLICIT | SEC_ASN1_CONTEXT_SPECIFIC |
			1,
		offsetof(struct ec_key, public), SEC_BitStringTemplate, 0 },
	{ 0, 0, NULL, 0 },
};

/* NSS hands the public half of an EC key to a token, too, and tokens refuse a private key with it: so it is made here. */
static struct trouble *put_ec_key(struct install *i, PLArenaPool *arena, SECKEYPrivateKeyInfo *key,
	SECItem *public, SECItem *label)
{
	CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
	CK_KEY_TYPE type = CKK_EC;
	CK_BBOOL yes = CK_TRUE;
	struct ec_key ec = { 0 };
	AUTO(item) SECItem *id = PK11_MakeIDFromPubKey(public);

	if (!id || SEC_ASN1DecodeItem(arena, &ec, EC_KEY_TEMPLATE, &key->privateKey) != SECSuccess)
		return nss_trouble("a key");
	const CK_ATTRIBUTE template[] = {
		{ CKA_CLASS, &class, sizeof(class) },
		{ CKA_KEY_TYPE, &type, sizeof(type) },
		{ CKA_TOKEN, &yes, sizeof(yes) },
		{ CKA_PRIVATE, &yes, sizeof(yes) },
		{ CKA_SENSITIVE, &yes, sizeof(yes) },
		{ CKA_SIGN, &yes, sizeof(yes) },
		{ CKA_DERIVE, &yes, sizeof(yes) },
		{ CKA_LABEL, label->data, label->len },
		{ CKA_ID, id->data, id->len },
		{ CKA_EC_PARAMS, key->algorithm.parameters.data, key->algorithm.parameters.len },
		{ CKA_VALUE, ec.value.data, ec.value.len },
	};
	PK11GenericObject *object =
		PK11_CreateManagedGenericObject(i->slot, template, ARRAY_LEN(template), PR_TRUE);
	if (!object)
		return nss_trouble("a key");
	PK11_DestroyGenericObject(object);
	return NULL;
}

static void arena_free(PLArenaPool *arena)
{
	PORT_FreeArena(arena, PR_TRUE);
}
DEFINE_AUTO(arena, PLArenaPool *, arena_free);

static struct trouble *put_key(
	struct install *i, const char *key_pem, CERTCertificate *cert, const char *name)
{
	AUTO(item) SECItem *der = next_block(&key_pem);
	AUTO(public) SECKEYPublicKey *public = CERT_ExtractPublicKey(cert);
	AUTO(arena) PLArenaPool *arena = PORT_NewArena(DER_DEFAULT_CHUNKSIZE);
	SECItem label = { siAsciiString, (unsigned char *)(uintptr_t)name,
		(unsigned int)strlen(name) };
	SECKEYPrivateKeyInfo key = { 0 };

	if (!der || !public || !arena ||
		SEC_QuickDERDecodeItem(arena, &key, SECKEY_PrivateKeyInfoTemplate, der) !=
			SECSuccess)
		return nss_trouble("a key");
	bool ec = public->keyType == ecKey;
	if (!ec && public->keyType != rsaKey)
		return trouble_new(
			DERIVD_DEVICE_KIND_FORMAT, "a key of a type that NSS does not take");
	/* By what a key and its certificate find each other. */
	SECItem *value = ec ? &public->u.ec.publicValue : &public->u.rsa.modulus;
	if (ec && !PK11_IsInternal(i->slot))
		return put_ec_key(i, arena, &key, value, &label);
	if (PK11_ImportPrivateKeyInfo(i->slot, &key, &label, value, PR_TRUE, PR_TRUE, KU_ALL, i) !=
		SECSuccess)
		return nss_trouble("a key");
	return NULL;
}

static struct trouble *put_certificate(struct install *i, CERTCertificate *cert, const char *name)
{
	AUTO(certificate) CERTCertificate *there = NULL;
	unsigned char hash[INSTALL_HASH_LEN];

	PASS(hash_certificate(cert, hash));
	PASS(find(i, hash, &there));
	if (!there &&
		PK11_ImportCert(i->slot, cert, CK_INVALID_HANDLE, name, PR_FALSE) != SECSuccess)
		return nss_trouble(name);
	return NULL;
}

struct trouble *install_credential(
	struct install *i, const char *key_pem, const char *certificate_pem, const char *name)
{
	AUTO(certificate) CERTCertificate *cert = NULL;

	PASS(parse(&certificate_pem, &cert));
	PASS(put_certificate(i, cert, name));
	if (has_key(i, cert))
		return NULL;
	return put_key(i, key_pem, cert, name);
}

/* Mail that such a CA's people signed is believed; servers are another matter. */
static struct trouble *trust(struct install *i, CERTCertificate *cert)
{
	CERTCertTrust trust = { 0 };

	if (!cert->isRoot || !PK11_IsInternal(i->slot))
		return NULL;
	(void)CERT_GetCertTrust(cert, &trust);
	trust.emailFlags |= CERTDB_VALID_CA | CERTDB_TRUSTED_CA;
	if (CERT_ChangeCertTrust(CERT_GetDefaultCertDB(), cert, &trust) != SECSuccess)
		return nss_trouble("trust in a CA certificate");
	return NULL;
}

static struct trouble *put_ca(struct install *i, CERTCertificate *cert)
{
	char *common_name = CERT_GetCommonName(&cert->subject);
	AUTO_MEM char *name = xstrdup(common_name ? common_name : "derivd CA");

	PORT_Free(common_name);
	PASS(put_certificate(i, cert, name));
	return trust(i, cert);
}

struct trouble *install_chain(struct install *i, const char *chain_pem)
{
	while (strstr(chain_pem, PEM_BEGIN)) {
		AUTO(certificate) CERTCertificate *cert = NULL;
		PASS(parse(&chain_pem, &cert));
		PASS(put_ca(i, cert));
	}
	return NULL;
}

struct trouble *install_remove(
	struct install *i, const unsigned char hash[static INSTALL_HASH_LEN], int *ret_removed)
{
	AUTO(certificate) CERTCertificate *cert = NULL;

	PASS(find(i, hash, &cert));
	*ret_removed = cert != NULL;
	if (!cert)
		return NULL;
	SECStatus done = has_key(i, cert) ? PK11_DeleteTokenCertAndKey(cert, i)
					  : SEC_DeletePermCertificate(cert);
	return done == SECSuccess ? NULL : nss_trouble("removing a certificate");
}
