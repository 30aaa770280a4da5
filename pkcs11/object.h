/* object.h: objects of a token and their attributes, asked for one by one and never believed without a look. */
#ifndef DERIVD_PKCS11_OBJECT_H
#define DERIVD_PKCS11_OBJECT_H

#include "base/buf.h"
#include "pkcs11/module.h"

/* A token with more objects of one class is not a person's card. */
#define OBJECTS_MAX 64

/* The longest id and label that are read; longer ones are as if absent. */
#define OBJECT_ID_MAX 64
#define OBJECT_LABEL_MAX 256

struct token {
	struct module *module; /* lent */
	CK_SESSION_HANDLE session;
};

struct object_list {
	size_t n;
	CK_OBJECT_HANDLE at[OBJECTS_MAX];
};

/*
 * The objects that have all these attributes. ERR_MODULE when the module gives more than it was asked for, else as
 * rv_error. More than OBJECTS_MAX: ERR_CARD_UNKNOWN.
 */
MUST_CHECK struct err *object_find(
	const struct token *t, CK_ATTRIBUTE *attributes, CK_ULONG n, struct object_list *ret_list);
/* The objects of a class, or those of them with an id or a label (each may be empty: any). */
MUST_CHECK struct err *object_find_class(const struct token *t, CK_OBJECT_CLASS class,
	struct bytes id, struct bytes label, struct object_list *ret_list);

/*
 * One attribute of at most max bytes, in one call. *ret_value stays NULL when the object has none, does not show it,
 * or has a longer one.
 */
MUST_CHECK struct err *object_get(const struct token *t, CK_OBJECT_HANDLE object,
	CK_ATTRIBUTE_TYPE type, size_t max, struct buf **ret_value);
/* An attribute that is a number or a truth value; *ret_there says whether it is there in the right size. */
MUST_CHECK struct err *object_get_ulong(const struct token *t, CK_OBJECT_HANDLE object,
	CK_ATTRIBUTE_TYPE type, CK_ULONG *ret_v, bool *ret_there);
MUST_CHECK struct err *object_get_bool(const struct token *t, CK_OBJECT_HANDLE object,
	CK_ATTRIBUTE_TYPE type, bool absent, bool *ret_v);

#endif
