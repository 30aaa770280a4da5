/* hold.c: the PC/SC side of a session. */
#include "pkcs11/hold.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "pkcs11/pcsc.h"
#include "proto/kind.h"

#define PROTOCOLS (SCARD_PROTOCOL_T0 | SCARD_PROTOCOL_T1)

/* CLA INS P1 P2; and the longest command here with room for one byte more. */
#define HEADER_LEN 4
#define COMMAND_MAX 32

/* A short response APDU: 256 bytes and the status word. */
#define RESPONSE_MAX 258

/* No chain of responses is longer. */
#define RESPONSE_CHAIN_MAX 8

struct hold {
	struct readers *readers;
	char reader[READER_NAME_MAX];
	unsigned int moves;
};

struct card_link {
	SCARDCONTEXT context;
	SCARDHANDLE handle;
	DWORD protocol;
};

static struct err *link_open(const char *reader, struct card_link *link)
{
	*link = (struct card_link){ 0 };
	LONG rv = PCSC_CALL(SCardEstablishContext(SCARD_SCOPE_SYSTEM, NULL, NULL, &link->context));
	TRY(pcsc_error(rv, "SCardEstablishContext"));
	rv = PCSC_CALL(SCardConnect(link->context, reader, SCARD_SHARE_EXCLUSIVE, PROTOCOLS,
		&link->handle, &link->protocol));
	if (rv != SCARD_S_SUCCESS)
		PCSC_CALL(SCardReleaseContext(link->context));
	if (rv == SCARD_E_SHARING_VIOLATION)
		return err_new(&ERR_READER_IN_USE, "another program uses the card in %s", reader);
	return err_wrap(pcsc_error(rv, "SCardConnect"), "%s", reader);
}

static struct err *link_close(struct card_link *link, DWORD disposition)
{
	LONG rv = PCSC_CALL(SCardDisconnect(link->handle, disposition));

	PCSC_CALL(SCardReleaseContext(link->context));
	return pcsc_error(rv, "SCardDisconnect");
}

/*
 * T=0 has no commands of four bytes, and none with data and Le (ISO 7816-3 section 12.2): the answer is fetched. Ours
 * are short.
 */
static size_t to_t0(struct bytes command, uint8_t ret_tpdu[static COMMAND_MAX])
{
	size_t len = command.len;

	memcpy(ret_tpdu, command.data, len);
	if (len == HEADER_LEN)
		ret_tpdu[len++] = 0;
	if (len > HEADER_LEN + 1 && len == HEADER_LEN + 1 + (size_t)command.data[HEADER_LEN] + 1)
		len--;
	return len;
}

static struct err *transmit(
	const struct card_link *link, struct bytes command, uint8_t *response, size_t *ret_len)
{
	bool t0 = link->protocol == SCARD_PROTOCOL_T0;
	uint8_t tpdu[COMMAND_MAX];
	DWORD len = RESPONSE_MAX;

	if (t0)
		command = BYTES(tpdu, to_t0(command, tpdu));
	LONG rv = PCSC_CALL(SCardTransmit(link->handle, t0 ? SCARD_PCI_T0 : SCARD_PCI_T1,
		command.data, (DWORD)command.len, NULL, response, &len));
	TRY(pcsc_error(rv, "SCardTransmit"));
	if (len < 2 || len > RESPONSE_MAX)
		return err_new(&ERR_CARD_FAILED, "the card answers without a status word");
	*ret_len = len;
	return NULL;
}

/* Sends a command and fetches the whole answer. The status word is not part of *ret_data. */
static struct err *ask(const struct card_link *link, struct bytes command, struct buf *ret_data,
	unsigned int *ret_sw)
{
	uint8_t get_response[] = { 0x00, 0xC0, 0x00, 0x00, 0x00 };
	uint8_t response[RESPONSE_MAX];

	for (unsigned int i = 0; i < RESPONSE_CHAIN_MAX; i++) {
		size_t len = 0;
		TRY(transmit(link, command, response, &len));
		buf_add(ret_data, response, len - 2);
		*ret_sw = (unsigned int)response[len - 2] << 8 | response[len - 1];
		if (*ret_sw >> 8 != 0x61)
			return NULL;
		get_response[4] = (uint8_t)*ret_sw;
		command = BYTES(get_response, sizeof(get_response));
	}
	return err_new(&ERR_CARD_FAILED, "the card's answer does not end");
}

/*
 * Which PIN the application prefers (SP 800-73-4 part 1, section 3.3.2): the global PIN only if the discovery object
 * says that it is satisfied by it and that it comes first.
 */
static struct err *pin_reference(const struct card_link *link, uint8_t *ret_reference)
{
	static const uint8_t discovery[] = { 0x00, 0xCB, 0x3F, 0xFF, 0x03, 0x5C, 0x01, 0x7E, 0x00 };
	static const uint8_t usage_tag[] = { 0x5F, 0x2F, 0x02 };
	AUTO(buf) struct buf *data = buf_new();
	unsigned int sw = 0;

