/* What is personalised on a card: see store.h. */
#include "tests/mock/vcard/store.h"
#include "tests/mock/vcard/tlv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OBJECTS_MAX = 64, SLOTS_MAX = 24, PATH_ROOM = 4096, STEM_ROOM = 16, NAME_ROOM = 256 };

struct store {
	struct settings settings;
	struct object {
		uint32_t tag;
		bool raw; /* from a container file: wins over what a certificate file makes */
		struct blob bytes;
	} objects[OBJECTS_MAX];
	size_t objects_n;
	struct pair {
		const struct slot *slot;
		EVP_PKEY *key;
	} pairs[SLOTS_MAX];
	size_t pairs_n;
	char left[NAME_ROOM]; /* a certificate or key file that was left alone, or "" */
};

void store_free(struct store *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->objects_n; i++)
		blob_free(&s->objects[i].bytes);
	for (size_t i = 0; i < s->pairs_n; i++)
		EVP_PKEY_free(s->pairs[i].key);
	explicit_bzero(s, sizeof *s);
	free(s);
}

const struct settings *store_settings(const struct store *s)
{
	return &s->settings;
}

bool store_set_atr(struct store *s, const char *hex, struct why *why)
{
	return settings_set_atr(&s->settings, hex, why);
}

static struct object *find_object(const struct store *s, uint32_t tag)
{
	for (size_t i = 0; i < s->objects_n; i++)
		if (s->objects[i].tag == tag)
			return (struct object *)(uintptr_t)&s->objects[i];
	return NULL;
}

bool store_object(const struct store *s, uint32_t tag, struct span *ret_bytes)
{
	const struct object *o = find_object(s, tag);

	if (!o)
		return false;
	*ret_bytes = blob_span(&o->bytes);
	return true;
}

EVP_PKEY *store_key(const struct store *s, const struct slot *slot)
{
	for (size_t i = 0; i < s->pairs_n; i++)
		if (s->pairs[i].slot == slot)
			return s->pairs[i].key;
	return NULL;
}

static bool put_object(
	struct store *s, uint32_t tag, bool raw, struct blob *take_bytes, struct why *why)
{
	struct object *o = find_object(s, tag);

	if (o && (o->raw || !raw)) {
		blob_free(take_bytes);
		return raw ? why_set(why, "the container %X is there twice", tag) : true;
	}
	if (!o && s->objects_n == OBJECTS_MAX) {
		blob_free(take_bytes);
		return why_set(why, "more than %d containers", OBJECTS_MAX);
	}
	if (!o)
		o = &s->objects[s->objects_n++];
	blob_free(&o->bytes);
	*o = (struct object){ .tag = tag, .raw = raw, .bytes = *take_bytes };
	*take_bytes = (struct blob){ 0 };
	return true;
}

/* SP 800-73-4 Part 1 section 3.1.3 and appendix A: 53 { 70 certificate, 71 00, FE }. */
static bool put_cert(struct store *s, const struct slot *slot, struct span der, struct why *why)
{
	static const uint8_t plain = 0;
	AUTO(blob) struct blob inner = { 0 };
	struct blob whole = { 0 };

	tlv_put(&inner, 0x70, der);
	tlv_put(&inner, 0x71, (struct span){ &plain, 1 });
	tlv_put(&inner, 0xFE, (struct span){ NULL, 0 });
	tlv_put(&whole, 0x53, blob_span(&inner));
	return put_object(s, slot->cert_tag, false, &whole, why);
}

static bool put_key(struct store *s, const struct slot *slot, EVP_PKEY *take_key, struct why *why)
{
	if (store_key(s, slot)) {
		EVP_PKEY_free(take_key);
		return why_set(why, "key %02X is there twice", slot->ref);
	}
	if (!keys_usable(take_key)) {
		EVP_PKEY_free(take_key);
		return why_set(
			why, "key %02X is none of RSA 1024, 2048, 3072, P-256, P-384", slot->ref);
	}
	s->pairs[s->pairs_n++] = (struct pair){ slot, take_key };
	return true;
}

static bool load_raw(struct store *s, const char *path, uint32_t tag, struct why *why)
{
	struct blob bytes = { 0 };

	if (!files_read(path, &bytes, why)) {
		blob_free(&bytes);
		return false;
	}
	return put_object(s, tag, true, &bytes, why);
}

static bool load_key(struct store *s, const char *path, const struct slot *slot, struct why *why)
{
	EVP_PKEY *key;

	return files_key(path, &key, why) && put_key(s, slot, key, why);
}

static bool load_cert(struct store *s, const char *path, const struct slot *slot, struct why *why)
{
	AUTO(blob) struct blob der = { 0 };
	bool has_key;

	if (!files_cert(path, &der, &has_key, why) || !put_cert(s, slot, blob_span(&der), why))
		return false;
	return !has_key || load_key(s, path, slot, why);
}

static bool load_p12(struct store *s, const char *path, const struct slot *slot, struct why *why)
{
	AUTO(blob) struct blob der = { 0 };
	EVP_PKEY *key;

	if (!files_p12(path, &key, &der, why) || !put_key(s, slot, key, why))
		return false;
	return !der.n || put_cert(s, slot, blob_span(&der), why);
}

