/*
 * main.c: derivctl, the operator's command. It keeps nothing: every command asks derivd, derivd-card or a file, shows
 * the answer and ends with an exit status that tells what kind of end it was (ctl.h).
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/proc.h"
#include "client/ctl/ctl.h"

static const struct ctl_command commands[] = {
	{ "status", NULL, cmd_status, "", N_("how the services are") },
	{ "roles", NULL, cmd_roles, "", N_("who may do what") },
	{ "doctor", NULL, cmd_doctor, "[--no-card] [--turn-card SECONDS] [--monitor]",
		N_("what is wrong here, and what to do about it") },
	{ "readers", NULL, cmd_readers, "", N_("card readers, and whether a card is in them") },
	{ "card", "show", cmd_card_show, "[--reader NAME] [--uri URI]",
		N_("what a card says without a PIN") },
	{ "provision", NULL, cmd_provision,
		"[--reader NAME] [--uri URI] [--purposes P,P] [--label NAME] [--wait-card SECONDS] "
		"[--yes] "
		"[--pin-fd N] [--last-try] [--show-uri] [--uri-fd N] [--time-limit SECONDS] "
		"[--no-wait] "
		"[--wait SECONDS]",
		N_("enroll a device with the card in the reader") },
	{ "issue", NULL, cmd_issue,
		"--device ID [--purposes P,P] [--replace] [--reader NAME] [--uri URI] [--wait-card "
		"SECONDS] [--yes] "
		"[--pin-fd N] [--last-try] [--time-limit SECONDS] [--no-wait] [--wait SECONDS]",
		N_("further credentials for an enrolled device") },
	{ "request", "list", cmd_request_list, "[--open]", N_("enrollments and other requests") },
	{ "request", "show", cmd_request_show, "ID", N_("one request with its credentials") },
	{ "request", "cancel", cmd_request_cancel, "ID [--text WHY]",
		N_("end a request; what it issued is revoked") },
	{ "device", "list", cmd_device_list, "", N_("enrolled devices") },
	{ "device", "show", cmd_device_show, "ID", N_("one device with its credentials") },
	{ "device", "revoke", cmd_device_revoke, "ID [--reason REASON] [--text WHY]",
		N_("lost or stolen: revoke everything on it") },
	{ "pins", NULL, cmd_pins, "", N_("which devices know the gateway's keys as they are now") },
	{ "credential", "list", cmd_credential_list, "[--open] [--request ID] [--device ID]",
		N_("credentials") },
	{ "credential", "show", cmd_credential_show, "ID [--pem]", N_("one credential") },
	{ "credential", "revoke", cmd_credential_revoke, "ID [--reason REASON] [--text WHY]",
		N_("revoke one credential") },
	{ "queue", "list", cmd_queue_list, "[--open] [--request ID] [--device ID]",
		N_("what is to be done, why it waits, when it is tried again") },
	{ "queue", "show", cmd_queue_show, "ID", N_("one entry of the queue") },
	{ "queue", "retry", cmd_queue_retry, "[ID]", N_("try again now: one entry, or all") },
	{ "evidence", "show", cmd_evidence_show, "CREDENTIAL [--output FILE] [--extract DIR]",
		N_("what proves a credential") },
	{ "evidence", "verify", cmd_evidence_verify,
		"CREDENTIAL|FILE [--anchor FILE]... [--intermediate FILE]... [--deployment FILE]",
		N_("check that proof, also offline from a file") },
	{ "audit", "show", cmd_audit_show, "[--request ID] [--after N]",
		N_("the audit chain's rows") },
	{ "audit", "checkpoint", cmd_audit_checkpoint, "[--output FILE]",
		N_("how far both logs have come, signed, for another machine") },
	{ "audit", "verify", cmd_audit_verify,
		"[--deployment FILE] [--checkpoint FILE]... [--lost FROM-TO]...",
		N_("check the chain, and against what derivd-ca saw of it") },
	{ "setup", NULL, cmd_setup,
		"[--defaults] [--insist] [--dry-run] [--organization NAME] [--host NAME] [--port "
		"NUMBER] "
		"[--anchors FILE|DIR]... [--policy OID]... [--other-certificates yes|no] "
		"[--escrow FILE|new]... [--url URL] [--keys DIR] [--operator USER]... [--officer "
		"USER]... "
		"[--auditor USER]... [--smtp HOST[:PORT]] [--from ADDRESS] [--notify ADDRESS]... "
		"[--user PROGRAM=UID:GID]...",
		N_("from installed packages to a kiosk that works; root only") },
	{ "change", "show", cmd_change_show, "",
		N_("what root has changed at the CA, and who has to approve it") },
	{ "change", "approve", cmd_change_approve, "DIGEST", N_("approve it, as an officer") },
	{ "change", "list", cmd_change_list, "",
		N_("which configurations of the CA were in force, and who approved them") },
	{ "backup", NULL, cmd_backup, "DIR", N_("everything into a new directory; root only") },
	{ "restore", NULL, cmd_restore, "[--replace | --check] DIR",
		N_("a backup back to its place, with the services stopped; root only") },
	{ "watch", NULL, cmd_watch, "[--request ID] [--after N]", N_("audit rows as they happen") },
};

static void print_usage(FILE *f)
{
	(void)fputs(
		_("usage: derivctl [-C DIR] [--json] [--plain] [--lang LANGUAGE] COMMAND ...\n\n"),
		f);
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%s%s%s", commands[i].verb,
			commands[i].sub ? " " : "", commands[i].sub ? commands[i].sub : "");
		(void)fprintf(f, "  %-18s %s\n", name, _(commands[i].about));
	}
	(void)fputs(_("\n'derivctl COMMAND --help' shows a command's options; derivctl(1) explains "
		      "them.\n"),
		f);
}

static const struct ctl_command *find(int argc, char **argv, int *ret_words)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		const struct ctl_command *cmd = &commands[i];

		if (argc < 1 || strcmp(argv[0], cmd->verb) != 0)
			continue;
		if (cmd->sub && (argc < 2 || strcmp(argv[1], cmd->sub) != 0))
			continue;
		*ret_words = cmd->sub ? 2 : 1;
		return cmd;
	}
	return NULL;
}

static bool is_verb(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(word, commands[i].verb) == 0)
			return true;
	return false;
}

/* "device" alone, or with a second word that it does not have: say which it has. */
static struct err *missing_sub(const char *verb)
{
	AUTO(buf) struct buf *list = buf_new();

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(verb, commands[i].verb) == 0)
			buf_addf(list, "%s%s", buf_len(list) > 0 ? ", " : "", commands[i].sub);
	return ctl_usage(_("'%s' wants one of: %s"), verb, buf_str(list));
}

