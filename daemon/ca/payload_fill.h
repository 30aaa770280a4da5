/* payload_fill.h: payloads of items that derivd-ca makes itself. */
#ifndef DERIVD_DAEMON_CA_PAYLOAD_FILL_H
#define DERIVD_DAEMON_CA_PAYLOAD_FILL_H

#include "daemon/ca/state.h"

/* The issuers of the device's certificates with their roots, the newest first; the issuer of now when it has none. */
MUST_CHECK struct err *payload_fill_chain(
	struct state *s, const uint8_t device_id[static SHA256_LEN], struct buf **ret_payload);
/* A pin set is good for as long at most. */
#define PINSET_MOST_MS (INT64_C(400) * 86400 * 1000)
/* The pin set of a deployment, each pin once. */
struct buf *payload_pinset(const struct deployment *d, int64_t until_ms);
/* The pins that deployment.conf has; the state must be fresh. */
void payload_fill_pins(const struct state *s, int64_t now_ms, struct buf **ret_payload);
/* The configurations of all apps of ca.conf, filled with the facts of the device's receipt. ERR_POLICY names a fact that is
 * missing. */
MUST_CHECK struct err *payload_fill_apps(
	struct state *s, const struct entry_receipt *device, struct buf **ret_payload);

#endif