static bool load_atr(struct store *s, const char *path, struct why *why)
{
	AUTO(blob) struct blob text = { 0 };

	if (!files_read(path, &text, why))
		return false;
	blob_add_byte(&text, 0);
	return settings_set_atr(&s->settings, (const char *)text.at, why);
}

/* What a file holds, by its ending in capitals or not. */
enum content { NOTHING_KNOWN, CONTAINER, CERTIFICATE, KEY, PKCS12_FILE };

static enum content content_of(const char *ending)
{
	static const struct {
		const char *ending;
		enum content content;
	} table[] = {
		{ "", CONTAINER },
		{ "bin", CONTAINER },
		{ "tlv", CONTAINER },
		{ "pem", CERTIFICATE },
		{ "der", CERTIFICATE },
		{ "crt", CERTIFICATE },
		{ "cer", CERTIFICATE },
		{ "key", KEY },
		{ "p12", PKCS12_FILE },
		{ "pfx", PKCS12_FILE },
	};

	for (size_t i = 0; i < sizeof table / sizeof *table; i++)
		if (strcasecmp(table[i].ending, ending) == 0)
			return table[i].content;
	return NOTHING_KNOWN;
}

/* The tag that a container's file is named by: its bytes in hex, 7E, 7F61 or 5FC1xx. */
static bool read_tag(const char *stem, uint32_t *ret_tag)
{
	uint8_t bytes[3];
	size_t n;

	if (!hex_read(stem, bytes, sizeof bytes, &n) || !n)
		return false;
	if (n == 1 && bytes[0] != 0x7E)
		return false;
	*ret_tag = 0;
	for (size_t i = 0; i < n; i++)
		*ret_tag = *ret_tag << 8 | bytes[i];
	return true;
}

/* A certificate or key that is named after no slot: perhaps a mistake, if the card gets none at all. */
static bool leave(struct store *s, const char *name)
{
	if (!s->left[0])
		snprintf(s->left, sizeof s->left, "%s", name);
	return true;
}

/* Files of other names are nobody's business here: what made the card may keep its notes beside. */
static bool load_file(struct store *s, const char *path, const char *name, struct why *why)
{
	char stem[STEM_ROOM] = "";
	const char *dot = strchr(name, '.');
	enum content content = content_of(dot ? dot + 1 : "");
	size_t n = dot ? (size_t)(dot - name) : strlen(name);
	const struct slot *slot = NULL;
	uint32_t tag;

	if (strcmp(name, "atr") == 0)
		return load_atr(s, path, why);
	if (n < sizeof stem) {
		memcpy(stem, name, n);
		slot = slot_by_name(stem);
	}
	if (content == CONTAINER && read_tag(stem, &tag))
		return load_raw(s, path, tag, why);
	if (content == NOTHING_KNOWN || content == CONTAINER)
		return true;
	if (!slot)
		return leave(s, name);
	if (content == CERTIFICATE)
		return load_cert(s, path, slot, why);
	return content == KEY ? load_key(s, path, slot, why) : load_p12(s, path, slot, why);
}

static void close_dir(DIR *d)
{
	if (d)
		closedir(d);
}
DEFINE_AUTO(dir, DIR, close_dir);

static bool load_all(struct store *s, const char *path, DIR *dir, struct why *why)
{
	char file[PATH_ROOM];
	struct dirent *entry;

	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		if ((size_t)snprintf(file, sizeof file, "%s/%s", path, entry->d_name) >=
			sizeof file)
			return why_set(why, "%s: the path is too long", path);
		if (!load_file(s, file, entry->d_name, why))
			return false;
	}
	return true;
}

static bool has_cert(const struct store *s)
{
	for (unsigned ref = 0; ref < 256; ref++) {
		const struct slot *slot = slot_find((uint8_t)ref);
		if (slot && find_object(s, slot->cert_tag))
			return true;
	}
	return false;
}

bool store_load(const char *path, struct store **ret_store, struct why *why)
{
	AUTO(dir) DIR *dir = opendir(path);
	AUTO(store) struct store *s = must_alloc(sizeof *s);
	char conf[PATH_ROOM];
	struct why inner = { "" };

	if (!dir)
		return why_set(why, "card %s: %s", path, strerror(errno));
	settings_default(&s->settings);
	if ((size_t)snprintf(conf, sizeof conf, "%s/card.conf", path) >= sizeof conf)
		return why_set(why, "%s: the path is too long", path);
	if (!settings_read(conf, &s->settings, &inner) || !load_all(s, path, dir, &inner))
		return why_set(why, "card %s: %s", path, inner.text);
	if (s->left[0] && !has_cert(s))
		return why_set(why,
			"card %s: %s is not named after a slot (as 9a.pem, 9a.key, 9a.p12), and "
			"there is no certificate",
			path, s->left);
	if (!s->objects_n)
		return why_set(why,
			"card %s: neither a container (5FC105) nor a certificate (9a.pem) in it",
			path);
	*ret_store = take(s);
	return true;
}
