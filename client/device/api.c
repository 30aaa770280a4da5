/* api.c: the public interface, but for errors (api_error.c) and what only reads (api_read.c, api_export.c): derivd-device.h. */
#include "client/device/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "client/device/enroll.h"
#include "client/device/fault.h"
#include "client/device/repin.h"
#include "client/device/run.h"
#include "evidence/seal.h"

#define RETRY_MOST_MS (5 * 60 * 1000)
/* What anybody may wait for; more is as good as for ever. */
#define TIMEOUT_MAX_MS (365ULL * 24 * 3600 * 1000)

const char *derivd_device_version(void)
{
	return PACKAGE_VERSION;
}

int derivd_device_wipe_freed(void)
{
	return seal_wipe_freed() ? 0 : -1;
}

/* --- open and close --- */

static struct err *open_device(
	const char *directory, unsigned int access, struct derivd_device **ret)
{
	struct home *h = NULL;

	if (access != DERIVD_DEVICE_READ && access != DERIVD_DEVICE_CHANGE)
		return err_new(&ERR_FORMAT, "access %u", access);
	AUTO_FD int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (stop_fd < 0)
		return err_errno(errno, "an eventfd");
	struct err *e = home_open(directory, access == DERIVD_DEVICE_CHANGE, &h);
	if (err_is(e, &ERR_NOTFOUND))
		return err_as(&ERR_NOT_BEGUN, e, "no enrollment was begun here");
	TRY(e);
	struct derivd_device *d = xcalloc(1, sizeof(*d));
	d->home = h;
	d->change = access == DERIVD_DEVICE_CHANGE;
	d->stop_fd = fd_take(&stop_fd);
	*ret = d;
	return NULL;
}

struct derivd_device_error *derivd_device_open(
	const char *directory, unsigned int access, struct derivd_device **ret_device)
{
	return api_error(open_device(directory, access, ret_device));
}

void derivd_device_close(struct derivd_device *device)
{
	if (!device)
		return;
	home_free(device->home);
	fd_cleanup(&device->stop_fd);
	free(device);
}

static struct err *check_change(const struct derivd_device *d)
{
	if (d->change)
		return NULL;
	return err_new(&ERR_HOME, "%s was opened to read, not to change", home_dir(d->home));
}

/* --- begin and run --- */

static struct err *begin(const struct derivd_device *d, const char *uri, const char *platform)
{
	TRY(check_change(d));
	return enroll_begin(d->home, uri, platform);
}

struct derivd_device_error *derivd_device_begin(
	struct derivd_device *device, const char *uri, const char *platform)
{
	return api_error(begin(device, uri, platform));
}

static struct err *choose_goal(enum derivd_device_goal goal, enum goal *ret_goal)
{
	static const enum goal goals[] = {
		[DERIVD_DEVICE_UNTIL_ACCEPTED] = GOAL_ACCEPTED,
		[DERIVD_DEVICE_UNTIL_COMPLETE] = GOAL_COMPLETE,
		[DERIVD_DEVICE_UNTIL_IDLE] = GOAL_IDLE,
		[DERIVD_DEVICE_UNTIL_STOPPED] = GOAL_STAY,
	};

	if (goal < DERIVD_DEVICE_UNTIL_ACCEPTED || goal > DERIVD_DEVICE_UNTIL_STOPPED)
		return err_new(&ERR_FORMAT, "goal %d", (int)goal);
	*ret_goal = goals[goal];
	return NULL;
}

static struct err *run(const struct derivd_device *d, const struct derivd_device_options *o)
{
	struct run_options run = {
		.patient = o->patient != 0,
		.retry_most_ms = o->retry_most_ms ? o->retry_most_ms : RETRY_MOST_MS,
		.talk = {
			.allow_issue = o->further != 0,
			.until_boot_ms = INT64_MAX,
			.stop_fd = d->stop_fd,
			.listener = { o->context, o->event, o->accept },
		},
	};

	TRY(check_change(d));
	TRY(choose_goal(o->goal, &run.talk.goal));
	if (o->timeout_ms && o->timeout_ms < TIMEOUT_MAX_MS)
		run.talk.until_boot_ms = clock_boot_ms() + (int64_t)o->timeout_ms;
	return run_until(d->home, &run);
}

/* A program that was built with an earlier header has a shorter struct: what it does not know is zero. */
static struct err *take_options(
	const struct derivd_device_options *given, struct derivd_device_options *ret_options)
{
	size_t size = given->size;

	if (size < offsetof(struct derivd_device_options, accept) + sizeof(given->accept))
		return err_new(&ERR_FORMAT, "options of %zu bytes", size);
	memset(ret_options, 0, sizeof(*ret_options));
	memcpy(ret_options, given, size < sizeof(*given) ? size : sizeof(*given));
	return NULL;
}

struct derivd_device_error *derivd_device_run(
	struct derivd_device *device, const struct derivd_device_options *options)
{
	struct derivd_device_options o;
	struct err *e = take_options(options, &o);
	uint64_t stops;

	if (!e)
		e = run(device, &o);
	/* Whoever wanted to stop it has been heard. */
	while (read(device->stop_fd, &stops, sizeof(stops)) < 0 && errno == EINTR)
		continue;
	return api_error(e);
}

void derivd_device_stop(struct derivd_device *device)
{
	const uint64_t one = 1;
	int saved_errno = errno;

	while (write(device->stop_fd, &one, sizeof(one)) < 0 && errno == EINTR)
		continue;
	errno = saved_errno;
}

static struct err *take_pins(const struct derivd_device *d, const char *text, int *ret_known)
{
	bool known;

	TRY(check_change(d));
	TRY(repin(d->home, text, &known));
	if (ret_known)
		*ret_known = known;
	return NULL;
}

struct derivd_device_error *derivd_device_repin(
	struct derivd_device *device, const char *text, int *ret_known)
{
	return api_error(take_pins(device, text, ret_known));
}
