/* check.c: derivd-ca check: what is wrong here, and what to do about it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/ca.h"
#include "daemon/ca/command.h"
#include "daemon/ca/crl_publish.h"
#include "daemon/ca/state.h"
#include "evidence/cert.h"
#include "evidence/checkpoint.h"
#include "proto/kind.h"

#define SOON_MS (INT64_C(30) * 86400 * 1000)

struct tally {
	unsigned int bad;
	unsigned int warnings;
};

static void good(const char *what, const char *detail)
{
	printf("ok       %s%s%s\n", what, *detail ? ": " : "", detail);
}

static void warn(struct tally *t, const char *what, const char *remedy)
{
	printf("warning  %s\n         %s\n", what, remedy);
	t->warnings++;
}

static void bad(struct tally *t, struct err *take_e)
{
	const char *remedy = kind_remedy(err_get_kind(take_e));

	printf("BAD      %s\n", err_get_text(take_e));
	if (*remedy && !err_is(take_e, &ERR_CA_MISCONFIGURED))
		printf("         %s\n", remedy);
	err_free(take_e);
	t->bad++;
}

static void result(struct tally *t, const char *what, struct err *take_e)
{
	if (take_e)
		bad(t, take_e);
	else
		good(what, "");
}

/* One that ends soon or has ended. */
static void check_end(struct tally *t, const char *what, const X509 *cert, const char *remedy)
{
	int64_t now = clock_real_ms(), end = cert_not_after_ms(cert);
	AUTO_MEM char *when = text_ago(end, now);
	AUTO_MEM char *line = xasprintf("%s: it ends %s", what, when);

	if (end < now)
		bad(t, err_new(&ERR_CA_MISCONFIGURED, "%s: it has ended; %s", what, remedy));
	else if (end - now < SOON_MS)
		warn(t, line, remedy);
	else
		good(what, when);
}

static void check_anchor(struct tally *t, const struct anchor *a)
{
	AUTO_MEM char *what = xasprintf("anchor \"%s\"", a->name);
	AUTO_MEM char *open = xasprintf("%s asks for no policies", what);

	check_end(t, what, a->certificate, "name its successor in ca.conf");
	for (int i = 0; i < sk_X509_num(a->intermediates); i++) {
		X509 *cert = sk_X509_value(a->intermediates, i);
		AUTO_MEM char *subject = cert_subject(cert);
		AUTO_MEM char *line = xasprintf("%s, %s", what, subject);
		check_end(t, line, cert, "name its successor in ca.conf");
	}
	if (!a->policies.n)
		warn(t, open,
			"A certificate whose key is in a file counts like one on a card, unless "
			"this "
			"issuer has none such: name the policies of its cards.");
}

static void check_settings(struct tally *t, const struct state *s)
{
	const struct settings *c = s->settings;

	for (size_t i = 0; i < c->n_anchors; i++)
		check_anchor(t, c->anchors[i]);
	if (!c->n_anchors)
		warn(t, "ca.conf has no anchor: no card is accepted",
			"Add a section anchor, see ca.conf(5).");
	for (size_t i = 0; i < c->n_profiles; i++)
		good("profile", c->profiles[i]->name);
	if (!c->n_profiles)
		warn(t, "ca.conf has no profile: nothing can be issued",
			"Add a section profile, see ca.conf(5).");
	for (size_t i = 0; i < c->n_escrow; i++)
		check_end(t, "escrow certificate", c->escrow[i], "give a new one in ca.conf");
	if (!c->history)
		warn(t, "ca.conf names no history certificate",
			"Older mail cannot be handed to a holder's next device.");
	for (size_t i = 0; i < c->n_apps; i++)
		good("app", c->apps[i]->name);
}

