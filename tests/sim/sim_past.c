/*
 * sim_past.c: the store is put back to what it was some time ago, while derivd-ca and the phones remember. As "derivd restore" does it, or
 * by hand, so that derivd finds it out and waits until somebody accepts it.
 */
#include "tests/sim/sim.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/core/store_sql.h"

static void copy(struct sim *s, const char *from, const char *to)
{
	sqlite3 *a = NULL, *b = NULL;

	if (sqlite3_open_v2(from, &a, SQLITE_OPEN_READONLY, NULL) != SQLITE_OK ||
		sqlite3_open(to, &b) != SQLITE_OK)
		sim_fail(s, "no copy of the store");
	sqlite3_backup *backup = sqlite3_backup_init(b, "main", a, "main");
	if (!backup || sqlite3_backup_step(backup, -1) != SQLITE_DONE)
		sim_fail(s, "no copy of the store: %s", sqlite3_errmsg(b));
	sqlite3_backup_finish(backup);
	sqlite3_close(a);
	sqlite3_close(b);
}

static char *kept_path(const struct sim *s)
{
	return xasprintf("%s.kept", s->path);
}

void sim_past_keep(struct sim *s)
{
	AUTO_MEM char *kept = kept_path(s);

	copy(s, s->path, kept);
	s->kept_rows = (uint64_t)sim_count(s, "SELECT count(*) FROM audit");
	s->kept_ms = clock_real_ms();
}

static void mark(struct sim *s)
{
	AUTO(store) struct store *store = NULL;
	struct err *e = store_open_as_is(s->path, &store);

	if (!e)
		e = store_restored_put(store, s->kept_ms, s->kept_rows);
	if (e)
		sim_fail(s, "%s", err_get_text(e));
}

/* What it does not know, derivd-ca has told it of. */
static unsigned int count_lost(struct sim *s)
{
	unsigned int n = 0;

	for (size_t i = 0; i < s->ca.n_requests; i++) {
		const struct sim_request *r = &s->ca.request[i];
		n += r->verified && !sim_has_receipt(s, r->id);
	}
	return n;
}

void sim_past_return(struct sim *s)
{
	AUTO_MEM char *kept = kept_path(s);
	/* What no certification has told derivd-ca of, nobody can miss. */
	bool by_hand = clock_fake_below(2) && s->ca.head_sequence > s->kept_rows;

	sim_close(s);
	sim_remove_store(s->path);
	copy(s, kept, s->path);
	sim_remove_store(kept);
	if (!by_hand)
		mark(s);
	sim_open(s);
	s->by_hand += by_hand;
	s->lost += count_lost(s);
	s->must_accept = by_hand;
	memcpy(s->lost_head, s->ca.head_hash, SHA256_LEN);
}

/* derivd.conf names the head that is lost, and derivd is started again. */
void sim_past_accept(struct sim *s)
{
	if (!s->must_accept)
		return;
	if (s->core->ca.seen && !s->core->frozen)
		sim_fail(s, "an older store, and derivd goes on");
	memcpy(s->accept, s->lost_head, SHA256_LEN);
	sim_close(s);
	sim_open(s);
	s->must_accept = false;
}
