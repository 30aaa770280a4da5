/* lang.c: see lang.h. */
#include "client/ctl/lang.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "client/ctl/ctl.h"

#define DOMAIN "derivd"
/* "de", "de_AT", "gsw". */
#define LANG_MAX 16

static bool english = true;

static const char *catalogues(void)
{
	const char *elsewhere = getenv("TEXTDOMAINDIR");

	return elsewhere && *elsewhere ? elsewhere : LOCALEDIR;
}

/* Letters, and behind them perhaps a country: nothing that leads out of the directory. Cut off: ".UTF-8", "@euro". */
static bool take_name(const char *locale, char ret_name[static LANG_MAX])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	size_t len = strcspn(locale, ".@");

	if (len < 2 || len >= LANG_MAX || strspn(locale, letters) < len)
		return false;
	memcpy(ret_name, locale, len);
	ret_name[len] = '\0';
	return true;
}

static bool has_catalogue(const char *name)
{
	AUTO_MEM char *whole = xasprintf("%s/%s/LC_MESSAGES/" DOMAIN ".mo", catalogues(), name);
	AUTO_MEM char *language = xasprintf(
		"%s/%.*s/LC_MESSAGES/" DOMAIN ".mo", catalogues(), (int)strcspn(name, "_"), name);

	return access(whole, R_OK) == 0 || access(language, R_OK) == 0;
}

static bool is_english(const char *name)
{
	return strncmp(name, "en", 2) == 0 && (name[2] == '\0' || name[2] == '_');
}

/*
 * C.UTF-8 is there always, other locales if somebody had them made; what gettext wants is any locale but C, and LANGUAGE. A
 * terminal that shows no UTF-8 gets letters without their dots.
 */
static void use(const char *name)
{
	bool utf8 = term_locale_shows_utf8();

	english = is_english(name) || !has_catalogue(name);
	if (english || !setlocale(LC_MESSAGES, "C.UTF-8"))
		return;
	if (!utf8)
		(void)setlocale(LC_CTYPE, "C.UTF-8");
	(void)setenv("LANGUAGE", name, 1);
	(void)bindtextdomain(DOMAIN, catalogues());
	(void)bind_textdomain_codeset(DOMAIN, utf8 ? "UTF-8" : "ASCII//TRANSLIT");
	(void)textdomain(DOMAIN);
}

/* The value of --lang, or NULL; *ret_json: is there --json? */
static const char *look(int argc, char **argv, bool *ret_json)
{
	const char *lang = NULL;

	*ret_json = false;
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
		if (strcmp(argv[i], "--json") == 0)
			*ret_json = true;
		else if (strncmp(argv[i], "--lang=", 7) == 0)
			lang = argv[i] + 7;
		else if (strcmp(argv[i], "--lang") == 0 && i + 1 < argc)
			lang = argv[++i];
	}
	return lang;
}

/* As gettext has it: the first that is set counts, and of C there is no translation, whatever LANGUAGE says. */
static const char *of_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	const char *value = NULL, *wanted = getenv("LANGUAGE");

	for (size_t i = 0; i < ARRAY_LEN(names) && !(value && *value); i++)
		value = getenv(names[i]);
	if (!value || !*value || strcmp(value, "C") == 0 || strcmp(value, "POSIX") == 0)
		return "";
	return wanted && *wanted && !strchr(wanted, ':') ? wanted : value;
}

struct err *lang_start(int argc, char **argv)
{
	bool json = false;
	const char *asked = look(argc, argv, &json);
	char name[LANG_MAX];

	if (asked && (!take_name(asked, name) || !(is_english(name) || has_catalogue(name))))
		return ctl_usage("there are no texts in '%s'; there are in en and de", asked);
	if (!asked && !take_name(of_locale(), name))
		return NULL;
	if (!json)
		use(name);
	return NULL;
}

bool lang_is_english(void)
{
	return english;
}
