/* ctl.c: see ctl.h. */
#include "client/ctl/ctl.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/proc.h"
#include "base/text.h"
#include "proto/control.pb-c.h"

#define ID_MAX 64

const struct err_kind CTL_ERR_USAGE = { "usage", FATE_REFUSE };
const struct err_kind CTL_ERR_CANCELLED = { "stopped", FATE_REFUSE };
const struct err_kind CTL_ERR_PENDING = { "pending", FATE_RETRY };

const struct err_kind CTL_ERR_NOT_SET_UP = { "not-set-up", FATE_BROKEN };

bool ctl_is_set_up(void)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");

	return access(path, F_OK) == 0 || errno != ENOENT;
}

/* Nobody answers: is it that nobody has been told to? */
static struct err *judge_silence(struct err *take_e)
{
	if (!take_e || !err_is(take_e, &ERR_UNREACHABLE) || ctl_is_set_up())
		return take_e;
	err_free(take_e);
	return err_new(&CTL_ERR_NOT_SET_UP,
		_("derivd is not set up on this machine; as root: derivctl setup"));
}

struct err *ctl_control(struct ctl *c, struct peer **ret_peer)
{
	if (!c->control) {
		AUTO_MEM char *path = proc_runtime_path("control.sock");

		TRY(judge_silence(err_wrap(
			peer_connect(path, LINK_CONTROL, "derivctl", &c->control), "derivd")));
	}
	*ret_peer = c->control;
	return NULL;
}

struct err *ctl_call(struct ctl *c, enum msg_number number, const void *body,
	enum msg_number expected, void *ret_body)
{
	struct peer *p;

	TRY(ctl_control(c, &p));
	return peer_call(p, number, body, expected, CTL_ANSWER_MS, ret_body);
}

struct err *ctl_next_page(uint64_t next, uint64_t *cursor)
{
	if (next != 0 && next <= *cursor)
		return err_new(&ERR_PROTOCOL, _("derivd's list goes round in circles"));
	*cursor = next;
	return NULL;
}

struct err *ctl_card(struct peer **ret_peer)
{
	AUTO_MEM char *path = proc_runtime_path("card.sock");
	struct err *e = peer_connect(path, LINK_CARD, "derivctl", ret_peer);

	/* Of the roles this is the operators' alone; what the kind says is true of the others. */
	if (err_is(e, &ERR_DENIED)) {
		err_free(e);
		return err_new(&ERR_DENIED, "%s",
			_("card readers are for members of the group derivd-operator, once they "
			  "have logged in again"));
	}
	return judge_silence(err_wrap(e, "derivd-card"));
}

static int exit_status(const struct err *e)
{
	if (err_is(e, &CTL_ERR_USAGE))
		return CTL_USAGE;
	if (err_is(e, &CTL_ERR_CANCELLED))
		return CTL_CANCELLED;
	if (err_is(e, &CTL_ERR_PENDING))
		return CTL_PENDING;
	if (err_is(e, &ERR_SYSTEM) || err_is(e, &ERR_INTERNAL))
		return CTL_FAULT;
	switch (err_get_fate(e)) {
	case FATE_RETRY:
		return CTL_RETRY;
	case FATE_REFUSE:
		return CTL_REFUSED;
	case FATE_BROKEN:
		return CTL_BROKEN;
	}
	return CTL_FAULT;
}

struct err *ctl_written(void)
{
	struct pollfd out = { .fd = STDOUT_FILENO };

	if (fflush(stdout) == 0 && !ferror(stdout))
		return NULL;
	if (poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP)))
		return err_new(&CTL_ERR_CANCELLED, _("nobody reads the output any more"));
	return err_new(&ERR_SYSTEM, _("standard output cannot be written; is the disk full?"));
}

/* What happened, and what to do. */
static void say_error(const struct ctl *c, const struct err *e)
{
	const char *remedy = kind_remedy(err_get_kind(e));

	(void)fprintf(stderr, "derivctl: %s\n", err_get_text(e));
	if (remedy[0] != '\0')
		(void)fprintf(stderr, "derivctl: %s\n", _(remedy));
	if (err_is(e, &CTL_ERR_USAGE) && c->command)
		(void)fprintf(stderr, _("usage: derivctl %s%s%s %s\n"), c->command->verb,
			c->command->sub ? " " : "", c->command->sub ? c->command->sub : "",
			c->command->usage);
}

int ctl_end(const struct ctl *c, struct err *take_e)
{
	AUTO(err) struct err *e = take_e;
	AUTO(err) struct err *unheard = NULL;

	if (!e)
		return c->status;
	if (c->json)
		json_print_error(e);
	unheard = ctl_written();
	if (!c->json || unheard)
		say_error(c, e);
	return exit_status(e);
}

struct err *ctl_usage(const char *fmt, ...)
{
	va_list args;
	char text[512];

	va_start(args, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	return err_new(&CTL_ERR_USAGE, "%s", text);
}

struct err *ctl_check_text(const char *name, const char *value, size_t max)
{
	size_t len = value ? strlen(value) : 0;

	if (len > max)
		return ctl_usage(_("%s is longer than %zu bytes"), name, max);
	if (!text_is_printable(BYTES(value ? value : "", len)))
		return ctl_usage(_("%s has characters that cannot be shown, or is no UTF-8"), name);
	return NULL;
}

struct err *ctl_check_id(const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > ID_MAX || strspn(value, "0123456789abcdefABCDEF") != len)
		return ctl_usage(_("'%s' is no id: those have from 1 to %d hexadecimal digits"),
			value, ID_MAX);
	return NULL;
}

static const struct {
	Common__Purpose purpose;
	const char *name;
} purposes[] = {
	{ COMMON__PURPOSE__AUTHENTICATION, N_("authentication") },
	{ COMMON__PURPOSE__SIGNING, N_("signing") },
	{ COMMON__PURPOSE__ENCRYPTION, N_("encryption") },
	{ COMMON__PURPOSE__DECRYPTION, N_("decryption") },
};

const char *ctl_purpose_name(Common__Purpose p)
{
	for (size_t i = 0; i < ARRAY_LEN(purposes); i++)
		if (purposes[i].purpose == p)
			return purposes[i].name;
	return "unknown";
}

struct err *ctl_purpose_parse(const char *s, size_t len, Common__Purpose *ret_purpose)
{
	for (size_t i = 0; i < ARRAY_LEN(purposes); i++)
		if (strlen(purposes[i].name) == len && memcmp(s, purposes[i].name, len) == 0) {
			*ret_purpose = purposes[i].purpose;
			return NULL;
		}
	return ctl_usage(
		_("'%.*s' is no purpose: give authentication, signing or encryption"), (int)len, s);
}

struct err *ctl_reason_parse(const char *s, uint32_t *ret_reason)
{
	static const struct {
		const char *name;
		uint32_t number;
	} reasons[] = {
		{ "unspecified", 0 },
		{ "key-compromise", 1 },
		{ "affiliation-changed", 3 },
		{ "superseded", 4 },
		{ "cessation", 5 },
		{ "privilege-withdrawn", 9 },
	};

	for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
		char number[8];

		(void)snprintf(number, sizeof(number), "%u", reasons[i].number);
		if (strcmp(s, reasons[i].name) == 0 || strcmp(s, number) == 0) {
			*ret_reason = reasons[i].number;
			return NULL;
		}
	}
	return ctl_usage(_("'%s' is no reason: give unspecified, key-compromise, "
			   "affiliation-changed, superseded, "
			   "cessation or privilege-withdrawn"),
		s);
}
