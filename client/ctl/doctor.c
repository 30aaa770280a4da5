/*
 * doctor.c: derivctl doctor: runs the checks of doctor.def one after the other and says what each found and what to do. A check that
 * depends on one that failed says that it was not looked at, so that one cause gives one fault.
 */
#include "client/ctl/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/ctl/lang.h"
#include "client/ctl/options.h"
#include "proto/kind.h"

static const struct {
	const char *name;
	void (*run)(struct doctor *d);
	const char *about;
} checks[] = {
#define CHECK(name, function, about) { name, function, about },
#include "client/ctl/doctor.def"
};

static const struct {
	const char *kind;
	const char *remedy;
} advices[] = {
#define ADVICE(symbol, kind, remedy) { kind, remedy },
#include "client/ctl/doctor.def"
};

static const char *const verdicts[] = {
	[VERDICT_OK] = N_("ok"),
	[VERDICT_SKIPPED] = N_("skipped"),
	[VERDICT_WARNING] = N_("warning"),
	[VERDICT_FAULT] = N_("FAULT"),
};

static void print_json(const struct doctor *d, enum verdict verdict, const char *kind,
	const char *text, const char *remedy)
{
	AUTO(json) json_t *j = json_object();
	static const char *const names[] = { "ok", "skipped", "warning", "fault" };

	json_object_set_new(j, "check", json_string(d->check));
	json_object_set_new(j, "verdict", json_string(names[verdict]));
	json_object_set_new(j, "kind", json_string(kind));
	json_object_set_new(j, "text", json_string(text));
	json_object_set_new(j, "remedy", json_string(remedy));
	json_print(j);
}

static void say(struct doctor *d, enum verdict verdict, const char *kind, const char *text,
	const char *remedy)
{
	AUTO_MEM char *safe = text_safe(BYTES(text, strlen(text)));

	d->said = true;
	d->n[verdict]++;
	if (d->ctl->json) {
		print_json(d, verdict, kind, safe, remedy);
		return;
	}
	if (d->one_line) {
		if (verdict >= VERDICT_WARNING)
			buf_addf(d->line, "%s%s: %s", buf_len(d->line) ? "; " : "", kind, safe);
		return;
	}
	(void)printf("%-8s %-12s %s\n", _(verdicts[verdict]), d->check, safe);
	const char *shown = remedy[0] != '\0' ? _(remedy) : "";
	if (remedy[0] != '\0' && verdict >= VERDICT_WARNING)
		(void)printf("%22s%s (%s)\n", "-> ", shown, kind);
}

void doctor_error(struct doctor *d, enum verdict verdict, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	say(d, verdict, err_get_kind(e)->name, err_get_text(e), kind_remedy(err_get_kind(e)));
}

static char *format(const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		err_abort("no memory for a text");
	return text;
}

void doctor_say(struct doctor *d, enum verdict verdict, enum advice advice, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_MEM char *text = format(fmt, ap);
	va_end(ap);
	say(d, verdict, advices[advice].kind, text, advices[advice].remedy);
}

void doctor_note(struct doctor *d, enum verdict verdict, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_MEM char *text = format(fmt, ap);
	va_end(ap);
	say(d, verdict, "", text, "");
}

static void run_checks(struct doctor *d)
{
	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		d->check = checks[i].name;
		d->about = checks[i].about;
		d->said = false;
		checks[i].run(d);
		if (!d->said)
			doctor_note(d, VERDICT_OK, "%s", _(checks[i].about));
		/* A check may take seconds: what is known is shown. */
		(void)fflush(stdout);
	}
}

/*
 * As monitoring plugins do it: one line, and 0, 1, 2 or 3. Who may not have derivd look at its store, its clock and its chain
 * cannot say that nothing is wrong with them.
 */
static int monitor(const struct doctor *d)
{
	static const char *const words[] = { "OK", "WARNING", "CRITICAL", "UNKNOWN" };
	int good = d->checked ? 0 : 3;
	int status = d->n[VERDICT_FAULT] ? 2 : d->n[VERDICT_WARNING] ? 1 : good;
	const char *nothing = d->checked ? _("nothing is wrong") : _("derivd did not check itself");

	(void)printf(
		"DERIVD %s: %s\n", words[status], buf_len(d->line) ? buf_str(d->line) : nothing);
	return status;
}

static int conclude(const struct doctor *d)
{
	if (d->one_line)
		return monitor(d);
	if (!d->ctl->json)
		(void)printf(_("\n%u faults, %u warnings, %u not looked at\n"), d->n[VERDICT_FAULT],
			d->n[VERDICT_WARNING], d->n[VERDICT_SKIPPED]);
	if (d->n[VERDICT_FAULT])
		return CTL_FAULTS;
	return d->n[VERDICT_WARNING] ? CTL_WARNED : CTL_OK;
}

struct err *cmd_doctor(struct ctl *c, int argc, char **argv)
{
	struct doctor d = { .ctl = c };
	const struct option_row rows[] = {
		{ "no-card", OPTION_FLAG, &d.leave_cards },
		{ "monitor", OPTION_FLAG, &d.one_line },
		{ "turn-card", OPTION_NUMBER, &d.turn_s },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	if (d.one_line && c->json)
		return ctl_usage(_("--monitor is for programs that want one line, not JSON"));
	/* Monitoring must not take a card out of anybody's hands. */
	d.leave_cards = d.leave_cards || d.one_line;
	AUTO(buf) struct buf *line = buf_new();
	d.line = line;
	run_checks(&d);
	c->status = conclude(&d);
	msg_free(d.status);
	msg_free(d.checked);
	msg_free(d.readers);
	return NULL;
}
