/* settings.c: card.conf, read whole or refused whole. */
#include "pkcs11/settings.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/text.h"
#include "pkcs11/card.h"
#include "pkcs11/uri.h"

/* A call may take this long, in seconds; the lower end keeps a slow card usable. */
#define CALL_MIN_S 1
#define CALL_MAX_S 600

/* libconfuse never writes to it. */
#define LIST(name, initial) CFG_STR_LIST(name, (char *)(uintptr_t)(initial), CFGF_NONE)

static struct err *key_error(const char *key, const char *value, const char *why)
{
	AUTO_MEM char *shown = text_safe(BYTES(value, strlen(value)));

	return err_new(&ERR_CONFIG, "%s = \"%s\": %s", key, shown, why);
}

/* "" stands for: not set. */
static struct err *get_path(cfg_t *cfg, const char *key, char **ret_path)
{
	const char *value = cfg_getstr(cfg, key);

	if (!value || !*value)
		return NULL;
	if (*value != '/')
		return key_error(key, value, "must be an absolute path");
	*ret_path = xstrdup(value);
	return NULL;
}

static struct err *get_uri(cfg_t *cfg, char **ret_uri)
{
	const char *value = cfg_getstr(cfg, "uri");
	AUTO(uri) struct uri *parsed = NULL;

	if (!value || !*value)
		return NULL;
	TRY(err_as(&ERR_CONFIG, uri_parse(value, &parsed), "uri"));
	*ret_uri = xstrdup(value);
	return NULL;
}

static struct err *get_arguments(cfg_t *cfg, char **ret_arguments)
{
	static const char key[] = "module-arguments";
	const char *value = cfg_getstr(cfg, key);

	if (!value || !*value)
		return NULL;
	if (!text_is_printable(BYTES(value, strlen(value))))
		return key_error(key, value, "not a printable text");
	*ret_arguments = xstrdup(value);
	return NULL;
}

static struct err *get_seconds(cfg_t *cfg, const char *key, unsigned int *ret_s)
{
	uint64_t ms = 0;

	TRY(conf_duration(cfg, key, &ms));
	if (ms < CALL_MIN_S * 1000 || ms > CALL_MAX_S * 1000)
		return err_new(&ERR_CONFIG, "%s = \"%s\": must be from %d to %d seconds", key,
			cfg_getstr(cfg, key), CALL_MIN_S, CALL_MAX_S);
	*ret_s = (unsigned int)(ms / 1000);
	return NULL;
}

/* Names that may stand in opensc.conf as they are. */
static bool is_name(const char *s)
{
	size_t len = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

	return len > 0 && len <= SETTINGS_NAME_MAX && s[len] == 0;
}

static struct err *get_list(cfg_t *cfg, const char *key, char **list, size_t *ret_n)
{
	unsigned int n = cfg_size(cfg, key);

	if (n == 0 || n > SETTINGS_LIST_MAX)
		return err_new(&ERR_CONFIG, "%s: from 1 to %d names", key, SETTINGS_LIST_MAX);
	for (unsigned int i = 0; i < n; i++) {
		const char *value = cfg_getnstr(cfg, key, i);
		if (!is_name(value))
			return key_error(key, value, "not a name");
		list[i] = xstrdup(value);
		*ret_n = i + 1;
	}
	return NULL;
}

static struct err *check_types(const struct settings *s)
{
	for (size_t i = 0; i < s->n_types; i++)
		if (!card_type_find(s->types[i]))
			return key_error("card-types", s->types[i], "no such type of card");
	return NULL;
}

static struct err *fill(cfg_t *cfg, struct settings *s)
{
	TRY(get_path(cfg, "module", &s->module));
	if (!s->module)
		return err_new(&ERR_CONFIG, "module: a path is needed");
	TRY(get_arguments(cfg, &s->arguments));
	TRY(get_uri(cfg, &s->uri));
	TRY(get_path(cfg, "opensc-conf", &s->opensc_conf));
	TRY(get_seconds(cfg, "call-timeout", &s->call_s));
	TRY(get_seconds(cfg, "pin-pad-timeout", &s->pad_s));
	TRY(get_list(cfg, "card-types", s->types, &s->n_types));
	TRY(get_list(cfg, "card-drivers", s->drivers, &s->n_drivers));
	s->pcsc = cfg_getbool(cfg, "pcsc");
	s->allow_shared = cfg_getbool(cfg, "allow-shared");
	return check_types(s);
}

struct err *settings_load(const char *path, struct settings **ret_settings)
{
	static cfg_opt_t options[] = {
		CFG_STR("module", OPENSC_MODULE, CFGF_NONE),
		CFG_STR("module-arguments", "", CFGF_NONE),
		CFG_STR("uri", "", CFGF_NONE),
		CFG_STR("opensc-conf", "", CFGF_NONE),
		CFG_STR("call-timeout", "20s", CFGF_NONE),
		CFG_STR("pin-pad-timeout", "90s", CFGF_NONE),
		CFG_BOOL("pcsc", cfg_true, CFGF_NONE),
		CFG_BOOL("allow-shared", cfg_false, CFGF_NONE),
		LIST("card-types", "{piv, generic}"),
		LIST("card-drivers", "{PIV-II, internal}"),
		CFG_END(),
	};
	AUTO(conf) cfg_t *cfg = NULL;
	AUTO(settings) struct settings *s = xcalloc(1, sizeof(*s));

	TRY(conf_load(path, true, options, &cfg));
	TRY(err_wrap(fill(cfg, s), "%s", path));
	*ret_settings = take(s);
	return NULL;
}

void settings_free(struct settings *s)
{
	if (!s)
		return;
	free(s->module);
	free(s->arguments);
	free(s->uri);
	free(s->opensc_conf);
	for (size_t i = 0; i < s->n_types; i++)
		free(s->types[i]);
	for (size_t i = 0; i < s->n_drivers; i++)
		free(s->drivers[i]);
	free(s);
}
