/*
 * lying: a PKCS#11 module with one token (P-256, one certificate), which tells one lie. It is honest but for what
 * LYING says: "WHAT" or "WHAT:FUNCTION", for example "hang:C_Login", "value-long:C_GetAttributeValue". LYING_KEY and
 * LYING_CERT are PEM files, the PIN is LYING_PIN. For tests of programs that load such modules.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Certificates that a token may well have. */
#define MANY 60

#define SLOT 7
#define SESSION 11
#define HUGE_NUMBER ((CK_ULONG)1 << 40)

enum { CERTIFICATE = 1, PRIVATE_KEY = 2, PUBLIC_KEY = 3, OBJECTS = 3 };

static struct {
	EVP_PKEY *key;
	unsigned char *cert;
	int cert_n;
	bool logged_in;
	bool searching;
	CK_OBJECT_HANDLE found[OBJECTS];
	CK_ULONG found_n;
	unsigned int value_reads;
	unsigned int tries;
	unsigned int cancelled;
	unsigned int many;
} state = { .tries = 3 };

/* --- lies that every function can tell --- */

static bool lies(const char *what, const char *function)
{
	const char *lie = getenv("LYING");
	size_t n = strlen(what);

	if (!lie || strncmp(lie, what, n) != 0)
		return false;
	return lie[n] == 0 ? !function
			   : function && lie[n] == ':' && strcmp(lie + n + 1, function) == 0;
}

static void hang(void)
{
	sigset_t all;

	/* A module that will not be asked to stop. */
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	for (;;)
		pause();
}

static CK_RV enter(const char *function)
{
	if (lies("hang", function))
		hang();
	if (lies("crash", function))
		kill(getpid(), SIGSEGV);
	if (lies("exit", function))
		_exit(0);
	if (lies("fail", function))
		return CKR_GENERAL_ERROR;
	if (lies("removed", function))
		return CKR_DEVICE_REMOVED;
	if (lies("invalid", function))
		return CKR_SESSION_HANDLE_INVALID;
	return lies("vendor", function) ? CKR_VENDOR_DEFINED | 0x1234 : CKR_OK;
}

#define ENTER()                                                                                    \
	do {                                                                                       \
		CK_RV rv_ = enter(__func__);                                                       \
		if (rv_ != CKR_OK)                                                                 \
			return rv_;                                                                \
	} while (0)

/* --- the token --- */

static bool load(void)
{
	FILE *key = fopen(getenv("LYING_KEY"), "re");
	FILE *cert = fopen(getenv("LYING_CERT"), "re");
	X509 *x = cert ? PEM_read_X509(cert, NULL, NULL, NULL) : NULL;

	state.key = key ? PEM_read_PrivateKey(key, NULL, NULL, NULL) : NULL;
	state.cert_n = x ? i2d_X509(x, &state.cert) : 0;
	X509_free(x);
	if (key)
		fclose(key);
	if (cert)
		fclose(cert);
	return state.key && state.cert_n > 0;
}

/* What a careless vendor does to descriptors that it takes for its own. */
static void meddle(void)
{
	if (lies("chatter", NULL)) {
		puts("Vendor Card Software 4.2 (trial)");
		fflush(stdout);
		if (write(0, "junk", 4) < 0 || write(3, "junk", 4) < 0)
			return;
	}
	for (int fd = 0; lies("close-descriptors", NULL) && fd < 32; fd++)
		close(fd);
}

__attribute__((destructor)) static void leave(void)
{
	if (lies("hang", "exit"))
		hang();
}

/* As NSS: it is to be told something. */
static bool is_told(const CK_C_INITIALIZE_ARGS *args)
{
	return args && args->pReserved && strcmp(args->pReserved, "who='me'") == 0;
}

CK_RV C_Initialize(void *args)
{
	ENTER();
	if (lies("arguments", NULL) && !is_told(args))
		return CKR_ARGUMENTS_BAD;
	meddle();
	return load() ? CKR_OK : CKR_GENERAL_ERROR;
}

