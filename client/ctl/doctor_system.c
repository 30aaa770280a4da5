/* doctor_system.c: what systemd and journald know: units that failed, entries that were dropped. */
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-journal.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "client/ctl/doctor.h"

/* SD_MESSAGE_JOURNAL_DROPPED of sd-messages.h: "Suppressed N messages from UNIT". */
#define DROPPED "MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e"
#define DAY_US (UINT64_C(86400) * 1000 * 1000)
/* As many entries about dropped ones are looked at. */
#define ENTRIES_MAX 1000

static inline UNUSED void bus_unref(sd_bus *b)
{
	sd_bus_unref(b);
}
DEFINE_AUTO(bus, sd_bus *, bus_unref);
static inline UNUSED void reply_unref(sd_bus_message *m)
{
	sd_bus_message_unref(m);
}
DEFINE_AUTO(reply, sd_bus_message *, reply_unref);
static inline UNUSED void journal_close(sd_journal *j)
{
	sd_journal_close(j);
}
DEFINE_AUTO(journal, sd_journal *, journal_close);

/* --- units --- */

/* They have to run or listen; the others are started for one connection each. */
static bool is_lasting(const char *unit)
{
	return text_ends(unit, ".socket") || strcmp(unit, "derivd.service") == 0 ||
	       strcmp(unit, "derivd-gateway.service") == 0;
}

static void judge_unit(struct doctor *d, const char *unit, const char *load, const char *active)
{
	if (strcmp(active, "failed") == 0)
		doctor_say(d, VERDICT_FAULT, ADVICE_UNIT_FAILED, _("%s has failed"), unit);
	else if (is_lasting(unit) && strcmp(load, "loaded") == 0 && strcmp(active, "active") != 0 &&
		 strcmp(active, "reloading") != 0)
		doctor_say(d, VERDICT_FAULT, ADVICE_UNIT_INACTIVE, _("%s is %s"), unit, active);
}

static int read_units(struct doctor *d, sd_bus_message *m, unsigned int *ret_n)
{
	const char *unit, *load, *active;
	int r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");

	*ret_n = 0;
	while (r >= 0 && (r = sd_bus_message_enter_container(m, 'r', "ssssssouso")) > 0) {
		r = sd_bus_message_read(m, "ssss", &unit, NULL, &load, &active);
		if (r < 0)
			return r;
		r = sd_bus_message_skip(m, "ssouso");
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		judge_unit(d, unit, load, active);
		++*ret_n;
	}
	return r;
}

static int ask_units(struct doctor *d, sd_bus *bus, unsigned int *ret_n)
{
	AUTO(reply) sd_bus_message *m = NULL;
	int r = sd_bus_call_method(bus, "org.freedesktop.systemd1", "/org/freedesktop/systemd1",
		"org.freedesktop.systemd1.Manager", "ListUnitsByPatterns", NULL, &m, "asas", 0, 1,
		"derivd*");

	return r < 0 ? r : read_units(d, m, ret_n);
}

void doctor_units(struct doctor *d)
{
	AUTO(bus) sd_bus *bus = NULL;
	unsigned int n = 0;

	if (!ctl_is_set_up()) {
		doctor_note(
			d, VERDICT_SKIPPED, _("nothing of derivd starts before derivctl setup"));
		return;
	}
	int r = sd_bus_open_system(&bus);
	if (r >= 0)
		r = ask_units(d, bus, &n);
	if (r < 0)
		doctor_note(d, VERDICT_SKIPPED, _("systemd cannot be asked: %s"), strerror(-r));
	else if (n == 0)
		doctor_note(d, VERDICT_SKIPPED, _("systemd has no units of derivd loaded"));
}

/* --- the journal --- */

static bool is_ours(sd_journal *j, char **ret_text)
{
	const void *data;
	size_t len;

	if (sd_journal_get_data(j, "MESSAGE", &data, &len) < 0 || len < strlen("MESSAGE="))
		return false;
	*ret_text = bytes_strdup(
		BYTES((const uint8_t *)data + strlen("MESSAGE="), len - strlen("MESSAGE=")));
	return strstr(*ret_text, "derivd") != NULL;
}

/* From the newest back; one line is enough. */
static void look_back(struct doctor *d, sd_journal *j)
{
	uint64_t from = (uint64_t)clock_real_ms() * 1000 - DAY_US, when;

	for (unsigned int i = 0; i < ENTRIES_MAX && sd_journal_previous(j) > 0; i++) {
		AUTO_MEM char *text = NULL;
		if (sd_journal_get_realtime_usec(j, &when) < 0 || when < from)
			return;
		if (!is_ours(j, &text))
			continue;
		AUTO_MEM char *at = text_time((int64_t)(when / 1000));
		doctor_say(d, VERDICT_WARNING, ADVICE_RATE_LIMITED, "%s: %s", at, text);
		return;
	}
}

void doctor_journal(struct doctor *d)
{
	AUTO(journal) sd_journal *j = NULL;
	int r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);

	if (r >= 0)
		r = sd_journal_seek_tail(j);
	if (r < 0 || sd_journal_previous(j) <= 0) {
		doctor_note(d, VERDICT_SKIPPED,
			_("no journal can be read: be root, or in the group systemd-journal"));
		return;
	}
	r = sd_journal_add_match(j, DROPPED, 0);
	if (r >= 0)
		r = sd_journal_seek_tail(j);
	if (r < 0)
		doctor_note(
			d, VERDICT_SKIPPED, _("the journal cannot be searched: %s"), strerror(-r));
	else
		look_back(d, j);
}
