/* setup_ask.c: the questions, and whoever answers them: the command line, the defaults, or a person. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"

#define LINE_LEN_MAX 4096

const char *setup_option(enum setup_key key)
{
	return setup_questions[key].option;
}

/* --- a person --- */

static volatile sig_atomic_t stopped;

static void on_stop(int number UNUSED)
{
	stopped = 1;
}

/* Until there is something to read. Ctrl-C is heard here, whenever it came since the question was shown. */
static void wait_for_input(const sigset_t *usual)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	while (!stopped && ppoll(&input, 1, NULL, usual) < 0 && errno == EINTR)
		;
}

/* *ret_line: the caller frees. */
static struct err *read_line(char **ret_line)
{
	const struct sigaction stop = { .sa_handler = on_stop };
	struct sigaction before;
	AUTO_MEM char *line = NULL;
	sigset_t interrupt, usual;
	size_t size = 0;

	(void)sigemptyset(&interrupt);
	(void)sigaddset(&interrupt, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &interrupt, &usual);
	(void)sigaction(SIGINT, &stop, &before);
	/* poll must see all that has not been read. */
	(void)setvbuf(stdin, NULL, _IONBF, 0);
	AUTO(err) struct err *e = ctl_written();
	if (!e)
		wait_for_input(&usual);
	(void)sigprocmask(SIG_SETMASK, &usual, NULL);
	ssize_t n = stopped || e ? -1 : getline(&line, &size, stdin);
	(void)sigaction(SIGINT, &before, NULL);
	if (e)
		return take(e);
	if (n < 0) {
		(void)printf("\n");
		return err_new(&CTL_ERR_CANCELLED, _("stopped; nothing was written"));
	}
	while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == ' '))
		line[--n] = 0;
	*ret_line = take(line);
	return NULL;
}

static bool is_person(enum setup_key key)
{
	return key == SETUP_OPERATORS || key == SETUP_OFFICERS || key == SETUP_AUDITORS;
}

/* NULL in *ret_reason: taken. before: an answer that was doubted. */
static void try_line(struct setup *s, enum setup_key key, const char *line, const char *before,
	struct err **ret_reason)
{
	struct setup_answer a = { 0 };
	AUTO_MEM char *list = xstrdup(line);

	/* Names of users have no blanks in them: those are between two. */
	for (char *p = list; is_person(key) && *p; p++)
		if (*p == ' ')
			*p = ',';
	/* Names of organizations have commas in them. */
	struct err *e = key == SETUP_ORGANIZATION ? setup_add(&a, line) : setup_parse(list, &a);

	a.given = true;

	if (!e)
		e = setup_questions[key].check(s, &a);
	if (e && err_is(e, &SETUP_ERR_DOUBT) &&
		(s->insist || (before && strcmp(before, line) == 0))) {
		err_free(e);
		e = NULL;
	}
	if (e)
		setup_answer_clear(&a);
	else
		s->answers[key] = a;
	*ret_reason = e;
}

static struct err *ask(struct setup *s, enum setup_key key)
{
	const struct question *q = &setup_questions[key];
	AUTO_MEM char *fallback = q->fallback(s);
	AUTO_MEM char *before = NULL;

	(void)printf("\n%s\n", _(q->hint));
	for (;;) {
		AUTO_MEM char *line = NULL;
		AUTO(err) struct err *reason = NULL;

		if (fallback)
			(void)printf("%s [%s]: ", _(q->label), _(fallback));
		else
			(void)printf("%s: ", _(q->label));
		TRY(read_line(&line));
		if (!*line && fallback) {
			free(line);
			line = xstrdup(fallback);
		}
		if (!*line) {
			(void)printf("  %s\n", _("an answer is needed"));
			continue;
		}
		try_line(s, key, line, before, &reason);
		if (!reason)
			return NULL;
		(void)printf("  %s\n", err_get_text(reason));
		if (err_is(reason, &SETUP_ERR_DOUBT))
			(void)printf(_("  The same answer once more takes it all the same.\n"));
		free(before);
		before = err_is(reason, &SETUP_ERR_DOUBT) ? take(line) : NULL;
	}
}

/* --- without a person --- */

static struct err *as_usage(struct setup *s, enum setup_key key, const char *line)
{
	struct err *e;

	try_line(s, key, line, NULL, &e);
	if (e && err_is(e, &SETUP_ERR_DOUBT))
		return ctl_usage(_("--%s: %s. --insist takes it all the same"),
			setup_questions[key].option, err_get_text(e));
	return err_as(&CTL_ERR_USAGE, e, "--%s", setup_questions[key].option);
}

