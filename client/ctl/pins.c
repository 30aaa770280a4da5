/* pins.c: which devices know the gateway's keys as they are now: what has to be known before the gateway changes its key. */
#include <stdio.h>

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "client/ctl/table.h"
#include "proto/control.pb-c.h"

#define PAGE 100

static const struct table_column columns[] = {
	{ "id", "DEVICE", 12 },
	{ "label", "LABEL", 20 },
	{ "holder", "HOLDER", 24 },
	{ "pins_epoch", "KNOWS CHANGE", 0 },
	{ "connected", "CONNECTED", 0 },
	{ "seen_ms", "SEEN", 20 },
	{ NULL, NULL, 0 },
};

/* newest: the highest change that a device knows. */
struct count {
	uint64_t all, told, newest;
};

static struct err *print_untold(
	const struct ctl *c, const Control__Rows *page, uint64_t epoch, struct count *count)
{
	ProtobufCMessage *untold[PAGE];
	size_t n = 0;

	if (page->n_devices > PAGE)
		return err_new(&ERR_PROTOCOL, "derivd gives a page of %zu rows", page->n_devices);
	for (size_t i = 0; i < page->n_devices; i++) {
		uint64_t known = page->devices[i]->pins_epoch;
		/* Who knows a later change than ours takes in nothing of ours. */
		if (known != epoch)
			untold[n++] = &page->devices[i]->base;
		count->newest = known > count->newest ? known : count->newest;
	}
	count->all += page->n_devices;
	count->told += page->n_devices - n;
	for (size_t i = 0; c->json && i < n; i++) {
		AUTO(json) json_t *row = json_from_message(untold[i]);

		json_print(row);
	}
	if (!c->json)
		table_print(columns, untold, n);
	return NULL;
}

static void print_count(const struct ctl *c, uint64_t epoch, const struct count *count)
{
	if (c->json) {
		AUTO(json)
		json_t *j = json_pack("{s:I, s:I, s:I}", "pins_epoch", (json_int_t)epoch, "devices",
			(json_int_t)count->all, "acknowledged", (json_int_t)count->told);

		json_print(j);
		return;
	}
	if (count->newest > epoch)
		(void)printf(
			_("DEVICES KNOW CHANGE %llu, deployment.conf ONLY %llu: it was put back to "
			  "an earlier state, and devices refuse what it says. Set pins-epoch = "
			  "%llu there, then announce the gateway's key with derivd-ca pins add.\n"),
			(unsigned long long)count->newest, (unsigned long long)epoch,
			(unsigned long long)count->newest);
	if (epoch == 0 && count->newest == 0) {
		(void)printf(
			_("The gateway's keys were never changed: devices have them from the QR "
			  "code.\n"));
		return;
	}
	(void)printf(_("Change %llu of the gateway's keys: %llu of %llu devices have acknowledged "
		       "it.\n"),
		(unsigned long long)epoch, (unsigned long long)count->told,
		(unsigned long long)count->all);
	if (count->told < count->all)
		(void)printf(
			_("The others hear of it when they connect; one that only knows a dropped "
			  "key needs: derivd-ca pins sign\n"));
}

struct err *cmd_pins(struct ctl *c, int argc, char **argv)
{
	static const struct option_row none[] = { { NULL, OPTION_FLAG, NULL } };
	Control__Status ask = CONTROL__STATUS__INIT;
	AUTO_MSG Control__StatusReply *status = NULL;
	Control__List list = CONTROL__LIST__INIT;
	struct count count = { 0 };

	TRY(options_parse(argc, argv, none, 0, 0, NULL));
	TRY(ctl_call(c, MSG_STATUS, &ask, MSG_STATUS_REPLY, &status));
	list.what = CONTROL__WHAT__DEVICES;
	list.open_only = true;
	list.most = PAGE;
	do {
		AUTO_MSG Control__Rows *page = NULL;

		TRY(ctl_call(c, MSG_LIST, &list, MSG_ROWS, &page));
		TRY(print_untold(c, page, status->pins_epoch, &count));
		TRY(ctl_next_page(page->next, &list.after));
	} while (list.after != 0);
	print_count(c, status->pins_epoch, &count);
	return NULL;
}
