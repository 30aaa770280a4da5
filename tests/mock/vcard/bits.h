/*
 * Small change for the virtual card: scope cleanup, a growing byte string, a reason.
 *
 * The card stands alone (libc and libcrypto only), so that a fault in derivd's own base cannot hide
 * a fault in the card, or the other way round. Out of memory aborts: this is test equipment.
 */
#ifndef VCARD_BITS_H
#define VCARD_BITS_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUTO(name) __attribute__((cleanup(name##_freep)))
#define MUST_CHECK __attribute__((warn_unused_result))

/* Defines what AUTO(name) needs: frees *p with fn when the variable leaves its scope. */
#define DEFINE_AUTO(name, type, fn)                                                                \
	static inline __attribute__((unused)) void name##_freep(type **p)                          \
	{                                                                                          \
		fn(*p);                                                                            \
	}                                                                                          \
	struct name##_auto_needs_semicolon

/* Hands a pointer over and forgets it. */
#define take(p)                                                                                    \
	__extension__({                                                                            \
		__typeof__(p) taken_ = (p);                                                        \
		(p) = NULL;                                                                        \
		taken_;                                                                            \
	})

/* Lent bytes. */
struct span {
	const uint8_t *at;
	size_t n;
};

/* Owned bytes. {0} is empty and valid. */
struct blob {
	uint8_t *at;
	size_t n;
	size_t room;
};

/* Why something could not be done, in words for the person who runs the card. */
struct why {
	char text[512];
};

void blob_add(struct blob *b, const void *data, size_t n);
void blob_add_byte(struct blob *b, uint8_t byte);
/* Drops the first n bytes (all if there are fewer). */
void blob_drop(struct blob *b, size_t n);
/* Wipes and empties; the memory stays with the blob. */
void blob_clear(struct blob *b);
/* Wipes and frees; the blob is empty and valid afterwards. */
void blob_free(struct blob *b);
static inline void blob_freep(struct blob *b)
{
	blob_free(b);
}
static inline struct span blob_span(const struct blob *b)
{
	return (struct span){ b->at, b->n };
}

void *must_alloc(size_t n);
char *must_strdup(const char *s);
/* snprintf into why; returns false, so that a failing function can end with it. */
__attribute__((format(printf, 2, 3))) bool why_set(struct why *why, const char *format, ...);

void free_freep(void *p);

/* Whole hex text to bytes; separators are not allowed. False if it is not hex or longer than max.
 */
bool hex_read(const char *text, uint8_t *out, size_t max, size_t *ret_n);

/* Milliseconds of the monotonic clock. */
int64_t now_ms(void);

#endif
