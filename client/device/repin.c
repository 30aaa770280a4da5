/* repin.c: see repin.h. */
#include "client/device/repin.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "client/device/fault.h"

/* The first line that is no remark: a file may say above it what it is. */
static struct err *first_line(const char *text, char **ret_line)
{
	size_t len;

	if (strlen(text) > 4 * PINSET_TEXT_MAX)
		return err_new(&ERR_PINSET, "that is too long for a pin set");
	for (const char *line = text; *line; line += len + strspn(line + len, "\r\n")) {
		len = strcspn(line, "\r\n");
		if (len == 0 || *line == '#')
			continue;
		*ret_line = bytes_strdup(BYTES(line, len));
		return NULL;
	}
	return err_new(&ERR_PINSET, "there is no pin set in it");
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

struct err *repin(const struct home *h, const char *text, bool *ret_known)
{
	AUTO(state) struct state *state = NULL;
	AUTO_MEM char *line = NULL;
	struct pinset p;
	bool known;

	TRY(home_load(h, &state));
	if (!state)
		return err_new(&ERR_NOT_BEGUN, "no enrollment was begun here");
	TRY(first_line(text, &line));
	TRY(err_as(&ERR_PINSET, pinset_open(line, state->delivery_hash, &p),
		"a pin set that cannot be believed"));
	TRY(judge(state, &p, &known));
	if (!known) {
		state_set_pins(state, &p);
		TRY(home_save(h, state));
	}
	*ret_known = known;
	return NULL;
}
