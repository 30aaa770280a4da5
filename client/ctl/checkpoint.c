/* checkpoint.c: how far both logs have come, signed by derivd-ca, into a file for another machine. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "evidence/checkpoint.h"
#include "proto/control.pb-c.h"
#include "proto/deployment.h"

/* Opened under our own keys, and only as the answer to this question: derivd could give an old one. */
static struct err *get(struct ctl *c, const struct deployment *d,
	Control__AuditCheckpointReply **ret_reply, struct checkpoint *ret_checkpoint)
{
	Control__AuditCheckpoint ask = CONTROL__AUDIT_CHECKPOINT__INIT;
	AUTO_MSG Control__AuditCheckpointReply *reply = NULL;
	uint8_t challenge[CHECKPOINT_CHALLENGE_LEN];

	clock_random(challenge, sizeof(challenge));
	ask.challenge = pb_lend(BYTES(challenge, sizeof(challenge)));
	TRY(ctl_call(c, MSG_AUDIT_CHECKPOINT, &ask, MSG_AUDIT_CHECKPOINT_REPLY, &reply));
	TRY(checkpoint_open(
		reply->checkpoint, BYTES(d->receipt_public, ED25519_PUBLIC_LEN), ret_checkpoint));
	if (memcmp(ret_checkpoint->challenge, challenge, sizeof(challenge)) != 0 ||
		memcmp(ret_checkpoint->deployment, d->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_AUDIT_BAD, _("derivd gives a checkpoint that answers another "
						 "question: derivd-ca did not "
						 "sign it now"));
	*ret_reply = take(reply);
	return NULL;
}

static void show(const struct ctl *c, const struct checkpoint *checkpoint, const char *output)
{
	AUTO_MEM char *time = text_time(checkpoint->time_ms);

	if (c->json) {
		AUTO(json)
		json_t *j = json_pack("{s:s, s:s, s:I, s:I}", "checkpoint", output, "time", time,
			"audit_rows", (json_int_t)checkpoint->audit_rows, "log_rows",
			(json_int_t)checkpoint->log_rows);

		json_print(j);
	} else {
		(void)printf(
			_("%s: audit row %llu, log row %llu, %s\nKeep it on another machine.\n"),
			output, (unsigned long long)checkpoint->audit_rows,
			(unsigned long long)checkpoint->log_rows, time);
	}
}

struct err *cmd_audit_checkpoint(struct ctl *c, int argc, char **argv)
{
	AUTO_MEM char *standard = proc_config_path("deployment.conf");
	AUTO(deployment) struct deployment *d = NULL;
	AUTO_MSG Control__AuditCheckpointReply *reply = NULL;
	struct checkpoint checkpoint;
	const char *output = NULL;
	const struct option_row rows[] = {
		{ "output", OPTION_TEXT, &output },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	if (c->json && !output)
		return ctl_usage(_("with --json, --output names the file"));
	TRY(deployment_load(standard, &d));
	TRY(get(c, d, &reply, &checkpoint));
	AUTO(buf) struct buf *text = checkpoint_text(reply->checkpoint, &checkpoint);
	if (!output) {
		(void)fputs(buf_str(text), stdout);
		return NULL;
	}
	TRY(io_write_file(output, buf_bytes(text), 0644));
	show(c, &checkpoint, output);
	return NULL;
}
