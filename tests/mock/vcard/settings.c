/* card.conf and the ATR: see store.h and README.md. */
#include "tests/mock/vcard/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* T=1; the historical bytes carry the PIV AID, so that no client takes it for a product with
 * quirks. */
#define DEFAULT_ATR                                                                                \
	"3B8B800180F9A000000308000010"                                                             \
	"00C8"

enum { LINE_ROOM = 256, TRIES_MAX = 15 };

static void close_file(FILE *f)
{
	if (f)
		fclose(f);
}
DEFINE_AUTO(file, FILE, close_file);

/* True unless the ATR offers T=1 (ISO 7816-3 section 8.2.3): pcscd takes T=1 when it has the choice. */
static bool is_t0_only(const uint8_t *atr, size_t n)
{
	uint8_t td = atr[1];

	for (size_t at = 2; td & 0x80; at++) {
		at += !!(td & 0x10) + !!(td & 0x20) + !!(td & 0x40);
		if (at >= n)
			return true;
		td = atr[at];
		if ((td & 0x0F) == 1)
			return false;
	}
	return true;
}

bool settings_set_atr(struct settings *s, const char *hex, struct why *why)
{
	char text[LINE_ROOM];
	uint8_t atr[ATR_MAX];
	size_t n = 0;

	/* A card that is put in the wrong way round. */
	if (strcmp(hex, "none") == 0) {
		s->atr_n = 0;
		return true;
	}
	for (const char *p = hex; *p && n < sizeof text - 1; p++)
		if (!strchr(" :\t\r\n", *p))
			text[n++] = *p;
	text[n] = 0;
	if (!hex_read(text, atr, sizeof atr, &n) || n < 2)
		return why_set(why, "ATR \"%s\": not 2 to %d bytes in hex", hex, ATR_MAX);
	memcpy(s->atr, atr, n);
	s->atr_n = n;
	s->t0 = is_t0_only(atr, n);
	return true;
}

static bool set_pin(uint8_t pin[PIN_BYTES], const char *value, struct why *why)
{
	size_t n = strlen(value);

	if (!n || n > PIN_BYTES)
		return why_set(why, "\"%s\" is not 1 to %d characters", value, PIN_BYTES);
	memset(pin, 0xFF, PIN_BYTES);
	memcpy(pin, value, n);
	return true;
}

static bool set_tries(unsigned *tries, const char *value, struct why *why)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (!*value || *end || n < 1 || n > TRIES_MAX)
		return why_set(why, "\"%s\" is not a number from 1 to %d", value, TRIES_MAX);
	*tries = (unsigned)n;
	return true;
}

static bool set_flag(bool *flag, const char *value, struct why *why)
{
	if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
		return why_set(why, "\"%s\" is neither yes nor no", value);
	*flag = strcmp(value, "yes") == 0;
	return true;
}

static bool set_one(struct settings *s, const char *key, const char *value, struct why *why)
{
	if (strcmp(key, "pin") == 0)
		return set_pin(s->pin, value, why);
	if (strcmp(key, "puk") == 0)
		return set_pin(s->puk, value, why);
	if (strcmp(key, "global-pin") == 0) {
		s->has_global_pin = true;
		return set_pin(s->global_pin, value, why);
	}
	if (strcmp(key, "any-pin") == 0)
		return set_flag(&s->any_pin, value, why);
	if (strcmp(key, "pin-tries") == 0)
		return set_tries(&s->pin_tries, value, why);
	if (strcmp(key, "puk-tries") == 0)
		return set_tries(&s->puk_tries, value, why);
	if (strcmp(key, "default-app") == 0)
		return set_flag(&s->default_app, value, why);
	if (strcmp(key, "atr") == 0)
		return settings_set_atr(s, value, why);
	return why_set(why, "unknown key \"%s\"", key);
}

void settings_default(struct settings *ret)
{
	struct why why = { "" };

	*ret = (struct settings){ .pin_tries = 3, .puk_tries = 3, .default_app = true };
	if (!set_pin(ret->pin, "123456", &why) || !set_pin(ret->puk, "12345678", &why) ||
		!settings_set_atr(ret, DEFAULT_ATR, &why))
		abort();
}

bool settings_read(const char *path, struct settings *ret, struct why *why)
{
	AUTO(file) FILE *f = fopen(path, "re");
	char line[LINE_ROOM] = "";
	struct why inner = { "" };

	if (!f && errno == ENOENT)
		return true;
	if (!f)
		return why_set(why, "%s: %s", path, strerror(errno));
	for (unsigned number = 1; fgets(line, sizeof line, f); number++) {
		char *save, *key = strtok_r(line, " \t\r\n", &save);
		char *value = key ? strtok_r(NULL, "\r\n", &save) : NULL;

		if (!key || key[0] == '#')
			continue;
		value = value ? value + strspn(value, " \t") : line + sizeof line - 1;
		if (!set_one(ret, key, value, &inner))
			return why_set(why, "%s line %u: %s", path, number, inner.text);
	}
	return true;
}