CK_RV C_Finalize(void *reserved)
{
	(void)reserved;
	ENTER();
	return CKR_OK;
}

CK_RV C_GetSlotList(CK_BBOOL present, CK_SLOT_ID *list, CK_ULONG *count)
{
	(void)present;
	ENTER();
	if (!list && lies("slots-many", NULL)) {
		*count = HUGE_NUMBER;
		return CKR_OK;
	}
	if (list)
		list[0] = SLOT;
	*count = list && lies("slots-more", NULL) ? HUGE_NUMBER : 1;
	if (lies("slots-none", NULL))
		*count = 0;
	return CKR_OK;
}

static void fill(CK_UTF8CHAR *field, size_t n, const char *text)
{
	memset(field, ' ', n);
	memcpy(field, text, strlen(text));
	if (lies("text-binary", NULL))
		memset(field, 0xfe, n);
	if (lies("text-escape", NULL))
		memset(field, 0x1b, n);
}

CK_RV C_GetSlotInfo(CK_SLOT_ID id, CK_SLOT_INFO *info)
{
	(void)id;
	ENTER();
	memset(info, 0, sizeof(*info));
	fill(info->slotDescription, sizeof(info->slotDescription), "Lying slot");
	fill(info->manufacturerID, sizeof(info->manufacturerID), "Nobody");
	info->flags = CKF_TOKEN_PRESENT;
	return CKR_OK;
}

/* The PIN is typed at the reader. */
static bool has_pad(void)
{
	return lies("pad", NULL) || lies("pad", "cancel") || lies("pad", "hang") ||
	       lies("pad", "mistyped");
}

static bool no_login(void)
{
	return lies("no-login", NULL) || lies("no-login", "always");
}

CK_RV C_GetTokenInfo(CK_SLOT_ID id, CK_TOKEN_INFO *info)
{
	(void)id;
	ENTER();
	memset(info, 0, sizeof(*info));
	fill(info->label, sizeof(info->label), "Lying token");
	fill(info->manufacturerID, sizeof(info->manufacturerID), "Nobody");
	fill(info->model, sizeof(info->model), "Liar");
	fill(info->serialNumber, sizeof(info->serialNumber), "42");
	info->flags = CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED;
	if (!no_login())
		info->flags |= CKF_LOGIN_REQUIRED;
	if (lies("pin-unset", NULL))
		info->flags &= ~(CK_FLAGS)CKF_USER_PIN_INITIALIZED;
	if (lies("pin-change", NULL))
		info->flags |= CKF_USER_PIN_TO_BE_CHANGED;
	if (lies("write-protected", NULL))
		info->flags |= CKF_WRITE_PROTECTED;
	if (has_pad())
		info->flags |= CKF_PROTECTED_AUTHENTICATION_PATH;
	if (state.tries == 1)
		info->flags |= CKF_USER_PIN_FINAL_TRY;
	if (state.tries == 0)
		info->flags |= CKF_USER_PIN_LOCKED;
	info->ulMinPinLen = lies("pin-lengths", NULL) ? (CK_ULONG)-1 : 4;
	info->ulMaxPinLen = lies("pin-lengths", NULL) ? (CK_ULONG)-1 : 16;
	return CKR_OK;
}

CK_RV C_GetMechanismInfo(CK_SLOT_ID id, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
	(void)id;
	(void)type;
	ENTER();
	memset(info, 0, sizeof(*info));
	info->flags = CKF_SIGN;
	return lies("mechanism-unlisted", NULL) ? CKR_MECHANISM_INVALID : CKR_OK;
}

CK_RV C_OpenSession(
	CK_SLOT_ID id, CK_FLAGS flags, void *data, CK_NOTIFY notify, CK_SESSION_HANDLE *session)
{
	(void)id;
	(void)flags;
	(void)data;
	(void)notify;
	ENTER();
	*session = SESSION;
	return CKR_OK;
}

