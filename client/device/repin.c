/* repin.c: see repin.h. */
#include "client/device/repin.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "client/device/fault.h"

/* The first line that is no remark: a file may say above it what it is. */
static struct err *first_line(char *text, char **ret_line)
{
	char *rest = text;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		line[strcspn(line, "\r")] = 0;
		if (!*line || *line == '#')
			continue;
		*ret_line = xstrdup(line);
		return NULL;
	}
	return err_new(&ERR_PINSET, "there is no pin set in it");
}

static struct err *read_stdin(char **ret_line)
{
	char text[4 * PINSET_TEXT_MAX];
	size_t n = fread(text, 1, sizeof(text) - 1, stdin);

	text[n] = 0;
	return first_line(text, ret_line);
}

static struct err *read_source(const char *source, char **ret_line)
{
	AUTO(buf) struct buf *content = NULL;

	if (text_starts(source, "derivd-pins:")) {
		*ret_line = xstrdup(source);
		return NULL;
	}
	if (strcmp(source, "-") == 0)
		return read_stdin(ret_line);
	TRY(err_as(&ERR_PINSET, io_read_file(source, 4 * PINSET_TEXT_MAX, &content), "%s", source));
	AUTO_MEM char *text = xstrdup(buf_str(content));
	return err_wrap(first_line(text, ret_line), "%s", source);
}

static bool same_pins(const struct state *s, const struct pinset *p)
{
	return s->n_pins == p->n_pins && memcmp(s->pins, p->pins, p->n_pins * SHA256_LEN) == 0;
}

/* *ret_known: the device has this set already. */
static struct err *judge(const struct state *s, const struct pinset *p, bool *ret_known)
{
	AUTO_MEM char *until = text_time(p->until_ms);

	*ret_known = false;
	if (memcmp(p->deployment, s->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_PINSET, "the pin set is of another deployment");
	if (p->until_ms < clock_real_ms())
		return err_new(&ERR_PINSET, "the pin set was good until %s", until);
	*ret_known = p->epoch == s->pins_epoch && same_pins(s, p);
	if (p->epoch > s->pins_epoch || *ret_known)
		return NULL;
	return err_new(&ERR_PINSET,
		"the pin set is of change %" PRIu64 ", and this device knows of change %" PRIu64
		" already",
		p->epoch, s->pins_epoch);
}

static void report(struct say *say_to, const struct pinset *p, bool known)
{
	say(say_to, "repinned",
		json_pack("{s:I, s:i, s:b}", "pins_epoch", (json_int_t)p->epoch, "pins",
			(int)p->n_pins, "known", known),
		known ? "Nothing is new: this device knows of change %" PRIu64
			" of the gateway's keys."
		      : "The gateway's keys of change %" PRIu64 " are trusted from now on.",
		p->epoch);
}

struct err *repin(const struct home *h, struct say *s, const char *source)
{
	AUTO(state) struct state *state = NULL;
	AUTO_MEM char *line = NULL;
	struct pinset p;
	bool known;

	TRY(home_load(h, &state));
	if (!state)
		return err_new(&ERR_NOT_BEGUN, "no enrollment was begun here");
	TRY(read_source(source, &line));
	TRY(err_as(&ERR_PINSET, pinset_open(line, state->delivery_hash, &p),
		"a pin set that cannot be believed"));
	TRY(judge(state, &p, &known));
	if (!known) {
		state_set_pins(state, &p);
		TRY(home_save(h, state));
	}
	report(s, &p, known);
	return NULL;
}
