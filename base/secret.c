/*
 * secret.c: each secret has pages of its own, between two that cannot be touched, so that an
 * overrun of anything else does not reach it. The bytes end at the upper guard page: one written
 * too many is a fault at once, not a surprise later.
 */
#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"

struct secret {
	uint8_t *pages; /* the accessible ones; a guard page before and after */
	size_t pages_len;
	size_t page;
	uint8_t *room;
	size_t capacity;
	size_t len;
};

void wipe(void *p, size_t len)
{
	if (len)
		explicit_bzero(p, len);
}

static void protect(struct secret *s)
{
	if (mprotect(s->pages, s->pages_len, PROT_READ | PROT_WRITE) != 0)
		err_abort("memory for a secret: %s", strerror(errno));
	if (mlock(s->pages, s->pages_len) != 0)
		err_abort(
			"memory for a secret cannot be locked, so it could reach the swap (%s): %s",
			strerror(errno),
			errno == EPERM ? "this container forbids mlock; for systemd-nspawn give it "
					 "--system-call-filter=@memlock"
				       : "raise LimitMEMLOCK= or ulimit -l");
	if (madvise(s->pages, s->pages_len, MADV_DONTDUMP) != 0 ||
		madvise(s->pages, s->pages_len, MADV_WIPEONFORK) != 0)
		err_abort("memory for a secret cannot be kept private: %s", strerror(errno));
}

struct secret *secret_new(size_t capacity)
{
	struct secret *s = xcalloc(1, sizeof(*s));

	s->page = (size_t)sysconf(_SC_PAGESIZE);
	if (capacity > SIZE_MAX / 2)
		err_abort("a secret of %zu bytes", capacity);
	s->pages_len = (capacity / s->page + 1) * s->page;
	void *map = mmap(
		NULL, s->pages_len + 2 * s->page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (map == MAP_FAILED)
		err_abort("memory for a secret of %zu bytes: %s", capacity, strerror(errno));
	s->pages = (uint8_t *)map + s->page;
	s->capacity = capacity;
	s->room = s->pages + s->pages_len - capacity;
	protect(s);
	return s;
}

struct secret *secret_dup(struct bytes data)
{
	struct secret *s = secret_new(data.len);

	if (data.len)
		memcpy(s->room, data.data, data.len);
	s->len = data.len;
	return s;
}

void secret_free(struct secret *s)
{
	if (!s)
		return;
	wipe(s->pages, s->pages_len);
	if (munmap(s->pages - s->page, s->pages_len + 2 * s->page) != 0)
		err_abort("memory of a secret: %s", strerror(errno));
	free(s);
}

struct err *secret_add(struct secret *s, struct bytes data)
{
	if (data.len > s->capacity - s->len)
		return err_new(&ERR_LIMIT, "a secret of more than %zu bytes", s->capacity);
	if (data.len)
		memcpy(s->room + s->len, data.data, data.len);
	s->len += data.len;
	return NULL;
}

uint8_t *secret_room(struct secret *s)
{
	return s->room;
}

size_t secret_capacity(const struct secret *s)
{
	return s->capacity;
}

void secret_set_len(struct secret *s, size_t len)
{
	assert(len <= s->capacity);
	s->len = len;
}

void secret_clear(struct secret *s)
{
	wipe(s->pages, s->pages_len);
	s->len = 0;
}

struct bytes secret_bytes(const struct secret *s)
{
	return BYTES(s->room, s->len);
}
