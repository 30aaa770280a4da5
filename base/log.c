/*
 * log.c: entries for journald, or lines on standard error. A line is written with one write(2), so
 * that the lines of several processes do not run into each other.
 */
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/text.h"

static struct {
	const char *program;
	bool debug;
	bool journal;
} state;

static const struct {
	int priority;
	const char *id;
} notes[] = {
#define NOTE(symbol, priority, id) [NOTE_##symbol] = { priority, id },
#define FAULT(kind, id)
#include "base/note.def"
#undef NOTE
#undef FAULT
};

/* The last one, without a name, is for kinds that are not in the list. */
static const struct {
	const char *kind;
	const char *id;
} faults[] = {
#define NOTE(symbol, priority, id)
#define FAULT(kind, id) { kind, id },
#include "base/note.def"
#undef NOTE
#undef FAULT
};

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* MESSAGE, PRIORITY, SYSLOG_IDENTIFIER and MESSAGE_ID come before the caller's fields. */
#define FIXED_FIELDS 4

/* Where the socket is out of reach, libsystemd drops entries and reports success. */
static bool can_send(void)
{
	return access(JOURNAL_SOCKET, W_OK) == 0;
}

/*
 * The variable is inherited by everything that a service starts; only when standard error is still
 * that stream, which its device and inode tell, does the journal listen (systemd.exec(5)).
 */
static bool has_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;
	char more;

	if (!stream || sscanf(stream, "%llu:%llu%c", &device, &inode, &more) != 2)
		return false;
	if (fstat(STDERR_FILENO, &st) != 0)
		return false;
	if (st.st_dev != device || st.st_ino != inode)
		return false;
	return can_send();
}

void log_init(const char *program, bool debug)
{
	state.program = program;
	state.debug = debug;
	state.journal = has_journal();
}

static const char *program_name(void)
{
	return state.program ? state.program : program_invocation_short_name;
}

static bool is_field_name(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

	return len > 0 && len <= 48 && name[len] == 0;
}

static bool is_message_id(const char *id)
{
	return strlen(id) == 32 && strspn(id, "0123456789abcdef") == 32;
}

/* Counts the fields; a wrong name is a bug of ours. */
static size_t count_fields(const struct log_field *fields)
{
	size_t n = 0;

	while (fields && fields[n].name) {
		assert(is_field_name(fields[n].name));
		n++;
	}
	assert(n <= LOG_FIELDS_MAX);
	return n;
}

static char *safe(const char *s)
{
	return text_safe(BYTES(s, strlen(s)));
}

static bool to_journal(int priority, const char *message_id, const struct log_field *fields,
	size_t n_fields, const char *text)
{
	char *entries[FIXED_FIELDS + LOG_FIELDS_MAX];
	struct iovec iov[FIXED_FIELDS + LOG_FIELDS_MAX];
	size_t n = 0;

	entries[n++] = xasprintf("MESSAGE=%s", text);
	entries[n++] = xasprintf("PRIORITY=%d", priority);
	entries[n++] = xasprintf("SYSLOG_IDENTIFIER=%s", program_name());
	if (message_id)
		entries[n++] = xasprintf("MESSAGE_ID=%s", message_id);
	for (size_t i = 0; i < n_fields; i++) {
		if (!fields[i].value)
			continue;
		AUTO_MEM char *value = safe(fields[i].value);
		entries[n++] = xasprintf("DERIVD_%s=%s", fields[i].name, value);
	}
	/*
	 * While journald is restarted its socket may be gone for a moment; libsystemd drops entries then and
	 * reports success. Standard error is a stream that systemd keeps.
	 */
	for (size_t i = 0; i < n; i++)
		iov[i] = (struct iovec){ .iov_base = entries[i], .iov_len = strlen(entries[i]) };
	int sent = can_send() ? sd_journal_sendv(iov, (int)n) : -ENOENT;
	for (size_t i = 0; i < n; i++)
		free(entries[i]);
	return sent >= 0;
}

static void add_field(struct buf *line, const char *name, const char *value)
{
	AUTO_MEM char *shown = safe(value);

	buf_addf(line, " %s=", name);
	if (*shown && !strpbrk(shown, " \"\\")) {
		buf_add_str(line, shown);
		return;
	}
	buf_add_u8(line, '"');
	for (const char *p = shown; *p; p++) {
		if (*p == '"')
			buf_add_u8(line, '\\');
		buf_add(line, p, 1);
	}
	buf_add_u8(line, '"');
}

static void to_stderr(int priority, const char *message_id, const struct log_field *fields,
	size_t n_fields, const char *text)
{
	AUTO(buf) struct buf *line = buf_new();

	buf_addf(line, "<%d>%s", priority, text);
	if (message_id)
		add_field(line, "MESSAGE_ID", message_id);
	for (size_t i = 0; i < n_fields; i++) {
		if (fields[i].value)
			add_field(line, fields[i].name, fields[i].value);
	}
	buf_add_u8(line, '\n');
	/* Nobody is left to tell when this fails. */
	ssize_t ignored = write(STDERR_FILENO, buf_data(line), buf_len(line));
	(void)ignored;
}

static void say(int priority, const char *message_id, const struct log_field *fields, const char *fmt,
	va_list ap)
{
	int saved_errno = errno;
	size_t n_fields = count_fields(fields);
	char *text = NULL;

	assert(priority >= LOG_EMERG && priority <= LOG_DEBUG);
	assert(!message_id || is_message_id(message_id));
	if (priority == LOG_DEBUG && !state.debug)
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		err_abort("no memory for a log line");
	AUTO_MEM char *shown = safe(text);
	free(text);
	if (!state.journal || !to_journal(priority, message_id, fields, n_fields, shown))
		to_stderr(priority, message_id, fields, n_fields, shown);
	errno = saved_errno;
}

void log_event(
	int priority, const char *message_id, const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say(priority, message_id, fields, fmt, ap);
	va_end(ap);
}

void log_note(enum note note, const struct log_field *fields, const char *fmt, ...)
{
	va_list ap;

	assert(note < NOTES);
	va_start(ap, fmt);
	say(notes[note].priority, notes[note].id, fields, fmt, ap);
	va_end(ap);
}

static const char *fault_id(const char *kind)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(faults) && strcmp(faults[i].kind, kind) != 0)
		i++;
	return faults[i].id;
}

void log_error(struct err *take_e, const char *fmt, ...)
{
	AUTO(err) struct err *e = take_e;
	char *text = NULL;
	va_list ap;

	if (!e)
		return;
	va_start(ap, fmt);
	int n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0)
		err_abort("no memory for a log line");
	AUTO_MEM char *context = text;
	const struct log_field fields[] = {
		{ "ERROR_KIND", err_get_kind(e)->name },
		{ "ERROR_FATE", err_fate_name(err_get_fate(e)) },
		{ NULL, NULL },
	};
	int priority = err_get_fate(e) == FATE_RETRY ? LOG_WARNING : LOG_ERR;
	log_event(priority, fault_id(err_get_kind(e)->name), fields, "%s: %s", context,
		err_get_text(e));
}
