/*
 * readers.c: SCardGetStatusChange over all readers and the pseudo-reader that stands for "a reader comes or goes".
 * The list of names is asked for again each time, so that what pcscd holds and what we show cannot drift apart.
 */
#include "pkcs11/readers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "pkcs11/pcsc.h"
#include "proto/kind.h"

/* Where libpcsclite finds the service. */
#define PCSCLITE_SOCKET "/run/pcscd/pcscd.comm"
#define PLUG_AND_PLAY "\\\\?PnP?\\Notification"
/* As often a service must refuse us again, 100 ms apart, before we believe that it means us, and is not just ending. */
#define REFUSALS 25

struct readers {
	SCARDCONTEXT context;
	bool connected;
	bool known; /* list holds what a call found */
	size_t n;
	struct reader list[READERS_MAX];
	DWORD events[READERS_MAX]; /* as pcscd gave them: what the next wait is compared with */
};

struct readers *readers_new(void)
{
	return xcalloc(1, sizeof(struct readers));
}

static void disconnect(struct readers *r)
{
	if (r->connected)
		PCSC_CALL(SCardReleaseContext(r->context));
	r->connected = false;
}

void readers_free(struct readers *r)
{
	if (!r)
		return;
	disconnect(r);
	free(r);
}

/*
 * A pcscd that asks polkit takes the connection and ends it when the answer is no, and the library knows only that it ended;
 * a socket that may not be opened looks to it like none. So: is anybody there who lets us in no further?
 */
static bool is_refusal(LONG rv)
{
	const char *name = secure_getenv("PCSCLITE_CSOCK_NAME");
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (rv == SCARD_W_SECURITY_VIOLATION)
		return true;
	if (rv != SCARD_E_NO_SERVICE && rv != SCARD_F_COMM_ERROR)
		return false;
	AUTO_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	(void)strncpy(
		address.sun_path, name ? name : PCSCLITE_SOCKET, sizeof(address.sun_path) - 1);
	return connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 ||
	       errno == EACCES;
}

static struct err *connect_service(struct readers *r)
{
	if (r->connected)
		return NULL;
	LONG rv = PCSC_CALL(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &r->context));
	/* A service that is about to end hangs up as well, while its socket can still be connected to. */
	for (int i = 0; i < REFUSALS && rv != SCARD_S_SUCCESS && is_refusal(rv); i++) {
		nanosleep(&(struct timespec){ .tv_nsec = 100 * 1000 * 1000 }, NULL);
		rv = PCSC_CALL(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &r->context));
	}
	if (rv != SCARD_S_SUCCESS && is_refusal(rv))
		return err_new(&ERR_PCSC_DENIED, "the PC/SC service refuses uid %u: %s", getuid(),
			pcsc_stringify_error(rv));
	/* Whatever else it is, it is the service that cannot be had. */
	TRY(err_as(&ERR_PCSC_GONE, pcsc_error(rv, "SCardEstablishContext"), "the PC/SC service"));
	r->connected = true;
	return NULL;
}

/* The names, each ending with a zero byte, another one at the end. all: also those that are left out. */
struct names {
	char text[READERS_MAX * (READER_NAME_MAX + 1) + 1];
	size_t n, all;
	const char *at[READERS_MAX];
};

/* A device names itself: one whose name cannot be shown must not take the others along. */
static void split_names(struct names *names, DWORD len)
{
	const char *end = names->text + len;
	size_t n;

	for (const char *p = names->text; p < end && *p && names->n < READERS_MAX; p += n + 1) {
		n = strnlen(p, (size_t)(end - p));
		names->all++;
		if (n < READER_NAME_MAX && text_is_printable(BYTES(p, n)))
			names->at[names->n++] = p;
	}
}

static struct err *list_names(struct readers *r, struct names *names)
{
	DWORD len = sizeof(names->text) - 1;

	*names = (struct names){ 0 };
	LONG rv = PCSC_CALL(SCardListReaders(r->context, NULL, names->text, &len));
	if (rv == SCARD_E_NO_READERS_AVAILABLE)
		return NULL;
	TRY(pcsc_error(rv, "SCardListReaders"));
	split_names(names, len < sizeof(names->text) ? len : sizeof(names->text) - 1);
	return NULL;
}

static Card__ReaderState state_of(DWORD event)
{
	if (!(event & SCARD_STATE_PRESENT))
		return CARD__READER_STATE__EMPTY;
	if (event & SCARD_STATE_MUTE)
		return CARD__READER_STATE__MUTE;
	return event & SCARD_STATE_EXCLUSIVE ? CARD__READER_STATE__IN_USE
					     : CARD__READER_STATE__PRESENT;
}

static struct reader reader_from(const SCARD_READERSTATE *s)
{
	struct reader reader = {
		.state = state_of(s->dwEventState),
		.atr_len = s->cbAtr <= READER_ATR_MAX ? s->cbAtr : 0,
		.moves = (unsigned int)(s->dwEventState >> 16) & 0xffff,
	};

	strncpy(reader.name, s->szReader, READER_NAME_MAX - 1);
	memcpy(reader.atr, s->rgbAtr, reader.atr_len);
	return reader;
}

static bool reader_eq(const struct reader *a, const struct reader *b)
{
	return strcmp(a->name, b->name) == 0 && a->state == b->state && a->moves == b->moves &&
	       a->atr_len == b->atr_len && memcmp(a->atr, b->atr, a->atr_len) == 0;
}