	*ret_reference = 0x80;
	TRY(ask(link, BYTES(discovery, sizeof(discovery)), data, &sw));
	if (sw != 0x9000 || buf_len(data) < sizeof(usage_tag) + 2)
		return NULL;
	const uint8_t *usage =
		memmem(buf_data(data), buf_len(data) - 2, usage_tag, sizeof(usage_tag));
	if (usage && (usage[3] & 0x20) && usage[4] == 0x20)
		*ret_reference = 0x00;
	return NULL;
}

static struct err *look_at_pin(
	const struct card_link *link, struct hold_look *look, bool *ret_verified)
{
	uint8_t verify[] = { 0x00, 0x20, 0x00, 0x80 };
	AUTO(buf) struct buf *data = buf_new();
	unsigned int sw = 0;

	TRY(pin_reference(link, &verify[3]));
	TRY(ask(link, BYTES(verify, sizeof(verify)), data, &sw));
	*ret_verified = sw == 0x9000;
	look->knows_tries = (sw & 0xFFF0) == 0x63C0 || sw == 0x6983;
	look->tries_left = sw == 0x6983 ? 0 : sw & 0x0F;
	return NULL;
}

static struct err *look_at_card(
	const struct card_link *link, struct hold_look *look, bool *ret_verified)
{
	static const uint8_t select[] = { 0x00, 0xA4, 0x04, 0x00, 0x09, 0xA0, 0x00, 0x00, 0x03,
		0x08, 0x00, 0x00, 0x10, 0x00, 0x00 };
	AUTO(buf) struct buf *data = buf_new();
	unsigned int sw = 0;

	TRY(ask(link, BYTES(select, sizeof(select)), data, &sw));
	look->piv = sw == 0x9000;
	return look->piv ? look_at_pin(link, look, ret_verified) : NULL;
}

static struct err *look_once(const char *reader, struct hold_look *look, bool *ret_verified)
{
	struct card_link link;

	*look = (struct hold_look){ 0 };
	*ret_verified = false;
	TRY(link_open(reader, &link));
	struct err *e = look_at_card(&link, look, ret_verified);
	struct err *closed = link_close(&link, *ret_verified ? SCARD_RESET_CARD : SCARD_LEAVE_CARD);
	if (!e)
		return closed;
	err_free(closed);
	return e;
}

struct err *hold_new(
	const struct reader *reader, struct hold_look *ret_look, struct hold **ret_hold)
{
	AUTO(hold) struct hold *h = xcalloc(1, sizeof(*h));
	struct hold_look look;
	bool verified = false;

	memcpy(h->reader, reader->name, sizeof(h->reader));
	h->moves = reader->moves;
	h->readers = readers_new();
	TRY(look_once(h->reader, &look, &verified));
	/* The counter was hidden behind a PIN that somebody had left verified. */
	if (verified)
		TRY(look_once(h->reader, &look, &verified));
	*ret_look = look;
	*ret_hold = take(h);
	return NULL;
}

void hold_free(struct hold *h)
{
	if (!h)
		return;
	readers_free(h->readers);
	free(h);
}

const char *hold_reader(const struct hold *h)
{
	return h->reader;
}

static struct err *check_reader(struct hold *h)
{
	const struct reader *reader = readers_find(h->readers, h->reader);

	if (!reader || reader->state == CARD__READER_STATE__EMPTY)
		return err_new(&ERR_CARD_REMOVED, "the card was taken out of %s", h->reader);
	if (reader->moves != h->moves)
		return err_new(&ERR_CARD_CHANGED, "the card was taken out of %s and one was put in",
			h->reader);
	return NULL;
}

struct err *hold_check(struct hold *h, unsigned int wait_ms)
{
	int64_t end = clock_boot_ms() + wait_ms;
	int64_t left = 0;

	do {
		bool changed;
		TRY(readers_wait(h->readers, (unsigned int)left, &changed));
		TRY(check_reader(h));
		left = end - clock_boot_ms();
	} while (left > 0);
	return NULL;
}

struct err *hold_is_exclusive(struct hold *h, bool *ret_exclusive)
{
	bool changed;

	TRY(readers_wait(h->readers, 0, &changed));
	const struct reader *reader = readers_find(h->readers, h->reader);
	*ret_exclusive = reader && reader->state == CARD__READER_STATE__IN_USE;
	return NULL;
}

static struct err *reset_reader(const char *reader)
{
	struct card_link link;
	struct err *e = link_open(reader, &link);

	if (!e)
		e = link_close(&link, SCARD_RESET_CARD);
	if (!err_is(e, &ERR_CARD_NONE) && !err_is(e, &ERR_CARD_REMOVED) &&
		!err_is(e, &ERR_READER_UNKNOWN))
		return e;
	err_free(e);
	return NULL;
}

struct err *hold_reset(struct hold *h)
{
	return err_wrap(reset_reader(h->reader), "the card could not be reset");
}

struct err *hold_reset_all(void)
{
	AUTO(readers) struct readers *r = readers_new();
	AUTO(err) struct err *first = NULL;
	bool changed;

	TRY(readers_wait(r, 0, &changed));
	for (size_t i = 0; i < readers_len(r); i++) {
		const struct reader *reader = readers_at(r, i);
		if (reader->state == CARD__READER_STATE__EMPTY)
			continue;
		AUTO(err) struct err *e = reset_reader(reader->name);
		if (e && !first && !err_is(e, &ERR_READER_IN_USE))
			first = take(e);
	}
	return take(first);
}
