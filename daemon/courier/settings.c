/* settings.c: see settings.h. */
#include "daemon/courier/settings.h"

#include <stdlib.h>
#include <string.h>

#include "base/conf.h"
#include "base/credential.h"
#include "base/proc.h"
#include "base/text.h"

#define MAIL_MAX 254 /* RFC 5321 section 4.5.3.1 */

/* libconfuse wants defaults that are not constant. */
static char any_url[] = "{\"http://*\", \"https://*\"}";
static cfg_opt_t options[] = {
	CFG_STR_LIST("allow", any_url, CFGF_NONE),
	CFG_STR("proxy", NULL, CFGF_NODEFAULT),
	CFG_STR("smtp", NULL, CFGF_NODEFAULT),
	CFG_BOOL("smtp-tls", cfg_true, CFGF_NONE),
	CFG_STR("smtp-ca", NULL, CFGF_NODEFAULT),
	CFG_STR("smtp-user", NULL, CFGF_NODEFAULT),
	CFG_STR("from", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("operators", NULL, CFGF_NODEFAULT),
	CFG_STR_LIST("hook", NULL, CFGF_NODEFAULT),
	CFG_STR("hook-timeout", "30s", CFGF_NONE),
	CFG_STR("contact", "the office that issued the card", CFGF_NONE),
	CFG_END(),
};

void settings_free(struct settings *s)
{
	if (!s)
		return;
	buf_free(s->smtp.password); /* wipes */
	conf_free(s->cfg);
	free(s);
}

static bool is_in(char c, const char *more)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr(more, c));
}

static bool all_in(const char *from, const char *end, const char *more)
{
	for (; from < end; from++) {
		if (!is_in(*from, more))
			return false;
	}
	return true;
}

bool address_is_plain(const char *mail)
{
	const char *at = strchr(mail, '@'), *end = mail + strlen(mail);

	if (!at || at == mail || !at[1] || end - mail > MAIL_MAX || *mail == '-')
		return false;
	return all_in(mail, at, "!#$%&'*+-/=?^_`{|}~.") && all_in(at + 1, end, "-.");
}

static const char *get_text(cfg_t *cfg, const char *key)
{
	const char *text = cfg_getstr(cfg, key);

	return text && *text ? text : NULL;
}

/* The texts of a list, at most max. */
static struct err *get_list(
	cfg_t *cfg, const char *key, size_t max, const char **ret_texts, size_t *ret_n)
{
	*ret_n = cfg_size(cfg, key);
	if (*ret_n > max)
		return err_new(&ERR_CONFIG, "%s: more than %zu values", key, max);
	for (size_t i = 0; i < *ret_n; i++)
		ret_texts[i] = cfg_getnstr(cfg, key, (unsigned int)i);
	return NULL;
}

static struct err *check_address(const char *key, const char *mail)
{
	if (mail && address_is_plain(mail))
		return NULL;
	return err_new(&ERR_CONFIG, "%s = \"%s\": is no mail address; use one like kiosk@example.org",
		key, mail ? mail : "");
}

static struct err *get_smtp(cfg_t *cfg, struct smtp_rules *m)
{
	m->url = get_text(cfg, "smtp");
	m->tls = cfg_getbool(cfg, "smtp-tls");
	m->ca = get_text(cfg, "smtp-ca");
	m->user = get_text(cfg, "smtp-user");
	m->from = get_text(cfg, "from");
	TRY(get_list(cfg, "operators", OPERATORS_MAX, m->operators, &m->n_operators));
	for (size_t i = 0; i < m->n_operators; i++)
		TRY(check_address("operators", m->operators[i]));
	if (!m->url)
		return NULL;
	if (!text_starts(m->url, "smtp://") && !text_starts(m->url, "smtps://"))
		return err_new(&ERR_CONFIG,
			"smtp = \"%s\": must be smtp://HOST:PORT or smtps://HOST:PORT", m->url);
	if (strchr(m->url, '@'))
		return err_new(&ERR_CONFIG, "smtp: a user stands in smtp-user, not in the address");
	if (m->user && !m->tls && !text_starts(m->url, "smtps://"))
		return err_new(&ERR_CONFIG, "smtp-user: a password needs smtp-tls = true");
	return check_address("from", m->from);
}

static struct err *get_hook(cfg_t *cfg, struct hook_rules *h)
{
	size_t n = 0;

	TRY(get_list(cfg, "hook", HOOK_WORDS_MAX, h->words, &n));
	TRY(conf_duration(cfg, "hook-timeout", &h->timeout_ms));
	if (h->timeout_ms < 1000 || h->timeout_ms > 60000)
		return err_new(&ERR_CONFIG, "hook-timeout: must be from 1 s to 60 s");
	if (n && h->words[0][0] != '/')
		return err_new(&ERR_CONFIG, "hook: \"%s\" is no absolute path", h->words[0]);
	return NULL;
}

static struct err *get_fetch(struct settings *s)
{
	size_t n = 0;

	TRY(get_list(s->cfg, "allow", FETCH_ALLOW_MAX, s->fetch.allow, &n));
	s->fetch.proxy = get_text(s->cfg, "proxy");
	return NULL;
}

static struct err *get_notices(struct settings *s)
{
	s->contact = cfg_getstr(s->cfg, "contact");
	if (strlen(s->contact) > 256 || !text_is_printable(BYTES(s->contact, strlen(s->contact))))
		return err_new(&ERR_CONFIG, "contact: must be one line of at most 256 bytes");
	TRY(get_smtp(s->cfg, &s->smtp));
	return get_hook(s->cfg, &s->hook);
}

/* Its first line. */
static struct err *get_password(struct smtp_rules *m)
{
	if (!m->url || !m->user)
		return NULL;
	AUTO_MEM char *path = credential_path("smtp-password");
	TRY(err_wrap(credential_read(path, PASSWORD_MAX, &m->password),
		"smtp-user wants a password"));
	size_t len = strcspn(buf_str(m->password), "\r\n");
	buf_cut(m->password, len);
	return NULL;
}

struct err *settings_load(enum settings_for what, struct settings **ret_settings)
{
	AUTO_MEM char *path = proc_config_path("courier.conf");
	AUTO(settings) struct settings *s = xcalloc(1, sizeof(*s));

	TRY(conf_load(path, true, options, &s->cfg));
	TRY(err_wrap(get_fetch(s), "%s", path));
	if (what != SETTINGS_FETCH)
		TRY(err_wrap(get_notices(s), "%s", path));
	if (what == SETTINGS_NOTICES)
		TRY(err_wrap(get_password(&s->smtp), "%s", path));
	*ret_settings = take(s);
	return NULL;
}
