/* show.h: status and list, in words or as JSON. */
#ifndef DERIVD_AGENT_SHOW_H
#define DERIVD_AGENT_SHOW_H

#include "client/agent/trouble.h"

/* One page: which deployment, which stage, what is held. */
MUST_CHECK struct trouble *show_status(const struct derivd_device *d, bool json);
/* One line for each credential. */
MUST_CHECK struct trouble *show_list(const struct derivd_device *d, bool json);

#endif
