/* command.h: what derivd-ca does besides serving a connection: commands of root, on a terminal. */
#ifndef DERIVD_DAEMON_CA_COMMAND_H
#define DERIVD_DAEMON_CA_COMMAND_H

#include "daemon/ca/init.h"

/* argv[0] is the command's name. ERR_CONFIG for wrong use. */
MUST_CHECK struct err *command_init(int argc, char **argv);
MUST_CHECK struct err *command_check(int argc, char **argv);
MUST_CHECK struct err *command_approve(int argc, char **argv);
MUST_CHECK struct err *command_crl(int argc, char **argv);
MUST_CHECK struct err *command_pins(int argc, char **argv);
MUST_CHECK struct err *command_backup(int argc, char **argv);
MUST_CHECK struct err *command_restore(int argc, char **argv);
/* Root becomes who owns the log: what a command writes must not belong to root. ERR_SYSTEM. */
MUST_CHECK struct err *command_become_owner(void);
/* Serves the connection that was passed in. */
MUST_CHECK struct err *serve(void);
/* The same, of an officer. */
MUST_CHECK struct err *serve_officer(void);

#endif
