/*
 * record.h: what derivd-device-install has put where, so that it takes back what is its own and nothing else: a JSON file
 * beside the device's directory, from "DEVICE TARGET" to the hashes of certificates, in hexadecimal.
 */
#ifndef DERIVD_INSTALL_RECORD_H
#define DERIVD_INSTALL_RECORD_H

#include "client/agent/trouble.h"

struct record;

/* state: the device's directory; the file is "STATE.installed.json". No file is an empty record. */
MUST_CHECK struct trouble *record_load(
	const char *state, const char *device, const char *target, struct record **ret_record);
void record_free(struct record *r);
DEFINE_AUTO(record, struct record *, record_free);

/* A hash that is there already stays once. */
void record_add(struct record *r, const char *hash);
void record_drop(struct record *r, const char *hash);
/* The i-th one; NULL behind the last. Lent until the record is changed. */
const char *record_at(const struct record *r, size_t i);
/* To the disk. */
MUST_CHECK struct trouble *record_save(const struct record *r);

#endif
