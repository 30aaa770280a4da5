/* notice.c: see notice.h. */
#include "daemon/courier/notice.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/courier/hook.h"
#include "daemon/courier/smtp.h"
#include "proto/kind.h"
#include "proto/msg.h"

void notice_free(struct notice *n)
{
	if (!n)
		return;
	receipt_free(n->receipt);
	free(n->device);
	free(n->id);
	free(n);
}

/* The names in it are derivd's tables': letters and dashes, no words for people. */
static struct err *check_troubles(const Courier__Notice *m)
{
	for (size_t i = 0; i < m->n_troubles; i++) {
		const Courier__Trouble *t = m->troubles[i];
		if (strspn(t->event, "abcdefghijklmnopqrstuvwxyz-") != strlen(t->event) ||
			(*t->error && !kind_find(t->error)))
			return err_new(&ERR_FORMAT, "a notice with a trouble that has no name");
	}
	return NULL;
}

static struct err *open_receipt(struct notice *n)
{
	const struct deployment *d = n->deployment;
	uint8_t device[SHA256_LEN];

	if (!n->said->receipt)
		return err_new(&ERR_FORMAT, "a notice to a holder without a receipt");
	TRY(receipt_open(n->said->receipt, BYTES(d->receipt_public, ED25519_PUBLIC_LEN), &n->receipt));
	if (memcmp(n->receipt->deployment, d->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_FORMAT, "a receipt of another deployment");
	receipt_device_id(n->receipt, device);
	n->device = text_hex(BYTES(device, SHA256_LEN));
	return NULL;
}

struct err *notice_open(const Courier__Notice *said, const struct deployment *deployment,
	const char *contact, struct notice **ret_notice)
{
	AUTO(notice) struct notice *n = xcalloc(1, sizeof(*n));

	if (said->kind == COURIER__NOTICE_KIND__NOTICE_UNSET)
		return err_new(&ERR_FORMAT, "a notice of no kind");
	n->said = said;
	n->deployment = deployment;
	n->contact = contact;
	n->id = text_hex(pb_bytes(said->id));
	if (said->kind == COURIER__NOTICE_KIND__OPERATORS)
		TRY(check_troubles(said));
	else
		TRY(open_receipt(n));
	*ret_notice = take(n);
	return NULL;
}

const char *notice_mail(const struct notice *n)
{
	const char *mail = n->receipt ? facts_get(n->receipt->facts, FACT_MAIL) : NULL;

	return mail && address_is_plain(mail) ? mail : NULL;
}

/* *ret_owed: there is a server, and somebody to write to. */
static struct err *mail_it(const struct settings *s, const struct notice *n, bool *ret_owed)
{
	const char *holder = notice_mail(n);
	struct mail mail = { .n_to = s->smtp.n_operators,
		.to = s->smtp.operators,
		.subject = notice_subject(n),
		.id = n->id };

	if (n->receipt) {
		mail.n_to = holder ? 1 : 0;
		mail.to = &holder;
	}
	*ret_owed = s->smtp.url && mail.n_to && !n->said->mailed;
	if (!*ret_owed)
		return NULL;
	AUTO_MEM char *text = notice_text(n);
	mail.text = text;
	return smtp_send(&s->smtp, &mail);
}

static struct err *hook_it(const struct settings *s, const struct notice *n, bool *ret_owed)
{
	*ret_owed = s->hook.words[0] && !n->said->hooked;
	if (!*ret_owed)
		return NULL;
	AUTO_MEM char *json = notice_json(n);
	return hook_run(&s->hook, notice_kind_name(n), json);
}

static struct err *nobody(const struct settings *s, const struct notice *n)
{
	if (!s->smtp.url)
		return err_new(&ERR_NOTICE_NOBODY, "courier.conf names neither smtp nor hook");
	if (!n->receipt)
		return err_new(&ERR_NOTICE_NOBODY, "courier.conf names neither operators nor hook");
	return err_new(&ERR_NOTICE_NOBODY,
		"the card's certificate has no mail address that can be used, and courier.conf no hook");
}

struct err *notice_send(const struct settings *s, const struct notice *n, Courier__Noticed *ret_noticed,
	struct err **ret_trouble)
{
	bool mail_owed = false, hook_owed = false;
	AUTO(err) struct err *mail = mail_it(s, n, &mail_owed);
	AUTO(err) struct err *hook = hook_it(s, n, &hook_owed);

	ret_noticed->mailed = mail_owed && !mail;
	ret_noticed->hooked = hook_owed && !hook;
	if (!mail_owed && !hook_owed && !n->said->mailed && !n->said->hooked)
		return nobody(s, n);
	/* With nothing done it is the answer as a whole; else derivd has to know what is done, and what is not. */
	if ((mail || hook) && !ret_noticed->mailed && !ret_noticed->hooked)
		return mail ? take(mail) : take(hook);
	*ret_trouble = mail ? take(mail) : take(hook);
	return NULL;
}
