/* settings.c: tables of keys, and the checks of their values. */
#include "daemon/core/settings.h"

#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/text.h"
#include "proto/sig.h"

#define CONNECTIONS_MAX 16

static const struct {
	const char *name;
	const char *key;
	const char *group;
} roles[] = {
	[ROLE_OPERATOR] = { "operator", "operator-group", "derivd-operator" },
	[ROLE_OFFICER] = { "officer", "officer-group", "derivd-officer" },
	[ROLE_AUDITOR] = { "auditor", "auditor-group", "derivd-auditor" },
	[ROLE_MONITOR] = { "monitor", "monitor-group", "derivd-monitor" },
};

const char *role_name(enum role r)
{
	return roles[r].name;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	free(s->store);
	for (size_t i = 0; i < ROLES; i++)
		free(s->role[i].name);
	free(s);
}

struct settings *settings_default(void)
{
	struct settings *s = xcalloc(1, sizeof(*s));

	for (size_t i = 0; i < ROLES; i++) {
		s->role[i].name = xstrdup(roles[i].group);
		s->role[i].gid = NO_GROUP;
	}
	s->session_ms = 15 * 60 * 1000;
	s->grace_ms = 30 * 1000;
	s->invitation_ms = 10 * 60 * 1000;
	s->unclaimed_ms = 30ULL * 24 * 3600 * 1000;
	s->devices_per_holder = 5;
	s->revoke_superseded = true;
	s->expiry_notice_ms = 14ULL * 24 * 3600 * 1000;
	s->backup_age_ms = 7ULL * 24 * 3600 * 1000;
	s->notices_per_hour = 6;
	s->ca_connections = 1;
	s->ca_window = 8;
	return s;
}

static void take_text(char **to, const char *text)
{
	free(*to);
	*to = xstrdup(text);
}

/* A group by name or number. A default group that does not exist is no error: the role is root's alone. */
static struct err *get_group(cfg_t *cfg, enum role r, struct settings *s)
{
	const char *name = cfg_getstr(cfg, roles[r].key);
	uint64_t gid = 0;

	take_text(&s->role[r].name, name);
	struct err *e = text_parse_u64(name, NO_GROUP - 1, &gid);
	if (!e) {
		s->role[r].gid = (gid_t)gid;
		return NULL;
	}
	err_free(e);
	const struct group *group = getgrnam(name);
	if (group) {
		s->role[r].gid = group->gr_gid;
		return NULL;
	}
	if (strcmp(name, roles[r].group) != 0)
		return err_new(
			&ERR_CONFIG, "%s = \"%s\": there is no such group", roles[r].key, name);
	log_note(NOTE_NO_GROUP, NULL, "there is no group %s: only root is %s", name, roles[r].name);
	return NULL;
}

static struct err *get_duration(
	cfg_t *cfg, const char *key, uint64_t min, uint64_t max, uint64_t *ret_ms)
{
	TRY(conf_duration(cfg, key, ret_ms));
	if (*ret_ms < min || *ret_ms > max)
		return err_new(&ERR_CONFIG, "%s: must be from %llu s to %llu s", key,
			(unsigned long long)min / 1000, (unsigned long long)max / 1000);
	return NULL;
}

static struct err *get_count(
	cfg_t *cfg, const char *key, int64_t min, int64_t max, unsigned int *ret_n)
{
	int64_t v = 0;

	TRY(conf_int(cfg, key, min, max, &v));
	*ret_n = (unsigned int)v;
	return NULL;
}

/* One connection for each processor, when the file does not say. */
static unsigned int default_connections(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	if (n < 1)
		return 1;
	return n > CONNECTIONS_MAX ? CONNECTIONS_MAX : (unsigned int)n;
}

static struct err *get_all(cfg_t *cfg, struct settings *s)
{
	const char *store = cfg_getstr(cfg, "store");
	const char *accept = cfg_getstr(cfg, "accept-audit-head");
	const char *log = cfg_getstr(cfg, "accept-log-head");

