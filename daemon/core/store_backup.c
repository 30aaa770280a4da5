/*
 * store_backup.c: when the store was in a whole backup last. A file beside the database, not a row of it: derivctl has it written when all
 * parts are verified, while derivd runs; and a store that is put back elsewhere has had no backup there yet.
 */
#include "daemon/core/store_sql.h"

#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"

#define NOTE_FILE "last-backup"
#define NOTE_MAX 32

static char *note_path(const char *store)
{
	AUTO_MEM char *copy = xstrdup(store);

	return xasprintf("%s/" NOTE_FILE, dirname(copy));
}

struct err *store_backup_put(const char *path, int64_t taken_ms)
{
	AUTO_MEM char *note = note_path(path);
	AUTO_MEM char *text = xasprintf("%" PRId64 "\n", taken_ms);

	return io_write_file(note, BYTES(text, strlen(text)), 0600);
}

/* What cannot be read as a time is no backup. */
struct err *store_backup_get(struct store *s, int64_t *ret_taken_ms)
{
	AUTO_MEM char *note = note_path(s->path);
	AUTO(buf) struct buf *text = NULL;
	AUTO(err) struct err *e = io_read_file(note, NOTE_MAX, &text);

	*ret_taken_ms = 0;
	if (e && !err_is(e, &ERR_NOTFOUND))
		return take(e);
	if (!e)
		*ret_taken_ms = strtoll(buf_str(text), NULL, 10);
	if (*ret_taken_ms < 0)
		*ret_taken_ms = 0;
	return NULL;
}

struct err *store_audit_begin(struct store *s, int64_t *ret_ms)
{
	return sql_number(s, ret_ms, "SELECT newest_ms FROM audit ORDER BY sequence LIMIT 1", "");
}
