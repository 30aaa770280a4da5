/* calog.c: see calog.h. */
#include "daemon/core/calog.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "daemon/core/notice.h"

struct err *calog_read(struct core *c)
{
	return store_calog_get(c->store, &c->calog.known);
}

static struct err *remember(struct core *c, const Ca__CaStatus *m)
{
	struct audit_link now = { .sequence = m->log_rows };

	if (m->log_head.len != SHA256_LEN || now.sequence == c->calog.known.sequence)
		return NULL;
	memcpy(now.hash, m->log_head.data, SHA256_LEN);
	TRY(store_calog_put(c->store, &now));
	c->calog.known = now;
	return NULL;
}

static struct err *accept_loss(
	struct core *c, const Ca__CaStatus *m, const char *what, uint64_t again)
{
	static const struct audit_about about = { .event = EV_LOG_ACCEPTED };

	TRY(remember(c, m));
	return audit_add(c->audit, &about,
		"%s; derivd.conf accepts it, %" PRIu64 " revocations are made again", what, again);
}

static struct err *stop_issuing(struct core *c, const char *what, uint64_t again)
{
	static const struct audit_about about = { .event = EV_LOG_OLDER, .error = "ca-log-older" };
	AUTO_MEM char *hex = text_hex(BYTES(c->calog.known.hash, SHA256_LEN));
	AUTO(err)
	struct err *why = err_new(&ERR_CA_LOG_OLDER, "%s (the head that is lost is %s)", what, hex);

	core_freeze(c, why);
	TRY(notice_trouble(c, about.event, about.error));
	return audit_add(c->audit, &about, "%s: %" PRIu64 " revocations are made again",
		err_get_text(why), again);
}

/* Which of them it has lost only derivd-ca could say; those that it has it keeps as they are. */
static struct err *on_older(struct core *c, const Ca__CaStatus *m)
{
	const struct audit_link *known = &c->calog.known;
	bool accepted = memcmp(c->settings->accept_log, known->hash, SHA256_LEN) == 0;
	uint64_t again = 0;

	AUTO_MEM char *what = xasprintf("derivd-ca's log has %" PRIu64
					" rows and is not the one that had %" PRIu64
					": it was put back to an earlier state",
		m->log_rows, known->sequence);
	TRY(store_job_revoke_again(c->store, clock_real_ms(), clock_boot_ms(), &again));
	TRY(accepted ? accept_loss(c, m, what, again) : stop_issuing(c, what, again));
	c->calog.older = true;
	return NULL;
}

struct err *calog_compare(struct core *c, const Ca__CaStatus *m)
{
	const struct audit_link *known = &c->calog.known;

	/* Asked before another answer came. */
	if (m->row != known->sequence)
		return NULL;
	if (!known->sequence || bytes_eq(pb_bytes(m->row_hash), BYTES(known->hash, SHA256_LEN)))
		return remember(c, m);
	return c->calog.older ? NULL : on_older(c, m);
}

struct err *calog_crl_waits(struct core *c, bool *ret_wait)
{
	*ret_wait = !c->ca.seen;
	if (!c->calog.older)
		return NULL;
	return store_job_revoking(c->store, ret_wait);
}
