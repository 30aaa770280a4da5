/* ack.h: the acknowledgement of an item as its bytes say it (PROTOCOL.intent section 9). Hostile until its signature was checked. */
#ifndef DERIVD_CORE_ACK_H
#define DERIVD_CORE_ACK_H

#include "daemon/core/store.h"

#define ACK_DETAIL_MAX 256

struct ack {
	uint8_t device[SHA256_LEN];
	uint8_t item[ID_LEN];
	uint64_t number;
	uint8_t digest[SHA256_LEN]; /* of the item's bytes */
	uint8_t status;             /* 0: applied; else refused for good */
	char detail[ACK_DETAIL_MAX];
};

/* ERR_FORMAT. */
MUST_CHECK struct err *ack_parse(struct bytes b, struct ack *ret_ack);

#endif
