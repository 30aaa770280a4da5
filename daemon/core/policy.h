/* policy.h: the rules on the holder's state and devices. Rules on certificates and cards are derivd-ca's. */
#ifndef DERIVD_CORE_POLICY_H
#define DERIVD_CORE_POLICY_H

#include "daemon/core/core.h"

/* Whose one live credential a purpose is: the device's; of encryption and decryption the holder's (ENROLLMENT). Lent. */
const uint8_t *policy_slot(Common__Purpose purpose, const uint8_t *device, const uint8_t *holder);

/* One more device for this holder? device: the one that enrolls, which may be enrolled already. ERR_POLICY. */
MUST_CHECK struct err *policy_device(
	struct core *c, const uint8_t holder[static SHA256_LEN], const uint8_t *device);
/*
 * May a credential of this purpose be issued? A live one needs replace, or a new device (an encryption key moves to the newest);
 * one on its way must arrive or end first. ERR_LIVE_EXISTS.
 */
MUST_CHECK struct err *policy_purpose(struct core *c, Common__Purpose purpose,
	const uint8_t *device, const uint8_t *holder, bool replace);

#endif
