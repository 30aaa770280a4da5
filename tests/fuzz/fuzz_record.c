/*
 * fuzz_record.c: everything that is signed. The first byte chooses the kind. What decodes must encode to the same bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/secret.h"
#include "evidence/invitation.h"
#include "evidence/item.h"
#include "evidence/payload.h"
#include "evidence/pinset.h"
#include "evidence/receipt.h"
#include "tests/fuzz/fuzz.h"

#define DECODER(type)                                                                              \
	static struct err *again_##type(struct bytes b, struct buf *out)                           \
	{                                                                                          \
		AUTO(type) struct type *o = NULL;                                                  \
		TRY(type##_decode(b, &o));                                                         \
		AUTO(buf) struct buf *again = type##_encode(o);                                    \
		buf_add_bytes(out, buf_bytes(again));                                              \
		return NULL;                                                                       \
	}

DECODER(offer)
DECODER(statement)
DECODER(intent)
DECODER(receipt)
DECODER(ticket)
DECODER(item)
DECODER(acknowledgement)

static struct err *again_facts(struct bytes b, struct buf *out)
{
	AUTO(facts) struct facts *f = NULL;

	TRY(facts_decode(b, &f));
	facts_encode(f, out);
	return NULL;
}

static struct err *again_chain(struct bytes b, struct buf *out)
{
	struct bytes certs[ITEM_CHAIN_MAX];
	size_t n = 0;

	TRY(item_chain_decode(b, certs, &n));
	AUTO(buf) struct buf *again = item_chain_encode(certs, n);
	buf_add_bytes(out, buf_bytes(again));
	return NULL;
}

static struct err *again_pins(struct bytes b, struct buf *out)
{
	struct pinset p;

	TRY(pinset_decode(b, &p));
	AUTO(buf) struct buf *again = pinset_encode(&p);
	buf_add_bytes(out, buf_bytes(again));
	return NULL;
}

static struct err *again_apps(struct bytes b, struct buf *out)
{
	AUTO(payload_apps) struct payload_apps *a = NULL;

	TRY(payload_apps_decode(b, &a));
	AUTO(buf) struct buf *again = payload_apps_encode(a->apps, a->n);
	buf_add_bytes(out, buf_bytes(again));
	return NULL;
}

static struct err *again_invitation(struct bytes b, struct buf *out)
{
	AUTO(invitation_uri) struct invitation_uri *u = NULL;
	AUTO_MEM char *text = bytes_strdup(b);

	if (strlen(text) != b.len)
		return err_new(&ERR_FORMAT, "a zero byte");
	TRY(invitation_uri_parse(text, &u));
	AUTO_MEM char *again = invitation_uri_text(u);
	buf_add_str(out, again);
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct err *(*const kinds[])(struct bytes, struct buf *) = { again_offer,
		again_statement, again_intent, again_receipt, again_ticket, again_item,
		again_acknowledgement, again_facts, again_chain, again_invitation, again_pins,
		again_apps };
	AUTO(buf) struct buf *out = buf_new();

	if (size < 1 || data[0] >= ARRAY_LEN(kinds))
		return 0;
	struct bytes b = BYTES(data + 1, size - 1);
	AUTO(err) struct err *e = kinds[data[0]](b, out);
	if (!e && !bytes_eq(buf_bytes(out), b))
		err_abort("two encodings of one record of kind %u", data[0]);
	return 0;
}
