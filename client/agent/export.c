/* export.c: see export.h. */
#include "client/agent/export.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "client/agent/bring.h"

/* The longest password that the library takes, and the end of a line. */
#define PASSWORD_FILE_MAX 258

static inline UNUSED void data_free(struct derivd_device_data *d)
{
	derivd_device_data_free(d);
}
DEFINE_AUTO(data, struct derivd_device_data *, data_free);

struct chosen {
	struct derivd_device_credentials *all;
	size_t n;
	const struct derivd_device_credential **list;
};

static void chosen_free(struct chosen *c)
{
	derivd_device_credentials_free(c->all);
	free(c->list);
	free(c);
}
DEFINE_AUTO(chosen, struct chosen *, chosen_free);

static bool fits(const struct derivd_device_credential *c, const struct export_choice *choice)
{
	return c->has_key && c->has_certificate &&
	       (!choice->purpose || strcmp(c->purpose, choice->purpose) == 0) &&
	       (!choice->serial || text_starts(c->serial, choice->serial));
}

static struct trouble *check_purpose(const char *purpose)
{
	static const char *const purposes[] = { "authentication", "signing", "encryption",
		"decryption" };

	for (size_t i = 0; purpose && i < ARRAY_LEN(purposes); i++) {
		if (strcmp(purposes[i], purpose) == 0)
			return NULL;
	}
	return !purpose ? NULL
			: trouble_new(DERIVD_DEVICE_KIND_FORMAT,
				  "a purpose is authentication, signing, encryption or decryption, "
				  "not "
				  "\"%.32s\"",
				  purpose);
}

static struct trouble *choose(
	const struct derivd_device *d, const struct export_choice *choice, struct chosen **ret)
{
	AUTO(chosen) struct chosen *c = xcalloc(1, sizeof(*c));

	PASS(check_purpose(choice->purpose));
	PASS(trouble_device(derivd_device_get_credentials(d, &c->all)));
	c->list = xcalloc(c->all->n + 1, sizeof(*c->list));
	for (size_t i = 0; i < c->all->n; i++) {
		if (fits(c->all->list[i], choice))
			c->list[c->n++] = c->all->list[i];
	}
	if (c->n == 0)
		return trouble_new(DERIVD_DEVICE_KIND_NO_CREDENTIAL, "no usable credential%s%s",
			choice->purpose ? " for " : "", choice->purpose ? choice->purpose : "");
	*ret = take(c);
	return NULL;
}

/* --- PEM --- */

static bool is_only_one(const struct chosen *all, const struct derivd_device_credential *c)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		n += strcmp(all->list[i]->purpose, c->purpose) == 0;
	return n == 1;
}

static struct trouble *write_in(
	const char *dir, const char *name, const char *ending, struct bytes content)
{
	AUTO_MEM char *path = xasprintf("%s/%s%s", dir, name, ending);

	return trouble_err(io_write_file(path, content, 0600));
}

static struct trouble *write_form(const struct derivd_device *d, const char *id,
	enum derivd_device_form form, const char *dir, const char *name)
{
	AUTO(data) struct derivd_device_data *data = NULL;

	PASS(trouble_device(derivd_device_export(d, id, form, NULL, &data)));
	return write_in(dir, name, ".pem", BYTES(data->data, data->len));
}

static struct trouble *write_credential(const struct derivd_device *d, const struct chosen *all,
	const struct derivd_device_credential *c, const char *dir)
{
	AUTO_MEM char *place = is_only_one(all, c)
				       ? xasprintf("%s/%s", dir, c->purpose)
				       : xasprintf("%s/%s-%s", dir, c->purpose, c->serial);

	PASS(trouble_err(io_mkdirs(place, 0700)));
	PASS(write_form(d, c->id, DERIVD_DEVICE_PEM_KEY, place, "key"));
	PASS(write_form(d, c->id, DERIVD_DEVICE_PEM_CERTIFICATE, place, "certificate"));
	return write_form(d, c->id, DERIVD_DEVICE_PEM_CHAIN, place, "chain");
}

/* The media types that mail apps use; others have no ending of their own. */
static const char *ending(const char *type)
{
	if (strcmp(type, "application/json") == 0)
		return ".json";
	if (strcmp(type, "application/xml") == 0 || strcmp(type, "text/xml") == 0)
		return ".xml";
	if (strcmp(type, "application/x-apple-aspen-config") == 0)
		return ".mobileconfig";
	return ".txt";
}

static inline UNUSED void apps_free(struct derivd_device_apps *a)
{
	derivd_device_apps_free(a);
}
DEFINE_AUTO(apps, struct derivd_device_apps *, apps_free);

static struct trouble *write_apps(const struct derivd_device *d, const char *dir)
{
	AUTO(apps) struct derivd_device_apps *apps = NULL;
	AUTO_MEM char *place = xasprintf("%s/apps", dir);

	PASS(trouble_device(derivd_device_get_apps(d, &apps)));
	if (apps->n)
		PASS(trouble_err(io_mkdirs(place, 0700)));
	for (size_t i = 0; i < apps->n; i++) {
		const struct derivd_device_app *a = apps->list[i];
		PASS(write_in(place, a->name, ending(a->type), BYTES(a->text, a->len)));
	}
	return NULL;
}

struct trouble *export_pem(
	const struct derivd_device *d, const struct export_choice *choice, const char *dir)
{
	AUTO(chosen) struct chosen *c = NULL;

	PASS(choose(d, choice, &c));
	PASS(trouble_err(io_mkdirs(dir, 0700)));
	for (size_t i = 0; i < c->n; i++)
		PASS(write_credential(d, c, c->list[i], dir));
	return write_apps(d, dir);
}

/* --- PKCS#12 --- */

struct trouble *export_p12(const struct derivd_device *d, const struct export_choice *choice,
	const char *path, const char *password_path)
{
	AUTO(chosen) struct chosen *c = NULL;
	AUTO(buf) struct buf *password = NULL;
	AUTO(data) struct derivd_device_data *data = NULL;

	PASS(choose(d, choice, &c));
	if (c->n > 1)
		return trouble_new("ambiguous-id",
			"%zu credentials fit, and a file holds one: choose with --purpose and "
			"--serial",
			c->n);
	PASS(bring_password(password_path, PASSWORD_FILE_MAX, &password));
	struct trouble *t = trouble_device(derivd_device_export(d, c->list[0]->id,
		choice->legacy ? DERIVD_DEVICE_PKCS12_LEGACY : DERIVD_DEVICE_PKCS12,
		buf_str(password), &data));
	if (trouble_is(t, DERIVD_DEVICE_KIND_FORMAT)) {
		trouble_free(t);
		return trouble_new(DERIVD_DEVICE_KIND_FORMAT,
			"%s: the first line must be a password of 1 to 256 bytes in UTF-8",
			password_path);
	}
	PASS(t);
	return trouble_err(io_write_file(path, BYTES(data->data, data->len), 0600));
}
