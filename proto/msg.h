/* msg.h: the message table (messages.def) and the checks on every message that comes in. */
#ifndef DERIVD_PROTO_MSG_H
#define DERIVD_PROTO_MSG_H

#include <protobuf-c/protobuf-c.h>

#include "base/def.h"
#include "base/err.h"

struct buf;

enum msg_link { LINK_ANY, LINK_CARD, LINK_CONTROL, LINK_CA, LINK_OFFICER, LINK_COURIER, LINK_NOTICE, LINK_GATEWAY, LINK_DEVICE };
enum msg_side { SIDE_CLIENT = 1, SIDE_SERVER = 2, SIDE_BOTH = 3 };
enum msg_phase { PH_HELLO = 1, PH_READY = 2, PH_OPEN = 4, PH_ANY = 7 };

enum msg_number {
#define MSG(number, name, link, sender, phases, max, package, type) MSG_##name = number,
#include "proto/messages.def"
#undef MSG
};

struct msg {
	uint16_t number;
	const char *name;
	enum msg_link link;
	enum msg_side sender;
	unsigned int phases;
	uint32_t max; /* bytes of body */
	const ProtobufCMessageDescriptor *type;
};

/* The row of a number, or NULL. msg_table: all rows, for tests and for listings. */
const struct msg *msg_find(uint16_t number);
const struct msg *msg_table(size_t *ret_n);

/*
 * May this message come in here and now? number and len as received; link: this socket; sender: the side that
 * sent it; phase: one bit. ERR_PROTOCOL says which rule it broke.
 */
MUST_CHECK struct err *msg_admit(uint16_t number, size_t len, enum msg_link link, enum msg_side sender,
	enum msg_phase phase, const struct msg **ret_msg);

/*
 * Parses a body and checks every field against limit.def: lengths, counts, UTF-8, known enum values. Counts and
 * lengths are checked before anything is allocated (scan.h). ERR_PROTOCOL names the field. *ret_body is freed with
 * msg_free.
 */
MUST_CHECK struct err *msg_parse(const struct msg *msg, struct bytes body, ProtobufCMessage **ret_body);
/* Checks a message against limit.def without parsing: for what we are about to send. ERR_PROTOCOL. */
MUST_CHECK struct err *msg_check(const ProtobufCMessage *body);
/* Checks and encodes. ERR_LIMIT when it is larger than the row's maximum; ERR_PROTOCOL as msg_check. */
MUST_CHECK struct err *msg_pack(const struct msg *msg, const ProtobufCMessage *body, struct buf **ret_bytes);
/* A message that is not in the table (a nested one, a file): parse with limits; pack without a check. */
MUST_CHECK struct err *msg_parse_type(const ProtobufCMessageDescriptor *type, struct bytes body,
	ProtobufCMessage **ret_body);
struct buf *msg_pack_type(const ProtobufCMessage *body);
/* Frees a message that this module made, wiping all its memory; NULL is fine. */
void msg_free(void *body);
#define AUTO_MSG __attribute__((cleanup(msg_cleanup)))
void msg_cleanup(void *pointer_to_pointer);

/* Views of protobuf-c byte fields. */
static inline UNUSED struct bytes pb_bytes(ProtobufCBinaryData d)
{
	return BYTES(d.data, d.len);
}
/* For filling a message: lends, casting const away as protobuf-c's packer never writes. */
ProtobufCBinaryData pb_lend(struct bytes b);
/* Copies of whole messages (through their encoding); the caller frees with msg_free. */
void *msg_dup(const ProtobufCMessage *body);

#endif
