/* restore_machine.h: after a restore on another machine: what belongs to a machine, is in no backup, and is missing on this one. */
#ifndef DERIVD_CTL_RESTORE_MACHINE_H
#define DERIVD_CTL_RESTORE_MACHINE_H

#include "client/ctl/ctl.h"

/* Says so, one line for each; without anything missing, nothing. */
MUST_CHECK struct err *restore_machine_say(const struct ctl *c);

#endif
