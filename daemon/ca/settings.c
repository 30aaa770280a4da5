/* settings.c: the top of ca.conf, its apps, and the helpers that its sections share. */
#include "daemon/ca/settings.h"

#include <grp.h>
#include <openssl/objects.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/text.h"
#include "daemon/ca/pool.h"
#include "daemon/ca/settings_part.h"
#include "daemon/ca/template.h"
#include "evidence/payload.h"
#include "evidence/seal.h"

#define APP_FILE_MAX 32768
/* Where the sections of other files are put into the table of options. */
#define ANCHOR_OPTION 10

static cfg_opt_t app_options[] = {
	CFG_STR("type", "application/json", CFGF_NONE),
	CFG_STR("file", NULL, CFGF_NODEFAULT),
	CFG_STR("escape", "none", CFGF_NONE),
	CFG_END(),
};

static cfg_opt_t approval_options[] = {
	CFG_INT("officers", 1, CFGF_NONE),
	CFG_STR("group", "derivd-officer", CFGF_NONE),
	CFG_END(),
};

/* libconfuse wants defaults that are not constant. */
static char no_values[] = "{}";
static char any_url[] = "{\"http://*\", \"https://*\"}";

static cfg_opt_t *top_options(void)
{
	static cfg_opt_t options[] = {
		CFG_STR("nonce-lifetime", "5min", CFGF_NONE),
		CFG_STR("offer-lifetime", "15min", CFGF_NONE),
		CFG_STR("crl-validity", "7d", CFGF_NONE),
		CFG_STR("crl-every", "12h", CFGF_NONE),
		CFG_STR("crl-refresh", "4h", CFGF_NONE),
		CFG_STR_LIST("fetch-allow", any_url, CFGF_NONE),
		CFG_STR("backend", "local", CFGF_NONE),
		CFG_STR_LIST("escrow", no_values, CFGF_NONE),
		CFG_STR("history", NULL, CFGF_NODEFAULT),
		CFG_INT("key-pool", 2, CFGF_NONE),
		CFG_END(), /* anchor */
		CFG_END(), /* profile */
		CFG_SEC("app", app_options, CFGF_MULTI | CFGF_TITLE),
		CFG_SEC("approval", approval_options, CFGF_NONE),
		CFG_END(),
	};

	options[ANCHOR_OPTION] =
		(cfg_opt_t)CFG_SEC("anchor", anchor_options(), CFGF_MULTI | CFGF_TITLE);
	options[ANCHOR_OPTION + 1] =
		(cfg_opt_t)CFG_SEC("profile", profile_options(), CFGF_MULTI | CFGF_TITLE);
	return options;
}

struct err *texts_add(struct texts *t, const char *text)
{
	if (t->n == SETTINGS_LIST_MAX)
		return err_new(&ERR_CONFIG, "more than %d values", SETTINGS_LIST_MAX);
	t->v[t->n++] = xstrdup(text);
	return NULL;
}

void texts_clear(struct texts *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->v[i]);
	t->n = 0;
}

struct err *texts_read(cfg_t *section, const char *key, struct texts *t)
{
	for (unsigned int i = 0; i < cfg_size(section, key); i++)
		TRY(err_wrap(texts_add(t, cfg_getnstr(section, key, i)), "%s", key));
	return NULL;
}

char *settings_path(const char *dir, const char *path)
{
	return *path == '/' ? xstrdup(path) : xasprintf("%s/%s", dir, path);
}

struct err *settings_choice(
	cfg_t *section, const char *key, const char *const *names, size_t *ret_index)
{
	AUTO(buf) struct buf *all = buf_new();
	const char *value = cfg_getstr(section, key);

	for (size_t i = 0; names[i]; i++) {
		if (value && strcmp(names[i], value) == 0) {
			*ret_index = i;
			return NULL;
		}
		if (*names[i])
			buf_addf(all, "%s%s", buf_len(all) ? ", " : "", names[i]);
	}
	return err_new(&ERR_CONFIG, "%s must be one of: %s", key, buf_str(all));
}

struct err *settings_oid(const char *text, char **ret_dotted)
{
	const char *name = strcmp(text, "smartcardLogon") == 0 ? "msSmartcardLogin" : text;
	ASN1_OBJECT *object = OBJ_txt2obj(name, 0);
	char dotted[128];
	int len = object ? OBJ_obj2txt(dotted, sizeof(dotted), object, 1) : 0;

	ASN1_OBJECT_free(object);
	if (len <= 0 || (size_t)len >= sizeof(dotted)) {
		AUTO_MEM char *shown = text_safe(BYTES(text, strlen(text)));
		return err_new(&ERR_CONFIG, "\"%s\" is no object identifier", shown);
	}
	*ret_dotted = xstrdup(dotted);
	return NULL;
}

static void app_free(struct app *a)
{
	if (!a)
		return;
	free(a->name);
	free(a->type);
	free(a->text);
	free(a);
}
DEFINE_AUTO(app, struct app *, app_free);

