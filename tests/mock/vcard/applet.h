/* Inside the card: what its command files share. Nobody else includes this. */
#ifndef VCARD_APPLET_H
#define VCARD_APPLET_H

#include "tests/mock/vcard/card.h"

/* Status words (ISO 7816-4, SP 800-73-4 Part 2 table 6). */
enum {
	SW_OK = 0x9000,
	SW_MORE = 0x6100,
	SW_VERIFICATION_FAILED = 0x6300,
	SW_TRIES_LEFT = 0x63C0,
	SW_WRONG_LENGTH = 0x6700,
	SW_NO_CHANNELS = 0x6881,
	SW_NO_SECURE_MESSAGING = 0x6882,
	SW_NO_CHAINING = 0x6884,
	SW_SECURITY_STATUS = 0x6982,
	SW_BLOCKED = 0x6983,
	SW_CONDITIONS = 0x6985,
	SW_BAD_DATA = 0x6A80,
	SW_NOT_FOUND = 0x6A82,
	SW_BAD_P1P2 = 0x6A86,
	SW_BAD_REFERENCE = 0x6A88,
	SW_BAD_INS = 0x6D00,
	SW_BAD_CLA = 0x6E00,
	SW_UNKNOWN = 0x6F00,
};

enum { CLA_CHAIN = 0x10 };

/* A command, taken apart. Le: 0 when absent. */
struct apdu {
	uint8_t cla, ins, p1, p2;
	struct span data;
	size_t le;
	bool has_le;
};

struct pin {
	uint8_t value[PIN_BYTES];
	unsigned tries;
	unsigned limit;
};

struct card {
	struct store *store;
	struct pin pin;
	struct pin global; /* limit 0: there is none */
	struct pin puk;
	unsigned verifies;
	/* From here on: gone with the power. */
	bool selected;
	bool verified; /* the PIN's security status */
	bool fresh; /* nothing happened since the PIN was verified: what a key of PIN_ALWAYS needs
		     */
	struct blob chain;
	struct apdu chain_head;
	struct blob rest; /* of an answer, for GET RESPONSE */
};

/* False if the bytes are not an APDU of ISO 7816-3 section 12.1. */
bool apdu_parse(struct span bytes, struct apdu *ret);

/* The commands: data of the answer into *out, the status word as result. */
uint16_t pin_verify(struct card *c, const struct apdu *a, struct blob *out);
uint16_t pin_change(struct card *c, const struct apdu *a, struct blob *out);
uint16_t pin_reset_counter(struct card *c, const struct apdu *a, struct blob *out);
uint16_t auth_general(struct card *c, const struct apdu *a, struct blob *out);

#endif
