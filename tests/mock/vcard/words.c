/* The words of the control socket: see hand.h and README.md. */
#include "tests/mock/vcard/inhand.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 8, NUMBER_MAX = 1000000, SW_FAILED = 0x6F00 };

/* What a word's function works with: its arguments, and where a value or a reason goes. */
struct call {
	struct hand *hand;
	char *words[WORDS_MAX];
	int n;
	char value[512];
	struct why why;
	bool quit;
};

static bool read_number(struct call *c, int at, int base, unsigned long max, unsigned long *ret)
{
	const char *text = at < c->n ? c->words[at] : "";
	char *end;

	errno = 0;
	*ret = strtoul(text, &end, base);
	if (!*text || *end || errno || *ret > max || strchr(text, '-'))
		return why_set(&c->why, "%s: \"%s\" is not a number up to %lu%s", c->words[0], text,
			max, base == 16 ? " in hex" : "");
	return true;
}

static bool add_trigger(struct call *c, struct trigger t)
{
	struct hand *h = c->hand;

	if (h->triggers_n == TRIGGERS_MAX)
		return why_set(&c->why, "more than %d things to wait for", TRIGGERS_MAX);
	if (t.left == 0)
		return why_set(&c->why, "%s: counting starts at 1", c->words[0]);
	if (t.dir)
		t.dir = must_strdup(t.dir);
	h->triggers[h->triggers_n++] = t;
	return true;
}

static bool say_pull(struct call *c)
{
	if (!c->hand->in)
		return why_set(&c->why, "the card is not in the reader");
	hand_pull(c->hand);
	return true;
}

static bool say_insert(struct call *c)
{
	if (c->hand->in)
		return why_set(&c->why, "the card is in the reader");
	c->hand->in = true;
	return true;
}

static bool say_card(struct call *c)
{
	return hand_swap(c->hand, c->words[1], &c->why);
}

static bool say_slow(struct call *c)
{
	unsigned long ms;

	if (!read_number(c, 1, 10, NUMBER_MAX, &ms))
		return false;
	c->hand->slow = (unsigned)ms;
	return true;
}

static bool say_mute(struct call *c)
{
	c->hand->mute = strcmp(c->words[0], "mute") == 0;
	return true;
}

static bool say_lock(struct call *c)
{
	card_set_tries(hand_card(c->hand), 0);
	return true;
}

static bool say_tries(struct call *c)
{
	unsigned long n;

	if (c->n > 1) {
		if (!read_number(c, 1, 10, 15, &n))
			return false;
		card_set_tries(hand_card(c->hand), (unsigned)n);
	}
	snprintf(c->value, sizeof c->value, "%u", card_tries(hand_card(c->hand)));
	return true;
}

/* fail N [SW] · dropat N [done] */
static bool say_fail(struct call *c)
{
	unsigned long n, sw = SW_FAILED;

	if (!read_number(c, 1, 10, NUMBER_MAX, &n))
		return false;
	if (c->n > 2 && !read_number(c, 2, 16, 0xFFFF, &sw))
		return false;
	return add_trigger(c,
		(struct trigger){
			.ins = ANY_INS, .left = (unsigned)n, .act = ACT_FAIL, .sw = (uint16_t)sw });
}

static bool is_done(struct call *c, int at)
{
	return at < c->n && strcmp(c->words[at], "done") == 0;
}

static bool say_dropat(struct call *c)
{
	unsigned long n;

	if (!read_number(c, 1, 10, NUMBER_MAX, &n))
		return false;
	return add_trigger(c, (struct trigger){ .ins = ANY_INS,
				      .left = (unsigned)n,
				      .act = ACT_PULL,
				      .done = is_done(c, 2) });
}

/* pullat INS [N] [done] · muteat INS [N] */
static bool say_at(struct call *c)
{
	enum act act = strcmp(c->words[0], "pullat") == 0 ? ACT_PULL : ACT_MUTE;
	unsigned long ins, n = 1;
	bool counts = c->n > 2 && strcmp(c->words[2], "done") != 0;

	if (!read_number(c, 1, 16, 0xFF, &ins))
		return false;
	if (counts && !read_number(c, 2, 10, NUMBER_MAX, &n))
		return false;
	return add_trigger(c, (struct trigger){ .ins = (int)ins,
				      .left = (unsigned)n,
				      .act = act,
				      .done = is_done(c, counts ? 3 : 2) });
}

/* failat INS N [SW] */
static bool say_failat(struct call *c)
{
	unsigned long ins, n, sw = SW_FAILED;

	if (!read_number(c, 1, 16, 0xFF, &ins) || !read_number(c, 2, 10, NUMBER_MAX, &n))
		return false;
	if (c->n > 3 && !read_number(c, 3, 16, 0xFFFF, &sw))
		return false;
	return add_trigger(c, (struct trigger){ .ins = (int)ins,
				      .left = (unsigned)n,
				      .act = ACT_FAIL,
				      .sw = (uint16_t)sw });
}

/* refuse INS [SW] */
static bool say_refuse(struct call *c)
{
	unsigned long ins, sw = SW_FAILED;

	if (!read_number(c, 1, 16, 0xFF, &ins))
		return false;
	if (c->n > 2 && !read_number(c, 2, 16, 0xFFFF, &sw))
		return false;
	return add_trigger(c, (struct trigger){ .ins = (int)ins,
				      .left = 1,
				      .act = ACT_FAIL,
				      .sw = (uint16_t)sw,
				      .again = true });
}

