/* def.h: the handful of language helpers that every file uses. */
#ifndef DERIVD_BASE_DEF_H
#define DERIVD_BASE_DEF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Scope cleanup. AUTO(buf) struct buf *b = NULL; calls buf_freep(&b) when b goes out of scope.
 * DEFINE_AUTO(buf, struct buf *, buf_free) in buf.h makes that function. Destructors accept NULL.
 */
#define AUTO(name) __attribute__((cleanup(name##_freep)))
#define DEFINE_AUTO(name, type, destroy)                                                           \
	static inline __attribute__((unused)) void name##_freep(type *p)                           \
	{                                                                                          \
		if (*p)                                                                            \
			destroy(*p);                                                               \
	}                                                                                          \
	_Static_assert(sizeof(type) == sizeof(void *), "AUTO is for pointers")

/* Hands the pointer over and forgets it: *ret_b = take(b); */
#define take(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) *take_from_ = &(p);                                                  \
		__typeof__(p) take_value_ = *take_from_;                                           \
		*take_from_ = NULL;                                                                \
		take_value_;                                                                       \
	})

/* A view of bytes that somebody else owns. data may be NULL only when len is 0. */
struct bytes {
	const uint8_t *data;
	size_t len;
};

#define BYTES(d, l) ((struct bytes){ .data = (const uint8_t *)(d), .len = (l) })

#endif
