/* state.c: names, straight from request.def. */
#include "daemon/core/state.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char *name;
	bool end;
} request_states[] = {
#define REQUEST_STATE(symbol, text, is_end) [RS_##symbol] = { text, is_end },
#include "daemon/core/request.def"
};

static const char *const request_events[] = {
#define REQUEST_EVENT(symbol, text) [RE_##symbol] = text,
#include "daemon/core/request.def"
};

static const struct {
	const char *name;
	enum state_class class;
} credential_states[] = {
#define CREDENTIAL_STATE(symbol, text, its_class) [CS_##symbol] = { text, CLASS_##its_class },
#include "daemon/core/request.def"
};

static const char *const credential_events[] = {
#define CREDENTIAL_EVENT(symbol, text) [CE_##symbol] = text,
#include "daemon/core/request.def"
};

const char *request_state_name(enum request_state s)
{
	assert(s < REQUEST_STATES);
	return request_states[s].name;
}

bool request_state_is_end(enum request_state s)
{
	assert(s < REQUEST_STATES);
	return request_states[s].end;
}

const char *request_event_name(enum request_event e)
{
	assert(e < REQUEST_EVENTS);
	return request_events[e];
}

bool request_state_find(const char *name, enum request_state *ret_state)
{
	for (size_t i = 0; i < REQUEST_STATES; i++) {
		if (strcmp(request_states[i].name, name) == 0) {
			*ret_state = (enum request_state)i;
			return true;
		}
	}
	return false;
}

const char *credential_state_name(enum credential_state s)
{
	assert(s < CREDENTIAL_STATES);
	return credential_states[s].name;
}

enum state_class credential_state_class(enum credential_state s)
{
	assert(s < CREDENTIAL_STATES);
	return credential_states[s].class;
}

const char *credential_event_name(enum credential_event e)
{
	assert(e < CREDENTIAL_EVENTS);
	return credential_events[e];
}

bool credential_state_find(const char *name, enum credential_state *ret_state)
{
	for (size_t i = 0; i < CREDENTIAL_STATES; i++) {
		if (strcmp(credential_states[i].name, name) == 0) {
			*ret_state = (enum credential_state)i;
			return true;
		}
	}
	return false;
}

const char *purpose_name(Common__Purpose p)
{
	switch (p) {
	case COMMON__PURPOSE__AUTHENTICATION:
		return "authentication";
	case COMMON__PURPOSE__SIGNING:
		return "signing";
	case COMMON__PURPOSE__ENCRYPTION:
		return "encryption";
	case COMMON__PURPOSE__DECRYPTION:
		return "decryption";
	default:
		return "";
	}
}

const char *operation_name(Common__Operation o)
{
	switch (o) {
	case COMMON__OPERATION__ENROLL:
		return "enroll";
	case COMMON__OPERATION__ISSUE:
		return "issue";
	default:
		return "";
	}
}
