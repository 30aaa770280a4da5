/*
 * deployment.c: the file that says whom to trust here. Whoever can write it decides which receipts and offers count, so
 * its owner and mode are checked before a byte is read, and it takes no drop-ins.
 */
#include "proto/deployment.h"

#include <errno.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/conf.h"
#include "base/text.h"
#include "proto/host.h"
#include "proto/kind.h"

void deployment_free(struct deployment *d)
{
	if (!d)
		return;
	free(d->host);
	free(d->import_certificate);
	free(d);
}

static bool is_system_path(const char *path)
{
	static const char *const trees[] = { "/etc/", "/usr/", SYSCONFDIR "/" };

	for (size_t i = 0; i < ARRAY_LEN(trees); i++)
		if (text_starts(path, trees[i]))
			return true;
	return false;
}

static struct err *check_owner(const char *path, bool allow_caller)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return err_errno(errno, "%s", path);
	if (st.st_uid != 0 && !(allow_caller && st.st_uid == geteuid()))
		return err_new(&ERR_CONFIG, "%s: must belong to root: chown root %s", path, path);
	if (st.st_mode & (S_IWGRP | S_IWOTH))
		return err_new(&ERR_CONFIG, "%s: others than its owner may write it: chmod go-w %s",
			path, path);
	return NULL;
}

/* The file, and the directory in which somebody could put another in its place. */
static struct err *check_place(const char *path)
{
	char *resolved = realpath(path, NULL);

	if (!resolved)
		return err_errno(errno, "%s", path);
	AUTO_MEM char *file = resolved;
	AUTO_MEM char *copy = xstrdup(resolved);
	AUTO_MEM char *drop_ins = xasprintf("%s.d", path);
	bool allow_caller = !is_system_path(resolved);
	TRY(check_owner(file, allow_caller));
	TRY(check_owner(dirname(copy), allow_caller));
	if (access(drop_ins, F_OK) == 0)
		return err_new(&ERR_CONFIG, "%s: this file takes no drop-ins: remove the directory",
			drop_ins);
	return NULL;
}

static struct err *get_pins(cfg_t *cfg, struct deployment *d)
{
	size_t n = cfg_size(cfg, "gateway-pins");
	int64_t epoch = 0;

	if (n < 1 || n > PINS_MAX)
		return err_new(&ERR_CONFIG, "gateway-pins: %zu of them, where 1 to %d are needed",
			n, PINS_MAX);
	for (size_t i = 0; i < n; i++)
		TRY(conf_hex("gateway-pins", cfg_getnstr(cfg, "gateway-pins", (unsigned int)i),
			SHA256_LEN, d->pins[i]));
	d->n_pins = n;
	TRY(conf_int(cfg, "pins-epoch", 0, INT64_MAX, &epoch));
	d->pins_epoch = (uint64_t)epoch;
	return NULL;
}

static struct err *get_all(cfg_t *cfg, struct deployment *d)
{
	const char *host = cfg_getstr(cfg, "host");
	const char *import = cfg_getstr(cfg, "import-certificate");
	int64_t port = 0;

	TRY(conf_hex("id", cfg_getstr(cfg, "id"), DEPLOYMENT_ID_LEN, d->id));
	TRY(conf_hex("kiosk", cfg_getstr(cfg, "kiosk"), KIOSK_ID_LEN, d->kiosk));
	TRY(conf_hex("delivery-key", cfg_getstr(cfg, "delivery-key"), ED25519_PUBLIC_LEN,
		d->delivery_public));
	TRY(conf_hex("receipt-key", cfg_getstr(cfg, "receipt-key"), ED25519_PUBLIC_LEN,
		d->receipt_public));
	if (!host || !host_is_good(host))
		return err_new(
			&ERR_CONFIG, "host: a host name, an IPv4 or an IPv6 address is needed");
	d->host = xstrdup(host);
	TRY(conf_int(cfg, "port", 1, UINT16_MAX, &port));
	d->port = (uint16_t)port;
	if (import && *import)
		d->import_certificate = xstrdup(import);
	return get_pins(cfg, d);
}

struct err *deployment_load(const char *path, struct deployment **ret_deployment)
{
	cfg_opt_t options[] = {
		CFG_STR("id", NULL, CFGF_NODEFAULT),
		CFG_STR("kiosk", NULL, CFGF_NODEFAULT),
		CFG_STR("delivery-key", NULL, CFGF_NODEFAULT),
		CFG_STR("receipt-key", NULL, CFGF_NODEFAULT),
		CFG_STR("host", NULL, CFGF_NODEFAULT),
		CFG_INT("port", 0, CFGF_NONE),
		CFG_STR_LIST("gateway-pins", NULL, CFGF_NODEFAULT),
		CFG_INT("pins-epoch", 0, CFGF_NONE),
		CFG_STR("import-certificate", NULL, CFGF_NODEFAULT),
		CFG_END(),
	};
	AUTO(deployment) struct deployment *d = xcalloc(1, sizeof(*d));
	AUTO(conf) cfg_t *cfg = NULL;

	TRY(err_wrap(check_place(path), "deployment"));
	TRY(err_wrap(conf_load(path, false, options, &cfg), "deployment"));
	TRY(err_wrap(get_all(cfg, d), "deployment: %s", path));
	*ret_deployment = take(d);
	return NULL;
}

static void put_hex(struct buf *out, const char *key, const uint8_t *bytes, size_t len)
{
	AUTO_MEM char *hex = text_hex(BYTES(bytes, len));

	buf_addf(out, "%s = \"%s\"\n", key, hex);
}

struct buf *deployment_write(const struct deployment *d)
{
	struct buf *out = buf_new();

	buf_add_str(out,
		"# deployment.conf: whom this kiosk trusts. Written by derivd-ca init and derivd-ca "
		"pins.\n"
		"# derivctl and derivd-card take these from here only, never from derivd.\n");
	put_hex(out, "id", d->id, DEPLOYMENT_ID_LEN);
	put_hex(out, "kiosk", d->kiosk, KIOSK_ID_LEN);
	put_hex(out, "delivery-key", d->delivery_public, ED25519_PUBLIC_LEN);
	put_hex(out, "receipt-key", d->receipt_public, ED25519_PUBLIC_LEN);
	buf_addf(out, "host = \"%s\"\nport = %u\ngateway-pins = {", d->host, d->port);
	for (size_t i = 0; i < d->n_pins; i++) {
		AUTO_MEM char *hex = text_hex(BYTES(d->pins[i], SHA256_LEN));
		buf_addf(out, "%s\n\t\"%s\"", i ? "," : "", hex);
	}
	buf_add_str(out, "\n}\n");
	if (d->pins_epoch)
		buf_addf(out, "pins-epoch = %" PRIu64 "\n", d->pins_epoch);
	if (d->import_certificate)
		buf_addf(out, "import-certificate = \"%s\"\n", d->import_certificate);
	return out;
}
