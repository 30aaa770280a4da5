/* policy.c: see policy.h. */
#include "daemon/core/policy.h"

#include <string.h>

#include "base/text.h"

const uint8_t *policy_slot(Common__Purpose purpose, const uint8_t *device, const uint8_t *holder)
{
	bool holders =
		purpose == COMMON__PURPOSE__ENCRYPTION || purpose == COMMON__PURPOSE__DECRYPTION;

	return holders ? holder : device;
}

struct err *policy_device(
	struct core *c, const uint8_t holder[static SHA256_LEN], const uint8_t *device)
{
	AUTO(device) struct device *d = NULL;
	uint64_t n = 0;

	if (device)
		TRY(store_device_get(c->store, device, &d));
	if (d && memcmp(d->holder, holder, SHA256_LEN) != 0)
		return err_new(&ERR_POLICY, "this device is enrolled for somebody else");
	if (d && d->state != DEVICE_ENROLLED)
		return err_new(&ERR_DEVICE_REVOKED,
			"this device was revoked and needs a new identity key");
	if (d)
		return NULL;
	TRY(store_device_count(c->store, holder, &n));
	if (n >= c->settings->devices_per_holder)
		return err_new(&ERR_POLICY,
			"the holder has %llu devices, and derivd.conf allows %u: revoke one first",
			(unsigned long long)n, c->settings->devices_per_holder);
	return NULL;
}

struct err *policy_purpose(struct core *c, Common__Purpose purpose, const uint8_t *device,
	const uint8_t *holder, bool replace)
{
	AUTO(credential) struct credential *live = NULL;
	AUTO(credential) struct credential *coming = NULL;
	const uint8_t *slot = policy_slot(purpose, device, holder);

	if (id_is_none(slot, SHA256_LEN))
		return NULL;
	TRY(store_credential_slot(c->store, slot, purpose, &live, &coming));
	if (coming) {
		AUTO_MEM char *request = text_hex(BYTES(coming->request, ID_LEN));
		return err_new(&ERR_LIVE_EXISTS,
			"%s: request %s is still on its way (%s); cancel it, or let it arrive",
			purpose_name(purpose), request, credential_state_name(coming->state));
	}
	if (live && !replace)
		return err_new(&ERR_LIVE_EXISTS, "%s: serial number %s is in use",
			purpose_name(purpose), live->serial ? live->serial : "?");
	return NULL;
}
