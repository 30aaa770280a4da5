/* card.c: judging what a card presents. */
#include "daemon/ca/card.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/revocation.h"
#include "evidence/cert.h"
#include "proto/kind.h"
#include "proto/msg.h"

static struct card *card_new(void)
{
	struct card *c = xcalloc(1, sizeof(*c));

	c->basis = basis_new();
	return c;
}

void card_free(struct card *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n; i++)
		X509_free(c->certs[i]);
	facts_free(c->facts);
	basis_free(c->basis);
	free(c);
}

void card_reasons_clear(struct card_reasons *r)
{
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].subject);
		free(r->v[i].text);
	}
	r->n = 0;
}

static void add_reason(struct card_reasons *r, const char *subject, const struct err *e)
{
	if (r->n == CARD_REASONS_MAX)
		return;
	r->v[r->n].kind = err_get_kind(e);
	r->v[r->n].subject = xstrdup(subject);
	r->v[r->n++].text = xstrdup(err_get_text(e));
}

/* "No way to this anchor" says less than any other refusal. */
static bool says_more(const struct err *a, const struct err *b)
{
	return !b || (err_is(b, &ERR_CERT_UNTRUSTED) && !err_is(a, &ERR_CERT_UNTRUSTED));
}

/* The first anchor with a valid path, else the most telling error. */
static struct err *find_path(struct state *s, X509 *cert, bool is_signer, int64_t now_ms,
	struct basis *basis, const struct anchor **ret_anchor, struct path **ret_path)
{
	AUTO(err) struct err *best = NULL;

	for (size_t i = 0; i < s->settings->n_anchors; i++) {
		const struct anchor *anchor = s->settings->anchors[i];
		struct err *e = revocation_path(
			s->revocation, anchor, cert, is_signer, now_ms, basis, ret_path);
		if (!e) {
			*ret_anchor = anchor;
			return NULL;
		}
		if (err_is(e, &ERR_POLICY))
			e = err_wrap(e, "anchor \"%s\"", anchor->name);
		if (says_more(e, best)) {
			err_free(best);
			best = e;
		} else {
			err_free(e);
		}
	}
	return best ? take(best) : err_new(&ERR_CERT_UNTRUSTED, "ca.conf has no anchor");
}

static struct err *add_proofs(struct card *c, const struct path *path)
{
	const uint8_t(*digests)[SHA256_LEN];
	size_t n = path_proofs(path, &digests);

	for (size_t i = 0; i < n; i++) {
		size_t k = 0;
		while (k < c->n_proofs && memcmp(c->proofs[k], digests[i], SHA256_LEN) != 0)
			k++;
		if (k < c->n_proofs)
			continue;
		if (c->n_proofs == PROOFS_MAX)
			return err_new(&ERR_LIMIT, "more than %d CRLs for one card", PROOFS_MAX);
		memcpy(c->proofs[c->n_proofs++], digests[i], SHA256_LEN);
	}
	return NULL;
}

static void add_cert(struct card *c, X509 *take_cert)
{
	cert_hash(take_cert, c->hashes[c->n]);
	c->certs[c->n++] = take_cert;
}

/* Everything that the signing certificate must be; on success it is the card's first. */
static struct err *judge_signer(struct state *s, struct bytes der, int64_t now_ms, struct card *c)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(path) struct path *path = NULL;

	TRY(cert_parse(der, &cert));
	TRY(eligible_at_all(cert));
	TRY(find_path(s, cert, true, now_ms, c->basis, &c->anchor, &path));
	TRY(eligible_path(s, path));
	TRY(eligible_to_sign(c->anchor, path));
	c->facts = facts_new();
	TRY(cert_facts(cert, c->facts));
	TRY(eligible_identify(c->anchor, cert, c->facts));
	TRY(add_proofs(c, path));
	add_cert(c, take(cert));
	return NULL;
}

static bool has_same_issuer_key(const X509 *issuer_of_a, X509 *b)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer_of_a);

	return key && X509_verify(b, key) == 1;
}

