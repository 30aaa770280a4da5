/* setup_write.c: what setup itself writes: the escrow key when it is made here, and drop-ins. */
#include <errno.h>
#include <glob.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/proc.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"
#include "proto/pem.h"
#include "proto/plaincert.h"
#include "proto/sig.h"

#define SOCKET_DROP_IN_DIR "/etc/systemd/system/derivd-gateway.socket.d"
#define SOCKET_DROP_IN SOCKET_DROP_IN_DIR "/10-setup.conf"

/* What a setup that was killed here has left: a key that nobody has used. */
static void remove_parts(const char *key_path)
{
	AUTO_MEM char *pattern = xasprintf("%s.??????", key_path);
	glob_t found = { 0 };

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++)
			(void)unlink(found.gl_pathv[i]);
	globfree(&found);
}

/* The certificate last: where it is, the key is too. */
struct err *setup_make_escrow(struct setup *s)
{
	const char *dir = setup_value(s, SETUP_KEYS);
	AUTO_MEM char *key_path = xasprintf("%s/escrow.key", dir);
	AUTO_MEM char *certificate_path = xasprintf("%s/escrow.pem", dir);
	AUTO(buf) struct buf *secret = NULL;
	AUTO(buf) struct buf *der = NULL;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return err_errno(errno, "%s", dir);
	if (access(certificate_path, F_OK) == 0)
		return NULL;
	AUTO(pkey) EVP_PKEY *key = sig_new_p256();
	TRY(plaincert_make(key, key, PLAINCERT_SEALING, "derivd escrow", &der));
	TRY(pem_write_key(key, &secret));
	AUTO(buf) struct buf *pem = pem_write_certificate(buf_bytes(der));
	remove_parts(key_path);
	TRY(io_write_file(key_path, buf_bytes(secret), 0600));
	return io_write_file(certificate_path, buf_bytes(pem), 0644);
}

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
	return strcmp(port, SETUP_PORT_DEFAULT) != 0 || access(SOCKET_DROP_IN, F_OK) == 0;
}

struct err *setup_write_port(struct setup *s)
{
	const char *port = setup_value(s, SETUP_PORT);

	if (strcmp(port, SETUP_PORT_DEFAULT) == 0)
		return unlink(SOCKET_DROP_IN) == 0 ? NULL : err_errno(errno, SOCKET_DROP_IN);
	AUTO_MEM char *text =
		xasprintf("# Written by derivctl setup: the port for phones in deployment.conf.\n"
			  "[Socket]\nListenStream=\nListenStream=%s\n",
			port);
	TRY(io_mkdirs(SOCKET_DROP_IN_DIR, 0755));
	return io_write_file(SOCKET_DROP_IN, BYTES(text, strlen(text)), 0644);
}