/* swapat INS N DIR [done] */
static bool say_swapat(struct call *c)
{
	unsigned long ins, n;
	struct store *probe = NULL;

	if (!read_number(c, 1, 16, 0xFF, &ins) || !read_number(c, 2, 10, NUMBER_MAX, &n))
		return false;
	if (!store_load(c->words[3], &probe, &c->why))
		return false;
	store_free(probe);
	return add_trigger(c, (struct trigger){ .ins = (int)ins,
				      .left = (unsigned)n,
				      .act = ACT_SWAP,
				      .done = is_done(c, 4),
				      .dir = c->words[3] });
}

/* type DIGITS · type (alone: the cancel key) */
static bool say_type(struct call *c)
{
	const char *digits = c->n > 1 ? c->words[1] : "";

	if (strlen(digits) > PAD_DIGITS_MAX || strspn(digits, "0123456789") != strlen(digits))
		return why_set(&c->why, "type: not at most %d digits", PAD_DIGITS_MAX);
	strcpy(c->hand->pad_digits, digits);
	c->hand->pad_typed = true;
	return true;
}

static bool say_count(struct call *c)
{
	snprintf(c->value, sizeof c->value, "%u", c->hand->count);
	if (c->n > 1 && strcmp(c->words[1], "reset") != 0)
		return why_set(&c->why, "count: \"%s\" is not \"reset\"", c->words[1]);
	if (c->n > 1)
		c->hand->count = 0;
	return true;
}

static bool say_verifies(struct call *c)
{
	unsigned total = 0;

	for (const struct known *k = c->hand->cards; k; k = k->next)
		total += card_verifies(k->card);
	snprintf(c->value, sizeof c->value, "%u", total);
	return true;
}

static bool say_resets(struct call *c)
{
	snprintf(c->value, sizeof c->value, "%u", c->hand->resets);
	return true;
}

static bool say_log(struct call *c)
{
	struct hand *h = c->hand;
	bool on = strcmp(c->words[1], "on") == 0;
	FILE *f = NULL;

	if (on ? c->n != 3 : strcmp(c->words[1], "off") != 0)
		return why_set(&c->why, "log on FILE, or log off");
	if (on) {
		f = fopen(c->words[2], "ae");
		if (!f)
			return why_set(&c->why, "%s: %s", c->words[2], strerror(errno));
	}
	if (h->log)
		fclose(h->log);
	h->log = f;
	return true;
}

static bool say_status(struct call *c)
{
	struct hand *h = c->hand;

	snprintf(c->value, sizeof c->value, "%s%s%s tries=%u pin=%s card=%s", h->in ? "in" : "out",
		h->mute ? " mute" : "", h->pad_asks ? " asks" : "", card_tries(hand_card(h)),
		card_is_verified(hand_card(h)) ? "verified" : "unverified", h->now->path);
	return true;
}

static bool say_clear(struct call *c)
{
	while (c->hand->triggers_n)
		free(c->hand->triggers[--c->hand->triggers_n].dir);
	return true;
}

static bool say_quit(struct call *c)
{
	c->quit = true;
	return true;
}

static const struct word {
	const char *name;
	int min, max; /* arguments */
	bool (*run)(struct call *c);
} words[] = {
	{ "pull", 0, 0, say_pull },
	{ "insert", 0, 0, say_insert },
	{ "card", 1, 1, say_card },
	{ "slow", 1, 1, say_slow },
	{ "mute", 0, 0, say_mute },
	{ "unmute", 0, 0, say_mute },
	{ "lock", 0, 0, say_lock },
	{ "tries", 0, 1, say_tries },
	{ "fail", 1, 2, say_fail },
	{ "failat", 2, 3, say_failat },
	{ "refuse", 1, 2, say_refuse },
	{ "dropat", 1, 2, say_dropat },
	{ "pullat", 1, 3, say_at },
	{ "muteat", 1, 2, say_at },
	{ "swapat", 3, 4, say_swapat },
	{ "clear", 0, 0, say_clear },
	{ "count", 0, 1, say_count },
	{ "verifies", 0, 0, say_verifies },
	{ "resets", 0, 0, say_resets },
	{ "log", 1, 2, say_log },
	{ "type", 0, 1, say_type },
	{ "status", 0, 0, say_status },
	{ "quit", 0, 0, say_quit },
};

static bool run_words(struct call *c)
{
	if (!c->n)
		return why_set(&c->why, "no command");
	for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
		const struct word *w = &words[i];

		if (strcmp(w->name, c->words[0]) != 0)
			continue;
		if (c->n - 1 < w->min || c->n - 1 > w->max)
			return why_set(&c->why, "%s: %d arguments, wanted %d to %d", w->name,
				c->n - 1, w->min, w->max);
		return w->run(c);
	}
	return why_set(&c->why, "unknown command \"%s\"", c->words[0]);
}

void hand_command(struct hand *h, char *line, struct blob *answer, bool *ret_quit)
{
	struct call c = { .hand = h };
	char *save, *word = strtok_r(line, " \t\r", &save);
	const char *text;
	bool ok;

	for (; word && c.n < WORDS_MAX; word = strtok_r(NULL, " \t\r", &save))
		c.words[c.n++] = word;
	ok = run_words(&c);
	text = ok ? c.value : c.why.text;
	blob_add(answer, ok ? "ok" : "error", ok ? 2 : 5);
	if (*text)
		blob_add_byte(answer, ' ');
	blob_add(answer, text, strlen(text));
	*ret_quit = c.quit;
}