	s->store = store ? xstrdup(store) : proc_state_path("", "derivd.db");
	for (size_t i = 0; i < ROLES; i++)
		TRY(get_group(cfg, (enum role)i, s));
	TRY(get_duration(cfg, "session-time", 60000, 3600000, &s->session_ms));
	TRY(get_duration(cfg, "grace", 1000, 300000, &s->grace_ms));
	TRY(get_duration(cfg, "invitation-time", 10000, 600000, &s->invitation_ms));
	TRY(get_duration(
		cfg, "unclaimed-after", 60000, 365ULL * 24 * 3600 * 1000, &s->unclaimed_ms));
	TRY(get_count(cfg, "devices-per-holder", 1, 100, &s->devices_per_holder));
	TRY(get_duration(
		cfg, "expiry-notice", 0, 3650ULL * 24 * 3600 * 1000, &s->expiry_notice_ms));
	TRY(get_duration(cfg, "backup-age", 0, 3650ULL * 24 * 3600 * 1000, &s->backup_age_ms));
	TRY(get_count(cfg, "notices-per-hour", 1, 1000, &s->notices_per_hour));
	TRY(get_count(cfg, "ca-connections", 0, CONNECTIONS_MAX, &s->ca_connections));
	TRY(get_count(cfg, "ca-window", 1, 64, &s->ca_window));
	if (s->ca_connections == 0)
		s->ca_connections = default_connections();
	s->revoke_superseded = cfg_getbool(cfg, "revoke-superseded");
	if (accept && *accept)
		TRY(conf_hex("accept-audit-head", accept, sizeof(s->accept_head), s->accept_head));
	if (log && *log)
		TRY(conf_hex("accept-log-head", log, sizeof(s->accept_log), s->accept_log));
	return NULL;
}

static struct err *load_own(struct settings *s)
{
	cfg_opt_t options[] = {
		CFG_STR("store", NULL, CFGF_NODEFAULT),
		CFG_STR("operator-group", "derivd-operator", CFGF_NONE),
		CFG_STR("officer-group", "derivd-officer", CFGF_NONE),
		CFG_STR("auditor-group", "derivd-auditor", CFGF_NONE),
		CFG_STR("monitor-group", "derivd-monitor", CFGF_NONE),
		CFG_STR("session-time", "15min", CFGF_NONE),
		CFG_STR("grace", "30s", CFGF_NONE),
		CFG_STR("invitation-time", "10min", CFGF_NONE),
		CFG_STR("unclaimed-after", "30d", CFGF_NONE),
		CFG_INT("devices-per-holder", 5, CFGF_NONE),
		CFG_BOOL("revoke-superseded", cfg_true, CFGF_NONE),
		CFG_STR("expiry-notice", "14d", CFGF_NONE),
		CFG_STR("backup-age", "7d", CFGF_NONE),
		CFG_INT("notices-per-hour", 6, CFGF_NONE),
		CFG_INT("ca-connections", 0, CFGF_NONE),
		CFG_INT("ca-window", 8, CFGF_NONE),
		CFG_STR("accept-audit-head", NULL, CFGF_NODEFAULT),
		CFG_STR("accept-log-head", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	AUTO_MEM char *path = proc_config_path("derivd.conf");
	AUTO(conf) cfg_t *cfg = NULL;

	TRY(conf_load(path, true, options, &cfg));
	return err_wrap(get_all(cfg, s), "%s", path);
}

/* Of the pins their digest is enough: derivd-ca writes the pins themselves into items. Without an epoch it is over them alone,
 * as stores have it from the time before there were epochs. */
static void take_pins(const struct deployment *d, struct settings *s)
{
	uint8_t epoch[8];
	AUTO(buf) struct buf *all = buf_new();

	for (size_t i = 0; i < sizeof(epoch); i++)
		epoch[i] = (uint8_t)(d->pins_epoch >> (56 - 8 * i));
	if (d->pins_epoch)
		buf_add(all, epoch, sizeof(epoch));
	buf_add(all, d->pins, d->n_pins * SHA256_LEN);
	sha256(buf_bytes(all), s->pins);
	s->pins_epoch = d->pins_epoch;
}

static struct err *load_deployment(struct settings *s)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	AUTO(deployment) struct deployment *d = NULL;
	struct err *e = deployment_load(path, &d);

	if (err_is(e, &ERR_NOTFOUND))
		return err_as(&ERR_CONFIG, e, "derivd-ca init and derivctl setup write it");
	TRY(e);
	memcpy(s->deployment, d->id, DEPLOYMENT_ID_LEN);
	memcpy(s->delivery_public, d->delivery_public, ED25519_PUBLIC_LEN);
	take_pins(d, s);
	return NULL;
}

struct err *settings_load(struct settings **ret_settings)
{
	AUTO(settings) struct settings *s = settings_default();

	TRY(load_own(s));
	TRY(load_deployment(s));
	*ret_settings = take(s);
	return NULL;
}
