/* stand.h: stands in for systemd in a test: programs with a connection passed in, and other helpers as child processes. */
#ifndef DERIVD_TESTS_UNIT_STAND_H
#define DERIVD_TESTS_UNIT_STAND_H

#include <sys/types.h>

#include "base/def.h"

/* A built program, found by its path below the build directory; the caller frees. */
char *stand_program(const char *name);
/* Starts it with one end of a new connection passed in (Accept=yes); the other end is the caller's. */
pid_t stand_connect(const char *program, int *ret_fd);
/* Listens on a path and starts the program for each connection, until stand_stop. */
pid_t stand_listen(const char *path, const char *program);
/* tests/unit/web_server.py on a directory. */
pid_t stand_web(const char *dir, unsigned int *ret_port);
/* Ends a child of these and its children. */
void stand_stop(pid_t pid);

#endif
