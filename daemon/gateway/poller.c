/* poller.c: see poller.h. An epoll set is readable when one of its sockets is ready, so it can be a source itself. */
#include "daemon/gateway/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/buf.h"
#include "base/io.h"

/* Taken before the loop's other sources get their turn. */
#define BATCH 64

struct poller {
	int fd;
	sd_event_source *source;
	/* The batch that is being worked off: entries from next on are still due. */
	struct epoll_event batch[BATCH];
	int n;
	int next;
};

static int on_ready(
	UNUSED sd_event_source *source, UNUSED int fd, UNUSED uint32_t events, void *userdata)
{
	struct poller *p = userdata;

	p->n = epoll_wait(p->fd, p->batch, BATCH, 0);
	for (p->next = 0; p->next < p->n;) {
		const struct epoll_event *e = &p->batch[p->next++];
		struct poller_entry *entry = e->data.ptr;
		if (entry)
			entry->ready(entry, e->events);
	}
	p->n = 0;
	return 0;
}

struct err *poller_new(sd_event *event, struct poller **ret_poller)
{
	AUTO(poller) struct poller *p = xcalloc(1, sizeof(*p));

	p->fd = epoll_create1(EPOLL_CLOEXEC);
	if (p->fd < 0)
		return err_errno(errno, "an epoll set");
	int r = sd_event_add_io(event, &p->source, p->fd, EPOLLIN, on_ready, p);
	if (r < 0)
		return err_errno(-r, "an epoll set");
	*ret_poller = take(p);
	return NULL;
}

void poller_free(struct poller *p)
{
	if (!p)
		return;
	sd_event_source_disable_unref(p->source);
	fd_cleanup(&p->fd);
	free(p);
}

bool poller_add(struct poller *p, struct poller_entry *entry, int fd, uint32_t events,
	void (*ready)(struct poller_entry *entry, uint32_t events))
{
	struct epoll_event e = { .events = events, .data.ptr = entry };

	entry->fd = fd;
	entry->events = events;
	entry->ready = ready;
	return epoll_ctl(p->fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

void poller_set(struct poller *p, struct poller_entry *entry, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = entry };

	if (events == entry->events)
		return;
	if (epoll_ctl(p->fd, EPOLL_CTL_MOD, entry->fd, &e) != 0)
		err_abort("a connection cannot be watched: %s", strerror(errno));
	entry->events = events;
}

void poller_remove(struct poller *p, struct poller_entry *entry)
{
	epoll_ctl(p->fd, EPOLL_CTL_DEL, entry->fd, NULL);
	for (int i = p->next; i < p->n; i++) {
		if (p->batch[i].data.ptr == entry)
			p->batch[i].data.ptr = NULL;
	}
}
