/*
 * seats.h: who stands in front of a session, and until when. In memory: after a restart each open session gets a seat again, empty,
 * for the grace time, and derivctl may take it with its token (ENROLLMENT step 7).
 */
#ifndef DERIVD_CORE_SEATS_H
#define DERIVD_CORE_SEATS_H

#include "daemon/core/core.h"

/* Sessions at once. One kiosk has one person in front of it. */
#define SEATS_MAX 64

struct seats;

struct seat {
	uint8_t request[ID_LEN];
	uint64_t ticket;       /* of the question that derivd-ca has; 0: none */
	uint64_t caller;       /* 0: nobody */
	uint32_t waiting;      /* serial of the call that waits for derivd-ca's answer */
	int64_t until_boot_ms; /* the session's end */
	int64_t leave_boot_ms; /* while nobody is there: when it is given up; INT64_MAX: somebody is */
	int64_t invited_boot_ms; /* the invitation's end; INT64_MAX: not shown, or used */
};

struct seats *seats_new(void);
void seats_free(struct seats *s);
/* ERR_BUSY when all are taken. *ret_seat is lent. */
MUST_CHECK struct err *seats_take(struct seats *s, const uint8_t request[static ID_LEN],
	int64_t until_boot_ms, struct seat **ret_seat);
/* Lent; NULL when there is none. */
struct seat *seats_find(struct seats *s, const uint8_t request[static ID_LEN]);
struct seat *seats_of_caller(struct seats *s, uint64_t caller);
void seats_drop(struct seats *s, const uint8_t request[static ID_LEN]);
/* Beyond the line: whoever is there stays to hear how it goes; an empty seat is given up. */
void seats_stop_clocks(struct seats *s, const uint8_t request[static ID_LEN]);
/* One whose time is over; NULL: none. */
struct seat *seats_due(struct seats *s, int64_t now_boot_ms);
/* When the next one is due; INT64_MAX: none. */
int64_t seats_next(const struct seats *s);
/* What is due could not be done now (the store is full): not before this time again. */
void seats_postpone(struct seats *s, int64_t boot_ms);
/* A number for the next question to derivd-ca. */
uint64_t seats_new_ticket(struct seats *s);

#endif
