/*
 * secret.h: bytes that must not be written anywhere: PINs, private keys, seeds. Locked in memory, left out
 * of core dumps, absent from children of fork, wiped by capacity and not by length. No formatter takes one.
 */
#ifndef DERIVD_BASE_SECRET_H
#define DERIVD_BASE_SECRET_H

#include "base/def.h"
#include "base/err.h"

struct secret;

/* An empty secret with room for capacity bytes. Aborts when memory cannot be had or locked. */
struct secret *secret_new(size_t capacity);
/* Copies data in; the caller still has to wipe its own copy. */
struct secret *secret_dup(struct bytes data);
/* Wipes the whole capacity and frees. */
void secret_free(struct secret *s);
DEFINE_AUTO(secret, struct secret *, secret_free);

/* Appends; ERR_LIMIT when it does not fit, and then nothing is appended. */
MUST_CHECK struct err *secret_add(struct secret *s, struct bytes data);
/* The room to fill, lent; call secret_set_len with what was filled. */
uint8_t *secret_room(struct secret *s);
size_t secret_capacity(const struct secret *s);
void secret_set_len(struct secret *s, size_t len);
/* Wipes all and sets the length to 0. */
void secret_clear(struct secret *s);
struct bytes secret_bytes(const struct secret *s);

/* Wipes memory of others in a way that the compiler keeps. */
void wipe(void *p, size_t len);

#endif
