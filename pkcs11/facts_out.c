/* facts_out.c: filling Facts. */
#include "pkcs11/facts_out.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/msg.h"

/* Strings that the message needs besides what is lent: label, model, manufacturer, serial, and one a certificate. */
#define STRINGS_MAX (4 + CARD_CERT_LIST_MAX)

struct facts_out {
	Card__Facts message;
	Card__Certificate certs[CARD_CERT_LIST_MAX];
	Card__Certificate *pointers[CARD_CERT_LIST_MAX];
	size_t n_strings;
	char *strings[STRINGS_MAX];
};

const char *facts_out_module_name(const struct settings *settings)
{
	return strrchr(settings->module, '/') + 1;
}

/* Cut to what the wire takes: the escapes can make a text four times as long. */
static char *keep(struct facts_out *f, char *take_text, size_t max)
{
	AUTO_MEM char *text = take_text;

	return f->strings[f->n_strings++] = text_cut(text, max);
}

static char *lend(const char *s)
{
	return (char *)(uintptr_t)s;
}

static void fill_token(struct facts_out *f, const CK_TOKEN_INFO *info, const struct card *card)
{
	Card__Facts *m = &f->message;

	m->label = keep(f, slot_text(info->label, sizeof(info->label)), 256);
	m->model = keep(f, slot_text(info->model, sizeof(info->model)), 64);
	m->manufacturer =
		keep(f, slot_text(info->manufacturerID, sizeof(info->manufacturerID)), 128);
	m->serial =
		card->serial
			? lend(card->serial)
			: keep(f, slot_text(info->serialNumber, sizeof(info->serialNumber)), 128);
}

static void fill_pin(Card__Facts *m, const struct pin *pin)
{
	m->pin = pin->state;
	m->pin_pad = pin->pad;
	m->pin_min = (uint32_t)pin->min;
	m->pin_max = (uint32_t)pin->max;
	m->tries_left = pin->knows_tries ? pin->tries_left : 0;
}

static void fill_cert(struct facts_out *f, const struct card_cert *cert, size_t i)
{
	Card__Certificate *m = &f->certs[i];

	card__certificate__init(m);
	m->der = pb_lend(buf_bytes(cert->der));
	m->label = keep(f, text_safe(BYTES(cert->label, strlen(cert->label))), 256);
	m->slot = lend(cert->slot);
	m->has_key = cert->has_key;
	m->always_authenticate = cert->always_authenticate;
	f->pointers[i] = m;
}

struct facts_out *facts_out_new(const struct session *s, const struct settings *settings)
{
	struct facts_out *f = xcalloc(1, sizeof(*f));
	const struct card *card = session_card(s);
	Card__Facts *m = &f->message;

	card__facts__init(m);
	m->reader = lend(settings->pcsc ? session_reader(s) : facts_out_module_name(settings));
	m->card_type = lend(card->type->name);
	fill_token(f, session_token_info(s), card);
	fill_pin(m, session_pin(s));
	if (card->chuid)
		m->chuid = pb_lend(buf_bytes(card->chuid));
	for (size_t i = 0; i < card->n_certs; i++)
		fill_cert(f, &card->certs[i], i);
	m->n_certificates = card->n_certs;
	m->certificates = f->pointers;
	return f;
}

void facts_out_free(struct facts_out *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_strings; i++)
		free(f->strings[i]);
	free(f);
}

const Card__Facts *facts_out_message(const struct facts_out *f)
{
	return &f->message;
}
