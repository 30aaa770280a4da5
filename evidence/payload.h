/*
 * payload.h: payloads of items that are not a certificate, a sealed key, a chain or pins (PROTOCOL.device section 7): lists whose
 * elements are fields of a record, as a chain's are.
 */
#ifndef DERIVD_EVIDENCE_PAYLOAD_H
#define DERIVD_EVIDENCE_PAYLOAD_H

#include "proto/deployment.h"
#include "evidence/item.h"

/* ITEM_APP: the configurations of all mail apps, in place of those that the device has. */
#define PAYLOAD_APPS_MAX 10
#define PAYLOAD_APP_NAME_MAX 64
#define PAYLOAD_APP_TYPE_MAX 128
#define PAYLOAD_APP_TEXT_MAX 65536
struct payload_app {
	char *name;        /* a-z, 0-9 and -, beginning with a letter: the app as ca.conf names it */
	char *type;        /* media type of the text */
	struct bytes text; /* UTF-8; lent from the payload */
};
struct payload_apps {
	size_t n;
	struct payload_app apps[PAYLOAD_APPS_MAX]; /* ascending names */
};
struct buf *payload_apps_encode(const struct payload_app *apps, size_t n);
/* ERR_FORMAT. */
MUST_CHECK struct err *payload_apps_decode(struct bytes payload, struct payload_apps **ret_apps);
void payload_apps_free(struct payload_apps *a);
DEFINE_AUTO(payload_apps, struct payload_apps *, payload_apps_free);
bool payload_is_app_name(const char *name);

#endif
