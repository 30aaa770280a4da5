/* loop.h: what derivd does by the clock: one timer for whatever is due next, and the status line. */
#ifndef DERIVD_CORE_LOOP_H
#define DERIVD_CORE_LOOP_H

#include <systemd/sd-event.h>

#include "daemon/core/caworker.h"
#include "daemon/core/control.h"
#include "daemon/core/gateway.h"
#include "daemon/core/noticeworker.h"

struct daemon {
	sd_event *event;
	struct core *core;
	struct caworker *ca;
	struct noticeworker *notices;
	struct control *control;
	struct gateway *gateway;
	sd_event_source *turn, *timer, *hup;
	int64_t pump_boot_ms, sweep_boot_ms, status_boot_ms, notice_boot_ms, channels_boot_ms;
	int64_t calog_boot_ms; /* not before then derivd-ca is asked how far its log has come */
	int64_t ready_boot_ms; /* when derivd is ready whether derivd-ca is heard of or not; 0: it is ready */
	char *not_in_force; /* why the configuration that was to be read again is not used; or NULL */
	bool status_stale;
	char said[256]; /* the status line */
};

/*
 * Makes the timer and sets it for the first time. The service manager hears that derivd is ready when derivd-ca has answered, or
 * it is known that it does not.
 */
MUST_CHECK struct err *loop_start(struct daemon *d);
/* Something may be due earlier now, or the status another one. */
void loop_changed(struct daemon *d);
void loop_facts(void *userdata, struct control_facts *ret_facts);

#endif
