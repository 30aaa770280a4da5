/* doctor.h: derivctl doctor: what its checks share. Each check of doctor.def says what it finds; silence means all is well. */
#ifndef DERIVD_CTL_DOCTOR_H
#define DERIVD_CTL_DOCTOR_H

#include "client/ctl/ctl.h"
#include "proto/card.pb-c.h"
#include "proto/control.pb-c.h"

enum verdict {
	VERDICT_OK,
	VERDICT_SKIPPED, /* could not be looked at */
	VERDICT_WARNING, /* works, and will not for long, or not for everybody */
	VERDICT_FAULT,
	VERDICTS
};

enum advice {
#define ADVICE(symbol, kind, remedy) ADVICE_##symbol,
#include "client/ctl/doctor.def"
	ADVICES
};

struct doctor {
	struct ctl *ctl;
	bool leave_cards;
	bool one_line;  /* --monitor */
	int64_t turn_s; /* how long a person may take to turn a card; 0: nobody is there */
	const char *check;
	const char *about;
	bool said; /* of this check */
	unsigned int n[VERDICTS];
	struct buf *line; /* --monitor: what is wrong, in one line */
	/* What derivd said; NULL when it did not. */
	Control__StatusReply *status;
	Control__Checked *checked;
	Card__ReaderList *readers;
};

/* A finding in words of kind.def: verdict by its fate (RETRY and BROKEN are faults), remedy of the kind. take_e is freed. */
void doctor_error(struct doctor *d, enum verdict verdict, struct err *take_e);
/* A finding of doctor.def. */
void doctor_say(struct doctor *d, enum verdict verdict, enum advice advice, const char *fmt, ...)
	PRINTF(4, 5);
/* All is well, in other words than the table's; or why nobody could look. */
void doctor_note(struct doctor *d, enum verdict verdict, const char *fmt, ...) PRINTF(3, 4);

#define CHECK(name, function, about) void function(struct doctor *d);
#include "client/ctl/doctor.def"

#endif