static struct err *app_read(cfg_t *section, const char *dir, struct app **ret_app)
{
	static const char *const escapes[] = { "none", "xml", "json", NULL };
	AUTO(app) struct app *a = xcalloc(1, sizeof(*a));
	AUTO(buf) struct buf *text = NULL;
	size_t escape;

	if (!payload_is_app_name(cfg_title(section)))
		return err_new(
			&ERR_CONFIG, "an app's name has a-z, 0-9 and -, and begins with a letter");
	if (strlen(cfg_getstr(section, "type")) > PAYLOAD_APP_TYPE_MAX)
		return err_new(&ERR_CONFIG, "type: more than %d bytes", PAYLOAD_APP_TYPE_MAX);
	if (!cfg_getstr(section, "file"))
		return err_new(&ERR_CONFIG, "file is needed: the text of the app's configuration");
	TRY(settings_choice(section, "escape", escapes, &escape));
	AUTO_MEM char *path = settings_path(dir, cfg_getstr(section, "file"));
	TRY(err_as(&ERR_CONFIG, io_read_file(path, APP_FILE_MAX, &text), "file"));
	if (!text_is_utf8(buf_bytes(text)))
		return err_new(&ERR_CONFIG, "%s: not a text in UTF-8", path);
	TRY(err_wrap(template_check(buf_str(text), NULL), "%s", path));
	a->name = xstrdup(cfg_title(section));
	a->type = xstrdup(cfg_getstr(section, "type"));
	a->text = xstrdup(buf_str(text));
	a->escape = (enum app_escape)escape;
	*ret_app = take(a);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	texts_clear(&s->fetch_allow);
	free(s->backend);
	free(s->officer_group);
	for (size_t i = 0; i < s->n_escrow; i++)
		X509_free(s->escrow[i]);
	X509_free(s->history);
	for (size_t i = 0; i < s->n_anchors; i++)
		anchor_free(s->anchors[i]);
	for (size_t i = 0; i < s->n_profiles; i++)
		profile_free(s->profiles[i]);
	for (size_t i = 0; i < s->n_apps; i++)
		app_free(s->apps[i]);
	free(s);
}

struct profile *settings_profile(const struct settings *s, Common__Purpose purpose)
{
	for (size_t i = 0; i < s->n_profiles; i++)
		if (s->profiles[i]->purpose == purpose)
			return s->profiles[i];
	return NULL;
}

/* Kept in ascending order of purposes: that is the order of an offer. */
static struct err *add_profile(struct settings *s, struct profile *p)
{
	size_t at = s->n_profiles;

	if (settings_profile(s, p->purpose) || s->n_profiles == PROFILES_MAX) {
		struct err *e = err_new(
			&ERR_CONFIG, "a second profile for %s", profile_purpose_name(p->purpose));
		profile_free(p);
		return e;
	}
	for (; at > 0 && s->profiles[at - 1]->purpose > p->purpose; at--)
		s->profiles[at] = s->profiles[at - 1];
	s->profiles[at] = p;
	s->n_profiles++;
	return NULL;
}

static struct err *read_profiles(cfg_t *cfg, struct settings *s)
{
	for (unsigned int i = 0; i < cfg_size(cfg, "profile"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "profile", i);
		AUTO(profile) struct profile *p = NULL;
		TRY(err_wrap(profile_read(section, &p), "profile \"%s\"", cfg_title(section)));
		TRY(err_wrap(add_profile(s, take(p)), "profile \"%s\"", cfg_title(section)));
	}
	return NULL;
}

static struct err *read_anchors(cfg_t *cfg, const char *dir, struct settings *s)
{
	if (cfg_size(cfg, "anchor") > PATH_ANCHORS_MAX)
		return err_new(&ERR_CONFIG, "more than %d anchors", PATH_ANCHORS_MAX);
	for (unsigned int i = 0; i < cfg_size(cfg, "anchor"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "anchor", i);
		AUTO(anchor) struct anchor *a = NULL;
		TRY(err_wrap(anchor_read(section, dir, &a), "anchor \"%s\"", cfg_title(section)));
		s->anchors[s->n_anchors++] = take(a);
	}
	return NULL;
}

/* Kept in ascending order of names: that is the order of the payload. */
static void add_app(struct settings *s, struct app *take_app)
{
	size_t at = s->n_apps++;

	for (; at > 0 && strcmp(s->apps[at - 1]->name, take_app->name) > 0; at--)
		s->apps[at] = s->apps[at - 1];
	s->apps[at] = take_app;
}

static struct err *read_apps(cfg_t *cfg, const char *dir, struct settings *s)
{
	if (cfg_size(cfg, "app") > APPS_MAX)
		return err_new(&ERR_CONFIG, "more than %d apps", APPS_MAX);
	for (unsigned int i = 0; i < cfg_size(cfg, "app"); i++) {
		cfg_t *section = cfg_getnsec(cfg, "app", i);
		AUTO(app) struct app *a = NULL;
		TRY(err_wrap(app_read(section, dir, &a), "app \"%s\"", cfg_title(section)));
		add_app(s, take(a));
	}
	return NULL;
}

