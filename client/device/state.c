/* state.c: see state.h. */
#include "client/device/state.h"

#include <stdlib.h>
#include <string.h>

struct attempt *attempt_new(void)
{
	struct attempt *a = xcalloc(1, sizeof(*a));

	a->seed = buf_new();
	a->begin = buf_new();
	a->statement = buf_new();
	a->invitation_signature = buf_new();
	a->identity_signature = buf_new();
	return a;
}

void attempt_free(struct attempt *a)
{
	if (!a)
		return;
	buf_free(a->seed);
	buf_free(a->begin);
	buf_free(a->statement);
	buf_free(a->invitation_signature);
	buf_free(a->identity_signature);
	free(a);
}

void state_drop_attempt(struct state *s)
{
	attempt_free(s->attempt);
	s->attempt = NULL;
}

struct state *state_new(void)
{
	return xcalloc(1, sizeof(struct state));
}

void state_clear_apps(struct state *s)
{
	for (size_t i = 0; i < s->n_apps; i++) {
		free(s->apps[i].name);
		free(s->apps[i].type);
	}
	memset(s->apps, 0, sizeof(s->apps));
	s->n_apps = 0;
}

void state_free(struct state *s)
{
	if (!s)
		return;
	free(s->host);
	free(s->platform);
	free(s->holder);
	attempt_free(s->attempt);
	state_clear_apps(s);
	for (size_t i = 0; i < s->n_acks; i++) {
		buf_free(s->acks[i].acknowledgement);
		buf_free(s->acks[i].signature);
	}
	free(s);
}

struct slot *state_find_key(struct state *s, const uint8_t key_hash[static SHA256_LEN])
{
	for (size_t i = 0; i < s->n_slots; i++) {
		if (memcmp(s->slots[i].key_hash, key_hash, SHA256_LEN) == 0)
			return &s->slots[i];
	}
	return NULL;
}

struct err *state_add_slot(struct state *s, const struct slot *slot)
{
	if (s->n_slots == STATE_SLOTS_MAX)
		return err_new(&ERR_LIMIT, "this device has %d keys, and no room for more",
			STATE_SLOTS_MAX);
	s->slots[s->n_slots++] = *slot;
	return NULL;
}

void state_remove_slot(struct state *s, struct slot *slot)
{
	size_t i = (size_t)(slot - s->slots);

	memmove(slot, slot + 1, (s->n_slots - i - 1) * sizeof(*slot));
	s->n_slots--;
	memset(&s->slots[s->n_slots], 0, sizeof(*slot));
}

bool slot_is_whole(const struct slot *slot)
{
	return slot->has_key && slot->has_certificate;
}

static bool has_whole(const struct state *s, Common__Purpose purpose)
{
	for (size_t i = 0; i < s->n_slots; i++) {
		if (s->slots[i].purpose == purpose && slot_is_whole(&s->slots[i]))
			return true;
	}
	return false;
}

bool state_is_complete(const struct state *s)
{
	if (s->stage != STAGE_ENROLLED)
		return false;
	for (size_t i = 0; s->attempt && i < s->attempt->n_purposes; i++) {
		if (!has_whole(s, s->attempt->purposes[i]))
			return false;
	}
	return true;
}

static const char *const PURPOSES[] = {
	[COMMON__PURPOSE__PURPOSE_UNSET] = "none",
	[COMMON__PURPOSE__AUTHENTICATION] = "authentication",
	[COMMON__PURPOSE__SIGNING] = "signing",
	[COMMON__PURPOSE__ENCRYPTION] = "encryption",
	[COMMON__PURPOSE__DECRYPTION] = "decryption",
};

const char *purpose_name(Common__Purpose purpose)
{
	return (size_t)purpose < ARRAY_LEN(PURPOSES) ? PURPOSES[purpose] : "unknown";
}

struct err *purpose_parse(const char *name, Common__Purpose *ret_purpose)
{
	for (size_t i = COMMON__PURPOSE__AUTHENTICATION; i < ARRAY_LEN(PURPOSES); i++) {
		if (strcmp(PURPOSES[i], name) != 0)
			continue;
		*ret_purpose = (Common__Purpose)i;
		return NULL;
	}
	return err_new(&ERR_FORMAT,
		"a purpose is authentication, signing, encryption or decryption, not \"%.32s\"",
		name);
}

void state_set_pins(struct state *s, const struct pinset *p)
{
	s->pins_epoch = p->epoch;
	s->n_pins = p->n_pins;
	memcpy(s->pins, p->pins, sizeof(s->pins));
}