/* What the states say, against what was known; takes them over. */
static bool take_over(struct readers *r, const SCARD_READERSTATE *states, size_t n)
{
	bool changed = !r->known || n != r->n;

	for (size_t i = 0; i < n; i++) {
		struct reader reader = reader_from(&states[i]);
		changed = changed || !reader_eq(&reader, &r->list[i]);
		r->list[i] = reader;
		r->events[i] = states[i].dwEventState & ~(DWORD)SCARD_STATE_CHANGED;
	}
	r->n = n;
	r->known = true;
	return changed;
}

static bool names_eq(const struct readers *r, const struct names *names)
{
	if (!r->known || names->n != r->n)
		return false;
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->list[i].name, names->at[i]) != 0)
			return false;
	return true;
}

static struct err *wait_once(struct readers *r, unsigned int timeout_ms, bool *ret_changed)
{
	SCARD_READERSTATE states[READERS_MAX + 1] = { 0 };
	struct names names;

	TRY(connect_service(r));
	TRY(list_names(r, &names));
	bool same = names_eq(r, &names);
	for (size_t i = 0; i < names.n; i++) {
		states[i].szReader = names.at[i];
		states[i].dwCurrentState = same ? r->events[i] : SCARD_STATE_UNAWARE;
	}
	states[names.n].szReader = PLUG_AND_PLAY;
	states[names.n].dwCurrentState = (DWORD)names.all << 16;
	if (!same)
		timeout_ms = 0;
	LONG rv = PCSC_CALL_FOR(timeout_ms / 1000,
		SCardGetStatusChange(r->context, timeout_ms, states, (DWORD)names.n + 1));
	*ret_changed = false;
	/* A reader that goes between the two calls is seen by the next one. */
	if (rv == SCARD_E_UNKNOWN_READER || rv == SCARD_E_READER_UNAVAILABLE)
		return NULL;
	/* pcscd does not count an exclusive hold as a change, but tells of it also when nothing changed. */
	if (rv != SCARD_E_TIMEOUT)
		TRY(pcsc_error(rv, "SCardGetStatusChange"));
	*ret_changed = take_over(r, states, names.n);
	return NULL;
}

struct err *readers_wait(struct readers *r, unsigned int timeout_ms, bool *ret_changed)
{
	struct err *e = wait_once(r, timeout_ms, ret_changed);

	if (e) {
		disconnect(r);
		r->known = false;
		r->n = 0;
	}
	return err_is(e, &ERR_PCSC_DENIED) ? e : err_as(&ERR_PCSC_GONE, e, "readers");
}

size_t readers_len(const struct readers *r)
{
	return r->n;
}

size_t readers_with_card(const struct readers *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n; i++)
		n += r->list[i].state != CARD__READER_STATE__EMPTY;
	return n;
}

const struct reader *readers_at(const struct readers *r, size_t i)
{
	return i < r->n ? &r->list[i] : NULL;
}

const struct reader *readers_find(const struct readers *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->list[i].name, name) == 0)
			return &r->list[i];
	return NULL;
}

/* "A", "B": the readers, or only those that hold a card; the caller frees. */
static char *name_them(const struct readers *r, bool with_card)
{
	AUTO(buf) struct buf *text = buf_new();

	for (size_t i = 0; i < r->n; i++) {
		const char *name = r->list[i].name;
		if (with_card && r->list[i].state == CARD__READER_STATE__EMPTY)
			continue;
		AUTO_MEM char *shown = text_safe(BYTES(name, strlen(name)));
		buf_addf(text, "%s\"%s\"", buf_len(text) ? ", " : "", shown);
	}
	return xstrdup(buf_str(text));
}

static struct err *find_named(
	const struct readers *r, const char *name, const struct reader **ret_reader)
{
	AUTO_MEM char *shown = text_safe(BYTES(name, strlen(name)));
	AUTO_MEM char *there = name_them(r, false);

	*ret_reader = readers_find(r, name);
	if (!*ret_reader)
		return err_new(&ERR_READER_UNKNOWN, "no reader \"%s\"; there is %s", shown, there);
	return NULL;
}

static struct err *find_only(const struct readers *r, const struct reader **ret_reader)
{
	size_t n = readers_with_card(r);

	if (n > 1) {
		AUTO_MEM char *with_card = name_them(r, true);
		return err_new(&ERR_CARD_MANY, "%zu readers hold a card: %s", n, with_card);
	}
	*ret_reader = &r->list[0];
	for (size_t i = 0; i < r->n; i++)
		if (r->list[i].state != CARD__READER_STATE__EMPTY)
			*ret_reader = &r->list[i];
	return NULL;
}

struct err *readers_choose(
	const struct readers *r, const char *name, const struct reader **ret_reader)
{
	const struct reader *reader = NULL;

	if (r->n == 0)
		return err_new(&ERR_READER_NONE, "no reader is plugged in");
	TRY(*name ? find_named(r, name, &reader) : find_only(r, &reader));
	AUTO_MEM char *shown = text_safe(BYTES(reader->name, strlen(reader->name)));
	switch (reader->state) {
	case CARD__READER_STATE__EMPTY:
		return err_new(
			&ERR_CARD_NONE, "no card in %s", r->n == 1 || *name ? shown : "any reader");
	case CARD__READER_STATE__MUTE:
		return err_new(&ERR_CARD_MUTE, "the card in %s does not answer", shown);
	case CARD__READER_STATE__IN_USE:
		return err_new(&ERR_READER_IN_USE, "another program holds the card in %s", shown);
	default:
		*ret_reader = reader;
		return NULL;
	}
}
