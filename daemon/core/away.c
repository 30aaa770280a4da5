/* away.c: see away.h. */
#include "daemon/core/away.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alive.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "proto/kind.h"
#include "proto/worker.h"

/*
 * With a mistake that a restart does not mend derivd then ends for good, and who connects next starts it: the gateway tries each
 * ten seconds. Else it is started again by itself, and this is what keeps it from doing that each second.
 */
#define TELL_MS 1000
#define TELL_LONG_MS 5000

enum { CONTROL, GATEWAY, LISTENERS };

struct err *away_listener(const char *name, int *ret_fd)
{
	int fd = -1;

	TRY(proc_passed_fd(name, SOCK_SEQPACKET, true, &fd));
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_errno(errno, "the socket %s", name);
	*ret_fd = fd;
	return NULL;
}

int away_exit_status(const struct err *e)
{
	return err_is(e, &ERR_STORE_NEWER) ? PROC_EXIT_CONFIG : proc_exit_status(e);
}

/* The gateway is not told more than that derivd is not there. */
static void turn_away(const struct pollfd ready[static LISTENERS], const struct err *why)
{
	for (int i = 0; i < LISTENERS; i++) {
		int peer = ready[i].revents ? accept4(ready[i].fd, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (peer >= 0 && i == CONTROL)
			err_free(worker_turn_away(peer, LINK_CONTROL, "derivd", why));
		else if (peer >= 0)
			close(peer);
	}
}

void away_tell(const struct err *why)
{
	bool for_good = away_exit_status(why) == PROC_EXIT_CONFIG;
	int64_t now = clock_boot_ms(), end = now + (for_good ? TELL_MS : TELL_LONG_MS);
	AUTO_MEM char *status = xasprintf("cannot start: %s", err_get_text(why));
	struct pollfd ready[LISTENERS] = {
		[CONTROL] = { .fd = -1, .events = POLLIN },
		[GATEWAY] = { .fd = -1, .events = POLLIN },
	};
	sigset_t none;

	alive_say(status);
	/* Nothing has to be put in order any more: signals end it. */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	err_free(away_listener("control", &ready[CONTROL].fd));
	err_free(away_listener("gateway", &ready[GATEWAY].fd));
	for (; now < end; now = clock_boot_ms()) {
		if (poll(ready, LISTENERS, (int)(end - now)) > 0)
			turn_away(ready, why);
	}
}
