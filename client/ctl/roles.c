/* roles.c: who may do what: derivd says which group may do what, this system who is in it. */
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "base/text.h"
#include "proto/control.pb-c.h"

static bool has_name(const json_t *names, const char *name)
{
	const json_t *value;
	size_t i;

	json_array_foreach(
		names, i, value) if (strcmp(json_string_value(value), name) == 0) return true;
	return false;
}

/* derivd may name a group by its number. */
static const struct group *find_group(const char *name)
{
	const struct group *g = getgrnam(name);
	uint64_t gid;
	struct err *e = g ? NULL : text_parse_u64(name, (gid_t)-2, &gid);

	if (g || e) {
		err_free(e);
		return g;
	}
	return getgrgid((gid_t)gid);
}

/* Those whom the group's entry names, and those whose own group it is. The caller owns it; NULL: there is no such group. */
static json_t *members(const char *name)
{
	const struct group *g = find_group(name);

	if (!g)
		return NULL;
	json_t *names = json_array();
	const gid_t gid = g->gr_gid;
	for (char **m = g->gr_mem; *m; m++)
		json_array_append_new(names, json_string(*m));
	setpwent();
	for (const struct passwd *p = getpwent(); p; p = getpwent()) {
		if (p->pw_gid == gid && !has_name(names, p->pw_name))
			json_array_append_new(names, json_string(p->pw_name));
	}
	endpwent();
	return names;
}

static void print_names(const json_t *names)
{
	const json_t *value;
	size_t i;

	json_array_foreach(names, i, value)(void)
		printf("%s%s", i ? ", " : "", json_string_value(value));
	(void)printf("%s\n", json_array_size(names) ? "" : _("nobody"));
}

static void print_role(const Control__RoleRow *r, const json_t *names)
{
	(void)printf("%s%s\n", r->role, r->yours ? _(" (you are)") : "");
	(void)printf("  %-10s%s: ", _("group"), r->group);
	if (names)
		print_names(names);
	else
		(void)printf("%s\n", _("this system knows no such group"));
	for (size_t i = 0; i < r->n_may; i++)
		(void)printf("  %-10s%s\n", i == 0 ? _("may") : "", r->may[i]);
}

static void print_json(const Control__RoleRow *r, const json_t *names)
{
	AUTO(json) json_t *j = json_from_message(&r->base);

	json_object_set(j, "members", names ? (json_t *)(uintptr_t)names : json_null());
	json_print(j);
}

/* officers: 0 while derivd has not heard of it. */
static void print_root(unsigned int officers)
{
	(void)printf(_("root has all roles, and alone changes the CA (derivd-ca), backs up and "
		       "restores\n"));
	if (officers > 1)
		(void)printf(_("  what root changes at the CA takes %u officers: derivctl change "
			       "show, derivctl change approve\n"),
			officers);
	else if (officers == 1)
		(void)printf(_("  nobody has to approve what root changes at the CA: officers in "
			       "ca.conf(5)\n"));
}

struct err *cmd_roles(struct ctl *c, int argc, char **argv)
{
	static const struct option_row none[] = { { NULL, OPTION_FLAG, NULL } };
	Control__Roles ask = CONTROL__ROLES__INIT;
	AUTO_MSG Control__RolesReply *reply = NULL;

	TRY(options_parse(argc, argv, none, 0, 0, NULL));
	TRY(ctl_call(c, MSG_ROLES, &ask, MSG_ROLES_REPLY, &reply));
	for (size_t i = 0; i < reply->n_roles; i++) {
		AUTO(json) json_t *names = members(reply->roles[i]->group);

		if (c->json)
			print_json(reply->roles[i], names);
		else
			print_role(reply->roles[i], names);
	}
	if (!c->json)
		print_root(reply->change_officers);
	return NULL;
}
