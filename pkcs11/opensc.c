/*
 * opensc.c: a file of our own for OpenSC. It lives in memory: nothing has to be installed, found or cleaned up, and it
 * can name the readers that are there now. What is measured: with connect_exclusive and disconnect_action = reset the
 * card is reset at the orderly end, and by pcscd when this process is killed; with OpenSC's own defaults another
 * process can sign for seconds after.
 */
#include "pkcs11/opensc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/buf.h"
#include "base/io.h"

/* A string of OpenSC's configuration has no escapes. */
static bool is_quotable(const char *name)
{
	for (const char *p = name; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < 0x20)
			return false;
	return *name != 0;
}

/* OpenSC ignores each reader that has an entry anywhere in its name: ours must not. */
static void add_ignored(struct buf *b, const char *reader, const struct readers *readers)
{
	const char *before = "\tignored_readers = ";

	for (size_t i = 0; i < readers_len(readers); i++) {
		const char *name = readers_at(readers, i)->name;
		if (strstr(reader, name) || !is_quotable(name))
			continue;
		buf_addf(b, "%s\"%s\"", before, name);
		before = ", ";
	}
	if (*before == ',')
		buf_add_str(b, ";\n");
}

static void add_drivers(struct buf *b, const struct settings *s)
{
	buf_add_str(b, "\tcard_drivers = ");
	for (size_t i = 0; i < s->n_drivers; i++)
		buf_addf(b, "%s%s", i ? ", " : "", s->drivers[i]);
	buf_add_str(b, ";\n");
}

struct buf *opensc_conf(const struct settings *s, const char *reader, const struct readers *readers)
{
	struct buf *b = buf_new();

	buf_add_str(b, "app default {\n\tdisable_popups = true;\n");
	add_drivers(b, s);
	add_ignored(b, reader, readers);
	buf_add_str(b, "\treader_driver pcsc {\n"
		       "\t\tconnect_exclusive = true;\n"
		       "\t\tdisconnect_action = reset;\n"
		       "\t}\n"
		       "\tframework pkcs15 {\n"
		       "\t\tuse_file_caching = no;\n"
		       "\t\tuse_pin_caching = false;\n"
		       "\t\tpin_cache_ignore_user_consent = false;\n"
		       "\t}\n"
		       "\tpkcs11 {\n"
		       "\t\tlock_login = true;\n"
		       "\t}\n"
		       "}\n");
	return b;
}

static struct err *set_variable(const char *path)
{
	if (setenv("OPENSC_CONF", path, 1) != 0)
		return err_errno(errno, "OPENSC_CONF");
	return NULL;
}

struct err *opensc_prepare(
	const struct settings *s, const char *reader, const struct readers *readers)
{
	static int fd = -1;
	AUTO(buf) struct buf *text = NULL;

	unsetenv("OPENSC_DEBUG");
	unsetenv("OPENSC_DRIVER");
	if (s->opensc_conf)
		return set_variable(s->opensc_conf);
	text = opensc_conf(s, reader, readers);
	/* Stays open until the next one: OpenSC opens it by its path here. */
	fd_cleanup(&fd);
	fd = memfd_create("opensc.conf", MFD_CLOEXEC);
	if (fd < 0)
		return err_errno(errno, "memfd_create");
	TRY(io_write_full(fd, buf_bytes(text)));
	AUTO_MEM char *path = xasprintf("/proc/self/fd/%d", fd);
	return set_variable(path);
}
