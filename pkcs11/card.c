/* card.c: the registry of card types, and what they share. */
#include "pkcs11/card.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "evidence/cert.h"
#include "proto/kind.h"

static const struct card_type *const types[] = {
	&card_piv,
	&card_generic,
};

const struct card_type *card_type_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(types); i++)
		if (strcmp(types[i]->name, name) == 0)
			return types[i];
	return NULL;
}

static struct err *find_type(const struct card_source *source, char *const *names, size_t n_names,
	const struct card_type **ret_type)
{
	for (size_t i = 0; i < n_names; i++) {
		const struct card_type *type = card_type_find(names[i]);
		bool match = false;
		if (type)
			TRY(type->match(source, &match));
		if (!match)
			continue;
		*ret_type = type;
		return NULL;
	}
	return err_new(&ERR_CARD_UNKNOWN, "the card is of none of the kinds in card-types");
}

static struct err *no_certificate(const struct card_source *source, const struct card_type *type)
{
	if (uri_chooses_certs(source->uri))
		return err_new(&ERR_CARD_UNKNOWN, "the card has no certificate that the URI means");
	/* A PIV card hides none. */
	if (type != &card_piv && (source->info->flags & CKF_LOGIN_REQUIRED))
		return err_new(&ERR_CARD_UNKNOWN,
			"no certificate of a person can be seen on the card without its PIN");
	return err_new(&ERR_CARD_UNKNOWN, "the card has no certificate of a person");
}

struct err *card_read(const struct card_source *source, char *const *names, size_t n_names,
	struct card **ret_card)
{
	AUTO(card) struct card *card = xcalloc(1, sizeof(*card));

	TRY(find_type(source, names, n_names, &card->type));
	TRY(err_wrap(card->type->read(source, card), "reading the card"));
	if (card->n_certs == 0)
		return no_certificate(source, card->type);
	*ret_card = take(card);
	return NULL;
}

static void clear_cert(struct card_cert *cert)
{
	buf_free(cert->der);
	buf_free(cert->id);
	free(cert->label);
	*cert = (struct card_cert){ 0 };
}

void card_free(struct card *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->n_certs; i++)
		clear_cert(&c->certs[i]);
	buf_free(c->chuid);
	free(c->serial);
	free(c);
}

void card_drop(struct card *c, size_t i)
{
	clear_cert(&c->certs[i]);
	memmove(&c->certs[i], &c->certs[i + 1], (--c->n_certs - i) * sizeof(c->certs[0]));
	c->certs[c->n_certs] = (struct card_cert){ 0 };
}

void card_sort(struct card *c)
{
	struct card_cert sorted[CARD_CERT_LIST_MAX];
	size_t n = 0;

	for (size_t i = 0; i < c->n_certs; i++)
		if (c->certs[i].saw_key)
			sorted[n++] = c->certs[i];
	for (size_t i = 0; i < c->n_certs; i++)
		if (!c->certs[i].saw_key)
			sorted[n++] = c->certs[i];
	memcpy(c->certs, sorted, n * sizeof(sorted[0]));
}

/* Tokens with a long history of encryption keys: those that sign come first. */
static void make_room(struct card *c)
{
	size_t i = c->n_certs;

	while (i > 0 && c->certs[i - 1].has_key)
		i--;
	if (i > 0)
		card_drop(c, i - 1);
}

struct card_cert *card_add(struct card *c, struct buf *take_der, struct buf *take_id)
{
	AUTO(buf) struct buf *der = take_der;
	AUTO(buf) struct buf *id = take_id ? take_id : buf_new();

	if (c->n_certs == CARD_CERT_LIST_MAX)
		make_room(c);
	if (c->n_certs == CARD_CERT_LIST_MAX)
		return NULL;
	struct card_cert *cert = &c->certs[c->n_certs++];
	sha256(buf_bytes(der), cert->hash);
	cert->der = take(der);
	cert->id = take(id);
	return cert;
}

static struct bytes bytes_of(const struct buf *b)
{
	return b ? buf_bytes(b) : BYTES("", 0);
}

struct err *card_read_cert(const struct card_source *source, CK_OBJECT_HANDLE object,
	struct card *card, struct card_cert **ret_cert)
{
	AUTO(buf) struct buf *der = NULL;
	AUTO(buf) struct buf *id = NULL;
	AUTO(buf) struct buf *label = NULL;

	*ret_cert = NULL;
	TRY(object_get(source->token, object, CKA_VALUE, CERT_DER_MAX, &der));
	if (!der || buf_len(der) == 0)
		return NULL;
	TRY(object_get(source->token, object, CKA_ID, OBJECT_ID_MAX, &id));
	TRY(object_get(source->token, object, CKA_LABEL, OBJECT_LABEL_MAX, &label));
	if (!uri_matches_cert(source->uri, bytes_of(id), bytes_of(label)))
		return NULL;
	struct card_cert *cert = card_add(card, take(der), take(id));
	if (cert)
		cert->label = bytes_strdup(bytes_of(label));
	*ret_cert = cert;
	return NULL;
}

const struct card_cert *card_find(const struct card *c, const uint8_t hash[static SHA256_LEN])
{
	for (size_t i = 0; i < c->n_certs; i++)
		if (memcmp(c->certs[i].hash, hash, SHA256_LEN) == 0)
			return &c->certs[i];
	return NULL;
}

struct err *card_find_chuid(const struct card_source *source, struct object_list *ret_list)
{
	static const char label[] = "Card Holder Unique Identifier";

	return object_find_class(
		source->token, CKO_DATA, BYTES(NULL, 0), BYTES(label, strlen(label)), ret_list);
}

struct err *card_read_chuid(const struct card_source *source, struct buf **ret_chuid)
{
	struct object_list found = { 0 };

	*ret_chuid = NULL;
	TRY(card_find_chuid(source, &found));
	if (found.n == 0)
		return NULL;
	struct err *e =
		object_get(source->token, found.at[0], CKA_VALUE, CARD_CHUID_MAX, ret_chuid);
	/* OpenSC lists it on every PIV card, and has no better word for a card that lacks it. A
	 * card that is gone fails in the next call. */
	if (!err_is(e, &ERR_CARD_FAILED))
		return e;
	log_note(NOTE_CARD_ODD, NULL, "CHUID: %s", err_get_text(e));
	err_free(e);
	return NULL;
}

static struct err *has_cert(
	const struct card_source *source, const struct card_cert *cert, bool *ret_there)
{
	struct object_list found = { 0 };

	*ret_there = false;
	TRY(object_find_class(
		source->token, CKO_CERTIFICATE, buf_bytes(cert->id), BYTES(NULL, 0), &found));
	for (size_t i = 0; i < found.n && !*ret_there; i++) {
		AUTO(buf) struct buf *der = NULL;
		TRY(object_get(source->token, found.at[i], CKA_VALUE, CERT_DER_MAX, &der));
		*ret_there = der && bytes_eq(buf_bytes(der), buf_bytes(cert->der));
	}
	return NULL;
}

struct err *card_check(
	const struct card_source *source, const struct card *card, const struct card_cert *cert)
{
	AUTO(buf) struct buf *chuid = NULL;
	bool there = false;

	if (card->chuid)
		TRY(card_read_chuid(source, &chuid));
	if (card->chuid && !(chuid && bytes_eq(buf_bytes(chuid), buf_bytes(card->chuid))))
		return err_new(&ERR_CARD_CHANGED, "the card has another identifier than before");
	TRY(has_cert(source, cert, &there));
	if (!there)
		return err_new(&ERR_CARD_CHANGED, "the certificate is not on the card any more");
	return NULL;
}