static bool has_same_subject(const X509 *a, const X509 *b)
{
	const unsigned char *der_a, *der_b;
	size_t len_a, len_b;

	if (X509_NAME_get0_der(X509_get_subject_name(a), &der_a, &len_a) != 1 ||
		X509_NAME_get0_der(X509_get_subject_name(b), &der_b, &len_b) != 1)
		return false;
	return X509_NAME_entry_count(X509_get_subject_name(a)) > 0 &&
	       bytes_eq(BYTES(der_a, len_a), BYTES(der_b, len_b));
}

/* May another certificate of the card add facts (ENROLLMENT step 2)? It is of the same person, or it may not. */
static struct err *judge_other(
	struct state *s, X509 *cert, int64_t now_ms, const struct card *c, struct path **ret_path)
{
	if (!c->anchor->other_certificates)
		return err_new(&ERR_EVIDENCE_BAD,
			"anchor \"%s\" takes no facts from other certificates", c->anchor->name);
	if (!has_same_subject(c->certs[0], cert))
		return err_new(
			&ERR_EVIDENCE_BAD, "another certificate of the card has another subject");
	TRY(eligible_at_all(cert));
	TRY(revocation_path(s->revocation, c->anchor, cert, false, now_ms, c->basis, ret_path));
	if (sk_X509_num(path_certs(*ret_path)) < 2 ||
		!has_same_issuer_key(sk_X509_value(path_certs(*ret_path), 1), c->certs[0]))
		return err_new(
			&ERR_EVIDENCE_BAD, "another certificate of the card is of another issuer");
	return eligible_path(s, *ret_path);
}

/* Adds mail and UPN where the signing certificate has none; *ret_added when it did. */
static struct err *add_facts(struct card *c, X509 *cert, bool *ret_added)
{
	static const char *const names[] = { FACT_MAIL, FACT_UPN };
	AUTO(facts) struct facts *more = facts_new();

	*ret_added = false;
	TRY(cert_facts(cert, more));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const char *value = facts_get(more, names[i]);
		if (!value || facts_get(c->facts, names[i]))
			continue;
		TRY(facts_add(c->facts, names[i], value));
		*ret_added = true;
	}
	return NULL;
}

static struct err *use_other(
	struct state *s, struct bytes der, int64_t now_ms, struct card *c, bool *ret_added)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(path) struct path *path = NULL;

	*ret_added = false;
	if (c->n == CARD_CERTS_MAX)
		return NULL;
	TRY(cert_parse(der, &cert));
	TRY(judge_other(s, cert, now_ms, c, &path));
	TRY(add_facts(c, cert, ret_added));
	if (!*ret_added)
		return NULL;
	TRY(add_proofs(c, path));
	add_cert(c, take(cert));
	return NULL;
}

/* The refusal that the person hears first, and what it is about. */
struct told {
	struct err *why;
	int weight;
	const char *use;
};

/* How much a refusal tells: first those of certificates to log in with, then those that are not just of another purpose. */
#define WEIGHT_LOGIN 4
static int weight(const X509 *cert, const struct err *e)
{
	int login = cert && eligible_is_login(cert) ? WEIGHT_LOGIN : 0;

	if (err_is(e, &ERR_CERT_UNTRUSTED))
		return login + 1;
	return login + (err_is(e, &ERR_CERT_NOT_ELIGIBLE) ? 2 : 3);
}

static void note_refusal(
	struct told *t, struct card_reasons *reasons, struct bytes der, struct err *take_why)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(err) struct err *why = take_why;
	AUTO(err) struct err *unreadable = cert_parse(der, &cert);
	const char *use = unreadable ? "unreadable certificate" : eligible_use(cert);
	int w = weight(cert, why);

	add_reason(reasons, use, why);
	if (w <= t->weight)
		return;
	err_free(t->why);
	*t = (struct told){ take(why), w, use };
}

