/* api_error.c: errors as the app gets them: derivd-device.h. */
#include "client/device/api.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "client/device/fault.h"

_Static_assert((int)DERIVD_DEVICE_RETRY == (int)FATE_RETRY &&
		       (int)DERIVD_DEVICE_REFUSE == (int)FATE_REFUSE &&
		       (int)DERIVD_DEVICE_BROKEN == (int)FATE_BROKEN,
	"fates are numbered as in the public header");

void api_show_error(const struct err *e, struct derivd_device_error *ret_shown)
{
	const char *text = err_get_text(e);

	ret_shown->kind = err_get_kind(e);
	ret_shown->text = text_safe(BYTES(text, strlen(text)));
}

struct derivd_device_error *api_error(struct err *take_e)
{
	AUTO(err) struct err *e = take_e;

	if (!e)
		return NULL;
	struct derivd_device_error *shown = xcalloc(1, sizeof(*shown));
	api_show_error(e, shown);
	return shown;
}

void derivd_device_error_free(struct derivd_device_error *error)
{
	if (!error)
		return;
	free(error->text);
	free(error);
}

const char *derivd_device_error_kind(const struct derivd_device_error *error)
{
	return error->kind->name;
}

const char *derivd_device_error_text(const struct derivd_device_error *error)
{
	return error->text;
}

const char *derivd_device_error_remedy(const struct derivd_device_error *error)
{
	return fault_remedy(error->kind);
}

enum derivd_device_fate derivd_device_error_fate(const struct derivd_device_error *error)
{
	return (enum derivd_device_fate)error->kind->fate;
}
