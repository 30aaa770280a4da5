/*
 * log.h: the journal. Under systemd (JOURNAL_STREAM is set) entries go to journald with their fields;
 * otherwise a line with "<priority>" goes to standard error, the fields behind the text as NAME=value.
 * Foreign text is made safe to show. No secret has a formatter, so none comes here.
 */
#ifndef DERIVD_BASE_LOG_H
#define DERIVD_BASE_LOG_H

#include <syslog.h>

#include "base/def.h"
#include "base/err.h"

/* name in upper case without the DERIVD_ prefix that is added; value NULL leaves the field out. */
struct log_field {
	const char *name;
	const char *value;
};

/* The most fields of one entry. */
#define LOG_FIELDS_MAX 24

enum note {
#define NOTE(symbol, priority, id) NOTE_##symbol,
#define FAULT(kind, id)
#include "base/note.def"
#undef NOTE
#undef FAULT
	NOTES
};

/* Call once at start; program is kept, not copied. Debug lines are dropped unless debug. */
void log_init(const char *program, bool debug);
/*
 * One entry. message_id: 32 hexadecimal digits, or NULL for an entry without one. fields: ends with a NULL
 * name, or is NULL.
 */
void log_event(int priority, const char *message_id, const struct log_field *fields,
	const char *fmt, ...) PRINTF(4, 5);
/* One entry of note.def, with its message id and priority. fields: as for log_event. */
void log_note(enum note note, const struct log_field *fields, const char *fmt, ...) PRINTF(3, 4);
/*
 * Logs an error with its kind and fate as fields and the message id that note.def has for the kind, and frees it. Priority
 * by fate: RETRY warning, else error.
 */
void log_error(struct err *take_e, const char *fmt, ...) PRINTF(2, 3);

/* These have no message id: for development. What an installation says is a note, an error or an event. */
#define log_debug(...) log_event(LOG_DEBUG, NULL, NULL, __VA_ARGS__)
#define log_info(...) log_event(LOG_INFO, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_event(LOG_WARNING, NULL, NULL, __VA_ARGS__)

#endif
