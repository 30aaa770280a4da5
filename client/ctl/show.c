/* show.c: the lists and their single entries: requests, devices, credentials, queue, audit rows. */
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "client/ctl/table.h"
#include "evidence/cert.h"
#include "proto/control.pb-c.h"

#define PAGE 100
#define ID_SHOWN 12

/* What a kind of row is: its options, how to find its rows in a page and which columns people see. */
struct listing {
	Control__What what;
	const char *plural;
	const char *const *options;
	size_t (*rows)(const Control__Rows *page, ProtobufCMessage *const **ret_rows);
	const struct table_column *columns;
};

#define ROWS_OF(name, member)                                                                      \
	static size_t name(const Control__Rows *page, ProtobufCMessage *const **ret_rows)          \
	{                                                                                          \
		*ret_rows = (ProtobufCMessage *const *)(const void *)page->member;                 \
		return page->n_##member;                                                           \
	}
ROWS_OF(request_rows, requests)
ROWS_OF(device_rows, devices)
ROWS_OF(credential_rows, credentials)
ROWS_OF(queue_rows, queue)
ROWS_OF(audit_rows, audit)

static const struct table_column request_columns[] = {
	{ "id", "REQUEST", ID_SHOWN },
	{ "state", "STATE", 0 },
	{ "operation", "OPERATION", 0 },
	{ "holder", "HOLDER", 24 },
	{ "device", "DEVICE", ID_SHOWN },
	{ "created_ms", "CREATED", 20 },
	{ "cause", "CAUSE", 48 },
	{ NULL, NULL, 0 },
};
static const struct table_column device_columns[] = {
	{ "id", "DEVICE", ID_SHOWN },
	{ "label", "LABEL", 20 },
	{ "platform", "PLATFORM", 12 },
	{ "holder", "HOLDER", 24 },
	{ "state", "STATE", 0 },
	{ "connected", "CONNECTED", 0 },
	{ "items_waiting", "WAITING", 0 },
	{ "seen_ms", "SEEN", 20 },
	{ NULL, NULL, 0 },
};
static const struct table_column credential_columns[] = {
	{ "id", "CREDENTIAL", ID_SHOWN },
	{ "purpose", "PURPOSE", 0 },
	{ "state", "STATE", 0 },
	{ "holder", "HOLDER", 24 },
	{ "device", "DEVICE", ID_SHOWN },
	{ "not_after_ms", "UNTIL", 20 },
	{ "cause", "CAUSE", 48 },
	{ NULL, NULL, 0 },
};
static const struct table_column queue_columns[] = {
	{ "id", "ENTRY", ID_SHOWN },
	{ "what", "WHAT", 0 },
	{ "state", "STATE", 0 },
	{ "purpose", "PURPOSE", 0 },
	{ "attempts", "TRIES", 0 },
	{ "next_ms", "NEXT", 20 },
	{ "cause", "CAUSE", 48 },
	{ "unblock", "UNBLOCK WITH", 0 },
	{ NULL, NULL, 0 },
};
static const struct table_column audit_columns[] = {
	{ "sequence", "ROW", 0 },
	{ "when_ms", "WHEN", 20 },
	{ "event", "EVENT", 0 },
	{ "actor", "ACTOR", 24 },
	{ "text", "TEXT", 0 },
	{ NULL, NULL, 0 },
};

static const char *const of_requests[] = { "open", NULL };
static const char *const of_devices[] = { NULL };
static const char *const of_credentials[] = { "open", "request", "device", NULL };
static const char *const of_queue[] = { "open", "request", "device", NULL };
static const char *const of_audit[] = { "request", "after", NULL };

static const struct listing requests = { CONTROL__WHAT__REQUESTS, "requests", of_requests,
	request_rows, request_columns };
static const struct listing devices = { CONTROL__WHAT__DEVICES, "devices", of_devices, device_rows,
	device_columns };
static const struct listing credentials = { CONTROL__WHAT__CREDENTIALS, "credentials",
	of_credentials, credential_rows, credential_columns };
static const struct listing queue = { CONTROL__WHAT__QUEUE, "queue entries", of_queue, queue_rows,
	queue_columns };
static const struct listing audit = { CONTROL__WHAT__AUDIT, "audit rows", of_audit, audit_rows,
	audit_columns };

/* All pages: one table a page for people, one line a row with --json. */
static struct err *print_list(struct ctl *c, const struct listing *l, Control__List *ask)
{
	size_t total = 0;

	ask->what = l->what;
	ask->most = PAGE;
	do {
		AUTO_MSG Control__Rows *page = NULL;
		ProtobufCMessage *const *rows;
		size_t n;

		TRY(ctl_call(c, MSG_LIST, ask, MSG_ROWS, &page));
		n = l->rows(page, &rows);
		total += n;
		for (size_t i = 0; c->json && i < n; i++) {
			AUTO(json) json_t *row = json_from_message(rows[i]);

			json_print(row);
		}
		if (!c->json)
			table_print(l->columns, rows, n);
		TRY(ctl_written());
		TRY(ctl_next_page(page->next, &ask->after));
	} while (ask->after != 0);
	if (total == 0 && !c->json)
		(void)printf("There are no %s.\n", l->plural);
	return NULL;
}

