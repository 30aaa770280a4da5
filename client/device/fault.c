/* fault.c: kinds with their remedies. The person stands at the kiosk with the phone in the hand: the text says what to do
 * there. */
#include "client/device/fault.h"

#include "proto/kind.h"

const struct err_kind ERR_HOST_UNREACHABLE = { "host-unreachable", FATE_RETRY };
const struct err_kind ERR_GATEWAY_KEY = { "wrong-gateway-key", FATE_REFUSE };
const struct err_kind ERR_TLS = { "tls", FATE_RETRY };
const struct err_kind ERR_INVITATION = { "invitation-malformed", FATE_REFUSE };
const struct err_kind ERR_OFFER = { "offer-refused", FATE_REFUSE };
const struct err_kind ERR_DECLINED = { "offer-not-wanted", FATE_REFUSE };
const struct err_kind ERR_STOPPED = { "stopped", FATE_REFUSE };
const struct err_kind ERR_TAMPERED = { "tampered", FATE_REFUSE };
const struct err_kind ERR_ITEM = { "item-refused", FATE_RETRY };
const struct err_kind ERR_HOME = { "device-state", FATE_REFUSE };
const struct err_kind ERR_NOT_BEGUN = { "not-enrolled", FATE_REFUSE };
const struct err_kind ERR_HOME_DAMAGED = { "device-state-damaged", FATE_BROKEN };
const struct err_kind ERR_CANCELLED = { "cancelled", FATE_REFUSE };
const struct err_kind ERR_PINSET = { "pin-set-refused", FATE_REFUSE };
const struct err_kind ERR_REMOVED = { "device-removed", FATE_REFUSE };

const char *fault_remedy(const struct err_kind *kind)
{
	static const struct {
		const struct err_kind *kind;
		const char *remedy;
	} remedies[] = {
		{ &ERR_HOST_UNREACHABLE,
			"Check that this device is in a network that reaches the kiosk." },
		{ &ERR_GATEWAY_KEY,
			"Something else than the kiosk answered. Do not go on in this network. If "
			"this device was away for long, the kiosk's key may have changed: ask the "
			"operator for a pin set." },
		{ &ERR_TLS, "Tell the operator if it happens again." },
		{ &ERR_INVITATION, "Scan the code that is on the kiosk's screen now." },
		{ &ERR_OFFER, "Nothing was sent. Start again at the kiosk; tell the operator if it "
			      "happens again." },
		{ &ERR_DECLINED, "Nothing was made or sent. Start again at the kiosk if that was "
				 "not meant." },
		{ &ERR_TAMPERED, "Somebody may stand between this device and the kiosk. Stop, and "
				 "tell the operator." },
		{ &ERR_ITEM, "Nothing was changed. Tell the operator if it happens again." },
		{ &ERR_HOME, "Use another state directory, or remove this one." },
		{ &ERR_NOT_BEGUN, "Begin with the QR code that a kiosk shows." },
		{ &ERR_HOME_DAMAGED, "Try again. If it stays so, keep the directory for its old "
				     "keys, and enroll with another one." },
		{ &ERR_CANCELLED, "Start again at the kiosk." },
		{ &ERR_PINSET,
			"Nothing was changed. Ask the operator for a new one: derivd-ca pins "
			"sign." },
		{ &ERR_REMOVED, "Enroll again at a kiosk if that was not meant." },
	};

	for (size_t i = 0; i < ARRAY_LEN(remedies); i++) {
		if (remedies[i].kind == kind)
			return remedies[i].remedy;
	}
	return kind_remedy(kind);
}
