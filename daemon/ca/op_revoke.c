/* op_revoke.c: certificates and devices that count no longer. Both are done also when the clock was put back, and both can
 * be repeated: what is revoked stays revoked for the first reason. */
#include <openssl/err.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/op_part.h"
#include "evidence/cert.h"

/* RFC 5280 section 5.3.1. Not certificateHold, which something would have to lift again, and not those of CAs. */
static struct err *check_reason(uint32_t reason)
{
	static const uint32_t good[] = { 0, 1, 3, 4, 5, 9 };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (good[i] == reason)
			return NULL;
	return err_new(&ERR_POLICY,
		"reason %u: use 0 (unspecified), 1 (keyCompromise), 3 (affiliationChanged), 4 "
		"(superseded), "
		"5 (cessationOfOperation) or 9 (privilegeWithdrawn)",
		reason);
}

/* A serial number as text_hex wrote it. */
static struct err *parse_serial(const char *text, uint8_t ret_serial[static ENTRY_SERIAL_LEN])
{
	AUTO(buf) struct buf *bytes = NULL;
	struct err *e = text_unhex(text, &bytes);

	err_free(e);
	if (!bytes || buf_len(bytes) != ENTRY_SERIAL_LEN)
		return err_new(&ERR_NO_SUCH, "a serial number has %d hexadecimal digits here",
			2 * ENTRY_SERIAL_LEN);
	memcpy(ret_serial, buf_data(bytes), ENTRY_SERIAL_LEN);
	return NULL;
}

static bool is_ours(struct state *s, X509 *cert, const uint8_t serial[static ENTRY_SERIAL_LEN])
{
	AUTO_MEM char *expected = text_hex(BYTES(serial, ENTRY_SERIAL_LEN));
	AUTO_MEM char *found = cert_serial(cert);
	bool ours = strcmp(found, expected) == 0 &&
		    X509_verify(cert, X509_get0_pubkey(s->issuer->cert)) == 1;

	ERR_clear_error();
	return ours;
}

/* A log that was put back to an earlier state has lost it: the issuer's signature says that it was issued here. */
static struct err *find_again(struct state *s, struct ledger_tx *tx,
	const uint8_t serial[static ENTRY_SERIAL_LEN], struct bytes der)
{
	AUTO(x509) X509 *cert = NULL;

	if (der.len)
		TRY(cert_parse(der, &cert));
	if (!cert || !is_ours(s, cert, serial))
		return err_new(
			&ERR_NO_SUCH, "no certificate with this serial number was issued here");
	return entry_found_put(tx, serial, s->issuer->key_id, cert_not_after_ms(cert), der);
}

struct err *op_revoke(struct state *s, const Ca__Revoke *q, Ca__Revoked **ret)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	AUTO(entry_certificate) struct entry_certificate *c = NULL;
	Ca__Revoked m = CA__REVOKED__INIT;
	struct entry_audit audit;
	uint8_t serial[ENTRY_SERIAL_LEN];
	bool exists;

	TRY(check_reason(q->reason));
	TRY(part_audit(q->audit, &audit));
	TRY(parse_serial(q->serial, serial));
	TRY(ledger_begin(s->ledger, true, &tx));
	TRY(entry_certificate_by_serial(s->ledger, serial, &c));
	if (!c)
		TRY(find_again(s, tx, serial, pb_bytes(q->certificate)));
	TRY(entry_revoke(tx, serial, q->reason, &audit, &exists));
	TRY(entry_revoked(s->ledger, serial, &m.revoked_ms));
	m.certificates = !exists;
	TRY(ledger_commit(take(tx)));
	*ret = msg_dup(&m.base);
	return NULL;
}

/* A device that the log does not know may be one whose evidence is still on its way: it is refused from now on. */
struct err *op_revoke_device(struct state *s, const Ca__RevokeDevice *q, Ca__Revoked **ret)
{
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	Ca__Revoked m = CA__REVOKED__INIT;
	struct entry_audit audit;
	bool exists;

	TRY(check_reason(q->reason));
	TRY(part_audit(q->audit, &audit));
	TRY(ledger_begin(s->ledger, true, &tx));
	TRY(entry_revoke_device(tx, q->device_id.data, q->reason, &audit, &exists));
	TRY(entry_revoke_all(tx, q->device_id.data, q->reason, &audit, &m.certificates));
	TRY(entry_made_purge(tx, q->device_id.data));
	TRY(entry_device_revoked(s->ledger, q->device_id.data, &m.revoked_ms));
	TRY(ledger_commit(take(tx)));
	*ret = msg_dup(&m.base);
	return NULL;
}
