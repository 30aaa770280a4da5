/*
 * frame.h: how a message becomes bytes (PROTOCOL.frame). Inside the machine a frame is one SOCK_SEQPACKET
 * datagram: an 8-byte header, then the body, or, over FRAME_INLINE_MAX, the body's length and a write-sealed
 * memfd. Between device and gateway the same header and body follow a 4-byte length.
 */
#ifndef DERIVD_PROTO_FRAME_H
#define DERIVD_PROTO_FRAME_H

#include "base/def.h"
#include "base/err.h"

struct buf;

#define FRAME_HEADER_LEN 8
#define FRAME_INLINE_MAX 32768
/* No datagram is longer. */
#define FRAME_DATAGRAM_MAX (FRAME_HEADER_LEN + FRAME_INLINE_MAX)
/* The largest body of all rows of the message table. */
#define FRAME_BODY_MAX 8454144
#define FRAME_FLAG_MEMFD 0x0001

struct frame {
	uint16_t number;
	uint32_t serial; /* a reply carries its request's; 0: unsolicited */
	struct buf *body;
};

/* Wipes the body. */
void frame_free(struct frame *f);
DEFINE_AUTO(frame, struct frame *, frame_free);

/*
 * Sends one datagram. Blocks on a blocking socket; on a non-blocking one *ret_sent is false when the socket
 * is full, and nothing was sent. ERR_GONE when the peer hung up, ERR_SYSTEM, ERR_LIMIT.
 */
MUST_CHECK struct err *frame_send(int fd, uint16_t number, uint32_t serial, struct bytes body, bool *ret_sent);
/*
 * Receives one datagram. *ret_frame stays as it is when a non-blocking socket has none. ERR_GONE at the end of the
 * connection; ERR_PROTOCOL for a truncated or malformed datagram, a memfd that is not sealed, of another length
 * than it says, too short for one or larger than the message's row allows, and for any other number of descriptors
 * than the header announces. The body is wiped by frame_free, everything else before this returns.
 */
MUST_CHECK struct err *frame_recv(int fd, struct frame **ret_frame);

/* Streams. Appends length, header and body. */
void frame_pack_stream(struct buf *out, uint16_t number, uint32_t serial, struct bytes body);
/*
 * Takes a frame off the front of bytes: *ret_used is 0 when more bytes are needed. ERR_PROTOCOL when the length
 * is below FRAME_HEADER_LEN or the body over max.
 */
MUST_CHECK struct err *frame_unpack_stream(struct bytes bytes, size_t max, size_t *ret_used,
	struct frame **ret_frame);

#endif
