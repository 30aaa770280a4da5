/* api.h: what the files of the public interface share: a handle, and an error as the app gets it. */
#ifndef DERIVD_DEVICE_API_H
#define DERIVD_DEVICE_API_H

#include "client/device/derivd-device.h"
#include "client/device/home.h"

struct derivd_device {
	struct home *home;
	bool change; /* opened for changes */
	int stop_fd; /* eventfd: readable when the run shall end */
};

struct derivd_device_error {
	const struct err_kind *kind;
	char *text; /* printable */
};

/* NULL stays NULL. */
MUST_CHECK struct derivd_device_error *api_error(struct err *take_e);
/* For the time of a callback: the caller frees the text. */
void api_show_error(const struct err *e, struct derivd_device_error *ret_shown);
/* Is there a state to look at? ERR_NOT_BEGUN. */
MUST_CHECK struct err *api_load(const struct derivd_device *d, struct state **ret_state);

#endif
