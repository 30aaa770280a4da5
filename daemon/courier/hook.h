/* hook.h: the administrator's command that is told of each notice: no shell, JSON on its standard input. */
#ifndef DERIVD_DAEMON_COURIER_HOOK_H
#define DERIVD_DAEMON_COURIER_HOOK_H

#include "daemon/courier/settings.h"

/*
 * Runs it with `kind` as a last argument, and kills it with all that it started once its time is over. What it writes to
 * standard error goes to the journal. ERR_NOTICE: it did not start, did not end in time or not with 0.
 */
MUST_CHECK struct err *hook_run(const struct hook_rules *rules, const char *kind, const char *json);

#endif
