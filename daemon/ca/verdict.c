/* verdict.c: a few of them, in a ring. */
#include "daemon/ca/verdict.h"

#include <stdlib.h>
#include <string.h>

#define VERDICTS_MAX 64

struct verdicts {
	size_t next;
	struct verdict v[VERDICTS_MAX]; /* free where crls is NULL */
};

struct verdicts *verdicts_new(void)
{
	return xcalloc(1, sizeof(struct verdicts));
}

static void forget(struct verdict *v)
{
	sk_X509_CRL_pop_free(v->crls, X509_CRL_free);
	for (size_t i = 0; i < v->n_urls; i++)
		free(v->urls[i]);
	memset(v, 0, sizeof(*v));
}

void verdicts_free(struct verdicts *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < VERDICTS_MAX; i++)
		forget(&v->v[i]);
	free(v);
}

static STACK_OF(X509_CRL) *hold(const STACK_OF(X509_CRL) *crls)
{
	STACK_OF(X509_CRL) *held = sk_X509_CRL_dup(crls);

	if (!held)
		err_abort("no memory for CRLs");
	for (int i = 0; i < sk_X509_CRL_num(held); i++)
		X509_CRL_up_ref(sk_X509_CRL_value(held, i));
	return held;
}

void verdicts_add(struct verdicts *v, const struct verdict *verdict)
{
	struct verdict *to = &v->v[v->next];

	if (verdict->n_urls > VERDICT_URLS_MAX)
		return;
	v->next = (v->next + 1) % VERDICTS_MAX;
	forget(to);
	*to = *verdict;
	to->crls = hold(verdict->crls);
	for (size_t i = 0; i < to->n_urls; i++)
		to->urls[i] = xstrdup(verdict->urls[i]);
}

static bool stands(const struct verdict *v, int64_t now_ms)
{
	return now_ms >= v->from_ms && now_ms - v->from_ms < VERDICT_MS && now_ms < v->until_ms;
}

const struct verdict *verdicts_find(struct verdicts *v,
	const uint8_t certificate[static SHA256_LEN], const void *anchor, int64_t now_ms)
{
	const struct verdict *found = NULL;

	for (size_t i = 0; i < VERDICTS_MAX; i++) {
		struct verdict *one = &v->v[i];
		if (!one->crls)
			continue;
		if (!stands(one, now_ms))
			forget(one);
		else if (one->anchor == anchor &&
			 memcmp(one->certificate, certificate, SHA256_LEN) == 0)
			found = one;
	}
	return found;
}

bool verdict_has_crls(const struct verdict *verdict, const STACK_OF(X509_CRL) *crls)
{
	int n = sk_X509_CRL_num(verdict->crls);

	if (sk_X509_CRL_num(crls) != n)
		return false;
	for (int i = 0; i < n; i++) {
		int k = 0;
		while (k < n && sk_X509_CRL_value(crls, k) != sk_X509_CRL_value(verdict->crls, i))
			k++;
		if (k == n)
			return false;
	}
	return true;
}
