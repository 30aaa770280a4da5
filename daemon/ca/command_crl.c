/* command_crl.c: derivd-ca crl: the CRLs by hand. derivd's timer does it for the issuing CA. */
#include <errno.h>
#include <getopt.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/ca/command.h"
#include "daemon/ca/crl_publish.h"
#include "daemon/ca/op.h"
#include "proto/msg.h"

#define KEY_FILE_MAX 16384

struct err *command_become_owner(void)
{
	AUTO_MEM char *path = proc_state_path("ca", "log.db");
	AUTO_MEM char *state = proc_state_path("ca", ".");

	/*
	 * Without a log there is nobody to become: opening it says what to do. The directory's owner, not the log's: what is in
	 * it that user may have replaced.
	 */
	return access(path, F_OK) == 0 ? proc_become_owner(state) : NULL;
}

static struct err *publish(bool force)
{
	AUTO(state) struct state *s = NULL;
	AUTO_MSG Ca__CrlPublished *m = NULL;
	Ca__Crl request = CA__CRL__INIT;

	TRY(command_become_owner());
	TRY(state_open(&s));
	request.force = force;
	TRY(op_crl(s, &request, &m));
	AUTO_MEM char *next = text_time(m->next_update_ms);
	printf("CRL %llu, valid until %s\n", (unsigned long long)m->number, next);
	return NULL;
}

/* Read while we are still root: the key comes from offline media. */
static struct err *read_key(const char *path, EVP_PKEY **ret_key)
{
	AUTO(buf) struct buf *content = NULL;

	TRY(io_read_file(path, KEY_FILE_MAX, &content));
	BIO *bio = BIO_new_mem_buf(buf_data(content), (int)buf_len(content));
	*ret_key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	return *ret_key ? NULL : sig_openssl_error(&ERR_CONFIG, "%s: no private key in PEM", path);
}

static struct err *publish_root(const char *path, uint64_t days)
{
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(state) struct state *s = NULL;

	TRY(read_key(path, &key));
	TRY(command_become_owner());
	TRY(state_open(&s));
	struct bytes root = buf_bytes(s->issuer->chain[s->issuer->n_chain - 1]);
	TRY(crl_publish_empty(
		s->ledger, root, key, (int64_t)days * 86400 * 1000, "public/root.crl"));
	printf("The root's CRL is published, for %llu days.\n", (unsigned long long)days);
	return NULL;
}

static struct err *read_days(uint64_t *ret_days)
{
	TRY(err_as(&ERR_CONFIG, text_parse_u64(optarg, ROOT_CRL_DAYS, ret_days), "--days"));
	return *ret_days ? NULL : err_new(&ERR_CONFIG, "--days: at least 1");
}

struct err *command_crl(int argc, char **argv)
{
	static const struct option options[] = {
		{ "force", no_argument, NULL, 'f' },
		{ "root", required_argument, NULL, 'r' },
		{ "days", required_argument, NULL, 'd' },
		{ 0 },
	};
	const char *root = NULL;
	uint64_t days = 0;
	bool force = false;

	for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
		c = getopt_long(argc, argv, "", options, NULL)) {
		if (c != 'f' && c != 'r' && c != 'd')
			return err_new(&ERR_CONFIG, "see derivd-ca --help");
		if (c == 'd')
			TRY(read_days(&days));
		force |= c == 'f';
		if (c == 'r')
			root = optarg;
	}
	if (optind != argc)
		return err_new(&ERR_CONFIG, "crl: \"%s\" is no option", argv[optind]);
	if (days && !root)
		return err_new(
			&ERR_CONFIG, "crl: --days is for --root; see crl-validity in ca.conf");
	return root ? publish_root(root, days ? days : ROOT_CRL_DAYS) : publish(force);
}