CK_RV C_CloseSession(CK_SESSION_HANDLE session)
{
	(void)session;
	ENTER();
	return CKR_OK;
}

static bool is_pin(const CK_UTF8CHAR *pin, CK_ULONG n)
{
	const char *own = getenv("LYING_PIN");

	if (has_pad())
		return !pin && n == 0;

	return own && pin && n == strlen(own) && memcmp(pin, own, n) == 0;
}

CK_RV C_Login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR *pin, CK_ULONG n)
{
	(void)session;
	ENTER();
	if (lies("pad", "hang"))
		hang();
	if (lies("pad", "cancel") && state.cancelled++ == 0)
		return CKR_FUNCTION_CANCELED;
	if (lies("login-refused", user == CKU_CONTEXT_SPECIFIC ? "context" : "user"))
		return CKR_PIN_INCORRECT;
	if (lies("login-malformed", NULL))
		return CKR_PIN_LEN_RANGE;
	if (lies("pad", "mistyped") && user == CKU_CONTEXT_SPECIFIC && state.cancelled++ == 0)
		return CKR_PIN_INCORRECT;
	if (!is_pin(pin, n) && !lies("login-any", NULL)) {
		state.tries -= state.tries > 0;
		return CKR_PIN_INCORRECT;
	}
	state.logged_in = true;
	return CKR_OK;
}

CK_RV C_Logout(CK_SESSION_HANDLE session)
{
	(void)session;
	ENTER();
	state.logged_in = false;
	return CKR_OK;
}

/* --- objects --- */

static CK_OBJECT_CLASS class_of(CK_OBJECT_HANDLE object)
{
	return object == CERTIFICATE   ? CKO_CERTIFICATE
	       : object == PRIVATE_KEY ? CKO_PRIVATE_KEY
				       : CKO_PUBLIC_KEY;
}

static bool fits(CK_OBJECT_HANDLE object, const CK_ATTRIBUTE *attributes, CK_ULONG n)
{
	bool hidden = object == PRIVATE_KEY || (object == CERTIFICATE && lies("hidden", NULL));
	bool fits = !hidden || state.logged_in || no_login();

	for (CK_ULONG i = 0; i < n; i++) {
		const CK_ATTRIBUTE *a = &attributes[i];
		if (a->type == CKA_CLASS)
			fits = fits && *(CK_OBJECT_CLASS *)a->pValue == class_of(object);
		else if (a->type == CKA_ID)
			fits = fits && a->ulValueLen == 1 && *(CK_BYTE *)a->pValue == 0x42;
		else
			fits = false;
	}
	return fits;
}

CK_RV C_FindObjectsInit(CK_SESSION_HANDLE session, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
	(void)session;
	ENTER();
	state.found_n = 0;
	state.many = 0;
	for (CK_OBJECT_HANDLE object = 1; object <= OBJECTS; object++)
		if (fits(object, attributes, n))
			state.found[state.found_n++] = object;
	return CKR_OK;
}

CK_RV C_FindObjects(
	CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *objects, CK_ULONG max, CK_ULONG *count)
{
	(void)session;
	ENTER();
	if (lies("find-more", NULL)) {
		*count = max + 1;
		return CKR_OK;
	}
	if (lies("find-endless", NULL)) {
		for (CK_ULONG i = 0; i < max; i++)
			objects[i] = CERTIFICATE;
		*count = max;
		return CKR_OK;
	}
	if (lies("many", NULL) && state.found_n == 1 && state.found[0] == CERTIFICATE) {
		*count = state.many < MANY && max > 0;
		objects[0] = CERTIFICATE;
		state.many += *count;
		return CKR_OK;
	}
	*count = state.found_n < max ? state.found_n : max;
	memcpy(objects, state.found, *count * sizeof(objects[0]));
	state.found_n -= *count;
	return CKR_OK;
}

