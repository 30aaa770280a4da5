/* fed.c: see fed.h. stream_io.c is taken in whole, to get at what it keeps for itself. */
#include "tests/fuzz/fed.h"

#include <sys/socket.h>
#include <unistd.h>

#include "daemon/gateway/stream_io.c"

static void must(bool fine, const char *what)
{
	if (!fine)
		err_abort("%s", what);
}

static void on_expired(
	struct due_entry *entry UNUSED, enum due_kind kind UNUSED, void *userdata UNUSED)
{
	err_abort("nobody runs the loop");
}

void fed_start(struct fed *f, const struct stream_ops *ops)
{
	const struct due_ops due_ops = { .expired = on_expired };

	*f = (struct fed){ .env = { .ops = ops } };
	must(sd_event_new(&f->event) >= 0, "no event loop");
	AUTO(err) struct err *due = due_new(f->event, &due_ops, NULL, &f->env.due);
	AUTO(err) struct err *poller = poller_new(f->event, &f->env.poller);
	f->ctx = SSL_CTX_new(TLS_server_method());
	must(!due && !poller && f->ctx, "no room for a stream");
}

void fed_stop(struct fed *f)
{
	SSL_CTX_free(f->ctx);
	poller_free(f->env.poller);
	due_free(f->env.due);
	sd_event_unref(f->event);
}

struct stream *fed_open(struct fed *f, void *userdata)
{
	int ends[2];

	must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0, "no sockets");
	close(ends[1]);
	struct stream *s = stream_new(&f->env, f->ctx, ends[0], userdata);
	must(s, "no stream");
	s->state = STREAM_OPEN;
	f->env.handshakes--;
	return s;
}

struct err *fed_feed(struct stream *s, struct bytes b)
{
	return feed(s, b);
}
