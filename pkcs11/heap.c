/*
 * heap.c: memory that is given back is wiped first, also by foreign code in this process. A PKCS#11 module copies the
 * PIN where it likes (OpenSC formats each APDU for a log that nobody asked for) and leaves the copies in freed memory.
 * The program's free and realloc come before the C library's for everything that it loads. Sanitizers have their own.
 */

#ifndef DERIVD_SANITIZED

#include <dlfcn.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void free_below(void *p)
{
	static void (*below)(void *);
	static bool asking;

	if (!below && !asking) {
		asking = true;
		*(void **)&below = dlsym(RTLD_NEXT, "free");
		asking = false;
	}
	/* What dlsym itself gives back meanwhile is lost. */
	if (below)
		below(p);
}

void free(void *p)
{
	if (!p)
		return;
	explicit_bzero(p, malloc_usable_size(p));
	free_below(p);
}

/* The C library's would give the old block back without asking us. */
void *realloc(void *p, size_t size)
{
	size_t room = p ? malloc_usable_size(p) : 0;

	if (p && size > 0 && size <= room)
		return p;
	void *moved = size > 0 || !p ? malloc(size) : NULL;
	if (size > 0 && !moved)
		return NULL;
	if (p && moved)
		memcpy(moved, p, room < size ? room : size);
	free(p);
	return moved;
}

#endif
