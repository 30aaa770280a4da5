/* settings_profile.c: the sections "profile" of ca.conf. */
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "daemon/ca/settings_part.h"

/* libconfuse wants defaults that are not constant. */
static char no_values[] = "{}";

cfg_opt_t *profile_options(void)
{
	static cfg_opt_t options[] = {
		CFG_STR("purpose", NULL, CFGF_NODEFAULT),
		CFG_STR("key", "device", CFGF_NONE),
		CFG_STR("key-type", "p256", CFGF_NONE),
		CFG_STR("validity", "1y", CFGF_NONE),
		CFG_STR_LIST("key-usage", no_values, CFGF_NONE),
		CFG_STR_LIST("eku", no_values, CFGF_NONE),
		CFG_STR_LIST("policies", no_values, CFGF_NONE),
		CFG_STR("subject", NULL, CFGF_NODEFAULT),
		CFG_STR_LIST("san", no_values, CFGF_NONE),
		CFG_STR("sid", "never", CFGF_NONE),
		CFG_STR_LIST("crl", no_values, CFGF_NONE),
		CFG_STR_LIST("issuers", no_values, CFGF_NONE),
		CFG_STR_LIST("ocsp", no_values, CFGF_NONE),
		CFG_END(),
	};

	return options;
}

static const struct usage {
	const char *name;
	uint8_t bit;
} usages[] = {
	{ "digitalSignature", USAGE_DIGITAL_SIGNATURE },
	{ "nonRepudiation", USAGE_NON_REPUDIATION },
	{ "keyEncipherment", USAGE_KEY_ENCIPHERMENT },
	{ "keyAgreement", USAGE_KEY_AGREEMENT },
};

static struct err *find_usage(const char *name, uint8_t *ret_bit)
{
	for (size_t i = 0; i < ARRAY_LEN(usages); i++)
		if (strcmp(usages[i].name, name) == 0) {
			*ret_bit = usages[i].bit;
			return NULL;
		}
	return err_new(&ERR_CONFIG,
		"key-usage: use digitalSignature, nonRepudiation, keyEncipherment or keyAgreement");
}

/* STANDARDS 2.3 to 2.5, for a profile that says nothing. */
static uint8_t default_usage(const struct profile *p)
{
	if (p->purpose == COMMON__PURPOSE__AUTHENTICATION)
		return USAGE_DIGITAL_SIGNATURE;
	if (p->purpose == COMMON__PURPOSE__SIGNING)
		return USAGE_DIGITAL_SIGNATURE | USAGE_NON_REPUDIATION;
	return text_starts(p->key_type, "rsa") ? USAGE_KEY_ENCIPHERMENT : USAGE_KEY_AGREEMENT;
}

static struct err *read_usage(cfg_t *section, struct profile *p)
{
	uint8_t bit;

	for (unsigned int i = 0; i < cfg_size(section, "key-usage"); i++) {
		TRY(find_usage(cfg_getnstr(section, "key-usage", i), &bit));
		p->key_usage |= bit;
	}
	if (!p->key_usage)
		p->key_usage = default_usage(p);
	return NULL;
}

static struct err *read_list(cfg_t *section, const char *key, bool oids, struct profile_list *list)
{
	for (unsigned int i = 0; i < cfg_size(section, key); i++) {
		AUTO_MEM char *dotted = NULL;
		const char *value = cfg_getnstr(section, key, i);
		if (oids) {
			TRY(err_wrap(settings_oid(value, &dotted), "%s", key));
			value = dotted;
		}
		TRY(err_wrap(profile_list_add(list, value), "%s", key));
	}
	return NULL;
}

static struct err *read_words(cfg_t *section, struct profile *p)
{
	static const char *const purposes[] = { "", "authentication", "signing", "encryption",
		NULL };
	static const char *const origins[] = { "", "device", "server", NULL };
	static const char *const sids[] = { "never", "optional", "required", NULL };
	size_t purpose, origin, sid, key_type;

	TRY(settings_choice(section, "purpose", purposes, &purpose));
	TRY(settings_choice(section, "key", origins, &origin));
	TRY(settings_choice(section, "sid", sids, &sid));
	TRY(settings_choice(section, "key-type", profile_key_types, &key_type));
	p->purpose = (Common__Purpose)purpose;
	p->origin = (Common__Origin)origin;
	p->sid = (enum profile_sid)sid;
	memcpy(p->key_type, profile_key_types[key_type], strlen(profile_key_types[key_type]) + 1);
	return NULL;
}

struct err *profile_read(cfg_t *section, struct profile **ret_profile)
{
	AUTO(profile) struct profile *p = profile_new();
	const char *subject = cfg_getstr(section, "subject");

	TRY(read_words(section, p));
	if (!subject)
		return err_new(&ERR_CONFIG, "subject is needed");
	if (strlen(subject) > PROFILE_TEXT_MAX || !*cfg_title(section) ||
		strlen(cfg_title(section)) > PROFILE_NAME_MAX)
		return err_new(&ERR_CONFIG, "a name has 1 to %d bytes, a subject at most %d",
			PROFILE_NAME_MAX, PROFILE_TEXT_MAX);
	p->name = xstrdup(cfg_title(section));
	p->subject = xstrdup(subject);
	TRY(conf_duration(section, "validity", &p->validity_ms));
	TRY(read_usage(section, p));
	TRY(read_list(section, "eku", true, &p->eku));
	TRY(read_list(section, "policies", true, &p->policies));
	TRY(read_list(section, "san", false, &p->san));
	TRY(read_list(section, "crl", false, &p->crl));
	TRY(read_list(section, "issuers", false, &p->issuers));
	TRY(read_list(section, "ocsp", false, &p->ocsp));
	TRY(profile_seal(p));
	*ret_profile = take(p);
	return NULL;
}
