/* change.c: commands that change something: cancel, revoke, retry. */
#include <stdio.h>

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "proto/control.pb-c.h"

#define TEXT_MAX 512

static struct err *change(struct ctl *c, enum msg_number number, const void *body,
	const char *nothing, const char *done)
{
	AUTO_MSG Control__Changed *changed = NULL;

	TRY(ctl_call(c, number, body, MSG_CHANGED, &changed));
	if (c->json) {
		AUTO(json) json_t *j = json_from_message(&changed->base);

		json_print(j);
	} else if (changed->count == 0) {
		(void)printf("%s\n", nothing);
	} else {
		(void)printf("%s (%u)\n", done, changed->count);
	}
	if (!c->json && changed->nobody_told && number != MSG_QUEUE_RETRY)
		(void)printf(_("NOBODY IS TOLD of it: courier.conf names neither smtp nor hook. "
			       "Tell the holder yourself.\n"));
	return NULL;
}

struct err *cmd_request_cancel(struct ctl *c, int argc, char **argv)
{
	Control__RequestCancel ask = CONTROL__REQUEST_CANCEL__INIT;
	const char *id, *text = "";
	const struct option_row rows[] = { { "text", OPTION_TEXT, &text },
		{ NULL, OPTION_FLAG, NULL } };

	TRY(options_parse(argc, argv, rows, 1, 1, &id));
	TRY(ctl_check_id(id));
	TRY(ctl_check_text("--text", text, TEXT_MAX));
	ask.id = (char *)id;
	ask.reason = (char *)text;
	return change(c, MSG_REQUEST_CANCEL, &ask, _("It had ended already; nothing was changed."),
		_("Cancelled; what was issued is being revoked."));
}

struct revocation {
	const char *id, *reason, *text;
	uint32_t number;
};

static struct err *parse_revocation(
	int argc, char **argv, const char *standard, struct revocation *ret_r)
{
	struct revocation r = { .reason = standard, .text = "" };
	const struct option_row rows[] = {
		{ "reason", OPTION_TEXT, &r.reason },
		{ "text", OPTION_TEXT, &r.text },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 1, 1, &r.id));
	TRY(ctl_check_id(r.id));
	TRY(ctl_check_text("--text", r.text, TEXT_MAX));
	TRY(ctl_reason_parse(r.reason, &r.number));
	*ret_r = r;
	return NULL;
}

struct err *cmd_device_revoke(struct ctl *c, int argc, char **argv)
{
	Control__DeviceRevoke ask = CONTROL__DEVICE_REVOKE__INIT;
	struct revocation r;

	TRY(parse_revocation(argc, argv, "key-compromise", &r));
	ask.id = (char *)r.id;
	ask.reason = r.number;
	ask.text = (char *)r.text;
	return change(c, MSG_DEVICE_REVOKE, &ask,
		_("The device was revoked before; nothing was changed."),
		_("The device is revoked; its credentials are being revoked."));
}

struct err *cmd_credential_revoke(struct ctl *c, int argc, char **argv)
{
	Control__CredentialRevoke ask = CONTROL__CREDENTIAL_REVOKE__INIT;
	struct revocation r;

	TRY(parse_revocation(argc, argv, "unspecified", &r));
	ask.id = (char *)r.id;
	ask.reason = r.number;
	ask.text = (char *)r.text;
	return change(c, MSG_CREDENTIAL_REVOKE, &ask,
		_("The credential had ended before; nothing was changed."),
		_("The credential is being revoked."));
}

struct err *cmd_queue_retry(struct ctl *c, int argc, char **argv)
{
	Control__QueueRetry ask = CONTROL__QUEUE_RETRY__INIT;
	const struct option_row none[] = { { NULL, OPTION_FLAG, NULL } };
	const char *id = "";

	TRY(options_parse(argc, argv, none, 0, 1, &id));
	TRY(id[0] ? ctl_check_id(id) : NULL);
	ask.id = (char *)id;
	return change(c, MSG_QUEUE_RETRY, &ask, _("Nothing waits or is blocked."),
		_("It is tried again now."));
}
