/* session_open.c: the offer: derivd-ca's word on who this is and what would be issued, and the person's consent. */
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/person.h"
#include "client/ctl/session.h"
#include "evidence/number.h"

#define PURPOSES_MAX 4

/* --- asking for it --- */

struct purposes {
	size_t n;
	Common__Purpose list[PURPOSES_MAX];
};

static struct err *parse_purposes(const char *text, struct purposes *p)
{
	while (text && *text != '\0') {
		size_t len = strcspn(text, ",");

		if (p->n == PURPOSES_MAX)
			return ctl_usage(_("--purposes names more than there are"));
		TRY(ctl_purpose_parse(text, len, &p->list[p->n++]));
		text += len + (text[len] == ',');
	}
	return NULL;
}

struct err *session_check_purposes(const char *text)
{
	struct purposes p = { 0 };

	return parse_purposes(text, &p);
}

/* A prefix, as the lists show it, becomes the whole id. */
static struct err *find_device(struct session *s)
{
	Control__List ask = CONTROL__LIST__INIT;
	AUTO_MSG Control__Rows *rows = NULL;
	AUTO(buf) struct buf *id = NULL;

	ask.what = CONTROL__WHAT__DEVICES;
	ask.id = (char *)s->o.device;
	ask.most = 1;
	TRY(session_call(s, MSG_LIST, &ask, MSG_ROWS, &rows));
	if (rows->n_devices != 1)
		return err_new(&ERR_DEVICE_UNKNOWN, _("there is no device %s"), s->o.device);
	TRY(text_unhex(rows->devices[0]->id, &id));
	if (buf_len(id) != SHA256_LEN)
		return err_new(
			&ERR_PROTOCOL, _("derivd gave a device id of %zu bytes"), buf_len(id));
	memcpy(s->device, buf_data(id), SHA256_LEN);
	return NULL;
}

/* --- checking it --- */

static bool is_offers_certificate(const struct session *s, const Card__Certificate *c)
{
	uint8_t hash[SHA256_LEN];

	sha256(pb_bytes(c->der), hash);
	return s->offer->n_certs > 0 && memcmp(hash, s->offer->certs[0], SHA256_LEN) == 0;
}

static struct err *check_card(const struct session *s)
{
	for (size_t i = 0; i < s->facts->n_certificates; i++) {
		const Card__Certificate *c = s->facts->certificates[i];

		if (!is_offers_certificate(s, c))
			continue;
		if (c->has_key)
			return NULL;
		return err_new(&ERR_CARD_NO_KEY,
			_("there is no key for the card's certificate %s that could sign"),
			c->slot[0] != '\0' ? c->slot : c->label);
	}
	return err_new(&ERR_SIGNATURE_BAD, _("the offer is for another card"));
}

static struct err *check_purposes(const struct session *s, const struct purposes *asked)
{
	for (size_t i = 0; asked->n > 0 && i < s->offer->n_purposes; i++) {
		bool found = false;

		for (size_t j = 0; j < asked->n; j++)
			found = found || asked->list[j] == s->offer->purposes[i].purpose;
		if (!found)
			return err_new(&ERR_SIGNATURE_BAD,
				_("the offer has a purpose that was not asked for"));
	}
	return NULL;
}

/* derivd-ca's word, not derivd's: the offer has to be signed by the delivery key of deployment.conf. */
static struct err *check_offer(struct session *s, const struct purposes *asked)
{
	struct bytes delivery = BYTES(s->deployment->delivery_public, ED25519_PUBLIC_LEN);

	TRY(err_wrap(offer_open(s->offered->offer, delivery, &s->offer), _("the offer")));
	if (!bytes_eq(pb_bytes(s->offered->request_id),
		    BYTES(s->offer->request_id, REQUEST_ID_LEN)) ||
		s->offer->operation != s->operation ||
		memcmp(s->offer->deployment, s->deployment->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_SIGNATURE_BAD,
			_("the offer is for another request or another deployment"));
	if (s->offer->expires_ms <= clock_real_ms())
		return err_new(&ERR_SESSION_OVER, _("the offer has expired"));
	TRY(check_purposes(s, asked));
	return check_card(s);
}

struct err *session_open(struct session *s)
{
	Control__SessionOpen ask = CONTROL__SESSION_OPEN__INIT;
	ProtobufCBinaryData certs[CARD_CERTS_MAX * 2];
	struct purposes purposes = { 0 };

