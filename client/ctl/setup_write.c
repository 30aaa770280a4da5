/* setup_write.c: the drop-ins that setup itself writes. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"

static void add_list(struct buf *text, const char *key, const struct setup_answer *a)
{
	if (!a->n)
		return;
	buf_addf(text, "%s = {", key);
	for (size_t i = 0; i < a->n; i++)
		buf_addf(text, "%s\"%s\"", i ? ", " : "", a->values[i]);
	buf_add_str(text, "}\n");
}

/* The courier's own check reads it before anything relies on it; what it refuses does not stay. */
struct err *setup_write_notices(struct setup *s)
{
	const char *const check[] = { "check", NULL };
	AUTO_MEM char *dir = proc_config_path("courier.conf.d");
	AUTO_MEM char *path = proc_config_path("courier.conf.d/10-setup.conf");
	AUTO(buf) struct buf *text = buf_new();

	buf_addf(text,
		"# Written by derivctl setup: whom to tell, see derivd-courier(8).\nsmtp = "
		"\"%s\"\n",
		setup_value(s, SETUP_SMTP));
	if (setup_is_local(setup_value(s, SETUP_SMTP)))
		buf_add_str(text, "# It does not leave this machine.\nsmtp-tls = false\n");
	buf_addf(text, "from = \"%s\"\n", setup_value(s, SETUP_FROM));
	add_list(text, "operators", &s->answers[SETUP_NOTIFY]);
	TRY(io_mkdirs(dir, 0755));
	TRY(io_write_file(path, buf_bytes(text), 0644));
	struct err *e = setup_run(s, "derivd-courier", check);
	if (e && unlink(path) != 0)
		return err_wrap(e, "%s is to be removed", path);
	return e;
}

bool setup_needs_port(const struct setup *s)
{
	const char *port = setup_value(s, SETUP_PORT);

	if (s->ctl->tree || s->found.ca || !port)
		return false;
	return strcmp(port, SETUP_PORT_DEFAULT) != 0 || access(SETUP_PORT_DROP_IN, F_OK) == 0;
}

struct err *setup_write_port(struct setup *s)
{
	const char *port = setup_value(s, SETUP_PORT);

	if (strcmp(port, SETUP_PORT_DEFAULT) == 0)
		return unlink(SETUP_PORT_DROP_IN) == 0 ? NULL : err_errno(errno, SETUP_PORT_DROP_IN);
	AUTO_MEM char *text =
		xasprintf("# Written by derivctl setup: the port for phones in deployment.conf.\n"
			  "[Socket]\nListenStream=\nListenStream=%s\n",
			port);
	TRY(io_mkdirs(SETUP_PORT_DROP_IN_DIR, 0755));
	return io_write_file(SETUP_PORT_DROP_IN, BYTES(text, strlen(text)), 0644);
}