/* What cannot be sealed to is found out here, not when the first key is made; and an unsound key would give all of them away. */
static struct err *read_recipient(const char *dir, const char *file, X509 **ret_cert)
{
	TRY(settings_certificate(dir, file, ret_cert));
	return err_as(&ERR_CONFIG, seal_recipient(*ret_cert), "%s", file);
}

/* Who can open sealed keys: the officers and derivd-history. */
static struct err *read_recipients(cfg_t *cfg, const char *dir, struct settings *s)
{
	const char *history = cfg_getstr(cfg, "history");

	if (cfg_size(cfg, "escrow") > ESCROW_MAX)
		return err_new(&ERR_CONFIG, "escrow: more than %d certificates", ESCROW_MAX);
	for (unsigned int i = 0; i < cfg_size(cfg, "escrow"); i++) {
		struct err *e =
			read_recipient(dir, cfg_getnstr(cfg, "escrow", i), &s->escrow[i]);
		s->n_escrow++;
		TRY(err_wrap(e, "escrow"));
	}
	if (history)
		TRY(err_wrap(read_recipient(dir, history, &s->history), "history"));
	for (size_t i = 0; i < s->n_profiles; i++)
		if (profile_is_escrowed(s->profiles[i]) && !s->n_escrow)
			return err_new(&ERR_CONFIG,
				"escrow: profile \"%s\" needs at least one certificate to seal "
				"copies to",
				s->profiles[i]->name);
	return NULL;
}

static struct err *read_times(cfg_t *cfg, struct settings *s)
{
	TRY(conf_duration(cfg, "nonce-lifetime", &s->nonce_lifetime_ms));
	TRY(conf_duration(cfg, "offer-lifetime", &s->offer_lifetime_ms));
	TRY(conf_duration(cfg, "crl-validity", &s->crl_validity_ms));
	TRY(conf_duration(cfg, "crl-every", &s->crl_every_ms));
	TRY(conf_duration(cfg, "crl-refresh", &s->crl_refresh_ms));
	if (s->nonce_lifetime_ms > NONCE_LIFETIME_MS || s->nonce_lifetime_ms < 10 * 1000)
		return err_new(&ERR_CONFIG, "nonce-lifetime must be from 10 seconds to 5 minutes");
	if (s->offer_lifetime_ms > OFFER_LIFETIME_MS || s->offer_lifetime_ms < 60 * 1000)
		return err_new(&ERR_CONFIG, "offer-lifetime must be from 1 to 15 minutes");
	if (s->crl_validity_ms < 2 * s->crl_every_ms ||
		s->crl_validity_ms > UINT64_C(366) * 86400 * 1000)
		return err_new(&ERR_CONFIG,
			"crl-validity must be at least twice crl-every, and at most 366 days");
	return NULL;
}

/* Who has to approve a change of all this. A group that is not there has no members: then nobody can. */
static struct err *read_approval(cfg_t *cfg, struct settings *s)
{
	cfg_t *section = cfg_getsec(cfg, "approval");
	const char *name = cfg_getstr(section, "group");
	const struct group *group = getgrnam(name);
	uint64_t gid = NO_OFFICERS;
	int64_t officers;

	TRY(conf_int(section, "officers", 1, OFFICERS_MAX, &officers));
	if (group)
		gid = group->gr_gid;
	else
		err_free(text_parse_u64(name, NO_OFFICERS - 1, &gid));
	s->officers = (uint32_t)officers;
	s->officer_group = xstrdup(name);
	s->officer_gid = (gid_t)gid;
	return NULL;
}

static struct err *read_all(cfg_t *cfg, const char *dir, struct settings *s)
{
	int64_t pool;

	TRY(read_times(cfg, s));
	TRY(texts_read(cfg, "fetch-allow", &s->fetch_allow));
	TRY(read_anchors(cfg, dir, s));
	TRY(read_profiles(cfg, s));
	TRY(read_recipients(cfg, dir, s));
	TRY(read_apps(cfg, dir, s));
	TRY(conf_int(cfg, "key-pool", 0, POOL_MAX, &pool));
	s->key_pool = (uint32_t)pool;
	s->backend = xstrdup(cfg_getstr(cfg, "backend"));
	return err_wrap(read_approval(cfg, s), "approval");
}

struct err *settings_load(const char *path, struct settings **ret_settings)
{
	AUTO(settings) struct settings *s = xcalloc(1, sizeof(*s));
	AUTO(conf) cfg_t *cfg = NULL;
	const char *slash = strrchr(path, '/');
	AUTO_MEM char *dir = slash ? bytes_strdup(BYTES(path, slash - path)) : xstrdup(".");

	TRY(conf_load(path, false, top_options(), &cfg));
	TRY(err_wrap(read_all(cfg, dir, s), "%s", path));
	*ret_settings = take(s);
	return NULL;
}