	TRY(parse_purposes(s->o.purposes, &purposes));
	ask.operation = s->operation;
	/* The first one that may sign is chosen: those that can come first. */
	for (size_t can = 2; can-- > 0;)
		for (size_t i = 0; i < s->facts->n_certificates; i++)
			if (s->facts->certificates[i]->has_key == (can == 1) &&
				ask.n_certificates < ARRAY_LEN(certs))
				certs[ask.n_certificates++] = s->facts->certificates[i]->der;
	ask.certificates = certs;
	ask.n_purposes = purposes.n;
	ask.purposes = purposes.list;
	ask.serial = s->facts->serial;
	ask.reader = s->facts->reader;
	ask.label = (char *)(s->o.label ? s->o.label : "");
	ask.replace = s->o.replace;
	TRY(ctl_control(s->ctl, &s->control));
	if (s->operation == COMMON__OPERATION__ISSUE) {
		TRY(find_device(s));
		ask.device_id = pb_lend(BYTES(s->device, SHA256_LEN));
	}
	TRY(session_call_patiently(s, MSG_SESSION_OPEN, &ask, MSG_SESSION_OFFERED, &s->offered));
	peer_set_phase(s->control, PH_OPEN);
	s->ends_ms = clock_boot_ms() + SESSION_MS;
	return check_offer(s, &purposes);
}

/* --- consent --- */

static enum word use_of(Common__Purpose p)
{
	switch (p) {
	case COMMON__PURPOSE__AUTHENTICATION:
		return WORD_USE_AUTH;
	case COMMON__PURPOSE__SIGNING:
		return WORD_USE_SIGN;
	case COMMON__PURPOSE__ENCRYPTION:
		return WORD_USE_ENC;
	default:
		return WORD_USE_DEC;
	}
}

static void say_offer(struct session *s)
{
	AUTO_MEM char *name = person_name(s->offer->facts);
	AUTO_MEM char *last_four = number_last_four(s->offer->facts);
	AUTO_MEM char *number =
		last_four[0] != '\0' ? words(WORD_LAST4, "digits", last_four, NULL) : xstrdup("");
	AUTO_MEM char *nameless = words(WORD_NAMELESS, NULL);
	json_t *purposes = json_array();

	session_say(s, words(WORD_WHO, "name", name[0] ? name : nameless, "last4", number, NULL));
	session_say(s,
		words(s->operation == COMMON__OPERATION__ISSUE ? WORD_WHAT_MORE : WORD_WHAT, NULL));
	for (size_t i = 0; i < s->offer->n_purposes; i++) {
		Common__Purpose p = s->offer->purposes[i].purpose;
		AUTO_MEM char *use = words(use_of(p), NULL);

		session_say(s, words(WORD_WHAT_LINE, "purpose", words_name(ctl_purpose_name(p)),
				       "use", use, NULL));
		json_array_append_new(purposes, json_string(ctl_purpose_name(p)));
	}
	if (!facts_get(s->offer->facts, FACT_MAIL) && !s->o.purposes)
		session_say(s, words(WORD_WHAT_NO_MAIL, NULL));
	session_event(s, "offer",
		json_pack("{s:s, s:s, s:o}", "name", name, "last_four", last_four, "purposes",
			purposes));
}

/* The word itself, in capitals or not, with spaces around it or not. */
static bool is_yes(struct bytes line)
{
	AUTO_MEM char *yes = words(WORD_YES, NULL);
	size_t len = strlen(yes);

	while (line.len > 0 && line.data[0] == ' ') {
		line.data++;
		line.len--;
	}
	while (line.len > 0 && line.data[line.len - 1] == ' ')
		line.len--;
	return line.len == len && strncasecmp((const char *)line.data, yes, len) == 0;
}

struct err *session_consent(struct session *s)
{
	AUTO_MEM char *yes = words(WORD_YES, NULL);
	AUTO_MEM char *prompt = words(WORD_CONSENT_ASK, "yes", yes, NULL);
	struct bytes line;

	say_offer(s);
	if (s->o.yes)
		return NULL;
	session_event(s, "consent-needed", json_pack("{s:s}", "answer", yes));
	TRY(session_ask(s, s->term, prompt, false, &line));
	if (is_yes(line))
		return NULL;
	return err_new(&CTL_ERR_CANCELLED, _("there was no consent"));
}