/* Nobody renews it but people, with the key from where it is kept. */
static void check_root_crl(struct tally *t, struct state *s)
{
	struct entry_crl crl;
	struct err *e = crl_newest_root(s->ledger, s->issuer, &crl);
	int64_t now = clock_real_ms();

	if (e)
		bad(t, e);
	else if (crl.number && crl.next_update_ms < now)
		bad(t, err_new(&ERR_CA_MISCONFIGURED,
			       "the root's CRL is out of date: fetch the root's "
			       "key, and run derivd-ca crl --root FILE"));
	else if (crl.number && crl.next_update_ms - now < SOON_MS)
		warn(t, "the root's CRL ends soon",
			"Fetch the root's key, and run derivd-ca crl --root FILE.");
}

static void check_log(struct tally *t, struct state *s)
{
	uint64_t rows;
	struct err *e = ledger_verify(s->ledger, &rows);
	AUTO_MEM char *detail = xasprintf("%llu rows hold together", (unsigned long long)rows);
	struct entry_crl crl;

	if (e)
		bad(t, e);
	else
		good("log", detail);
	check_root_crl(t, s);
	e = entry_crl_newest(s->ledger, s->issuer->key_id, &crl);
	if (e)
		bad(t, e);
	else if (crl.next_update_ms < clock_real_ms())
		bad(t, err_new(&ERR_CA_MISCONFIGURED, "the CRL is out of date: run derivd-ca crl, "
						      "and look why derivd does not"));
}

/* Was the log, as it is, once as the checkpoint says? */
static struct err *compare_checkpoint(struct state *s, const char *path)
{
	static const char sql[] = "SELECT hash FROM chain WHERE row = ?";
	AUTO(ledger_rows) struct ledger_rows *rows = NULL;
	struct checkpoint c;
	uint8_t hash[SHA256_LEN];
	bool found;

	TRY(checkpoint_load(path, s->deployment, &c));
	const struct ledger_value row = LEDGER_NUMBER(c.log_rows);
	TRY(ledger_query(s->ledger, sql, &row, 1, &rows));
	TRY(ledger_next(rows, &found));
	if (!found)
		return err_new(&ERR_STORE,
			"%s has row %llu of the log, which is gone: the log was put back to "
			"an earlier state",
			path, (unsigned long long)c.log_rows);
	TRY(ledger_fixed(rows, 0, hash, SHA256_LEN));
	if (memcmp(hash, c.log_head, SHA256_LEN) != 0)
		return err_new(&ERR_STORE,
			"row %llu of the log is not the one that %s has: the log was "
			"written again",
			(unsigned long long)c.log_rows, path);
	return NULL;
}

static void check_checkpoint(struct tally *t, struct state *s, const char *path)
{
	if (path)
		result(t, "the log has grown from the checkpoint", compare_checkpoint(s, path));
}

static void check_ceremony(struct tally *t)
{
	AUTO_MEM char *dir = proc_state_path("ca", "ceremony");
	AUTO_MEM char *line = xasprintf("%s is still here", dir);

	if (access(dir, F_OK) == 0)
		warn(t, line,
			"Move root.key offline and history.key to derivd-history, then remove the "
			"directory.");
}

static void check_all(struct tally *t, const char *checkpoint)
{
	AUTO(state) struct state *s = NULL;
	struct err *e = state_open(&s);

	if (e) {
		bad(t, e);
		return;
	}
	good("ca.conf and deployment.conf", "");
	result(t, "delivery, receipt and serial keys", state_try_keys(s));
	result(t, "back end", s->backend->check(s));
	result(t, "approval of the configuration", approval_tell(s));
	check_end(t, "issuing certificate", s->issuer->cert,
		"set up a new deployment, see derivd-ca(8)");
	check_settings(t, s);
	check_log(t, s);
	check_checkpoint(t, s, checkpoint);
	check_ceremony(t);
}

struct err *command_check(int argc, char **argv)
{
	struct tally t = { 0 };

	if (argc != 1 && (argc != 3 || strcmp(argv[1], "--checkpoint") != 0))
		return err_new(&ERR_CONFIG, "check takes --checkpoint FILE, or nothing");
	TRY(command_become_owner());
	check_all(&t, argc == 3 ? argv[2] : NULL);
	if (t.bad)
		return err_new(&ERR_CA_MISCONFIGURED, "%u to mend", t.bad);
	return NULL;
}
