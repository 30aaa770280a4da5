/* show.h: status and list, in words or as JSON. */
#ifndef DERIVD_DEVICE_SHOW_H
#define DERIVD_DEVICE_SHOW_H

#include "client/device/home.h"
#include "client/device/say.h"

/* One page: which deployment, which stage, what is held. */
MUST_CHECK struct err *show_status(const struct home *h, const struct say *say);
/* One line for each credential. */
MUST_CHECK struct err *show_list(const struct home *h, const struct say *say);

#endif