CK_RV C_FindObjectsFinal(CK_SESSION_HANDLE session)
{
	(void)session;
	ENTER();
	return CKR_OK;
}

static CK_RV give(CK_ATTRIBUTE *a, const void *value, size_t n)
{
	if (a->ulValueLen < n) {
		a->ulValueLen = (CK_ULONG)-1;
		return CKR_BUFFER_TOO_SMALL;
	}
	memcpy(a->pValue, value, n);
	a->ulValueLen = n;
	return CKR_OK;
}

/* As long as we are asked for; shown safely it is longer, and a cut may fall into one of its characters. */
static CK_RV give_long_label(CK_ATTRIBUTE *a)
{
	char label[256] = "\001x";

	for (size_t i = 2; i < sizeof(label); i += 2)
		memcpy(&label[i], "\xc3\xa9", 2);
	return give(a, label, sizeof(label));
}

/* The certificate, or from the second reading on another one. */
static CK_RV give_certificate(CK_ATTRIBUTE *a)
{
	bool again = state.value_reads++ > 0;
	CK_RV rv = give(a, state.cert, (size_t)state.cert_n);

	if (rv == CKR_OK && again && lies("changes", NULL))
		((CK_BYTE *)a->pValue)[a->ulValueLen - 1] ^= 1;
	if (rv == CKR_OK && lies("value-garbage", NULL))
		memset(a->pValue, 0x30, a->ulValueLen);
	return rv;
}

static CK_RV give_attribute(CK_OBJECT_HANDLE object, CK_ATTRIBUTE *a)
{
	static const CK_BYTE id = 0x42;
	static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	static const CK_KEY_TYPE ec = CKK_EC, rsa = CKK_RSA;

	switch (a->type) {
	case CKA_ID:
		return give(a, &id, sizeof(id));
	case CKA_LABEL:
		return lies("label-long", NULL) ? give_long_label(a) : give(a, "Liar", 4);
	case CKA_VALUE:
		return object == CERTIFICATE ? give_certificate(a) : CKR_ATTRIBUTE_SENSITIVE;
	case CKA_KEY_TYPE:
		return give(a, lies("key-type", NULL) ? &rsa : &ec, sizeof(ec));
	case CKA_SIGN:
	case CKA_VERIFY:
		return give(a, lies("no-sign", NULL) ? &no : &yes, sizeof(yes));
	case CKA_ALWAYS_AUTHENTICATE:
		return give(a,
			lies("always", NULL) || lies("login-refused", "context") ||
					lies("pad", "mistyped") || lies("no-login", "always")
				? &yes
				: &no,
			sizeof(yes));
	default:
		return CKR_ATTRIBUTE_TYPE_INVALID;
	}
}

CK_RV C_GetAttributeValue(
	CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes, CK_ULONG n)
{
	CK_RV rv = CKR_OK;

	(void)session;
	ENTER();
	for (CK_ULONG i = 0; i < n && rv == CKR_OK; i++)
		rv = give_attribute(object, &attributes[i]);
	if (rv == CKR_OK && lies("value-long", NULL))
		attributes[0].ulValueLen = HUGE_NUMBER;
	if (rv == CKR_OK && lies("value-unavailable", NULL))
		attributes[0].ulValueLen = (CK_ULONG)-1;
	if (rv == CKR_OK && lies("value-empty", NULL))
		attributes[0].ulValueLen = 0;
	return rv;
}

/* --- signing --- */

CK_RV C_SignInit(CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key)
{
	(void)session;
	ENTER();
	if (key != PRIVATE_KEY)
		return CKR_KEY_HANDLE_INVALID;
	if (lies("mechanism-hash", NULL) && mechanism->mechanism == CKM_ECDSA)
		return CKR_MECHANISM_INVALID;
	if (lies("mechanism-key", NULL) && mechanism->mechanism == CKM_ECDSA)
		return CKR_KEY_FUNCTION_NOT_PERMITTED;
	return lies("mechanism-none", NULL) ? CKR_MECHANISM_INVALID : CKR_OK;
}

