/* place.h: where the device's directory is when nobody says. */
#ifndef DERIVD_AGENT_PLACE_H
#define DERIVD_AGENT_PLACE_H

/* derivd-device in XDG_STATE_HOME, or in ~/.local/state; the caller frees. */
char *place_state(void);

#endif
