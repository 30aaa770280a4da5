/* checkpoint.c: see checkpoint.h. */
#include "evidence/checkpoint.h"

#include <inttypes.h>
#include <string.h>

#include "base/conf.h"
#include "base/text.h"
#include "evidence/part.h"
#include "evidence/record.h"
#include "proto/deployment.h"
#include "proto/kind.h"
#include "proto/msg.h"

#define BODY_MAX 512

struct buf *checkpoint_encode(const struct checkpoint *c)
{
	struct buf *out = buf_new();

	record_put(out, BYTES(c->deployment, DEPLOYMENT_ID_LEN));
	record_put(out, BYTES(c->challenge, CHECKPOINT_CHALLENGE_LEN));
	record_put_u64(out, (uint64_t)c->time_ms);
	record_put_u64(out, c->audit_rows);
	record_put(out, BYTES(c->audit_head, SHA256_LEN));
	record_put_u64(out, c->log_rows);
	record_put(out, BYTES(c->log_head, SHA256_LEN));
	return out;
}

static struct err *decode(struct bytes b, struct checkpoint *c)
{
	struct cursor at = { b };

	TRY(record_get_fixed(&at, "deployment", DEPLOYMENT_ID_LEN, c->deployment));
	TRY(record_get_fixed(&at, "challenge", CHECKPOINT_CHALLENGE_LEN, c->challenge));
	TRY(record_get_time(&at, "time", &c->time_ms));
	TRY(record_get_u64(&at, "audit rows", &c->audit_rows));
	TRY(record_get_fixed(&at, "audit head", SHA256_LEN, c->audit_head));
	TRY(record_get_u64(&at, "log rows", &c->log_rows));
	TRY(record_get_fixed(&at, "log head", SHA256_LEN, c->log_head));
	return cursor_end(&at);
}

struct err *checkpoint_open(
	const Common__Signed *s, struct bytes receipt_public, struct checkpoint *ret_c)
{
	struct checkpoint c;

	TRY(err_wrap(part_open(s, SIG_CHECKPOINT, receipt_public), "checkpoint"));
	TRY(err_wrap(decode(pb_bytes(s->body), &c), "checkpoint"));
	*ret_c = c;
	return NULL;
}

struct buf *checkpoint_text(const Common__Signed *s, const struct checkpoint *c)
{
	AUTO_MEM char *body = text_hex(pb_bytes(s->body));
	AUTO_MEM char *signature = text_hex(pb_bytes(s->signature));
	AUTO_MEM char *time = text_time(c->time_ms);
	struct buf *out = buf_new();

	buf_addf(out,
		"# derivd checkpoint of %s: audit row %" PRIu64 ", row %" PRIu64
		" of derivd-ca's log\n"
		"body = \"%s\"\nsignature = \"%s\"\n",
		time, c->audit_rows, c->log_rows, body, signature);
	return out;
}

static struct err *get_hex(cfg_t *cfg, const char *key, struct buf **ret_bytes)
{
	const char *text = cfg_getstr(cfg, key);

	if (!text || strlen(text) > 2 * BODY_MAX)
		return err_new(&ERR_FORMAT, "%s is missing or too long", key);
	return err_as(&ERR_FORMAT, text_unhex(text, ret_bytes), "%s", key);
}

struct err *checkpoint_load(const char *path, const struct deployment *d, struct checkpoint *ret_c)
{
	cfg_opt_t options[] = {
		CFG_STR("body", NULL, CFGF_NODEFAULT),
		CFG_STR("signature", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	AUTO(conf) cfg_t *cfg = NULL;
	AUTO(buf) struct buf *body = NULL;
	AUTO(buf) struct buf *signature = NULL;
	Common__Signed s = COMMON__SIGNED__INIT;
	struct checkpoint c;

	TRY(conf_load(path, false, options, &cfg));
	TRY(err_wrap(get_hex(cfg, "body", &body), "%s", path));
	TRY(err_wrap(get_hex(cfg, "signature", &signature), "%s", path));
	s.body = pb_lend(buf_bytes(body));
	s.signature = pb_lend(buf_bytes(signature));
	TRY(err_wrap(
		checkpoint_open(&s, BYTES(d->receipt_public, ED25519_PUBLIC_LEN), &c), "%s", path));
	if (memcmp(c.deployment, d->id, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_SIGNATURE_BAD, "%s is of another deployment", path);
	*ret_c = c;
	return NULL;
}
