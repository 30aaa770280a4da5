/* protocol_device.c: see protocol_device.h. */
#include "tests/unit/unit.h"

#include "tests/unit/protocol_device.h"

#include "proto/device.pb-c.h"
#include "proto/kind.h"
#include "proto/msg.h"
#include "proto/sig.h"

static char *text(const char *s)
{
	return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData same(uint8_t *room, size_t len, uint8_t value)
{
	memset(room, value, len);
	return pb_lend(BYTES(room, len));
}

struct buf *build_device_hello(void)
{
	Device__Hello m = DEVICE__HELLO__INIT;
	uint32_t versions[] = { 1 };

	m.versions = versions;
	m.n_versions = 1;
	m.program = text("phone 1.0");
	m.platform = text("ios");
	return msg_pack_type(&m.base);
}

struct buf *build_device_welcome(void)
{
	Device__Welcome m = DEVICE__WELCOME__INIT;
	uint8_t deployment[16], key[32];

	for (uint8_t i = 0; i < sizeof(deployment); i++)
		deployment[i] = i;
	m.version = 1;
	m.deployment = pb_lend(BYTES(deployment, sizeof(deployment)));
	m.delivery_public = same(key, sizeof(key), 0x0d);
	m.now_ms = INT64_C(1700000000000);
	return msg_pack_type(&m.base);
}

struct buf *build_device_begin(void)
{
	Device__Begin m = DEVICE__BEGIN__INIT;
	uint8_t seed[32], identity[32], public[32];
	AUTO(pkey) EVP_PKEY *key = NULL;
	AUTO(buf) struct buf *signature = NULL;

	same(seed, sizeof(seed), 1);
	same(identity, sizeof(identity), 2);
	assert_ok(sig_from_seed(BYTES(seed, sizeof(seed)), &key));
	sig_raw_public(key, public);
	assert_ok(sig_sign(key, SIG_BEGIN, BYTES(identity, sizeof(identity)), &signature));
	m.invitation_public = pb_lend(BYTES(public, sizeof(public)));
	m.signature = pb_lend(buf_bytes(signature));
	return msg_pack_type(&m.base);
}

struct buf *build_device_reveal(void)
{
	Device__Reveal m = DEVICE__REVEAL__INIT;
	uint8_t r[32];

	m.kiosk_random = same(r, sizeof(r), 3);
	return msg_pack_type(&m.base);
}

struct buf *build_device_opened(void)
{
	Device__Opened m = DEVICE__OPENED__INIT;
	uint8_t r[32];

	m.device_random = same(r, sizeof(r), 2);
	return msg_pack_type(&m.base);
}

struct buf *build_device_progress(void)
{
	Device__Progress m = DEVICE__PROGRESS__INIT;

	m.stage = DEVICE__STAGE__SIGNED;
	return msg_pack_type(&m.base);
}

struct buf *build_device_hint(void)
{
	Device__Hint m = DEVICE__HINT__INIT;

	m.waiting = 2;
	return msg_pack_type(&m.base);
}

struct buf *build_device_settled(void)
{
	Device__Settled m = DEVICE__SETTLED__INIT;

	m.number = 300;
	return msg_pack_type(&m.base);
}

struct buf *build_device_error(void)
{
	Common__Error m = COMMON__ERROR__INIT;

	m.kind = text("invitation-expired");
	m.fate = COMMON__FATE__REFUSE;
	m.text = text("too late");
	m.remedy = text("scan again");
	return msg_pack_type(&m.base);
}
