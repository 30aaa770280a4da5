/* crl_publish.c: empty CRLs. */
#include "daemon/ca/crl_publish.h"

#include <string.h>

#include "base/io.h"
#include "base/proc.h"
#include "daemon/ca/crl_build.h"
#include "proto/kind.h"

static struct err *record(struct ledger *l, const struct issuer *issuer, EVP_PKEY *key,
	int64_t validity_ms, struct buf **ret_der)
{
	AUTO(buf) struct buf *none = buf_new();
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;
	struct entry_crl crl;
	bool exists;

	TRY(ledger_begin(l, false, &tx));
	TRY(entry_crl_newest(l, issuer->key_id, &crl));
	crl.number++;
	crl.this_update_ms = ledger_now(tx) / 1000 * 1000;
	crl.next_update_ms = crl.this_update_ms + validity_ms;
	TRY(crl_build(
		issuer, key, crl.number, crl.this_update_ms, crl.next_update_ms, none, ret_der));
	if (crl.row)
		TRY(ledger_remove_piece(tx, crl.row, 0));
	TRY(ledger_put_piece(tx, 0, buf_bytes(*ret_der), crl.digest));
	TRY(entry_crl_put(tx, &crl, &exists));
	if (exists)
		return err_new(&ERR_STORE, "the log has a CRL of this number already");
	return ledger_commit(take(tx));
}

struct err *crl_publish_empty(struct ledger *l, struct bytes certificate, EVP_PKEY *key,
	int64_t validity_ms, const char *file)
{
	AUTO(issuer) struct issuer *issuer = NULL;
	AUTO(buf) struct buf *der = NULL;
	AUTO_MEM char *path = proc_state_path("ca", file);

	TRY(issuer_new(&certificate, 1, &issuer));
	TRY(issuer_check_key(issuer, key));
	TRY(record(l, issuer, key, validity_ms, &der));
	return io_write_file(path, buf_bytes(der), 0644);
}

struct err *crl_newest_root(
	struct ledger *l, const struct issuer *issuer, struct entry_crl *ret_crl)
{
	struct bytes certificate = buf_bytes(issuer->chain[issuer->n_chain - 1]);
	AUTO(issuer) struct issuer *root = NULL;

	TRY(issuer_new(&certificate, 1, &root));
	return entry_crl_newest(l, root->key_id, ret_crl);
}
