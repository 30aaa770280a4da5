/* doctor_card.c: PC/SC, readers, the PKCS#11 module and cards, through derivd-card, which lives as the sessions' one does. */
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "client/ctl/doctor.h"
#include "proto/kind.h"

#define READERS_MS 30000
#define CARD_MS 60000

static bool is_unknown(struct doctor *d)
{
	if (!d->readers)
		doctor_note(d, VERDICT_SKIPPED, _("derivd-card has no list of readers"));
	return !d->readers;
}

static struct err *list(struct doctor *d)
{
	Card__ListReaders ask = CARD__LIST_READERS__INIT;
	AUTO(peer) struct peer *card = NULL;
	AUTO_MSG Card__ReaderList *readers = NULL;

	TRY(ctl_card(&card));
	TRY(peer_call(
		card, MSG_CARD_LIST_READERS, &ask, MSG_CARD_READER_LIST, READERS_MS, &readers));
	if (readers->trouble[0] != '\0')
		return err_new(kind_find(readers->trouble) ? kind_find(readers->trouble)
							   : &ERR_REMOTE_BROKEN,
			strcmp(readers->trouble, ERR_PCSC_DENIED.name) == 0
				? _("pcscd runs, and refuses derivd-card")
				: _("there is no PC/SC service"));
	d->readers = take(readers);
	return NULL;
}

/* Who must not touch readers, as an auditor's monitoring, cannot say that something is wrong with them. */
static enum verdict verdict_of(const struct err *e)
{
	return err_is(e, &ERR_DENIED) || err_is(e, &CTL_ERR_NOT_SET_UP) ? VERDICT_SKIPPED
									: VERDICT_FAULT;
}

void doctor_pcsc(struct doctor *d)
{
	struct err *e = list(d);

	if (e)
		doctor_error(d, verdict_of(e), e);
	else if (d->readers->n_readers == 0)
		doctor_error(d, VERDICT_FAULT,
			err_new(&ERR_READER_NONE, _("PC/SC knows no card reader")));
	for (size_t i = 0; d->readers && i < d->readers->n_readers; i++)
		doctor_note(d, VERDICT_OK, _("reader %s"), d->readers->readers[i]->name);
}

static struct err *load(Card__Checked **ret_checked)
{
	Card__Check ask = CARD__CHECK__INIT;
	AUTO(peer) struct peer *card = NULL;

	TRY(ctl_card(&card));
	return peer_call(card, MSG_CARD_CHECK, &ask, MSG_CARD_CHECKED, CARD_MS, ret_checked);
}

void doctor_module(struct doctor *d)
{
	AUTO_MSG Card__Checked *checked = NULL;
	struct err *e = load(&checked);

	/* The process went along with a module that crashed, or that the kernel had to stop. */
	if (err_is(e, &ERR_GONE))
		e = err_as(&ERR_MODULE_HUNG, e, "%s", _("the module ended derivd-card"));
	if (e)
		doctor_error(d, verdict_of(e), e);
	else if (checked->trouble[0] != '\0')
		doctor_error(d, VERDICT_FAULT,
			err_new(kind_find(checked->trouble) ? kind_find(checked->trouble)
							    : &ERR_MODULE,
				"%s", checked->text));
	else
		doctor_note(d, VERDICT_OK, _("%s can be loaded"), checked->module);
}

/* --- cards --- */

static void say_pin(struct doctor *d, const Card__Facts *facts)
{
	const char *reader = facts->reader;

	if (facts->pin == CARD__PIN_STATE__PIN_LOCKED)
		doctor_error(d, VERDICT_FAULT,
			err_new(&ERR_PIN_LOCKED, _("the PIN of the card in %s is locked"), reader));
	else if (facts->pin == CARD__PIN_STATE__PIN_CHANGE ||
		 facts->pin == CARD__PIN_STATE__PIN_UNSET)
		doctor_error(d, VERDICT_FAULT,
			err_new(&ERR_PIN_EXPIRED, _("the card in %s wants a new PIN first"),
				reader));
	else if (facts->pin == CARD__PIN_STATE__PIN_FINAL)
		doctor_error(d, VERDICT_WARNING,
			err_new(&ERR_PIN_FINAL, _("one try is left for the PIN of the card in %s"),
				reader));
	else
		doctor_note(d, VERDICT_OK, _("the card in %s can be used (%s)"), reader,
			facts->card_type);
}

static struct err *open_card(const char *reader, Card__Facts **ret_facts)
{
	Card__Open ask = CARD__OPEN__INIT;
	AUTO(peer) struct peer *card = NULL;

	ask.reader = (char *)(uintptr_t)reader;
	TRY(ctl_card(&card));
	return peer_call(card, MSG_CARD_OPEN, &ask, MSG_CARD_FACTS, CARD_MS, ret_facts);
}

