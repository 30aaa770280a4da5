/* slot.h: which of a module's slots is meant. */
#ifndef DERIVD_PKCS11_SLOT_H
#define DERIVD_PKCS11_SLOT_H

#include "pkcs11/module.h"
#include "pkcs11/uri.h"

/* A module that shows more slots is broken; OpenSC shows sixteen at most. */
#define SLOTS_MAX 64

struct slot {
	CK_SLOT_ID id;
	CK_SLOT_INFO slot;
	CK_TOKEN_INFO token;
};

struct slot_list {
	size_t n;
	struct slot at[SLOTS_MAX];
	bool blank; /* there is a token that was never initialised */
};

/*
 * The slots with an initialised token, in the module's order. reader: the PC/SC name, NULL for any. alone: no other
 * reader holds a card, so if no slot is named like the reader and there is one token, it is that. uri may be NULL. A slot that cannot be asked is skipped.
 * *ret_list may be empty. ERR_MODULE, ERR_CARD_*.
 */
MUST_CHECK struct err *slot_find(struct module *m, const char *reader, bool alone,
	const struct uri *uri, struct slot_list *ret_list);

/* A fixed field of PKCS#11, without the blanks behind it, safe to show; the caller frees. */
char *slot_text(const CK_UTF8CHAR *field, size_t len);

#endif