static void sign_hash(const CK_BYTE *hash, size_t n, CK_BYTE raw[static 64])
{
	unsigned char der[256];
	const unsigned char *p = der;
	size_t der_n = sizeof(der);
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(state.key, NULL);

	if (EVP_PKEY_sign_init(ctx) != 1 || EVP_PKEY_sign(ctx, der, &der_n, hash, n) != 1)
		abort();
	EVP_PKEY_CTX_free(ctx);
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &p, (long)der_n);
	BN_bn2binpad(ECDSA_SIG_get0_r(sig), raw, 32);
	BN_bn2binpad(ECDSA_SIG_get0_s(sig), raw + 32, 32);
	ECDSA_SIG_free(sig);
}

CK_RV C_Sign(CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG n, CK_BYTE *signature,
	CK_ULONG *signature_n)
{
	CK_BYTE hash[EVP_MAX_MD_SIZE];
	unsigned int hash_n = 0;

	(void)session;
	ENTER();
	if (!state.logged_in && !no_login())
		return CKR_USER_NOT_LOGGED_IN;
	if (!signature || *signature_n < 64)
		return CKR_BUFFER_TOO_SMALL;
	if (n != 32) {
		EVP_Digest(data, n, hash, &hash_n, EVP_sha256(), NULL);
		data = hash;
	}
	sign_hash(data, 32, signature);
	*signature_n = 64;
	if (lies("signature-wrong", NULL))
		signature[40] ^= 1;
	if (lies("signature-zero", NULL))
		memset(signature, 0, 64);
	if (lies("signature-odd", NULL))
		*signature_n = 63;
	if (lies("signature-empty", NULL))
		*signature_n = 0;
	if (lies("signature-long", NULL))
		*signature_n = HUGE_NUMBER;
	return CKR_OK;
}

static CK_FUNCTION_LIST functions = {
	.version = { 2, 40 },
	.C_Initialize = C_Initialize,
	.C_Finalize = C_Finalize,
	.C_GetSlotList = C_GetSlotList,
	.C_GetSlotInfo = C_GetSlotInfo,
	.C_GetTokenInfo = C_GetTokenInfo,
	.C_GetMechanismInfo = C_GetMechanismInfo,
	.C_OpenSession = C_OpenSession,
	.C_CloseSession = C_CloseSession,
	.C_Login = C_Login,
	.C_Logout = C_Logout,
	.C_FindObjectsInit = C_FindObjectsInit,
	.C_FindObjects = C_FindObjects,
	.C_FindObjectsFinal = C_FindObjectsFinal,
	.C_GetAttributeValue = C_GetAttributeValue,
	.C_SignInit = C_SignInit,
	.C_Sign = C_Sign,
};

CK_RV C_GetFunctionList(CK_FUNCTION_LIST **list)
{
	ENTER();
	if (lies("list-version", NULL))
		functions.version.major = 1;
	if (lies("list-gap", NULL))
		functions.C_Sign = NULL;
	*list = lies("list-none", NULL) ? NULL : &functions;
	return CKR_OK;
}

/* CK_INTERFACE of PKCS#11 3.0. */
struct interface {
	const char *name;
	void *functions;
	CK_FLAGS flags;
};

CK_RV C_GetInterface(
	CK_UTF8CHAR *name, CK_VERSION *version, struct interface **found, CK_FLAGS flags);

CK_RV C_GetInterface(
	CK_UTF8CHAR *name, CK_VERSION *version, struct interface **found, CK_FLAGS flags)
{
	static struct interface own = { "PKCS 11", &functions, 0 };

	(void)name;
	(void)version;
	(void)flags;
	ENTER();
	if (!lies("interface", NULL) && !lies("interface-none", NULL))
		return CKR_FUNCTION_NOT_SUPPORTED;
	functions.version.major = 3;
	*found = lies("interface-none", NULL) ? NULL : &own;
	return CKR_OK;
}
