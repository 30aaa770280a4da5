/* state.h: the states and events of request.def, and their names as they stand in the store and on the wire. */
#ifndef DERIVD_CORE_STATE_H
#define DERIVD_CORE_STATE_H

#include "base/def.h"
#include "proto/common.pb-c.h"

enum request_state {
#define REQUEST_STATE(symbol, name, end) RS_##symbol,
#include "daemon/core/request.def"
	REQUEST_STATES
};

enum request_event {
#define REQUEST_EVENT(symbol, name) RE_##symbol,
#include "daemon/core/request.def"
	REQUEST_EVENTS
};

enum credential_state {
#define CREDENTIAL_STATE(symbol, name, class) CS_##symbol,
#include "daemon/core/request.def"
	CREDENTIAL_STATES
};

enum credential_event {
#define CREDENTIAL_EVENT(symbol, name) CE_##symbol,
#include "daemon/core/request.def"
	CREDENTIAL_EVENTS
};

/* CLASS_COMING: not yet at the device; LIVE: in use; LEAVING: its revocation is under way; END: over. */
enum state_class { CLASS_COMING, CLASS_LIVE, CLASS_LEAVING, CLASS_END };

const char *request_state_name(enum request_state s);
bool request_state_is_end(enum request_state s);
const char *request_event_name(enum request_event e);
/* False when there is none of that name. */
bool request_state_find(const char *name, enum request_state *ret_state);

const char *credential_state_name(enum credential_state s);
enum state_class credential_state_class(enum credential_state s);
const char *credential_event_name(enum credential_event e);
bool credential_state_find(const char *name, enum credential_state *ret_state);

/* "authentication", "signing", "encryption", "decryption"; "" for unset. */
const char *purpose_name(Common__Purpose p);
/* "enroll", "issue". */
const char *operation_name(Common__Operation o);

#endif
