/* seats.c: an array; there are few. */
#include "daemon/core/seats.h"

#include <stdlib.h>
#include <string.h>

struct seats {
	struct seat *seat[SEATS_MAX];
	size_t n;
	uint64_t last_ticket;
	int64_t not_before_ms;
};

struct seats *seats_new(void)
{
	return xcalloc(1, sizeof(struct seats));
}

void seats_free(struct seats *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->n; i++)
		free(s->seat[i]);
	free(s);
}

struct err *seats_take(struct seats *s, const uint8_t request[static ID_LEN], int64_t until_boot_ms,
	struct seat **ret_seat)
{
	if (s->n == SEATS_MAX)
		return err_new(&ERR_BUSY, "%d sessions are under way", SEATS_MAX);
	struct seat *seat = xcalloc(1, sizeof(*seat));
	memcpy(seat->request, request, ID_LEN);
	seat->until_boot_ms = until_boot_ms;
	seat->leave_boot_ms = INT64_MAX;
	seat->invited_boot_ms = INT64_MAX;
	s->seat[s->n++] = seat;
	*ret_seat = seat;
	return NULL;
}

struct seat *seats_find(struct seats *s, const uint8_t request[static ID_LEN])
{
	for (size_t i = 0; i < s->n; i++) {
		if (memcmp(s->seat[i]->request, request, ID_LEN) == 0)
			return s->seat[i];
	}
	return NULL;
}

struct seat *seats_of_caller(struct seats *s, uint64_t caller)
{
	for (size_t i = 0; caller && i < s->n; i++) {
		if (s->seat[i]->caller == caller)
			return s->seat[i];
	}
	return NULL;
}

void seats_drop(struct seats *s, const uint8_t request[static ID_LEN])
{
	for (size_t i = 0; i < s->n; i++) {
		if (memcmp(s->seat[i]->request, request, ID_LEN) != 0)
			continue;
		free(s->seat[i]);
		s->seat[i] = s->seat[--s->n];
		return;
	}
}

void seats_stop_clocks(struct seats *s, const uint8_t request[static ID_LEN])
{
	struct seat *seat = seats_find(s, request);

	if (seat && seat->caller)
		seat->until_boot_ms = seat->leave_boot_ms = seat->invited_boot_ms = INT64_MAX;
	else
		seats_drop(s, request);
}

static int64_t due_at(const struct seat *seat)
{
	int64_t at = seat->until_boot_ms;

	if (seat->leave_boot_ms < at)
		at = seat->leave_boot_ms;
	return seat->invited_boot_ms < at ? seat->invited_boot_ms : at;
}

struct seat *seats_due(struct seats *s, int64_t now_boot_ms)
{
	for (size_t i = 0; i < s->n; i++) {
		if (due_at(s->seat[i]) <= now_boot_ms)
			return s->seat[i];
	}
	return NULL;
}

int64_t seats_next(const struct seats *s)
{
	int64_t next = INT64_MAX;

	for (size_t i = 0; i < s->n; i++) {
		if (due_at(s->seat[i]) < next)
			next = due_at(s->seat[i]);
	}
	return next < s->not_before_ms ? s->not_before_ms : next;
}

void seats_postpone(struct seats *s, int64_t boot_ms)
{
	s->not_before_ms = boot_ms;
}

uint64_t seats_new_ticket(struct seats *s)
{
	return ++s->last_ticket;
}
