/* program.h: programs of derivd's other rooms, and of the system, that root's commands run: each does its own part. */
#ifndef DERIVD_CTL_PROGRAM_H
#define DERIVD_CTL_PROGRAM_H

#include "client/ctl/ctl.h"

extern const struct err_kind CTL_ERR_PROGRAM; /* exit status 5 */

/*
 * Runs a program to its end. name: without a slash; "derivd" and those that begin so are looked for beside derivctl and then where
 * they are installed, others in the system's directories. words, at most 47, end with NULL. What it prints is shown, unless with --json.
 * CTL_ERR_PROGRAM with what it said on standard error.
 */
MUST_CHECK struct err *program_run(
	const struct ctl *c, const char *name, const char *const words[]);

/* Is it where program_run would find it? */
bool program_is_there(const char *name);

#endif
