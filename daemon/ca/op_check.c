/* op_check.c: what would stand in the way of the next request. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/url.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/ca.h"
#include "daemon/ca/crl_store.h"
#include "daemon/ca/op.h"
#include "daemon/ca/revocation.h"
#include "proto/msg.h"
#include "proto/kind.h"

#define FINDINGS_MAX 32
/* Each may take as long as a fetch takes; whoever asked waits. */
#define TRIES_MAX 4
/* A URL that no card has named for so long does not count any more. */
#define URL_KEPT_MS (INT64_C(30) * 86400 * 1000)

struct findings {
	size_t n;
	Common__Reason *v[FINDINGS_MAX];
};

static void add(struct findings *f, const char *subject, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (!e || f->n == FINDINGS_MAX)
		return;
	Common__Reason *r = xcalloc(1, sizeof(*r));
	common__reason__init(r);
	AUTO_MEM char *safe = text_safe(BYTES(err_get_text(e), strlen(err_get_text(e))));
	r->kind = xstrdup(err_get_kind(e)->name);
	r->subject = text_cut(subject, 256);
	r->text = text_cut(safe, 1024);
	f->v[f->n++] = r;
}

static void findings_clear(struct findings *f)
{
	while (f->n) {
		Common__Reason *r = f->v[--f->n];
		free(r->kind);
		free(r->subject);
		free(r->text);
		free(r);
	}
}

/* --- CRLs --- */

static struct err *check_file(const char *path, int64_t now_ms)
{
	AUTO(crl_store) struct crl_store *store = crl_store_new();
	X509_CRL *crl;
	int64_t age;

	TRY(err_as(&ERR_CRL_UNREACHABLE, crl_store_file(store, path, now_ms, &crl, &age),
		"crl-files"));
	if (!crl_is_current(crl, now_ms))
		return err_new(&ERR_CRL_STALE, "the file is past its next update");
	return NULL;
}

static void check_files(struct findings *f, const struct anchor *a, int64_t now_ms)
{
	for (size_t i = 0; i < a->crl_files.n; i++) {
		AUTO_MEM char *subject = xasprintf("crl %s", a->crl_files.v[i]);
		add(f, subject, check_file(a->crl_files.v[i], now_ms));
	}
}

/* *ret_tried: the network was asked. */
static void check_url(
	struct findings *f, struct state *s, const char *path, int64_t now_ms, bool *ret_tried)
{
	AUTO(buf) struct buf *content = NULL;
	struct stat st;

	*ret_tried = false;
	if (stat(path, &st) != 0)
		return;
	if (now_ms - (int64_t)st.st_mtime * 1000 > URL_KEPT_MS) {
		unlink(path);
		return;
	}
	struct err *e = io_read_file(path, URL_MAX, &content);
	if (e) {
		add(f, "ca", e);
		return;
	}
	AUTO_MEM char *url = bytes_strdup(buf_bytes(content));
	AUTO_MEM char *safe = text_safe(BYTES(url, strlen(url)));
	AUTO_MEM char *subject = xasprintf("crl %s", safe);
	add(f, subject, revocation_try(s->revocation, url, now_ms, ret_tried));
}

static void check_urls(struct findings *f, struct state *s, int64_t now_ms)
{
	AUTO_MEM char *dir = proc_state_path("ca", "cache");
	struct dirent **names = NULL;
	int n = scandir(dir, &names, NULL, alphasort), left = TRIES_MAX;

	for (int i = 0; i < n; i++) {
		AUTO_MEM char *path = xasprintf("%s/%s", dir, names[i]->d_name);
		bool tried = false;
		if (left && text_ends(path, ".url"))
			check_url(f, s, path, now_ms, &tried);
		left -= tried;
		free(names[i]);
	}
	free(names);
}

struct err *op_check(struct state *s, const Ca__Check *q, Ca__Checked **ret)
{
	struct findings f = { 0 };
	Ca__Checked m = CA__CHECKED__INIT;
	int64_t now = clock_real_ms();

	(void)q;
	add(&f, "ca", state_try_keys(s));
	add(&f, "ca", s->backend->check(s));
	add(&f, "change", approval_tell(s));
	for (size_t i = 0; i < s->settings->n_anchors; i++)
		check_files(&f, s->settings->anchors[i], now);
	check_urls(&f, s, now);
	m.n_findings = f.n;
	m.findings = f.v;
	*ret = msg_dup(&m.base);
	findings_clear(&f);
	return NULL;
}
