/*
 * wire.h: the connection to the gateway (PROTOCOL.device sections 1 to 3): TLS 1.3 to a pinned key with our own, and messages
 * that have passed the table and the limits. Blocking, with a time limit on everything. Pings are answered here.
 */
#ifndef DERIVD_DEVICE_WIRE_H
#define DERIVD_DEVICE_WIRE_H

#include "client/device/state.h"
#include "proto/msg.h"

struct wire;

struct wire_message {
	const struct msg *msg;
	uint32_t serial;
	ProtobufCMessage *body; /* the receiver's: msg_free */
};

/*
 * Connects to the state's host and port. identity and certificate (DER) are ours. stop_fd is lent: when it can be read,
 * whatever waits ends with ERR_STOPPED. It is given up at boot time until_ms, or earlier. ERR_HOST_UNREACHABLE, ERR_GATEWAY_KEY (nobody with a pinned key answered), ERR_TLS.
 */
MUST_CHECK struct err *wire_connect(const struct state *s, EVP_PKEY *identity,
	struct bytes certificate, int stop_fd, int64_t until_ms, struct wire **ret_wire);
void wire_free(struct wire *w);
DEFINE_AUTO(wire, struct wire *, wire_free);
/* What may come from the server now. */
void wire_set_phase(struct wire *w, enum msg_phase phase);
MUST_CHECK struct err *wire_send(
	struct wire *w, enum msg_number number, uint32_t serial, const ProtobufCMessage *body);
/*
 * Waits for the next message, at most until boot time until_ms; ret_message->msg is NULL when none came. Messages that this
 * program does not know are passed over. ERR_GONE, ERR_PROTOCOL.
 */
MUST_CHECK struct err *wire_recv(
	struct wire *w, int64_t until_ms, struct wire_message *ret_message);
/* Boot time at which bytes last came. */
int64_t wire_heard_ms(const struct wire *w);

#endif
