/* ctl.h: what every command of derivctl shares: options, the connection to derivd, how errors end. */
#ifndef DERIVD_CTL_CTL_H
#define DERIVD_CTL_CTL_H

#include "client/ctl/json.h"
#include "client/ctl/lang.h"
#include "client/ctl/term.h"
#include "proto/common.pb-c.h"
#include "proto/peer.h"

/* Exit statuses, documented in derivctl(1). */
enum ctl_exit {
	CTL_OK = 0,
	CTL_FAULT = 1,     /* a fault of derivctl or of the machine */
	CTL_USAGE = 2,     /* the command line */
	CTL_REFUSED = 3,   /* fate "refuse": something given or brought was wrong */
	CTL_RETRY = 4,     /* fate "retry": may work later */
	CTL_BROKEN = 5,    /* fate "broken": the installation needs mending */
	CTL_CANCELLED = 6, /* the person stopped it */
	CTL_PENDING = 7,   /* everything signed and committed, delivery goes on without us */
	CTL_WARNED = 8,    /* doctor: something will not work for long */
	CTL_FAULTS = 9,    /* doctor: something does not work */
};

struct ctl_command;

struct ctl {
	bool json;
	bool plain;
	const struct ctl_command *command; /* NULL before one is recognized */
	const char *tree;                  /* -C, lent; NULL: the installed one */
	struct peer *control;              /* opened at first use */
	int status;                        /* of a command that ends without an error */
};

/* Milliseconds that derivd has for an answer. */
#define CTL_ANSWER_MS 30000

extern const struct err_kind CTL_ERR_USAGE;     /* exit status 2 */
extern const struct err_kind CTL_ERR_CANCELLED; /* exit status 6 */
extern const struct err_kind CTL_ERR_PENDING;   /* exit status 7 */

extern const struct err_kind CTL_ERR_NOT_SET_UP; /* exit status 5 */

/* Is there a deployment.conf? derivd starts nothing without. */
bool ctl_is_set_up(void);
/* The connection to derivd, lent. ERR_UNREACHABLE with the way to start it, CTL_ERR_NOT_SET_UP, ERR_BUILD. */
MUST_CHECK struct err *ctl_control(struct ctl *c, struct peer **ret_peer);
/* One request to derivd and its answer, which the caller frees with msg_free. */
MUST_CHECK struct err *ctl_call(struct ctl *c, enum msg_number number, const void *body,
	enum msg_number expected, void *ret_body);
/* From one page of a list to the next: *cursor becomes next, which is 0 at the end. ERR_PROTOCOL when that does not go on. */
MUST_CHECK struct err *ctl_next_page(uint64_t next, uint64_t *cursor);
/* Connects to derivd-card. The same errors. */
MUST_CHECK struct err *ctl_card(struct peer **ret_peer);
/*
 * An answer that did not arrive is none. CTL_ERR_CANCELLED: whoever read the output has gone; ERR_SYSTEM: it cannot be
 * written, as on a full disk.
 */
MUST_CHECK struct err *ctl_written(void);
/* Shows an error to the person (or as JSON) and returns the exit status that belongs to it. NULL is CTL_OK. */
int ctl_end(const struct ctl *c, struct err *take_e);
/* CTL_ERR_USAGE. */
MUST_CHECK struct err *ctl_usage(const char *fmt, ...) PRINTF(1, 2);

/* PROTOCOL.card: of what chooses a reader, and a token. */
#define CTL_READER_MAX 256
#define CTL_URI_MAX 1024

/* CTL_ERR_USAGE unless the value of an option (or NULL) is a text that may be shown of at most max bytes. */
MUST_CHECK struct err *ctl_check_text(const char *name, const char *value, size_t max);

/* CTL_ERR_USAGE unless it may be an id or the beginning of one: hexadecimal digits. */
MUST_CHECK struct err *ctl_check_id(const char *value);

/* "authentication", "signing", "encryption", "decryption". */
const char *ctl_purpose_name(Common__Purpose p);
MUST_CHECK struct err *ctl_purpose_parse(const char *s, size_t len, Common__Purpose *ret_purpose);
/* A reason of RFC 5280 section 5.3.1 by name or number. */
MUST_CHECK struct err *ctl_reason_parse(const char *s, uint32_t *ret_reason);

/* One command: its words on the command line, its function, its usage. */
struct ctl_command {
	const char *verb;
	const char *sub; /* NULL when the verb stands alone */
	struct err *(*run)(struct ctl *c, int argc, char **argv);
	const char *usage;
	const char *about;
};

struct err *cmd_status(struct ctl *c, int argc, char **argv);
struct err *cmd_setup(struct ctl *c, int argc, char **argv);
struct err *cmd_change_show(struct ctl *c, int argc, char **argv);
struct err *cmd_change_approve(struct ctl *c, int argc, char **argv);
struct err *cmd_change_list(struct ctl *c, int argc, char **argv);
struct err *cmd_roles(struct ctl *c, int argc, char **argv);
struct err *cmd_doctor(struct ctl *c, int argc, char **argv);
struct err *cmd_readers(struct ctl *c, int argc, char **argv);
struct err *cmd_card_show(struct ctl *c, int argc, char **argv);
struct err *cmd_provision(struct ctl *c, int argc, char **argv);
struct err *cmd_issue(struct ctl *c, int argc, char **argv);
struct err *cmd_request_list(struct ctl *c, int argc, char **argv);
struct err *cmd_request_show(struct ctl *c, int argc, char **argv);
struct err *cmd_request_cancel(struct ctl *c, int argc, char **argv);
struct err *cmd_device_list(struct ctl *c, int argc, char **argv);
struct err *cmd_device_show(struct ctl *c, int argc, char **argv);
struct err *cmd_device_revoke(struct ctl *c, int argc, char **argv);
struct err *cmd_pins(struct ctl *c, int argc, char **argv);
struct err *cmd_credential_list(struct ctl *c, int argc, char **argv);
struct err *cmd_credential_show(struct ctl *c, int argc, char **argv);
struct err *cmd_credential_revoke(struct ctl *c, int argc, char **argv);
struct err *cmd_queue_list(struct ctl *c, int argc, char **argv);
struct err *cmd_queue_show(struct ctl *c, int argc, char **argv);
struct err *cmd_queue_retry(struct ctl *c, int argc, char **argv);
struct err *cmd_evidence_show(struct ctl *c, int argc, char **argv);
struct err *cmd_evidence_verify(struct ctl *c, int argc, char **argv);
struct err *cmd_audit_show(struct ctl *c, int argc, char **argv);
struct err *cmd_audit_checkpoint(struct ctl *c, int argc, char **argv);
struct err *cmd_audit_verify(struct ctl *c, int argc, char **argv);
struct err *cmd_backup(struct ctl *c, int argc, char **argv);
struct err *cmd_restore(struct ctl *c, int argc, char **argv);
struct err *cmd_watch(struct ctl *c, int argc, char **argv);

#endif