static void try_card(struct doctor *d, const char *reader)
{
	AUTO_MSG Card__Facts *facts = NULL;

	if (d->leave_cards) {
		doctor_note(d, VERDICT_SKIPPED, _("a card is in %s, and is left alone"), reader);
		return;
	}
	struct err *e = open_card(reader, &facts);
	if (err_is(e, &ERR_READER_IN_USE) || err_is(e, &ERR_CARD_NONE))
		doctor_error(d, VERDICT_SKIPPED, e);
	else if (e)
		doctor_error(d, VERDICT_FAULT, e);
	else
		say_pin(d, facts);
}

/* --- a card that is silent --- */

static const Card__Reader *find(const Card__ReaderList *readers, const char *name)
{
	for (size_t i = 0; i < readers->n_readers; i++)
		if (strcmp(readers->readers[i]->name, name) == 0)
			return readers->readers[i];
	return NULL;
}

/* Put in again since then? EMPTY on the way does not count. */
static bool is_put_in_again(const Card__Reader *now, unsigned int moves)
{
	return now && now->moves != moves && now->state != CARD__READER_STATE__EMPTY;
}

/* Whether the card answers after somebody has turned it. *ret_turned: somebody has, in time. */
static struct err *watch(
	struct doctor *d, const Card__Reader *silent, bool *ret_turned, bool *ret_answers)
{
	Card__WatchReaders ask = CARD__WATCH_READERS__INIT;
	AUTO(peer) struct peer *card = NULL;
	AUTO_MSG Card__ReaderList *first = NULL;
	int64_t end = clock_boot_ms() + d->turn_s * 1000;

	TRY(ctl_card(&card));
	TRY(peer_call(
		card, MSG_CARD_WATCH_READERS, &ask, MSG_CARD_READER_LIST, READERS_MS, &first));
	const Card__Reader *now = find(first, silent->name);
	*ret_turned = is_put_in_again(now, silent->moves);
	*ret_answers = *ret_turned && now->state != CARD__READER_STATE__MUTE;
	while (!*ret_turned && clock_boot_ms() < end) {
		struct peer_message m;
		struct err *e = peer_recv(card, (int)(end - clock_boot_ms()) + 1, &m);
		if (err_is(e, &ERR_TIMEOUT)) {
			err_free(e);
			return NULL;
		}
		TRY(e);
		AUTO_MSG Card__ReaderList *list = m.body;
		if (m.msg->number != MSG_CARD_READER_LIST)
			return err_new(&ERR_PROTOCOL, "derivd-card sent %s", m.msg->name);
		now = find(list, silent->name);
		*ret_turned = is_put_in_again(now, silent->moves);
		*ret_answers = *ret_turned && now->state != CARD__READER_STATE__MUTE;
	}
	return NULL;
}

/* From outside, a card that lies the wrong way round is as silent as one that is broken. Turning it tells them apart. */
static void silent_card(struct doctor *d, const Card__Reader *reader)
{
	bool turned = false, answers = false;

	if (d->turn_s)
		(void)fprintf(stderr,
			_("The card in %s is silent. Please take it out, turn it over, and put it "
			  "in "
			  "again.\n"),
			reader->name);
	struct err *e = d->turn_s ? watch(d, reader, &turned, &answers) : NULL;
	if (e)
		doctor_error(d, VERDICT_FAULT, e);
	else if (answers)
		doctor_say(d, VERDICT_WARNING, ADVICE_CARD_WRONG_WAY,
			_("the card in %s lay the wrong way round"), reader->name);
	else if (turned)
		doctor_error(d, VERDICT_FAULT,
			err_new(&ERR_CARD_MUTE,
				_("the card in %s is silent either way: it, or the reader, is "
				  "faulty"),
				reader->name));
	else
		doctor_error(d, VERDICT_FAULT,
			err_new(&ERR_CARD_MUTE,
				_("the card in %s does not answer: the wrong way round, or faulty "
				  "(--turn-card 60 tells which)"),
				reader->name));
}

void doctor_card(struct doctor *d)
{
	if (is_unknown(d))
		return;
	for (size_t i = 0; i < d->readers->n_readers; i++) {
		const Card__Reader *r = d->readers->readers[i];
		if (r->state == CARD__READER_STATE__MUTE)
			silent_card(d, r);
		else if (r->state == CARD__READER_STATE__IN_USE)
			doctor_note(d, VERDICT_SKIPPED,
				_("the card in %s is in use, and is left alone"), r->name);
		else if (r->state == CARD__READER_STATE__PRESENT)
			try_card(d, r->name);
	}
}
