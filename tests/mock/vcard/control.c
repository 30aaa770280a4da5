/* The control socket: see control.h. */
#include "tests/mock/vcard/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS = CONTROL_POLLS - 1, LINE_MAX_BYTES = 8192 };

struct control {
	char *path;
	int listener;
	struct client {
		int fd;
		struct blob in;
	} clients[CLIENTS];
};

static bool address(const char *path, struct sockaddr_un *ret, struct why *why)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof ret->sun_path)
		return why_set(why, "%s: a socket's path has at most %zu bytes", path,
			sizeof ret->sun_path - 1);
	strcpy(ret->sun_path, path);
	return true;
}

static bool answers(const struct sockaddr_un *at)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0;

	close(fd);
	return ok;
}

bool control_new(const char *path, struct control **ret, struct why *why)
{
	AUTO(control) struct control *c = must_alloc(sizeof *c);
	struct sockaddr_un at;

	c->listener = -1;
	for (int i = 0; i < CLIENTS; i++)
		c->clients[i].fd = -1;
	if (!address(path, &at, why))
		return false;
	if (answers(&at))
		return why_set(why, "%s: another card listens there", path);
	unlink(path);
	c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (c->listener < 0 || bind(c->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
		listen(c->listener, CLIENTS) < 0)
		return why_set(why, "%s: %s", path, strerror(errno));
	c->path = must_strdup(path);
	*ret = take(c);
	return true;
}

static void drop(struct client *cl)
{
	if (cl->fd >= 0)
		close(cl->fd);
	cl->fd = -1;
	blob_free(&cl->in);
}

void control_free(struct control *c)
{
	if (!c)
		return;
	for (int i = 0; i < CLIENTS; i++)
		drop(&c->clients[i]);
	if (c->listener >= 0)
		close(c->listener);
	if (c->path)
		unlink(c->path);
	free(c->path);
	free(c);
}

void control_prepare(const struct control *c, struct pollfd *ret_polls)
{
	ret_polls[0] = (struct pollfd){ .fd = c->listener, .events = POLLIN };
	for (int i = 0; i < CLIENTS; i++)
		ret_polls[1 + i] = (struct pollfd){ .fd = c->clients[i].fd, .events = POLLIN };
}

static void take_client(struct control *c)
{
	int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC);

	for (int i = 0; fd >= 0 && i < CLIENTS; i++) {
		if (c->clients[i].fd < 0) {
			c->clients[i].fd = fd;
			return;
		}
	}
	if (fd >= 0)
		close(fd);
}

static void answer_line(struct client *cl, struct hand *h, char *line, bool *ret_quit)
{
	AUTO(blob) struct blob answer = { 0 };
	bool quit = false;

	hand_command(h, line, &answer, &quit);
	*ret_quit |= quit;
	blob_add_byte(&answer, '\n');
	if (send(cl->fd, answer.at, answer.n, MSG_NOSIGNAL) < 0)
		drop(cl);
}

static void take_lines(struct client *cl, struct hand *h, bool *ret_quit)
{
	uint8_t part[1024];
	ssize_t n = recv(cl->fd, part, sizeof part, MSG_DONTWAIT);
	uint8_t *end;

	if (n <= 0 || cl->in.n + (size_t)n > LINE_MAX_BYTES) {
		drop(cl);
		return;
	}
	blob_add(&cl->in, part, (size_t)n);
	while (cl->fd >= 0 && (end = memchr(cl->in.at, '\n', cl->in.n))) {
		AUTO(free) char *line = strndup((char *)cl->in.at, (size_t)(end - cl->in.at));

		blob_drop(&cl->in, (size_t)(end - cl->in.at) + 1);
		answer_line(cl, h, line, ret_quit);
	}
}

void control_serve(struct control *c, struct hand *h, const struct pollfd *polled, bool *ret_quit)
{
	for (int i = 0; i < CLIENTS; i++)
		if (polled[1 + i].revents && polled[1 + i].fd == c->clients[i].fd)
			take_lines(&c->clients[i], h, ret_quit);
	if (polled[0].revents)
		take_client(c);
}

static void close_file(FILE *f)
{
	if (f)
		fclose(f);
}
DEFINE_AUTO(file, FILE, close_file);

int control_ask(const char *path, char **words, int n)
{
	AUTO(file) FILE *f = NULL;
	struct sockaddr_un at;
	struct why why = { "" };
	char line[LINE_MAX_BYTES];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || !(f = fdopen(fd, "r+e")) || !address(path, &at, &why) ||
		connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		fprintf(stderr, "vcard: %s: no card answers there\n", path);
		return 2;
	}
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%s", words[i], i + 1 < n ? " " : "\n");
	fflush(f);
	if (!fgets(line, sizeof line, f)) {
		fprintf(stderr, "vcard: %s: the card went away without an answer\n", path);
		return 2;
	}
	fputs(line, stdout);
	return strncmp(line, "ok", 2) == 0 ? 0 : 1;
}
