/*
 * init.c: the ceremony. Everything is made in memory first; then it is written, the log and deployment.conf last, so that
 * a half-made CA is one that does not start, and one that init itself clears away when it is run again (init_resume.c).
 * What only people need later (root key, history key) goes into ceremony/, which stays root's.
 */
#include "daemon/ca/init.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "daemon/ca/entry.h"
#include "daemon/ca/init_part.h"
#include "daemon/ca/keys.h"
#include "evidence/cert.h"

static void ceremony_free(struct ceremony *c)
{
	EVP_PKEY *keys[] = { c->root_key, c->ca_key, c->delivery_key, c->receipt_key, c->import_key,
		c->history_key };
	struct buf *certs[] = { c->root, c->ca, c->import, c->history };

	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		EVP_PKEY_free(keys[i]);
	for (size_t i = 0; i < ARRAY_LEN(certs); i++)
		buf_free(certs[i]);
	for (size_t i = 0; i < c->n_escrow; i++)
		buf_free(c->escrow[i]);
	deployment_free(c->deployment);
	free(c);
}
DEFINE_AUTO(ceremony, struct ceremony *, ceremony_free);

static bool is_there(char *take_path)
{
	AUTO_MEM char *path = take_path;

	return access(path, F_OK) == 0;
}

/* deployment.conf is written last: without it the others are remains, or it was lost. */
static struct err *refuse_existing(char *take_path, bool is_whole)
{
	AUTO_MEM char *path = take_path;
	AUTO_MEM char *state = proc_state_path("ca", "");

	/* A link to nothing is something, too. */
	if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return NULL;
	if (is_whole)
		return err_new(&ERR_CONFIG,
			"%s is there already: this CA has been made, and is not made again", path);
	return err_new(&ERR_CONFIG,
		"%s is there already, but no deployment.conf: it was lost, and is to be restored "
		"from the backup; or what an earlier init left was changed: then remove all in %s "
		"and run it again",
		path, state);
}

static struct err *check_nothing_there(void)
{
	bool whole = is_there(proc_config_path("deployment.conf"));

	TRY(refuse_existing(proc_state_path("ca", "log.db"), whole));
	TRY(refuse_existing(proc_state_path("ca", "log.db.lock"), whole));
	TRY(refuse_existing(proc_state_path("ca", "keys/" KEY_CA), whole));
	TRY(refuse_existing(proc_state_path("ca", "keys/" KEY_SERIAL), whole));
	TRY(refuse_existing(proc_state_path("ca", "ceremony/root.key"), whole));
	return refuse_existing(proc_config_path("deployment.conf"), whole);
}

static const struct {
	const char *name;
	mode_t mode;
} dirs[] = { { ".", 0711 }, { "keys", 0700 }, { "cache", 0700 }, { "ceremony", 0700 },
	{ "public", 0755 } };

/* Until all is given away nobody but root can put anything there, least of all a link where root is about to write. */
static struct err *own_dirs(const struct init *options)
{
	for (size_t i = 0; i < ARRAY_LEN(dirs) && options->has_owner; i++)
		TRY(init_own(dirs[i].name));
	return NULL;
}

static struct err *make_dirs(void)
{
	for (size_t i = 0; i < ARRAY_LEN(dirs); i++) {
		AUTO_MEM char *path = proc_state_path("ca", dirs[i].name);
		TRY(io_mkdirs(path, dirs[i].mode));
	}
	return NULL;
}

static struct err *write_keys(const struct ceremony *c)
{
	AUTO_MEM char *keys = proc_state_path("ca", "keys");
	AUTO_MEM char *ceremony = proc_state_path("ca", "ceremony");

	TRY(keys_write_private(ceremony, "root.key", c->root_key));
	if (c->history_key)
		TRY(keys_write_private(ceremony, "history.key", c->history_key));
	TRY(keys_write_private(keys, KEY_DELIVERY, c->delivery_key));
	TRY(keys_write_private(keys, KEY_RECEIPT, c->receipt_key));
	TRY(keys_write_private(keys, KEY_IMPORT, c->import_key));
	TRY(keys_write_mac(keys, KEY_SERIAL));
	return keys_write_private(keys, KEY_CA, c->ca_key);
}

static struct err *write_public(const char *name, const struct buf *der)
{
	AUTO_MEM char *file = xasprintf("public/%s", name);
	AUTO_MEM char *path = proc_state_path("ca", file);

	return io_write_file(path, buf_bytes(der), 0644);
}

static struct err *make_log(struct ceremony *c)
{
	AUTO_MEM char *path = proc_state_path("ca", "log.db");
	AUTO(ledger) struct ledger *ledger = NULL;
	AUTO(ledger_tx) struct ledger_tx *tx = NULL;