static struct err *get_one(struct ctl *c, const struct listing *l, const char *id,
	Control__Rows **ret_page, ProtobufCMessage **ret_row)
{
	Control__List ask = CONTROL__LIST__INIT;
	AUTO_MSG Control__Rows *page = NULL;
	ProtobufCMessage *const *rows;

	ask.what = l->what;
	ask.id = (char *)id;
	ask.most = 1;
	TRY(ctl_call(c, MSG_LIST, &ask, MSG_ROWS, &page));
	if (l->rows(page, &rows) == 0)
		return err_new(&ERR_NO_SUCH, "there is nothing with the id %s among the %s", id,
			l->plural);
	*ret_row = rows[0];
	*ret_page = take(page);
	return NULL;
}

static struct err *print_one(struct ctl *c, const struct listing *l, const char *id)
{
	AUTO_MSG Control__Rows *page = NULL;
	ProtobufCMessage *row;

	TRY(get_one(c, l, id, &page, &row));
	if (c->json) {
		AUTO(json) json_t *j = json_from_message(row);

		json_print(j);
		return NULL;
	}
	table_print_fields(row);
	if (page->n_requests == 1 && page->requests[0]->n_credentials > 0) {
		(void)printf("\n");
		table_print(credential_columns,
			(ProtobufCMessage *const *)(void *)page->requests[0]->credentials,
			page->requests[0]->n_credentials);
	}
	if (page->n_devices == 1 && page->devices[0]->n_credentials > 0) {
		(void)printf("\n");
		table_print(credential_columns,
			(ProtobufCMessage *const *)(void *)page->devices[0]->credentials,
			page->devices[0]->n_credentials);
	}
	return NULL;
}

static struct err *show(struct ctl *c, int argc, char **argv, const struct listing *l)
{
	const struct option_row none[] = { { NULL, OPTION_FLAG, NULL } };
	const char *id;

	TRY(options_parse(argc, argv, none, 1, 1, &id));
	TRY(ctl_check_id(id));
	return print_one(c, l, id);
}

static bool has_option(const struct listing *l, const char *name)
{
	for (const char *const *option = l->options; *option; option++)
		if (strcmp(*option, name) == 0)
			return true;
	return false;
}

static struct err *list(struct ctl *c, int argc, char **argv, const struct listing *l)
{
	Control__List ask = CONTROL__LIST__INIT;
	const char *request = "", *device = "";
	bool open_only = false;
	int64_t after = 0;
	const struct option_row all[] = {
		{ "open", OPTION_FLAG, &open_only },
		{ "request", OPTION_TEXT, &request },
		{ "device", OPTION_TEXT, &device },
		{ "after", OPTION_NUMBER, &after },
	};
	struct option_row rows[ARRAY_LEN(all) + 1] = { { NULL, OPTION_FLAG, NULL } };
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		if (has_option(l, all[i].name))
			rows[n++] = all[i];
	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	TRY(request[0] ? ctl_check_id(request) : NULL);
	TRY(device[0] ? ctl_check_id(device) : NULL);
	ask.request = (char *)request;
	ask.device = (char *)device;
	ask.open_only = open_only;
	ask.after = (uint64_t)after;
	return print_list(c, l, &ask);
}

struct err *cmd_request_list(struct ctl *c, int argc, char **argv)
{
	return list(c, argc, argv, &requests);
}

struct err *cmd_request_show(struct ctl *c, int argc, char **argv)
{
	return show(c, argc, argv, &requests);
}

struct err *cmd_device_list(struct ctl *c, int argc, char **argv)
{
	return list(c, argc, argv, &devices);
}

struct err *cmd_device_show(struct ctl *c, int argc, char **argv)
{
	return show(c, argc, argv, &devices);
}

struct err *cmd_credential_list(struct ctl *c, int argc, char **argv)
{
	return list(c, argc, argv, &credentials);
}

static struct err *print_pem(const Control__CredentialRow *row)
{
	AUTO(x509) X509 *cert = NULL;

	if (row->certificate.len == 0)
		return err_new(&ERR_WRONG_STATE, "credential %s has no certificate yet (%s)",
			row->id, row->state);
	TRY(cert_parse(pb_bytes(row->certificate), &cert));
	if (!PEM_write_X509(stdout, cert))
		return sig_openssl_error(&ERR_SYSTEM, "cannot write the certificate");
	return NULL;
}

struct err *cmd_credential_show(struct ctl *c, int argc, char **argv)
{
	AUTO_MSG Control__Rows *page = NULL;
	ProtobufCMessage *row;
	bool pem = false;
	const char *id;
	const struct option_row rows[] = { { "pem", OPTION_FLAG, &pem },
		{ NULL, OPTION_FLAG, NULL } };

	TRY(options_parse(argc, argv, rows, 1, 1, &id));
	TRY(ctl_check_id(id));
	if (!pem)
		return print_one(c, &credentials, id);
	TRY(get_one(c, &credentials, id, &page, &row));
	return print_pem(page->credentials[0]);
}

struct err *cmd_queue_list(struct ctl *c, int argc, char **argv)
{
	return list(c, argc, argv, &queue);
}

struct err *cmd_queue_show(struct ctl *c, int argc, char **argv)
{
	return show(c, argc, argv, &queue);
}

struct err *cmd_audit_show(struct ctl *c, int argc, char **argv)
{
	return list(c, argc, argv, &audit);
}
