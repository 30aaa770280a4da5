/* manifest.c: see manifest.h. */
#include "daemon/backup/manifest.h"

#include <inttypes.h>
#include <string.h>

#include "base/conf.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"

#define FORM 1

struct err *manifest_write(const char *dir, const struct manifest *m)
{
	AUTO_MEM char *path = xasprintf("%s/" MANIFEST_FILE, dir);
	AUTO_MEM char *deployment = text_hex(BYTES(m->deployment, DEPLOYMENT_ID_LEN));
	AUTO_MEM char *head = text_hex(BYTES(m->head, SHA256_LEN));
	AUTO_MEM char *audit_head = text_hex(BYTES(m->audit_head, SHA256_LEN));
	AUTO_MEM char *taken = text_time(m->taken_ms);
	AUTO(buf) struct buf *out = buf_new();

	buf_addf(out, "# a backup of derivd %s, taken %s\n", PACKAGE_VERSION, taken);
	buf_addf(out, "form = %d\nwhat = \"%s\"\n", FORM, m->what);
	buf_addf(out, "deployment = \"%s\"\n", deployment);
	buf_addf(out, "taken-ms = \"%" PRId64 "\"\n", m->taken_ms);
	buf_addf(out, "rows = \"%" PRIu64 "\"\nhead = \"%s\"\n", m->rows, head);
	buf_addf(out, "audit-rows = \"%" PRIu64 "\"\naudit-head = \"%s\"\n", m->audit_rows,
		audit_head);
	return io_write_file(path, buf_bytes(out), 0600);
}

static struct err *get_number(cfg_t *cfg, const char *key, uint64_t *ret_n)
{
	const char *text = cfg_getstr(cfg, key);

	if (!text)
		return err_new(&ERR_CONFIG, "%s is missing", key);
	return err_as(&ERR_CONFIG, text_parse_u64(text, INT64_MAX, ret_n), "%s", key);
}

static struct err *get_all(cfg_t *cfg, const char *what, struct manifest *m)
{
	const char *is = cfg_getstr(cfg, "what");
	uint64_t taken = 0;

	if (cfg_getint(cfg, "form") != FORM)
		return err_new(&ERR_CONFIG, "form %ld is not known: a newer release made it",
			cfg_getint(cfg, "form"));
	if (!is || strcmp(is, what) != 0)
		return err_new(
			&ERR_CONFIG, "a backup of \"%s\", not of \"%s\"", is ? is : "", what);
	m->what = what;
	TRY(conf_hex(
		"deployment", cfg_getstr(cfg, "deployment"), DEPLOYMENT_ID_LEN, m->deployment));
	TRY(get_number(cfg, "taken-ms", &taken));
	m->taken_ms = (int64_t)taken;
	TRY(get_number(cfg, "rows", &m->rows));
	TRY(conf_hex("head", cfg_getstr(cfg, "head"), SHA256_LEN, m->head));
	TRY(get_number(cfg, "audit-rows", &m->audit_rows));
	return conf_hex("audit-head", cfg_getstr(cfg, "audit-head"), SHA256_LEN, m->audit_head);
}

struct err *manifest_read(const char *dir, const char *what, struct manifest *ret_m)
{
	cfg_opt_t options[] = {
		CFG_INT("form", 0, CFGF_NONE),
		CFG_STR("what", NULL, CFGF_NODEFAULT),
		CFG_STR("deployment", NULL, CFGF_NODEFAULT),
		CFG_STR("taken-ms", NULL, CFGF_NODEFAULT),
		CFG_STR("rows", NULL, CFGF_NODEFAULT),
		CFG_STR("head", NULL, CFGF_NODEFAULT),
		CFG_STR("audit-rows", NULL, CFGF_NODEFAULT),
		CFG_STR("audit-head", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	AUTO_MEM char *path = xasprintf("%s/" MANIFEST_FILE, dir);
	AUTO(conf) cfg_t *cfg = NULL;
	struct manifest m = { .what = NULL };

	TRY(conf_load(path, false, options, &cfg));
	TRY(err_wrap(get_all(cfg, what, &m), "%s", path));
	*ret_m = m;
	return NULL;
}

struct err *manifest_check_deployment(const struct manifest *m)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");
	AUTO(deployment) struct deployment *d = NULL;
	struct err *e = deployment_load(path, &d);

	if (err_is(e, &ERR_NOTFOUND))
		return err_as(&ERR_CONFIG, e,
			"the configuration comes first: put back the directory of %s", path);
	TRY(e);
	if (memcmp(d->id, m->deployment, DEPLOYMENT_ID_LEN) != 0)
		return err_new(&ERR_CONFIG,
			"the backup is of another deployment than the one that %s names", path);
	return NULL;
}
