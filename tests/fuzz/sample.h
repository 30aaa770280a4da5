/*
 * sample.h: random messages that keep limit.def, made from their descriptors, and random damage to bytes. The same seed
 * gives the same bytes everywhere.
 */
#ifndef DERIVD_TESTS_FUZZ_SAMPLE_H
#define DERIVD_TESTS_FUZZ_SAMPLE_H

#include <protobuf-c/protobuf-c.h>

#include "base/buf.h"

/* xorshift64*: *state is not 0. A number below n, which is not 0. */
uint32_t sample_below(uint64_t *state, uint32_t n);
/* The encoding of a message of that type with random content; the caller frees. */
struct buf *sample_message(const ProtobufCMessageDescriptor *type, uint64_t *state);
/* Bytes with one to four random changes: bits, bytes, pieces cut out, doubled or put in. The caller frees. */
struct buf *sample_damage(struct bytes b, uint64_t *state);

#endif
