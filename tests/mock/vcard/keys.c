/* The keys of the card and what they can do: see keys.h. */
#include "tests/mock/vcard/keys.h"

#include <string.h>
#include <strings.h>

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>

DEFINE_AUTO(pkey, EVP_PKEY, EVP_PKEY_free);
DEFINE_AUTO(pkey_ctx, EVP_PKEY_CTX, EVP_PKEY_CTX_free);

enum { RESULT_MAX = 512, NAME_MAX_BYTES = 32 };

static const struct slot slots[] = {
	{ 0x9A, 0x5FC105, PIN_ONCE, true, false },
	{ 0x9C, 0x5FC10A, PIN_ALWAYS, true, false },
	{ 0x9D, 0x5FC10B, PIN_ONCE, false, true },
	{ 0x9E, 0x5FC101, PIN_NEVER, true, false },
	/* Retired key management keys 1 to 20. */
	{ 0x82, 0x5FC10D, PIN_ONCE, false, true },
	{ 0x83, 0x5FC10E, PIN_ONCE, false, true },
	{ 0x84, 0x5FC10F, PIN_ONCE, false, true },
	{ 0x85, 0x5FC110, PIN_ONCE, false, true },
	{ 0x86, 0x5FC111, PIN_ONCE, false, true },
	{ 0x87, 0x5FC112, PIN_ONCE, false, true },
	{ 0x88, 0x5FC113, PIN_ONCE, false, true },
	{ 0x89, 0x5FC114, PIN_ONCE, false, true },
	{ 0x8A, 0x5FC115, PIN_ONCE, false, true },
	{ 0x8B, 0x5FC116, PIN_ONCE, false, true },
	{ 0x8C, 0x5FC117, PIN_ONCE, false, true },
	{ 0x8D, 0x5FC118, PIN_ONCE, false, true },
	{ 0x8E, 0x5FC119, PIN_ONCE, false, true },
	{ 0x8F, 0x5FC11A, PIN_ONCE, false, true },
	{ 0x90, 0x5FC11B, PIN_ONCE, false, true },
	{ 0x91, 0x5FC11C, PIN_ONCE, false, true },
	{ 0x92, 0x5FC11D, PIN_ONCE, false, true },
	{ 0x93, 0x5FC11E, PIN_ONCE, false, true },
	{ 0x94, 0x5FC11F, PIN_ONCE, false, true },
	{ 0x95, 0x5FC120, PIN_ONCE, false, true },
};

/* Algorithm identifiers of SP 800-78-5 table 10 that name a key pair. */
static const struct algorithm {
	uint8_t id;
	int type;
	int bits;
	const char *group;
} algorithms[] = {
	{ 0x05, EVP_PKEY_RSA, 3072, NULL },
	{ 0x06, EVP_PKEY_RSA, 1024, NULL },
	{ 0x07, EVP_PKEY_RSA, 2048, NULL },
	{ 0x11, EVP_PKEY_EC, 256, SN_X9_62_prime256v1 },
	{ 0x14, EVP_PKEY_EC, 384, SN_secp384r1 },
};

const struct slot *slot_find(uint8_t ref)
{
	for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
		if (slots[i].ref == ref)
			return &slots[i];
	return NULL;
}

const struct slot *slot_by_name(const char *name)
{
	uint8_t ref;
	size_t n;

	if (!hex_read(name, &ref, 1, &n) || n != 1)
		return NULL;
	return slot_find(ref);
}

static bool is_algorithm(const EVP_PKEY *pkey, const struct algorithm *a)
{
	char group[NAME_MAX_BYTES] = "";
	size_t n = 0;

	if (EVP_PKEY_get_base_id(pkey) != a->type || EVP_PKEY_get_bits(pkey) != a->bits)
		return false;
	return !a->group || (EVP_PKEY_get_group_name(pkey, group, sizeof group, &n) == 1 &&
				    strcasecmp(group, a->group) == 0);
}

bool keys_match(const EVP_PKEY *pkey, uint8_t alg)
{
	for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
		if (algorithms[i].id == alg)
			return is_algorithm(pkey, &algorithms[i]);
	return false;
}

bool keys_usable(const EVP_PKEY *pkey)
{
	for (size_t i = 0; i < sizeof algorithms / sizeof *algorithms; i++)
		if (is_algorithm(pkey, &algorithms[i]))
			return true;
	return false;
}

enum key_result keys_rsa(EVP_PKEY *pkey, struct span in, struct blob *out)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	uint8_t result[RESULT_MAX];
	size_t n = sizeof result;

	if (in.n != (size_t)EVP_PKEY_get_size(pkey))
		return KEY_BAD_DATA;
	if (!ctx || EVP_PKEY_decrypt_init(ctx) != 1 ||
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_NO_PADDING) != 1)
		return KEY_FAILED;
	/* What remains to go wrong is a block that is not smaller than the modulus. */
	if (EVP_PKEY_decrypt(ctx, result, &n, in.at, in.n) != 1)
		return KEY_BAD_DATA;
	blob_add(out, result, n);
	return KEY_DONE;
}

enum key_result keys_ecdsa(EVP_PKEY *pkey, struct span hash, struct blob *out)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	uint8_t result[RESULT_MAX];
	size_t n = sizeof result;

	if (!hash.n || hash.n > (size_t)EVP_PKEY_get_bits(pkey) / 8)
		return KEY_BAD_DATA;
	if (!ctx || EVP_PKEY_sign_init(ctx) != 1 ||
		EVP_PKEY_sign(ctx, result, &n, hash.at, hash.n) != 1)
		return KEY_FAILED;
	blob_add(out, result, n);
	return KEY_DONE;
}

/* A public key on the same curve, or NULL if the point is not one. */
static EVP_PKEY *peer_of(EVP_PKEY *pkey, struct span point)
{
	AUTO(pkey) EVP_PKEY *peer = EVP_PKEY_new();

	if (!peer || EVP_PKEY_copy_parameters(peer, pkey) != 1)
		return NULL;
	if (EVP_PKEY_set1_encoded_public_key(peer, point.at, point.n) != 1)
		return NULL;
	return take(peer);
}

enum key_result keys_ecdh(EVP_PKEY *pkey, struct span point, struct blob *out)
{
	AUTO(pkey_ctx) EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	AUTO(pkey) EVP_PKEY *peer = NULL;
	uint8_t result[RESULT_MAX];
	size_t n = sizeof result;

	if (point.n != (size_t)EVP_PKEY_get_bits(pkey) / 8 * 2 + 1 || point.at[0] != 0x04)
		return KEY_BAD_DATA;
	peer = peer_of(pkey, point);
	if (!peer)
		return KEY_BAD_DATA;
	if (!ctx || EVP_PKEY_derive_init(ctx) != 1)
		return KEY_FAILED;
	if (EVP_PKEY_derive_set_peer(ctx, peer) != 1 || EVP_PKEY_derive(ctx, result, &n) != 1)
		return KEY_BAD_DATA;
	blob_add(out, result, n);
	return KEY_DONE;
}
