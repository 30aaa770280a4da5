/* slot.c: slots and tokens. */
#include "pkcs11/slot.h"

#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/text.h"
#include "pkcs11/rv.h"
#include "proto/kind.h"

static struct bytes trim(const CK_UTF8CHAR *field, size_t len)
{
	len = strnlen((const char *)field, len);
	while (len > 0 && field[len - 1] == ' ')
		len--;
	return BYTES(field, len);
}

char *slot_text(const CK_UTF8CHAR *field, size_t len)
{
	return text_safe(trim(field, len));
}

static struct err *list_ids(struct module *m, CK_SLOT_ID ids[static SLOTS_MAX], size_t *ret_n)
{
	CK_ULONG n = 0;
	/* Modules look for new readers only when asked for the number (PKCS#11 2.40, C_GetSlotList). */
	CK_RV rv = MODULE_CALL(m, C_GetSlotList, CK_TRUE, NULL, &n);

	TRY(rv_error(rv, "C_GetSlotList"));
	if (n > SLOTS_MAX)
		return err_new(&ERR_MODULE, "the module shows %lu slots", n);
	n = SLOTS_MAX;
	rv = MODULE_CALL(m, C_GetSlotList, CK_TRUE, ids, &n);
	TRY(rv_error(rv, "C_GetSlotList"));
	if (n > SLOTS_MAX)
		return err_new(
			&ERR_MODULE, "C_GetSlotList gives %lu slots where %d fit", n, SLOTS_MAX);
	*ret_n = n;
	return NULL;
}

/* False: skip it. */
static bool ask_slot(struct module *m, CK_SLOT_ID id, struct slot *ret_slot)
{
	*ret_slot = (struct slot){ .id = id };
	CK_RV rv = MODULE_CALL(m, C_GetSlotInfo, id, &ret_slot->slot);
	if (rv == CKR_OK)
		rv = MODULE_CALL(m, C_GetTokenInfo, id, &ret_slot->token);
	if (rv != CKR_OK)
		log_note(NOTE_CARD_ODD, NULL, "slot %lu is skipped: %s", id, rv_name(rv));
	return rv == CKR_OK;
}

/* A token with a PIN was initialised, whether it says so (NSS does not) or not. */
static bool is_blank(const struct slot *slot)
{
	return !(slot->token.flags & (CKF_TOKEN_INITIALIZED | CKF_USER_PIN_INITIALIZED));
}

/* The description has 64 bytes: a longer name is cut. */
static bool is_in_reader(const struct slot *slot, const char *reader)
{
	size_t room = sizeof(slot->slot.slotDescription);
	size_t len = strlen(reader);

	return bytes_eq(trim(slot->slot.slotDescription, room),
		trim((const CK_UTF8CHAR *)reader, len < room ? len : room));
}

static void keep_reader(struct slot_list *list, const char *reader, bool alone)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->n; i++)
		if (is_in_reader(&list->at[i], reader))
			list->at[kept++] = list->at[i];
	if (kept > 0 || list->n > 1 || !alone)
		list->n = kept;
}

struct err *slot_find(struct module *m, const char *reader, bool alone, const struct uri *uri,
	struct slot_list *ret_list)
{
	CK_SLOT_ID ids[SLOTS_MAX];
	size_t n = 0;

	ret_list->n = 0;
	ret_list->blank = false;
	TRY(list_ids(m, ids, &n));
	for (size_t i = 0; i < n; i++) {
		struct slot *slot = &ret_list->at[ret_list->n];
		if (!ask_slot(m, ids[i], slot))
			continue;
		if (is_blank(slot))
			ret_list->blank = true;
		else if (uri_matches(uri, slot->id, &slot->slot, &slot->token))
			ret_list->n++;
	}
	if (reader)
		keep_reader(ret_list, reader, alone);
	return NULL;
}
