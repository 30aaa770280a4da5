/* talk_part.h: what the files of talk.h share: the connection's state, and one function for each message. */
#ifndef DERIVD_DEVICE_TALK_PART_H
#define DERIVD_DEVICE_TALK_PART_H

#include "client/device/talk.h"
#include "client/device/wire.h"

struct talk {
	const struct home *home;
	struct state *state;
	const struct talk_options *options;
	EVP_PKEY *identity;
	struct buf *spki;
	struct wire *wire;
	struct buf *delivery_public;
	uint32_t serial;
	uint32_t statement_serial; /* of the last one sent */
	unsigned int unsettled;    /* acknowledgements without an answer */
	bool welcomed;
	bool told;         /* what ended the connection was an Error of the other side's */
	bool was_enrolled; /* when this connection began */
	bool pulling;
	bool drained; /* when last asked, nothing more waited */
	bool done;
	int64_t hello_until_ms;
	int64_t pulled_ms;
	int64_t pong_until_ms; /* 0: no Ping is out */
};

/* Sends a message with a serial of its own. */
MUST_CHECK struct err *talk_send(
	struct talk *t, enum msg_number number, const ProtobufCMessage *body);
/* The enrollment is not known to be accepted. */
bool talk_is_pending(const struct talk *t);

/* talk_enroll.c */
MUST_CHECK struct err *talk_begin(struct talk *t);
MUST_CHECK struct err *talk_state_again(struct talk *t);
/* The kiosk says that the enrollment is accepted. */
MUST_CHECK struct err *talk_enrolled(struct talk *t);
/* An offer that this device does not take, or a statement that was refused: for an enrolled device no reason to hang up. */
MUST_CHECK struct err *talk_decline(struct talk *t, struct err *take_e);
MUST_CHECK struct err *talk_on_offer(struct talk *t, const struct wire_message *in);
MUST_CHECK struct err *talk_on_reveal(struct talk *t, const struct wire_message *in);
MUST_CHECK struct err *talk_on_progress(struct talk *t, const struct wire_message *in);

/* talk_items.c */
MUST_CHECK struct err *talk_pull(struct talk *t);
MUST_CHECK struct err *talk_on_hint(struct talk *t, const struct wire_message *in);
MUST_CHECK struct err *talk_on_items(struct talk *t, const struct wire_message *in);
MUST_CHECK struct err *talk_on_settled(struct talk *t, const struct wire_message *in);
/* Everything was removed here, and the server knows it: ERR_REMOVED. */
MUST_CHECK struct err *talk_removed(void);

#endif
