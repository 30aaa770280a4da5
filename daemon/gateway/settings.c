/* settings.c: the table of gateway.conf. */
#include "daemon/gateway/settings.h"

#include <stdlib.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/credential.h"

static struct err *read_number(cfg_t *cfg, const char *key, int64_t max, uint32_t *ret_v)
{
	int64_t v;

	TRY(conf_int(cfg, key, 1, max, &v));
	*ret_v = (uint32_t)v;
	return NULL;
}

static struct err *read_time(cfg_t *cfg, const char *key, uint64_t *ret_ms)
{
	uint64_t ms;

	TRY(conf_duration(cfg, key, &ms));
	if (ms < 1000 || ms > 24 * 3600 * 1000)
		return err_new(&ERR_CONFIG, "%s: must be from 1s to 24h", key);
	*ret_ms = ms;
	return NULL;
}

static struct err *read_all(cfg_t *cfg, struct settings *s)
{
	s->key_path = credential_path(cfg_getstr(cfg, "key"));
	s->certificate_path = credential_path(cfg_getstr(cfg, "certificate"));
	TRY(read_number(cfg, "max-connections", SETTINGS_CONNECTIONS_MAX, &s->max_connections));
	TRY(read_number(cfg, "max-per-address", SETTINGS_CONNECTIONS_MAX, &s->max_per_address));
	TRY(read_number(cfg, "max-handshakes", 65536, &s->max_handshakes));
	TRY(read_number(cfg, "new-per-address", 10000, &s->new_per_address));
	TRY(read_time(cfg, "handshake-time", &s->handshake_ms));
	TRY(read_time(cfg, "hello-time", &s->hello_ms));
	TRY(read_time(cfg, "ping-after", &s->ping_ms));
	TRY(read_time(cfg, "pong-time", &s->pong_ms));
	TRY(read_time(cfg, "message-time", &s->frame_ms));
	TRY(read_time(cfg, "stall-time", &s->stall_ms));
	return read_time(cfg, "stranger-time", &s->stranger_ms);
}

struct err *settings_load(const char *path, struct settings **ret_settings)
{
	cfg_opt_t options[] = {
		CFG_STR("key", "gateway.key", CFGF_NONE),
		CFG_STR("certificate", "gateway.pem", CFGF_NONE),
		CFG_INT("max-connections", 20000, CFGF_NONE),
		CFG_INT("max-per-address", 1024, CFGF_NONE),
		CFG_INT("max-handshakes", 512, CFGF_NONE),
		CFG_INT("new-per-address", 50, CFGF_NONE),
		CFG_STR("handshake-time", "10s", CFGF_NONE),
		CFG_STR("hello-time", "10s", CFGF_NONE),
		CFG_STR("ping-after", "4min", CFGF_NONE),
		CFG_STR("pong-time", "30s", CFGF_NONE),
		CFG_STR("message-time", "30s", CFGF_NONE),
		CFG_STR("stall-time", "30s", CFGF_NONE),
		CFG_STR("stranger-time", "1min", CFGF_NONE),
		CFG_END(),
	};
	AUTO(conf) cfg_t *cfg = NULL;
	AUTO(settings) struct settings *s = xcalloc(1, sizeof(*s));

	TRY(conf_load(path, true, options, &cfg));
	TRY(err_wrap(read_all(cfg, s), "%s", path));
	*ret_settings = take(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	free(s->key_path);
	free(s->certificate_path);
	free(s);
}
