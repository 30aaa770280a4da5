/* sim_officer.c: somebody who revokes, cancels and retries, at any moment. */
#include "tests/sim/clock_fake.h"
#include "tests/sim/sim.h"

static void ask_officer(struct sim *s, enum msg_number number, const char *sql)
{
	sqlite3_stmt *stmt = NULL;
	struct letter l = {
		.from = PARTY_KIOSK, .to = PARTY_CORE, .who = SIM_KIOSKS, .message = number
	};
	Control__DeviceRevoke device = CONTROL__DEVICE_REVOKE__INIT;
	Control__CredentialRevoke credential = CONTROL__CREDENTIAL_REVOKE__INIT;
	Control__RequestCancel request = CONTROL__REQUEST_CANCEL__INIT;

	if (sqlite3_prepare_v2(s->witness, sql, -1, &stmt, NULL) != SQLITE_OK)
		sim_fail(s, "%s", sqlite3_errmsg(s->witness));
	if (sqlite3_step(stmt) == SQLITE_ROW) {
		char *id = (char *)(uintptr_t)sqlite3_column_text(stmt, 0);
		device.id = credential.id = request.id = id;
		device.reason = credential.reason = 1;
		if (number == MSG_DEVICE_REVOKE)
			sim_post(s, &l, &device);
		else if (number == MSG_CREDENTIAL_REVOKE)
			sim_post(s, &l, &credential);
		else
			sim_post(s, &l, &request);
	}
	sqlite3_finalize(stmt);
}

void sim_officer(struct sim *s)
{
	static const Control__QueueRetry retry = CONTROL__QUEUE_RETRY__INIT;
	const struct letter l = {
		.from = PARTY_KIOSK, .to = PARTY_CORE, .who = SIM_KIOSKS, .message = MSG_QUEUE_RETRY
	};

	switch (clock_fake_below(7)) {
	case 6:
		sim_post(s, &l, &retry);
		break;
	case 0:
		ask_officer(s, MSG_DEVICE_REVOKE,
			"SELECT lower(hex(id)) FROM device WHERE state = 'enrolled' ORDER BY n "
			"LIMIT 1");
		break;
	case 1:
	case 2:
		ask_officer(s, MSG_CREDENTIAL_REVOKE,
			"SELECT lower(hex(id)) FROM credential ORDER BY state IN ('active', "
			"'queued', 'made') DESC, n DESC LIMIT 1");
		break;
	default:
		ask_officer(s, MSG_REQUEST_CANCEL,
			"SELECT lower(hex(id)) FROM request WHERE open = 1 ORDER BY n DESC LIMIT "
			"1");
		break;
	}
}