static bool wants_help(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

/* -C DIR: a tree as derivd-spawn makes it, with etc and run below. */
static void use_tree(struct ctl *c, const char *dir)
{
	AUTO_MEM char *etc = xasprintf("%s/etc", dir);
	AUTO_MEM char *run = xasprintf("%s/run", dir);

	(void)setenv("CONFIGURATION_DIRECTORY", etc, 1);
	(void)setenv("RUNTIME_DIRECTORY", run, 1);
	c->tree = dir;
}

/* lang_start has read it; how many words it is. */
static int is_lang(int argc, char **argv)
{
	if (strncmp(argv[0], "--lang=", 7) == 0)
		return 1;
	return strcmp(argv[0], "--lang") == 0 ? (argc > 1 ? 2 : 1) : 0;
}

static struct err *global_options(struct ctl *c, int argc, char **argv, int *ret_used)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (strcmp(argv[i], "--plain") == 0)
			c->plain = true;
		else if (is_lang(argc - i, argv + i))
			i += is_lang(argc - i, argv + i) - 1;
		else if (strcmp(argv[i], "-C") == 0 && i + 1 == argc)
			return ctl_usage(_("-C needs a directory"));
		else if (strcmp(argv[i], "-C") == 0)
			use_tree(c, argv[++i]);
		else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
			 strcmp(argv[i], "--version") == 0)
			break;
		else
			return ctl_usage(
				_("'%s' is no option that stands before a command"), argv[i]);
	}
	*ret_used = i;
	return NULL;
}

/* --json, --plain and --lang may stand behind the command too, where people look for them, up to a "--". */
static int later_options(struct ctl *c, int argc, char **argv)
{
	bool only_rest = false;
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		only_rest = only_rest || strcmp(argv[i], "--") == 0;
		if (!only_rest && strcmp(argv[i], "--json") == 0)
			c->json = true;
		else if (!only_rest && strcmp(argv[i], "--plain") == 0)
			c->plain = true;
		else if (!only_rest && is_lang(argc - i, argv + i))
			i += is_lang(argc - i, argv + i) - 1;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

static struct err *run(struct ctl *c, int argc, char **argv)
{
	const struct ctl_command *cmd;
	int used = argc, n_words;

	TRY(global_options(c, argc, argv, &used));
	argc = later_options(c, argc - used, argv + used);
	argv += used;
	if (argc > 0 && strcmp(argv[0], "--version") == 0) {
		(void)printf("derivctl %s, build %s\n", PACKAGE_VERSION, proc_build_id());
		return NULL;
	}
	cmd = find(argc, argv, &n_words);
	if (!cmd && (argc == 0 || wants_help(argc, argv) || strcmp(argv[0], "help") == 0)) {
		print_usage(stdout);
		return NULL;
	}
	if (!cmd && is_verb(argv[0]))
		return missing_sub(argv[0]);
	if (!cmd)
		return ctl_usage(_("there is no command '%s%s%s'; derivctl --help lists them"),
			argv[0], argc > 1 ? " " : "", argc > 1 ? argv[1] : "");
	if (wants_help(argc, argv)) {
		(void)printf(_("usage: derivctl %s%s%s %s\n%s\n"), cmd->verb, cmd->sub ? " " : "",
			cmd->sub ? cmd->sub : "", cmd->usage, _(cmd->about));
		return NULL;
	}
	c->command = cmd;
	/* The words of the command stand where a program's name does. */
	return cmd->run(c, argc - n_words + 1, argv + n_words - 1);
}

int main(int argc, char **argv)
{
	struct ctl c = { 0 };
	struct err *e;
	int status;

	proc_start_interactive("derivctl");
	json_start();
	e = lang_start(argc, argv);
	if (!e)
		e = run(&c, argc, argv);
	if (!e)
		e = ctl_written();
	status = ctl_end(&c, e);
	peer_free(c.control);
	return status;
}
