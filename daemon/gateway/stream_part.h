/* stream_part.h: what the files of stream.h share. stream.c has the states, stream_io.c moves the bytes. */
#ifndef DERIVD_GATEWAY_STREAM_PART_H
#define DERIVD_GATEWAY_STREAM_PART_H

#include "base/buf.h"
#include "daemon/gateway/stream.h"

enum stream_state {
	STREAM_HANDSHAKE,
	STREAM_OPEN,
	STREAM_FLUSHING, /* hung up on: what waits is sent */
	STREAM_DRAINING, /* sent: the device's last bytes are thrown away, lest the kernel's reset overtakes ours */
};

struct stream {
	struct stream_env *env;
	void *userdata;
	SSL *ssl;
	struct poller_entry poll;
	struct due_entry in_due;
	struct due_entry out_due;
	struct buf *in; /* of a message that has begun: length, header, body */
	size_t in_need; /* bytes of it that are needed before the next look */
	struct buf *out;
	size_t out_sent;
	uint64_t raw_read; /* bytes from the socket that have been charged */
	int64_t charged_ms;
	int32_t bytes_left;
	int32_t frames_left; /* thousandths */
	int fd;
	uint8_t state;
	uint8_t expect;
	bool paused : 1;
	bool want_write : 1;
	bool in_io : 1;
	bool overflow : 1;
	bool known : 1;
};

/* Records that one device may have handled before others get their turn. */
#define STREAM_TURN 8

#define STREAM_TOO_LITTLE "the device takes too little of what waits for it"

/* A TLS record holds at most 16 KiB. Used by one stream at a time. */
extern uint8_t stream_scratch[SSL3_RT_MAX_PLAIN_LENGTH];

/* Bytes that wait for the device. */
size_t stream_waiting(const struct stream *s);
void stream_drop_in(struct stream *s);
void stream_drop_out(struct stream *s);
/* Reads and hands over what is there, within the limits. */
void stream_read(struct stream *s);
/* Sends what the socket takes. */
void stream_flush(struct stream *s);

/* Says what the socket is to be watched for, by the state. */
void stream_set_interest(struct stream *s);
/* The wait that fits to the state of the input. It runs on: bytes that are no message do not prolong it. */
void stream_set_in_due(struct stream *s);
/* Nothing more can be sent or received. */
void stream_broke_off(struct stream *s, const char *reason, enum stream_end end);

#endif
