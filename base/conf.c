/*
 * conf.c: libconfuse with our rules around it. Its messages come through a callback that has no
 * argument of the caller's, hence the one static below; inside sections it forgets the file's name,
 * so we keep that too.
 */
#include "base/conf.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

static struct {
	const char *path;
	struct err *error; /* the first one of a file; the others follow from it */
} reading;

static void on_message(cfg_t *cfg, const char *fmt, va_list ap)
	__attribute__((format(printf, 2, 0)));

static void on_message(cfg_t *cfg, const char *fmt, va_list ap)
{
	char *text = NULL;

	if (reading.error)
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		err_abort("no memory for an error text");
	AUTO_MEM char *shown = text_safe(BYTES(text, strlen(text)));
	free(text);
	reading.error = err_new(&ERR_CONFIG, "%s:%d: %s", reading.path, cfg->line, shown);
}

/* The same title twice is an error, whatever the caller's table says: silence would hide one of the
 * two. */
static void refuse_twins(cfg_opt_t *options)
{
	for (cfg_opt_t *o = options; o->name; o++) {
		if (o->type != CFGT_SEC)
			continue;
		if (o->flags & CFGF_TITLE)
			o->flags |= CFGF_NO_TITLE_DUPES;
		refuse_twins(o->subopts);
		for (unsigned int i = 0; i < cfg_opt_size(o); i++)
			refuse_twins(cfg_opt_getnsec(o, i)->opts);
	}
}

/* How long the comment is that begins here; 0: none does. Within a word, as in http://a.example, only # begins one. */
static size_t comment_len(const char *text, const char *p)
{
	const char *end;

	if (*p == '#')
		return strcspn(p, "\n");
	if (p[0] != '/' || (p > text && !strchr(" \t\r\n{}(),=+", p[-1])))
		return 0;
	if (p[1] == '/')
		return strcspn(p, "\n");
	if (p[1] != '*')
		return 0;
	end = strstr(p + 2, "*/");
	return end ? (size_t)(end + 2 - p) : strlen(p);
}

/* Of a comment only the ends of lines stay: libconfuse counts three lines for one that is a comment. */
static void add_line_ends(struct buf *out, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] == '\n')
			buf_add_u8(out, '\n');
}

/*
 * libconfuse puts variables of the environment where it finds ${NAME}. No configuration of ours may
 * depend on who started the program, and templates have that form: a backslash keeps it as it is.
 * *ret_missing is what is open at the end, which libconfuse closes silently; NULL when nothing is.
 */
static struct buf *prepare(const char *text, const char **ret_missing)
{
	AUTO(buf) struct buf *out = buf_new();
	const char *missing = NULL;
	int open = 0;
	char quote = 0;

	for (const char *p = text; *p;) {
		size_t n = quote ? 0 : comment_len(text, p);
		if (n) {
			if (p[1] == '*' && *p == '/' && (n < 4 || strncmp(p + n - 2, "*/", 2) != 0))
				missing = "*/";
			add_line_ends(out, p, n);
			p += n;
			continue;
		}
		n = quote && p[0] == '\\' && p[1] ? 2 : 1;
		if (quote != '\'' && p[0] == '$' && p[1] == '{')
			buf_add_u8(out, '\\');
		if (n == 1 && !quote)
			open += (*p == '{') - (*p == '}');
		if (n == 1 && (*p == '"' || *p == '\'') && (!quote || quote == *p))
			quote = quote ? 0 : *p;
		buf_add(out, p, n);
		p += n;
	}
	*ret_missing = missing || open <= 0 ? missing : "}";
	return take(out);
}

/* One file into cfg. Bytes that libconfuse would stop at or show raw are found first. */
static struct err *parse_file(cfg_t *cfg, const char *path)
{
	AUTO(buf) struct buf *text = NULL;
	struct err *e = io_read_file(path, CONF_FILE_MAX, &text);

