/* backup_sums.c: see backup_sums.h. */
#include "client/ctl/backup_sums.h"

#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "client/ctl/lang.h"
#include "proto/sig.h"

/* Configuration files, not what somebody else put beside them. */
#define ARCHIVE_MAX ((size_t)256 * 1024 * 1024)
#define LIST_MAX 4096

/* The line of the archive, as sha256sum(1) writes it. */
static struct err *line_of(const char *dir, char **ret_line)
{
	AUTO_MEM char *path = xasprintf("%s/" BACKUP_ETC, dir);
	AUTO(buf) struct buf *archive = NULL;
	uint8_t hash[SHA256_LEN];

	TRY(io_read_file(path, ARCHIVE_MAX, &archive));
	sha256(buf_bytes(archive), hash);
	AUTO_MEM char *hex = text_hex(BYTES(hash, SHA256_LEN));
	*ret_line = xasprintf("%s  " BACKUP_ETC "\n", hex);
	return NULL;
}

struct err *backup_sums_write(const char *dir)
{
	AUTO_MEM char *path = xasprintf("%s/SHA256SUMS", dir);
	AUTO_MEM char *line = NULL;

	TRY(line_of(dir, &line));
	return io_write_file(path, BYTES(line, strlen(line)), 0600);
}

struct err *backup_sums_check(const char *dir, bool *ret_known)
{
	AUTO_MEM char *path = xasprintf("%s/SHA256SUMS", dir);
	AUTO_MEM char *line = NULL;
	AUTO(buf) struct buf *list = NULL;

	TRY(line_of(dir, &line));
	struct err *e = io_read_file(path, LIST_MAX, &list);
	*ret_known = !err_is(e, &ERR_NOTFOUND);
	if (!*ret_known) {
		err_free(e);
		return NULL;
	}
	TRY(e);
	if (!bytes_eq(buf_bytes(list), BYTES(line, strlen(line))))
		return err_new(&ERR_CONFIG, _("%s/%s was changed since the backup was taken"), dir,
			BACKUP_ETC);
	return NULL;
}
