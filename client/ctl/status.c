/* status.c: how the services are, and which readers there are. */
#include <stdio.h>

#include "client/ctl/ctl.h"
#include "client/ctl/options.h"
#include "client/ctl/table.h"
#include "proto/card.pb-c.h"
#include "proto/control.pb-c.h"

#define READERS_MS 10000
#define CARD_MS 60000

static const struct option_row no_options[] = { { NULL, OPTION_FLAG, NULL } };

static void print_message(const struct ctl *c, const ProtobufCMessage *m)
{
	if (c->json) {
		AUTO(json) json_t *j = json_from_message(m);

		json_print(j);
	} else {
		table_print_fields(m);
	}
}

struct err *cmd_status(struct ctl *c, int argc, char **argv)
{
	Control__Status ask = CONTROL__STATUS__INIT;
	AUTO_MSG Control__StatusReply *reply = NULL;

	TRY(options_parse(argc, argv, no_options, 0, 0, NULL));
	TRY(ctl_call(c, MSG_STATUS, &ask, MSG_STATUS_REPLY, &reply));
	print_message(c, &reply->base);
	for (size_t i = 0; !c->json && i < reply->n_roles; i++)
		(void)printf("%-20s %s\n", i == 0 ? "your roles" : "", reply->roles[i]);
	return NULL;
}

struct err *cmd_readers(struct ctl *c, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{ "name", "READER", 0 },
		{ "state", "STATE", 0 },
		{ "atr", "ATR", 0 },
		{ NULL, NULL, 0 },
	};
	Card__ListReaders ask = CARD__LIST_READERS__INIT;
	AUTO(peer) struct peer *card = NULL;
	AUTO_MSG Card__ReaderList *list = NULL;

	TRY(options_parse(argc, argv, no_options, 0, 0, NULL));
	TRY(ctl_card(&card));
	TRY(peer_call(card, MSG_CARD_LIST_READERS, &ask, MSG_CARD_READER_LIST, READERS_MS, &list));
	if (c->json) {
		print_message(c, &list->base);
		return NULL;
	}
	if (list->trouble && list->trouble[0] != '\0')
		return err_new(kind_find(list->trouble) ? kind_find(list->trouble) : &ERR_REMOTE,
			_("there is no PC/SC service"));
	if (list->n_readers == 0)
		return err_new(&ERR_READER_NONE, _("there is no card reader"));
	table_print(columns, (ProtobufCMessage *const *)(void *)list->readers, list->n_readers);
	return NULL;
}

struct err *cmd_card_show(struct ctl *c, int argc, char **argv)
{
	static const struct table_column columns[] = {
		{ "slot", "SLOT", 0 },
		{ "label", "CERTIFICATE", 0 },
		{ "has_key", "CAN SIGN", 0 },
		{ NULL, NULL, 0 },
	};
	Card__Open ask = CARD__OPEN__INIT;
	Card__Close bye = CARD__CLOSE__INIT;
	AUTO(peer) struct peer *card = NULL;
	AUTO_MSG Card__Facts *facts = NULL;
	AUTO_MSG Common__Done *done = NULL;
	const char *reader = "", *uri = "";
	const struct option_row rows[] = {
		{ "reader", OPTION_TEXT, &reader },
		{ "uri", OPTION_TEXT, &uri },
		{ NULL, OPTION_FLAG, NULL },
	};

	TRY(options_parse(argc, argv, rows, 0, 0, NULL));
	TRY(ctl_check_text("--reader", reader, CTL_READER_MAX));
	TRY(ctl_check_text("--uri", uri, CTL_URI_MAX));
	ask.reader = (char *)reader;
	ask.uri = (char *)uri;
	TRY(ctl_card(&card));
	TRY(peer_call(card, MSG_CARD_OPEN, &ask, MSG_CARD_FACTS, CARD_MS, &facts));
	peer_set_phase(card, PH_OPEN);
	print_message(c, &facts->base);
	if (!c->json) {
		(void)printf("\n");
		table_print(columns, (ProtobufCMessage *const *)(void *)facts->certificates,
			facts->n_certificates);
	}
	return peer_call(card, MSG_CARD_CLOSE, &bye, MSG_DONE, CARD_MS, &done);
}
