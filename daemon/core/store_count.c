/*
 * store_count.c: how many there are of what, and how large it all is. The rows are counted by triggers as they change, so that
 * a million of them cost the one who asks nothing.
 */
#include "daemon/core/store_sql.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "proto/kind.h"

struct err *store_job_count(struct store *s, uint64_t *ret_waiting, uint64_t *ret_blocked)
{
	int64_t waiting = 0, troubled = 0;

	TRY(sql_number(s, &troubled,
		"SELECT total(n) FROM counted WHERE thing = 'job' AND state IN ('blocked', "
		"'failed')",
		""));
	TRY(sql_number(s, &waiting,
		"SELECT total(n) FROM counted WHERE thing = 'job' AND state NOT IN ('blocked', "
		"'failed')",
		""));
	*ret_waiting = (uint64_t)waiting;
	*ret_blocked = (uint64_t)troubled;
	return NULL;
}

struct err *store_request_count_open(struct store *s, uint64_t *ret_n)
{
	int64_t n = 0;

	TRY(sql_number(s, &n, "SELECT n FROM tally WHERE what = 'request open'", ""));
	*ret_n = (uint64_t)n;
	return NULL;
}

static const char *request_name(unsigned int s)
{
	return request_state_name((enum request_state)s);
}

static const char *credential_name(unsigned int s)
{
	return credential_state_name((enum credential_state)s);
}

static const char *device_name(unsigned int s)
{
	return device_state_name((enum device_state)s);
}

static const char *job_name(unsigned int s)
{
	return job_state_name((enum job_state)s);
}

static const char *what_name(unsigned int w)
{
	return job_what_name((enum job_what)w);
}

static struct err *count_job(struct store_counts *counts, sqlite3_stmt *stmt)
{
	unsigned int what = 0, state = 0;

	TRY(sql_name(stmt, 1, "job of kind", what_name, JOB_WHATS, &what));
	TRY(sql_name(stmt, 2, "job in state", job_name, JOB_STATES, &state));
	counts->job[what][state] = (uint64_t)sql_int(stmt, 3);
	return NULL;
}

static struct err *count_row(struct store_counts *counts, sqlite3_stmt *stmt)
{
	const struct {
		const char *thing;
		const char *(*name)(unsigned int);
		unsigned int n;
		uint64_t *counts;
	} things[] = {
		{ "request", request_name, REQUEST_STATES, counts->request },
		{ "credential", credential_name, CREDENTIAL_STATES, counts->credential },
		{ "device", device_name, DEVICE_STATES, counts->device },
	};
	const char *thing = (const char *)sqlite3_column_text(stmt, 0);

	for (size_t i = 0; thing && i < ARRAY_LEN(things); i++) {
		unsigned int state = 0;
		if (strcmp(thing, things[i].thing) != 0)
			continue;
		TRY(sql_name(stmt, 2, thing, things[i].name, things[i].n, &state));
		things[i].counts[state] = (uint64_t)sql_int(stmt, 3);
		return NULL;
	}
	return count_job(counts, stmt);
}

struct err *store_count_all(struct store *s, struct store_counts *ret_counts)
{
	AUTO(sql) sqlite3_stmt *stmt = NULL;
	bool row = false;

	memset(ret_counts, 0, sizeof(*ret_counts));
	TRY(sql_start(s, &stmt, "SELECT thing, kind, state, n FROM counted", ""));
	for (;;) {
		TRY(sql_next(s, stmt, &row));
		if (!row)
			return NULL;
		TRY(count_row(ret_counts, stmt));
	}
}

struct err *store_job_oldest(struct store *s, enum job_what what, int64_t *ret_created_ms)
{
	return sql_number(s, ret_created_ms,
		"SELECT created_ms FROM job INDEXED BY job_what "
		"WHERE n > 0 AND what = ? AND state <> 'failed' ORDER BY n LIMIT 1",
		"t", job_what_name(what));
}

/* Bytes of a file; none when it is not there. */
static struct err *add_size(const char *path, uint64_t *sum)
{
	struct stat st;

	if (stat(path, &st) == 0)
		*sum += (uint64_t)st.st_size;
	else if (errno != ENOENT)
		return err_as(&ERR_STORE, err_errno(errno, "%s", path), "its size");
	return NULL;
}

struct err *store_size(struct store *s, uint64_t *ret_bytes, uint64_t *ret_free)
{
	AUTO_MEM char *log = xasprintf("%s-wal", s->path);
	struct statvfs fs;

	*ret_bytes = 0;
	TRY(add_size(s->path, ret_bytes));
	TRY(add_size(log, ret_bytes));
	if (statvfs(s->path, &fs) != 0)
		return err_as(&ERR_STORE, err_errno(errno, "%s", s->path), "the room on its disk");
	*ret_free = (uint64_t)fs.f_bavail * fs.f_frsize;
	return NULL;
}
