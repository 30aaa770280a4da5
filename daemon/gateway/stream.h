/*
 * stream.h: one device's TLS connection as a stream of frames, on the loop. Here are the limits that need no knowledge
 * of messages: time for handshake, messages and output, bytes and messages in a second, bytes that wait.
 */
#ifndef DERIVD_GATEWAY_STREAM_H
#define DERIVD_GATEWAY_STREAM_H

#include <openssl/ssl.h>

#include "base/def.h"
#include "daemon/gateway/due.h"
#include "daemon/gateway/poller.h"
#include "proto/sig.h"

/* Bytes that wait for one device: two of the largest messages. From STREAM_OUT_FULL on the device is not read. */
#define STREAM_OUT_MAX (2 * 1024 * 1024 + 65536)
#define STREAM_OUT_FULL (256 * 1024)
/* Bytes that wait for all devices, or are parts of messages of all devices. */
#define STREAM_ALL_MAX (128 * 1024 * 1024)
/* Of it, what all together may take that derivd does not know: they cannot take it from those that it knows. */
#define STREAM_STRANGERS_MAX (32 * 1024 * 1024)
/* The largest body of a message from a device, known or not. */
#define STREAM_IN_MAX 65536

/* What a device may send: on average, and at once. Above it, it is read later. */
#define STREAM_BYTES_PER_S (64 * 1024)
#define STREAM_BYTES_BURST (512 * 1024)
#define STREAM_FRAMES_PER_S 20
#define STREAM_FRAMES_BURST 100

struct stream;

enum stream_end {
	STREAM_ENDED,  /* hung up, lost, or not wanted any more */
	STREAM_BROKEN, /* the device broke a rule */
	STREAM_LATE,   /* what was to come from the device did not come in time */
	STREAM_SLOW,   /* the device takes too little of what waits for it */
};

struct stream_ops {
	/* The handshake is done; identity: SHA-256 of the device's SubjectPublicKeyInfo. */
	void (*open)(struct stream *s, const uint8_t *identity, void *userdata);
	/* May the device be read now? If not, the stream pauses until stream_resume. */
	bool (*may_read)(struct stream *s, void *userdata);
	/* A message has begun: an error is the device's and ends the connection. */
	struct err *(*header)(struct stream *s, uint16_t number, size_t body_len, void *userdata);
	/* A whole message; body is lent. */
	void (*frame)(struct stream *s, uint16_t number, uint32_t serial, struct bytes body,
		void *userdata);
	/* The wait of stream_expect is over without a message. */
	void (*waited)(struct stream *s, enum due_kind kind, void *userdata);
	/*
	 * Called once. The connection has ended or is about to; reason is a short text. After it no other call but the
	 * last one, gone, in which the stream is freed.
	 */
	void (*closing)(struct stream *s, const char *reason, enum stream_end end, void *userdata);
	void (*gone)(struct stream *s, void *userdata);
};

/* What all streams share; outlives them. */
struct stream_env {
	struct poller *poller;
	struct due *due;
	const struct stream_ops *ops;
	size_t all_bytes;       /* held now, of STREAM_ALL_MAX */
	size_t strangers_bytes; /* of them, of STREAM_STRANGERS_MAX */
	size_t handshakes;      /* unfinished now */
};

/* Starts the handshake on a non-blocking socket. NULL when memory is short; the socket is closed then too. */
struct stream *stream_new(struct stream_env *env, SSL_CTX *ctx, int take_fd, void *userdata);
/* At once, without a last word and without any call. */
void stream_free(struct stream *s);
void *stream_get_userdata(const struct stream *s);
/* The stream that a due entry of these kinds belongs to: from the expiry of due_ops. */
void stream_expired(struct due_entry *entry, enum due_kind kind);
/* The stream of an entry that due_peek gave; kind: DUE_HANDSHAKE. */
struct stream *stream_of_entry(struct due_entry *entry);

/* Queues a message. A device that lets too much wait is hung up on, from the loop. */
void stream_send(struct stream *s, uint16_t number, uint32_t serial, struct bytes body);
/* derivd knows the device: it is no stranger any more. */
void stream_know(struct stream *s);
/* While no part of a message is there, wait for the next one that long: DUE_HELLO, DUE_PING or DUE_PONG. */
void stream_expect(struct stream *s, enum due_kind kind);
/* Reads again after may_read said no. */
void stream_resume(struct stream *s);
/* Sends what waits, then ends the connection. ops->closing is called now. */
void stream_close(struct stream *s, const char *reason, enum stream_end end);

#endif
