/* build_part.h: what the files that write certificates share; nobody else includes it. */
#ifndef DERIVD_DAEMON_CA_BUILD_PART_H
#define DERIVD_DAEMON_CA_BUILD_PART_H

#include "daemon/ca/build.h"

/* Each appends to out. */
void build_key_usage(struct buf *out, uint16_t bits);
void build_crl_point(struct buf *out, const char *url);
void build_access(struct buf *out, struct bytes method, const char *url);
/* A non-critical extension whose value is a SEQUENCE with that content; nothing when the content is empty. */
void build_sequence_extension(struct buf *out, struct bytes oid, const struct buf *content);
void build_put_subject_key_id(struct buf *out, const uint8_t id[static KEY_IDENTIFIER_LEN]);
/* Version, serial number, algorithm, issuer, validity. */
void build_put_head(struct buf *out, struct bytes serial, struct bytes algorithm,
	struct bytes issuer, int64_t from, int64_t to);

#endif
