/* api_export.c: credentials handed out to the app: derivd-device.h. */
#include "client/device/api.h"

#include <stdlib.h>

#include "client/device/export.h"

struct data {
	struct derivd_device_data shown;
	struct buf *content;
};

static struct err *write_form(const struct home *h, struct state *s, const struct slot *slot,
	enum derivd_device_form form, const char *password, struct buf **ret_content)
{
	switch (form) {
	case DERIVD_DEVICE_PEM_KEY:
		return export_key(h, slot, ret_content);
	case DERIVD_DEVICE_PEM_CERTIFICATE:
		return export_certificate(h, slot, ret_content);
	case DERIVD_DEVICE_PEM_CHAIN:
		return export_chain(h, s, ret_content);
	case DERIVD_DEVICE_PKCS12:
	case DERIVD_DEVICE_PKCS12_LEGACY:
		return export_p12(
			h, s, slot, form == DERIVD_DEVICE_PKCS12_LEGACY, password, ret_content);
	}
	return err_new(&ERR_FORMAT, "form %d", (int)form);
}

static struct err *export_one(const struct derivd_device *d, const char *id,
	enum derivd_device_form form, const char *password, struct buf **ret_content)
{
	AUTO(state) struct state *s = NULL;
	const struct slot *slot;

	TRY(api_load(d, &s));
	TRY(export_find(s, id, &slot));
	return write_form(d->home, s, slot, form, password, ret_content);
}

struct derivd_device_error *derivd_device_export(const struct derivd_device *device, const char *id,
	enum derivd_device_form form, const char *password, struct derivd_device_data **ret_data)
{
	struct buf *content = NULL;
	struct err *e = export_one(device, id, form, password, &content);

	if (e)
		return api_error(e);
	struct data *d = xcalloc(1, sizeof(*d));
	d->content = content;
	d->shown.data = (const unsigned char *)buf_str(content);
	d->shown.len = buf_len(content);
	*ret_data = &d->shown;
	return NULL;
}

/* Freed memory of a buffer is overwritten. */
void derivd_device_data_free(struct derivd_device_data *data)
{
	struct data *d = (struct data *)data;

	if (!d)
		return;
	buf_free(d->content);
	free(d);
}
