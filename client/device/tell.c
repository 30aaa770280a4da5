/* tell.c: see tell.h. */
#include "client/device/tell.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "client/device/api.h"

static char *format(const char *fmt, va_list ap) __attribute__((format(printf, 1, 0)));

static char *format(const char *fmt, va_list ap)
{
	char *text = NULL;

	if (vasprintf(&text, fmt, ap) < 0)
		err_abort("no memory for a text");
	return text;
}

void tell(const struct listener *l, struct derivd_device_event event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_MEM char *text = format(fmt, ap);
	va_end(ap);
	event.text = text;
	if (l->event)
		l->event(l->context, &event);
}

void tell_error(const struct listener *l, enum derivd_device_event_type type, const struct err *e)
{
	struct derivd_device_error shown = { 0 };

	api_show_error(e, &shown);
	tell(l, (struct derivd_device_event){ .type = type, .error = &shown }, "%s", shown.text);
	free(shown.text);
}

bool tell_asks(const struct listener *l, struct derivd_device_event offer, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	AUTO_MEM char *text = format(fmt, ap);
	va_end(ap);
	offer.text = text;
	return !l->accept || l->accept(l->context, &offer) != 0;
}