static struct err *take_option(
	struct setup *s, enum setup_key key, const struct option_list *values)
{
	AUTO(buf) struct buf *line = buf_new();

	for (size_t i = 0; i < values->n; i++)
		buf_addf(line, "%s%s", i ? "," : "", values->values[i]);
	return as_usage(s, key, buf_str(line));
}

/* There already: the same is no news, another would not be done. */
static struct err *compare(const struct setup *s, enum setup_key key, const char *given)
{
	const char *now = key == SETUP_HOST   ? s->found.host
			  : key == SETUP_PORT ? s->found.port
					      : NULL;

	if (s->found.ca && now && strcmp(now, given) != 0)
		return ctl_usage(
			_("--%s %s: this deployment has %s, and phones know it by that; what to "
			  "do: OPERATE.md, another name"),
			setup_questions[key].option, given, now);
	if ((key == SETUP_FROM || key == SETUP_NOTIFY) && !s->found.notices)
		return ctl_usage(_("--%s goes with --smtp"), setup_questions[key].option);
	if (!now && key != SETUP_KEYS && !s->ctl->json)
		(void)printf(_("--%s: that is there already, and stays as it is\n"),
			setup_questions[key].option);
	return NULL;
}

static struct err *check_missing(const struct setup *s, const struct option_list *options)
{
	AUTO(buf) struct buf *list = buf_new();

	for (int key = 0; key < SETUP_ANSWERS; key++) {
		const struct question *q = &setup_questions[key];
		AUTO_MEM char *fallback = q->fallback(s);
		if (q->is_needed(s) && !fallback && !options[key].n && key < SETUP_FROM)
			buf_addf(list, "%s--%s %s", buf_len(list) ? ", " : "", q->option, q->value);
	}
	if (buf_len(list))
		return ctl_usage(_("with --defaults these are needed too: %s"), buf_str(list));
	return NULL;
}

static struct err *answer_one(struct setup *s, enum setup_key key, const struct option_list *values)
{
	const struct question *q = &setup_questions[key];
	bool needed = q->is_needed(s) || (values->n && is_person(key));

	if (!needed)
		return values->n ? compare(s, key, values->values[0]) : NULL;
	if (values->n)
		return take_option(s, key, values);
	if (!s->defaults)
		return ask(s, key);
	AUTO_MEM char *fallback = q->fallback(s);
	if (!fallback)
		return ctl_usage(_("--%s %s is needed"), q->option, q->value);
	return as_usage(s, key, fallback);
}

struct err *setup_answer_all(
	struct setup *s, const struct option_list options[static SETUP_ANSWERS])
{
	if (s->defaults)
		TRY(check_missing(s, options));
	for (int key = 0; key < SETUP_ANSWERS; key++)
		TRY(answer_one(s, (enum setup_key)key, &options[key]));
	return NULL;
}

/* --- the summary --- */

void setup_show_answers(const struct setup *s)
{
	(void)printf("\n");
	for (int key = 0; key < SETUP_ANSWERS; key++) {
		const struct setup_answer *a = &s->answers[key];
		const char *label = _(setup_questions[key].label);
		size_t columns = text_columns(BYTES(label, strlen(label)));

		if (!a->given)
			continue;
		(void)printf("  %s%*s  ", label, columns < 48 ? (int)(48 - columns) : 0, "");
		for (size_t i = 0; i < a->n; i++)
			(void)printf("%s%s", i ? ", " : "", a->values[i]);
		(void)printf("%s\n", a->n ? "" : _("none"));
	}
}

/* As it is, in whole or by its first letter, in English or in the person's language. */
static bool is_word(const char *line, const char *word)
{
	const char *own = _(word);

	return strcasecmp(line, word) == 0 || strcasecmp(line, own) == 0 ||
	       (strlen(line) == 1 &&
		       (strncasecmp(line, word, 1) == 0 || strncasecmp(line, own, 1) == 0));
}

/* A slip of the finger here does not cost all the answers. */
struct err *setup_confirm(void)
{
	(void)printf("\n");
	for (;;) {
		AUTO_MEM char *line = NULL;

		(void)printf(_("Do it? [%s]: "), _("yes"));
		TRY(read_line(&line));
		if (!*line || is_word(line, "yes"))
			return NULL;
		if (is_word(line, "no"))
			return err_new(&CTL_ERR_CANCELLED, _("stopped; nothing was written"));
		(void)printf("  %s\n", _("yes or no?"));
	}
}
