/* notify.h: what services say of themselves, sd_notify(3). */
#ifndef DERIVD_DAEMON_SPAWN_NOTIFY_H
#define DERIVD_DAEMON_SPAWN_NOTIFY_H

#include <sys/types.h>

#include "base/def.h"

#define NOTIFY_TEXT_MAX 2048

struct notice {
	pid_t pid; /* as the kernel attests */
	bool ready;
	char status[NOTIFY_TEXT_MAX]; /* safe to show; empty: none was said */
};

/* The next datagram; false when there is none. One that is too long or has no sender gives a notice with pid 0. */
bool notify_read(int fd, struct notice *ret_notice);

#endif
