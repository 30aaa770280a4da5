/* setup_system.c: what belongs to the system and not to derivd: who is in which group, and which units run. */
#include <grp.h>
#include <string.h>
#include <unistd.h>

#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"

/* --- roles --- */

static const struct {
	enum setup_key key;
	const char *group;
} roles[] = {
	{ SETUP_OPERATORS, "derivd-operator" },
	{ SETUP_OFFICERS, "derivd-officer" },
	{ SETUP_AUDITORS, "derivd-auditor" },
};

static bool is_member(const char *group, const char *user)
{
	const struct group *g = getgrnam(group);

	for (char **m = g ? g->gr_mem : NULL; m && *m; m++)
		if (strcmp(*m, user) == 0)
			return true;
	return false;
}

bool setup_needs_roles(const struct setup *s)
{
	for (size_t r = 0; r < ARRAY_LEN(roles); r++)
		for (size_t i = 0; i < s->answers[roles[r].key].n; i++)
			if (!is_member(roles[r].group, s->answers[roles[r].key].values[i]))
				return true;
	return false;
}

struct err *setup_give_roles(struct setup *s)
{
	for (size_t r = 0; r < ARRAY_LEN(roles); r++) {
		const struct setup_answer *a = &s->answers[roles[r].key];

		for (size_t i = 0; i < a->n; i++) {
			const char *const words[] = { "-a", "-G", roles[r].group, a->values[i],
				NULL };
			if (!is_member(roles[r].group, a->values[i]))
				TRY(setup_run(s, "usermod", words));
		}
	}
	return NULL;
}

/* --- services --- */

static bool is_active(const struct setup *s, const char *unit)
{
	const char *const words[] = { "is-active", "--quiet", unit, NULL };
	AUTO(err) struct err *e = setup_run(s, "systemctl", words);

	return !e;
}

bool setup_needs_services(const struct setup *s)
{
	return !s->ctl->tree &&
	       (s->anchors || s->answers[SETUP_SMTP].n || !is_active(s, "derivd.service") ||
		       !is_active(s, "derivd-gateway.service"));
}

struct err *setup_start_services(struct setup *s)
{
	/* In an image that is being made systemd does not run: it starts them later. */
	bool runs = access("/run/systemd/system", F_OK) == 0;
	const char *const reload[] = { "daemon-reload", NULL };
	const char *const reread[] = { "try-reload-or-restart", "derivd.service", NULL };
	const char *const enable[] = { "enable", "derivd.service", "derivd-gateway.service",
		runs ? "--now" : NULL, NULL };

	if (runs)
		TRY(setup_run(s, "systemctl", reload));
	/* What runs already has connections that know the old configuration. */
	if (runs && s->found.ca)
		TRY(setup_run(s, "systemctl", reread));
	return setup_run(s, "systemctl", enable);
}