	TRY(ledger_create(path, &ledger));
	TRY(ledger_begin(ledger, false, &tx));
	TRY(entry_issuer_put(tx, buf_bytes(c->root), buf_bytes(c->root)));
	TRY(entry_issuer_put(tx, buf_bytes(c->ca), buf_bytes(c->root)));
	TRY(ledger_commit(take(tx)));
	return init_publish(c, ledger);
}

static struct err *write_deployment(const struct ceremony *c)
{
	AUTO(buf) struct buf *text = deployment_write(c->deployment);

	return init_end(buf_bytes(text));
}

static void fill_deployment(struct ceremony *c)
{
	struct deployment *d = c->deployment;
	AUTO(buf) struct buf *import = init_pem(buf_bytes(c->import));

	clock_random(d->id, sizeof(d->id));
	clock_random(d->kiosk, sizeof(d->kiosk));
	sig_raw_public(c->delivery_key, d->delivery_public);
	sig_raw_public(c->receipt_key, d->receipt_public);
	d->import_certificate = xstrdup(buf_str(import));
}

/* All but ceremony/, which stays with who ran this. */
static struct err *give_away(const struct init *options)
{
	AUTO_MEM char *state = proc_state_path("ca", ".");
	char *const roots[] = { state, NULL };

	if (!options->has_owner)
		return NULL;
	FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	struct err *e = walk ? NULL : err_errno(errno, "%s", state);
	for (FTSENT *at = walk ? fts_read(walk) : NULL; at && !e; at = fts_read(walk)) {
		if (at->fts_level == 1 && strcmp(at->fts_name, "ceremony") == 0) {
			fts_set(walk, at, FTS_SKIP);
			continue;
		}
		if (at->fts_info == FTS_DNR || at->fts_info == FTS_ERR || at->fts_info == FTS_NS)
			e = err_errno(at->fts_errno, "%s", at->fts_path);
		else if (at->fts_info != FTS_DP &&
			 lchown(at->fts_path, options->uid, options->gid) != 0)
			e = err_errno(errno, "%s", at->fts_path);
	}
	if (walk)
		fts_close(walk);
	return e;
}

static char *report(const struct ceremony *c, bool kept_conf)
{
	AUTO(buf) struct buf *out = buf_new();
	AUTO_MEM char *ceremony = proc_state_path("ca", "ceremony");
	AUTO_MEM char *keys = proc_state_path("ca", "keys");
	AUTO_MEM char *ledger = proc_state_path("ca", "log.db");
	AUTO_MEM char *conf = proc_config_path("ca.conf");
	AUTO_MEM char *public = proc_state_path("ca", "public");

	buf_addf(out, "The CA is made.\n\n");
	buf_addf(out, "Move away now:  %s/root.key (offline)\n", ceremony);
	if (!c->options->history)
		buf_addf(out, "                %s/history.key (to derivd-history)\n", ceremony);
	buf_addf(out, "Back up:        %s (serial.key must never change), %s*\n", keys, ledger);
	buf_addf(out, "Serve by HTTP:  %s%s%s\n", public, c->options->url ? " as " : "",
		c->options->url ? c->options->url : "");
	buf_addf(out, "Next:           %s %s: name the anchors of your cards\n",
		kept_conf ? "look at" : "edit", conf);
	buf_addf(out, "                derivd-ca check\n");
	return xstrdup(buf_str(out));
}

static struct err *prepare(struct ceremony *c)
{
	TRY(check_nothing_there());
	TRY(init_read_gateway(c));
	TRY(init_read_recipients(c));
	TRY(init_make_keys(c));
	TRY(own_dirs(c->options));
	/* What came meanwhile. */
	TRY(check_nothing_there());
	fill_deployment(c);
	return NULL;
}

struct err *init_run(const struct init *options, char **ret_report)
{
	AUTO(ceremony) struct ceremony *c = xcalloc(1, sizeof(*c));
	bool kept_conf, resumed;

	c->options = options;
	c->now_ms = clock_real_ms() / 1000 * 1000;
	c->deployment = xcalloc(1, sizeof(*c->deployment));
	TRY(init_resume(options, &resumed));
	if (resumed) {
		*ret_report = report(c, true);
		return NULL;
	}
	TRY(prepare(c));
	TRY(init_begin());
	TRY(make_dirs());
	TRY(write_keys(c));
	TRY(write_public("root.crt", c->root));
	TRY(write_public("ca.crt", c->ca));
	TRY(init_write_config(c, &kept_conf));
	TRY(make_log(c));
	TRY(give_away(options));
	TRY(write_deployment(c));
	*ret_report = report(c, kept_conf);
	return NULL;
}
