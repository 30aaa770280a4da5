/* place.c: see place.h. */
#include "client/agent/place.h"

#include <stdlib.h>

#include "base/buf.h"

char *place_state(void)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	if (state && *state == '/')
		return xasprintf("%s/derivd-device", state);
	return xasprintf("%s/.local/state/derivd-device", home && *home == '/' ? home : "");
}
