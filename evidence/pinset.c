/* pinset.c: see pinset.h. Reading is exact: one value has one encoding and one text. */
#include "evidence/pinset.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "evidence/part.h"
#include "evidence/record.h"
#include "proto/kind.h"

#define SCHEME "derivd-pins:1?"
#define PINSET_MAX 512

struct buf *pinset_encode(const struct pinset *p)
{
	struct buf *out = buf_new();

	record_put(out, BYTES(p->deployment, DEPLOYMENT_ID_LEN));
	record_put_u64(out, p->epoch);
	record_put_u64(out, (uint64_t)p->until_ms);
	part_put_hashes(out, p->pins, p->n_pins);
	return out;
}

static struct err *decode(struct bytes b, struct pinset *p)
{
	struct cursor c = { b };

	TRY(record_get_fixed(&c, "deployment", DEPLOYMENT_ID_LEN, p->deployment));
	TRY(record_get_u64(&c, "epoch", &p->epoch));
	if (p->epoch > INT64_MAX)
		return err_new(&ERR_FORMAT, "epoch: too high");
	TRY(record_get_time(&c, "until", &p->until_ms));
	TRY(part_get_hashes(&c, "pins", 1, PINS_MAX, p->pins, &p->n_pins));
	return cursor_end(&c);
}

struct err *pinset_decode(struct bytes b, struct pinset *ret_pinset)
{
	struct pinset p = { .epoch = 0 };

	TRY(err_wrap(decode(b, &p), "pin set"));
	*ret_pinset = p;
	return NULL;
}

bool pinset_has(const struct pinset *p, const uint8_t pin[static SHA256_LEN])
{
	for (size_t i = 0; i < p->n_pins; i++)
		if (memcmp(p->pins[i], pin, SHA256_LEN) == 0)
			return true;
	return false;
}

char *pinset_text(struct bytes body, const uint8_t delivery_public[static ED25519_PUBLIC_LEN],
	struct bytes signature)
{
	AUTO_MEM char *b = text_base64url(body);
	AUTO_MEM char *k = text_base64url(BYTES(delivery_public, ED25519_PUBLIC_LEN));
	AUTO_MEM char *s = text_base64url(signature);

	return xasprintf(SCHEME "b=%s&k=%s&s=%s", b, k, s);
}

static struct err *get_part(char **rest, char key, size_t max, struct buf **ret_bytes)
{
	char *part = strsep(rest, "&");

	if (!part || part[0] != key || part[1] != '=')
		return err_new(&ERR_FORMAT, "part %c is missing", key);
	TRY(err_wrap(text_unbase64url(part + 2, ret_bytes), "part %c", key));
	if (buf_len(*ret_bytes) > max)
		return err_new(&ERR_FORMAT, "part %c is too long", key);
	return NULL;
}

static struct err *verify(const struct buf *body, const struct buf *public,
	const struct buf *signature, const uint8_t delivery_hash[static SHA256_LEN])
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	uint8_t hash[SHA256_LEN];

	sha256(buf_bytes(public), hash);
	if (memcmp(hash, delivery_hash, SHA256_LEN) != 0)
		return err_new(&ERR_SIGNATURE_BAD, "signed by another key than this deployment's");
	TRY(sig_public_raw(buf_bytes(public), &key));
	return sig_verify(key, SIG_PINS, buf_bytes(body), buf_bytes(signature));
}

static struct err *open_parts(
	char *rest, const uint8_t delivery_hash[static SHA256_LEN], struct pinset *ret_pinset)
{
	AUTO(buf) struct buf *body = NULL;
	AUTO(buf) struct buf *public = NULL;
	AUTO(buf) struct buf *signature = NULL;

	TRY(get_part(&rest, 'b', PINSET_MAX, &body));
	TRY(get_part(&rest, 'k', ED25519_PUBLIC_LEN, &public));
	TRY(get_part(&rest, 's', ED25519_SIGNATURE_LEN, &signature));
	if (rest)
		return err_new(&ERR_FORMAT, "something follows");
	TRY(verify(body, public, signature, delivery_hash));
	return pinset_decode(buf_bytes(body), ret_pinset);
}

struct err *pinset_open(
	const char *text, const uint8_t delivery_hash[static SHA256_LEN], struct pinset *ret_pinset)
{
	if (strlen(text) > PINSET_TEXT_MAX || !text_starts(text, SCHEME))
		return err_new(&ERR_FORMAT, "not a pin set of derivd");
	AUTO_MEM char *copy = xstrdup(text + strlen(SCHEME));
	return err_wrap(open_parts(copy, delivery_hash, ret_pinset), "pin set");
}
