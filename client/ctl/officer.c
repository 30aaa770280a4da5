/*
 * officer.c: what root has changed at the CA, and officers' approval of it. This goes to derivd-ca directly: derivd, which may
 * be compromised, has no part in it.
 */
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "proto/ca.pb-c.h"

/* Of a digest, as shown. */
#define SHOWN_LEN 8

static const struct option_row no_options[] = { { NULL, OPTION_FLAG, NULL } };

static struct err *ask_ca(
	enum msg_number number, const void *body, enum msg_number expected, void *ret_body)
{
	AUTO_MEM char *path = proc_runtime_path("officer.sock");
	AUTO(peer) struct peer *p = NULL;

	TRY(err_wrap(peer_connect(path, LINK_OFFICER, "derivctl", &p), "derivd-ca"));
	return peer_call(p, number, body, expected, CTL_ANSWER_MS, ret_body);
}

static void show_json(const ProtobufCMessage *m)
{
	AUTO(json) json_t *j = json_from_message(m);

	json_print(j);
}

static char *short_name(ProtobufCBinaryData digest)
{
	size_t len = digest.len < SHOWN_LEN ? digest.len : SHOWN_LEN;

	return text_hex(BYTES(digest.data, len));
}

/* --- show --- */

static void print_state(const Ca__Change *m, const char *name)
{
	AUTO_MEM char *since = text_time(m->since_ms);

	if (m->needed < 2)
		(void)printf(_("Root changes the CA alone here. Configuration %s is in force since "
			       "%s.\n"),
			name, since);
	else if (!m->waits)
		(void)printf(
			_("Nothing waits: configuration %s is in force since %s.\n"), name, since);
	else if (m->in_force)
		(void)printf(_("Configuration %s is in force since %s because root said so alone. "
			       "It takes %u officers; %u have approved it.\n"),
			name, since, m->needed, m->given);
	else
		(void)printf(_("Configuration %s waits for approval: it takes %u officers, %u have "
			       "approved it. Nothing is issued until then.\n"),
			name, m->needed, m->given);
}

static void print_change(const Ca__Change *m)
{
	AUTO_MEM char *name = short_name(m->digest);

	print_state(m, name);
	if (m->n_differences)
		(void)printf(_("\nWhat is different from the one in force:\n"));
	for (size_t i = 0; i < m->n_differences; i++)
		(void)printf("  %s\n", m->differences[i]);
	if (m->waits && m->own)
		(void)printf(_("\nYou have approved it. Another officer has to.\n"));
	else if (m->waits)
		(void)printf(_("\nIf this is as it should be: derivctl change approve %s\n"), name);
}

struct err *cmd_change_show(struct ctl *c, int argc, char **argv)
{
	Ca__ChangeShow ask = CA__CHANGE_SHOW__INIT;
	AUTO_MSG Ca__Change *m = NULL;

	TRY(options_parse(argc, argv, no_options, 0, 0, NULL));
	TRY(ask_ca(MSG_CHANGE_SHOW, &ask, MSG_CHANGE, &m));
	if (c->json)
		show_json(&m->base);
	else
		print_change(m);
	return NULL;
}

/* --- approve --- */

struct err *cmd_change_approve(struct ctl *c, int argc, char **argv)
{
	Ca__ChangeApprove ask = CA__CHANGE_APPROVE__INIT;
	AUTO_MSG Ca__ChangeApproved *m = NULL;
	const char *digest;

	TRY(options_parse(argc, argv, no_options, 1, 1, &digest));
	if (strlen(digest) < 8 || strlen(digest) > 64 ||
		strspn(digest, "0123456789abcdef") != strlen(digest))
		return ctl_usage(_("what derivctl change show has named is approved, by 8 or more "
				   "of its digits"));
	ask.digest = (char *)digest;
	TRY(ask_ca(MSG_CHANGE_APPROVE, &ask, MSG_CHANGE_APPROVED, &m));
	if (c->json)
		show_json(&m->base);
	else if (m->given >= m->needed)
		(void)printf(_("Approved by %u of %u officers: it is in force. What waited goes on "
			       "by itself.\n"),
			m->given, m->needed);
	else
		(void)printf(
			_("Approved by %u of %u officers. Another one has to approve it, too.\n"),
			m->given, m->needed);
	return NULL;
}

/* --- list --- */

static const char *how_text(Ca__How how)
{
	switch (how) {
	case CA__HOW__FIRST:
		return _("in force: the first one");
	case CA__HOW__BY_ROOT:
		return _("in force: root changed it");
	case CA__HOW__BY_OFFICERS:
		return _("in force: officers approved it");
	case CA__HOW__ROOT_ALONE:
		return _("IN FORCE BECAUSE ROOT SAID SO ALONE");
	case CA__HOW__APPROVED:
		return _("approved");
	default:
		return "?";
	}
}

static void print_row(const Ca__ChangeRow *r)
{
	AUTO_MEM char *time = text_time(r->time_ms);
	AUTO_MEM char *name = short_name(r->digest);
	const struct passwd *user = getpwuid(r->uid);
	AUTO_MEM char *who = user ? bytes_strdup(BYTES(user->pw_name, strlen(user->pw_name)))
				  : xasprintf("uid %u", r->uid);

	(void)printf("%s  %s  %-12s %s%s%s\n", time, name, who, how_text(r->how),
		r->reason[0] != '\0' ? ": " : "", r->reason);
}

struct err *cmd_change_list(struct ctl *c, int argc, char **argv)
{
	Ca__ChangeList ask = CA__CHANGE_LIST__INIT;

	TRY(options_parse(argc, argv, no_options, 0, 0, NULL));
	do {
		AUTO_MSG Ca__ChangePage *page = NULL;

		TRY(ask_ca(MSG_CHANGE_LIST, &ask, MSG_CHANGE_PAGE, &page));
		for (size_t i = 0; i < page->n_rows; i++) {
			if (c->json)
				show_json(&page->rows[i]->base);
			else
				print_row(page->rows[i]);
		}
		TRY(ctl_next_page(page->next, &ask.after));
	} while (ask.after != 0);
	return NULL;
}