/* The reasons that are not told first already. Of a card that has a certificate to log in with, the others do not matter. */
static void thin_out(struct card_reasons *r, const struct told *t)
{
	struct card_reasons all = *r;
	const char *text = err_get_text(t->why);

	r->n = 0;
	for (size_t i = 0; i < all.n; i++) {
		bool matters = t->weight < WEIGHT_LOGIN || strcmp(all.v[i].subject, t->use) == 0;
		if (matters && strcmp(all.v[i].text, text) != 0) {
			r->v[r->n++] = all.v[i];
			continue;
		}
		free(all.v[i].subject);
		free(all.v[i].text);
	}
}

static struct err *refusal(struct told *t, struct card_reasons *reasons)
{
	if (!t->why)
		return err_new(&ERR_CARD_UNKNOWN, "the card has no certificates");
	thin_out(reasons, t);
	if (err_is(t->why, &ERR_CERT_NOT_ELIGIBLE))
		return err_wrap(take(t->why), "the card's %s does not count", t->use);
	return take(t->why);
}

/* The signer among what the card has; *ret_at: which one. */
static struct err *choose_signer(struct state *s, const ProtobufCBinaryData *ders, size_t n,
	const char *serial, int64_t now_ms, struct card_reasons *reasons, struct card **ret_card,
	size_t *ret_at)
{
	struct told t = { 0 };

	for (size_t i = 0; i < n; i++) {
		AUTO(card) struct card *c = card_new();
		struct err *e = judge_signer(s, pb_bytes(ders[i]), now_ms, c);
		if (!e)
			e = eligible_serial(c->certs[0], serial);
		if (!e) {
			err_free(t.why);
			*ret_card = take(c);
			*ret_at = i;
			return NULL;
		}
		note_refusal(&t, reasons, pb_bytes(ders[i]), e);
	}
	return refusal(&t, reasons);
}

static const char *use_of(struct bytes der)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(err) struct err *e = cert_parse(der, &cert);

	return e ? "unreadable certificate" : eligible_use(cert);
}

struct err *card_choose(struct state *s, const ProtobufCBinaryData *ders, size_t n,
	const char *serial, int64_t now_ms, struct card_reasons *reasons, struct card **ret_card)
{
	AUTO(card) struct card *c = NULL;
	size_t at = 0;
	bool added;

	TRY(choose_signer(s, ders, n, serial, now_ms, reasons, &c, &at));
	for (size_t i = 0; i < n && c->anchor->other_certificates; i++) {
		if (i == at)
			continue;
		struct err *e = use_other(s, pb_bytes(ders[i]), now_ms, c, &added);
		if (!e)
			continue;
		add_reason(reasons, use_of(pb_bytes(ders[i])), e);
		err_free(e);
	}
	*ret_card = take(c);
	return NULL;
}

struct err *card_judge(struct state *s, const ProtobufCBinaryData *ders, size_t n, int64_t now_ms,
	struct card **ret_card)
{
	AUTO(card) struct card *c = card_new();
	bool added;

	if (n == 0 || n > CARD_CERTS_MAX)
		return err_new(&ERR_EVIDENCE_BAD, "%zu certificates of the card", n);
	TRY(judge_signer(s, pb_bytes(ders[0]), now_ms, c));
	for (size_t i = 1; i < n; i++) {
		TRY(use_other(s, pb_bytes(ders[i]), now_ms, c, &added));
		if (!added)
			return err_new(&ERR_EVIDENCE_BAD, "a certificate of the card adds nothing");
	}
	*ret_card = take(c);
	return NULL;
}

struct err *card_recheck(struct state *s, struct bytes der, bool is_signer, int64_t now_ms)
{
	AUTO(x509) X509 *cert = NULL;
	AUTO(path) struct path *path = NULL;
	const struct anchor *anchor;

	TRY(cert_parse(der, &cert));
	return find_path(s, cert, is_signer, now_ms, NULL, &anchor, &path);
}