	if (e && err_is(e, &ERR_NOTFOUND))
		return e;
	if (e)
		return err_as(&ERR_CONFIG, e, "configuration");
	if (!text_is_utf8(buf_bytes(text)))
		return err_new(&ERR_CONFIG, "%s: not a text in UTF-8", path);
	reading.path = path;
	reading.error = NULL;
	const char *missing;
	AUTO(buf) struct buf *kept = prepare(buf_str(text), &missing);
	int result = cfg_parse_buf(cfg, buf_str(kept));
	e = take(reading.error);
	if (!e && result != CFG_SUCCESS)
		e = err_new(&ERR_CONFIG, "%s:%d: does not parse", path, cfg->line);
	if (!e && missing)
		e = err_new(&ERR_CONFIG, "%s:%d: the file ends too early: %s is missing", path,
			cfg->line, missing);
	return e;
}

static int is_drop_in(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && text_ends(entry->d_name, ".conf");
}

/* By bytes, not by locale: the order must not depend on who starts the program. */
static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static struct err *parse_drop_ins(cfg_t *cfg, const char *dir)
{
	struct dirent **entries = NULL;
	struct err *e = NULL;
	int n = scandir(dir, &entries, is_drop_in, by_name);

	if (n < 0)
		return errno == ENOENT
			       ? NULL
			       : err_as(&ERR_CONFIG, err_errno(errno, "%s", dir), "configuration");
	for (int i = 0; i < n; i++) {
		AUTO_MEM char *path = xasprintf("%s/%s", dir, entries[i]->d_name);
		if (!e)
			e = parse_file(cfg, path);
		free(entries[i]);
	}
	free(entries);
	return e;
}

struct err *conf_load(const char *path, bool optional, cfg_opt_t *options, cfg_t **ret_cfg)
{
	AUTO(conf) cfg_t *cfg = cfg_init(options, CFGF_NONE);
	AUTO_MEM char *dir = xasprintf("%s.d", path);

	if (!cfg)
		err_abort("no memory for a configuration");
	refuse_twins(cfg->opts);
	cfg_set_error_function(cfg, on_message);
	struct err *e = parse_file(cfg, path);
	if (optional && err_is(e, &ERR_NOTFOUND)) {
		err_free(e);
		e = NULL;
	}
	TRY(e);
	TRY(parse_drop_ins(cfg, dir));
	*ret_cfg = take(cfg);
	return NULL;
}

void conf_free(cfg_t *cfg)
{
	if (cfg)
		cfg_free(cfg);
}

struct err *conf_duration(cfg_t *cfg, const char *key, uint64_t *ret_ms)
{
	const char *value = cfg_getstr(cfg, key);

	if (!value)
		return err_new(&ERR_CONFIG, "%s: a duration is needed", key);
	struct err *e = text_parse_duration(value, ret_ms);
	if (!e)
		return NULL;
	AUTO_MEM char *shown = text_safe(BYTES(value, strlen(value)));
	return err_as(&ERR_CONFIG, e, "%s = \"%s\"", key, shown);
}

struct err *conf_int(cfg_t *cfg, const char *key, int64_t min, int64_t max, int64_t *ret_v)
{
	int64_t v = cfg_getint(cfg, key);

	if (v < min || v > max)
		return err_new(&ERR_CONFIG,
			"%s = %" PRId64 ": must be from %" PRId64 " to %" PRId64, key, v, min, max);
	*ret_v = v;
	return NULL;
}

struct err *conf_hex(const char *key, const char *text, size_t len, uint8_t *ret_bytes)
{
	AUTO(buf) struct buf *b = NULL;
	struct err *e = text ? text_unhex(text, &b) : NULL;

	err_free(e);
	if (!b || buf_len(b) != len)
		return err_new(&ERR_CONFIG, "%s: %zu hexadecimal digits are needed", key, 2 * len);
	memcpy(ret_bytes, buf_data(b), len);
	return NULL;
}
