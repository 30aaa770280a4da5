/* settings.h: gateway.conf, read whole and checked. See gateway.conf(5). */
#ifndef DERIVD_GATEWAY_SETTINGS_H
#define DERIVD_GATEWAY_SETTINGS_H

#include "base/def.h"
#include "base/err.h"

struct settings {
	char *key_path; /* both absolute, see credential_path() */
	char *certificate_path;
	uint32_t max_connections;
	uint32_t max_per_address;
	uint32_t max_handshakes;  /* unfinished ones, of all addresses */
	uint32_t new_per_address; /* connections in a second, on average */
	uint64_t handshake_ms;
	uint64_t hello_ms;
	uint64_t ping_ms;
	uint64_t pong_ms;
	uint64_t frame_ms;
	uint64_t stall_ms;
	uint64_t stranger_ms; /* how long one that derivd does not know may stay when others need the room */
};

/* Most connections that a configuration may ask for. */
#define SETTINGS_CONNECTIONS_MAX 1000000

/* path: the file; it may be missing, then the defaults hold. ERR_CONFIG with file, line or key. */
MUST_CHECK struct err *settings_load(const char *path, struct settings **ret_settings);
void settings_free(struct settings *s);
DEFINE_AUTO(settings, struct settings *, settings_free);

#endif
