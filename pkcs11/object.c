/* object.c: finding objects and reading attributes. */
#include "pkcs11/object.h"

#include <string.h>

#include "pkcs11/rv.h"
#include "proto/kind.h"

/* How many handles are asked for at once; a card has a dozen objects of a class. */
#define FIND_CHUNK 16

static struct err *take_chunk(const struct token *t, struct object_list *list, bool *ret_more)
{
	CK_OBJECT_HANDLE chunk[FIND_CHUNK];
	CK_ULONG n = 0;
	CK_RV rv = MODULE_CALL(t->module, C_FindObjects, t->session, chunk, FIND_CHUNK, &n);

	TRY(rv_error(rv, "C_FindObjects"));
	if (n > FIND_CHUNK)
		return err_new(
			&ERR_MODULE, "C_FindObjects gives %lu objects where %d fit", n, FIND_CHUNK);
	if (list->n + n > OBJECTS_MAX)
		return err_new(&ERR_CARD_UNKNOWN, "more than %d objects of one kind", OBJECTS_MAX);
	memcpy(&list->at[list->n], chunk, n * sizeof(chunk[0]));
	list->n += n;
	*ret_more = n > 0;
	return NULL;
}

struct err *object_find(
	const struct token *t, CK_ATTRIBUTE *attributes, CK_ULONG n, struct object_list *ret_list)
{
	struct object_list list = { 0 };
	AUTO(err) struct err *e = NULL;
	bool more = true;

	CK_RV rv = MODULE_CALL(t->module, C_FindObjectsInit, t->session, attributes, n);
	TRY(rv_error(rv, "C_FindObjectsInit"));
	while (!e && more)
		e = take_chunk(t, &list, &more);
	rv = MODULE_CALL(t->module, C_FindObjectsFinal, t->session);
	if (e)
		return take(e);
	TRY(rv_error(rv, "C_FindObjectsFinal"));
	*ret_list = list;
	return NULL;
}

struct err *object_find_class(const struct token *t, CK_OBJECT_CLASS class, struct bytes id,
	struct bytes label, struct object_list *ret_list)
{
	uint8_t id_copy[OBJECT_ID_MAX];
	char label_copy[OBJECT_LABEL_MAX];
	CK_ATTRIBUTE attributes[3] = { { CKA_CLASS, &class, sizeof(class) } };
	CK_ULONG n = 1;

	if (id.len > sizeof(id_copy) || label.len > sizeof(label_copy)) {
		*ret_list = (struct object_list){ 0 };
		return NULL;
	}
	/* The module gets copies: its pointers are not const, and it may mean that. */
	if (id.len > 0) {
		memcpy(id_copy, id.data, id.len);
		attributes[n++] = (CK_ATTRIBUTE){ CKA_ID, id_copy, id.len };
	}
	if (label.len > 0) {
		memcpy(label_copy, label.data, label.len);
		attributes[n++] = (CK_ATTRIBUTE){ CKA_LABEL, label_copy, label.len };
	}
	return object_find(t, attributes, n, ret_list);
}

/* The object is fine, but has no such thing to show. */
static bool is_absent(CK_RV rv)
{
	return rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE ||
	       rv == CKR_BUFFER_TOO_SMALL;
}

/* len in and out; *ret_there false: absent. */
static struct err *get(const struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
	void *room, size_t *len, bool *ret_there)
{
	CK_ATTRIBUTE attribute = { type, room, *len };
	CK_RV rv = MODULE_CALL(t->module, C_GetAttributeValue, t->session, object, &attribute, 1);

	*ret_there = false;
	if (is_absent(rv) || (rv == CKR_OK && attribute.ulValueLen == (CK_ULONG)-1))
		return NULL;
	TRY(rv_error(rv, "C_GetAttributeValue"));
	if (attribute.ulValueLen > *len)
		return err_new(&ERR_MODULE, "C_GetAttributeValue gives %lu bytes where %zu fit",
			attribute.ulValueLen, *len);
	*len = attribute.ulValueLen;
	*ret_there = true;
	return NULL;
}

struct err *object_get(const struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
	size_t max, struct buf **ret_value)
{
	AUTO(buf) struct buf *value = buf_new();
	size_t len = max;
	bool there = false;

	TRY(get(t, object, type, buf_grow(value, max), &len, &there));
	if (!there)
		return NULL;
	buf_cut(value, len);
	*ret_value = take(value);
	return NULL;
}

struct err *object_get_ulong(const struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
	CK_ULONG *ret_v, bool *ret_there)
{
	CK_ULONG v = 0;
	size_t len = sizeof(v);

	TRY(get(t, object, type, &v, &len, ret_there));
	*ret_there = *ret_there && len == sizeof(v);
	*ret_v = *ret_there ? v : 0;
	return NULL;
}

struct err *object_get_bool(const struct token *t, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type,
	bool absent, bool *ret_v)
{
	CK_BBOOL v = CK_FALSE;
	size_t len = sizeof(v);
	bool there = false;

	TRY(get(t, object, type, &v, &len, &there));
	*ret_v = there && len == sizeof(v) ? v != CK_FALSE : absent;
	return NULL;
}
