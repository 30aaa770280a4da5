/*
 * command_approve.c: derivd-ca approve: what waits for officers, and putting it in force without them, for the night in which
 * there is one officer alone. It is recorded, told, and not forgotten until officers have approved it.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/command.h"
#include "proto/kind.h"

static void print_difference(const struct effect_lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		printf("  %s\n", l->v[i]);
}

static struct err *show(struct state *s)
{
	AUTO_MEM char *name = text_hex(BYTES(s->effect_digest, APPROVAL_SHOWN_LEN));
	struct effect_lines l;
	struct approval a;

	TRY(approval_settle(s));
	TRY(approval_look(s, 0, &a));
	if (a.in_force && !a.waits) {
		printf("Configuration %s is in force.\n", name);
		return NULL;
	}
	TRY(approval_difference(s, &a, &l));
	if (a.in_force)
		printf("Configuration %s is in force because root said so alone; %u of %u officers "
		       "have approved it since.\n",
			name, a.given, a.needed);
	else
		printf("Configuration %s waits: %u of %u officers have approved it.\n", name,
			a.given, a.needed);
	print_difference(&l);
	effect_lines_clear(&l);
	return NULL;
}

static struct err *check_reason(const char *reason)
{
	if (!reason || !*reason)
		return err_new(&ERR_CONFIG, "approve --alone needs --reason TEXT: it is recorded");
	if (strlen(reason) > ENTRY_REASON_MAX || !text_is_printable(BYTES(reason, strlen(reason))))
		return err_new(&ERR_CONFIG, "--reason: printable text of at most %d bytes",
			ENTRY_REASON_MAX);
	return NULL;
}

struct err *command_approve(int argc, char **argv)
{
	static const struct option options[] = {
		{ "alone", no_argument, NULL, 'a' },
		{ "reason", required_argument, NULL, 'r' },
		{ 0 },
	};
	AUTO(state) struct state *s = NULL;
	const char *reason = NULL;
	uid_t uid = getuid();
	bool alone = false;

	for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
		c = getopt_long(argc, argv, "", options, NULL)) {
		if (c == 'a')
			alone = true;
		else if (c == 'r')
			reason = optarg;
		else
			return err_new(&ERR_CONFIG, "see derivd-ca --help");
	}
	if (optind != argc || (reason && !alone))
		return err_new(&ERR_CONFIG, "approve takes --alone --reason TEXT, or nothing");
	TRY(alone ? check_reason(reason) : NULL);
	TRY(command_become_owner());
	TRY(state_open(&s));
	if (!alone)
		return show(s);
	TRY(approval_alone(s, uid, reason));
	printf("It is in force. Officers have to approve it afterwards: derivctl change show\n");
	return NULL;
}
