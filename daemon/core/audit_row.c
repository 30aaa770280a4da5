/* audit_row.c: rows of the chain taken apart again, for lists and streams. */
#include <stdlib.h>
#include <string.h>

#include "daemon/core/audit.h"
#include "proto/kind.h"

static struct err *get(struct cursor *c, struct bytes *ret_field)
{
	uint32_t len = 0;

	TRY(cursor_u32(c, &len));
	return cursor_bytes(c, len, ret_field);
}

static struct err *get_text(struct cursor *c, char **ret_text)
{
	struct bytes field;

	TRY(get(c, &field));
	*ret_text = bytes_strdup(field);
	return NULL;
}

static struct err *get_id(struct cursor *c, uint8_t *ret_id, size_t len)
{
	struct bytes field;

	TRY(get(c, &field));
	if (field.len == len)
		memcpy(ret_id, field.data, len);
	else if (field.len)
		return err_new(&ERR_FORMAT, "an id of %zu bytes", field.len);
	return NULL;
}

static struct err *get_u64(struct cursor *c, uint64_t *ret_v)
{
	uint32_t len = 0;

	TRY(cursor_u32(c, &len));
	if (len != 8)
		return err_new(&ERR_FORMAT, "a number of %u bytes", len);
	return cursor_u64(c, ret_v);
}

static struct err *parse(struct cursor *c, struct audit_row *r)
{
	struct bytes version;
	uint64_t when = 0;

	TRY(get(c, &version));
	if (version.len != 1 || version.data[0] != 1)
		return err_new(&ERR_FORMAT, "an audit row of another version");
	TRY(get_u64(c, &r->sequence));
	TRY(get_u64(c, &when));
	r->when_ms = (int64_t)when;
	TRY(get_text(c, &r->event));
	TRY(get_text(c, &r->actor));
	TRY(get_id(c, r->request, ID_LEN));
	TRY(get_id(c, r->credential, ID_LEN));
	TRY(get_id(c, r->device, SHA256_LEN));
	TRY(get_id(c, r->holder, SHA256_LEN));
	TRY(get_text(c, &r->purpose));
	TRY(get_text(c, &r->reader));
	TRY(get_text(c, &r->error));
	TRY(get_text(c, &r->text));
	return cursor_end(c);
}

struct err *audit_parse(struct bytes body, struct audit_row **ret_row)
{
	AUTO(audit_row) struct audit_row *r = xcalloc(1, sizeof(*r));
	struct cursor c = { body };
	struct err *e = parse(&c, r);

	if (e)
		return err_as(&ERR_STORE, e, "an audit row cannot be read");
	*ret_row = take(r);
	return NULL;
}

void audit_row_free(struct audit_row *r)
{
	if (!r)
		return;
	free(r->event);
	free(r->actor);
	free(r->purpose);
	free(r->reader);
	free(r->error);
	free(r->text);
	free(r);
}
