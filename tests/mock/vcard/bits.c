/* Small change for the virtual card: see bits.h. */
#include "tests/mock/vcard/bits.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *must_alloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		abort();
	return p;
}

char *must_strdup(const char *s)
{
	char *copy = strdup(s);

	if (!copy)
		abort();
	return copy;
}

void blob_add(struct blob *b, const void *data, size_t n)
{
	if (b->n + n > b->room) {
		size_t room = (b->n + n) * 2 + 64;
		uint8_t *at = must_alloc(room);

		if (b->n)
			memcpy(at, b->at, b->n);
		if (b->at)
			explicit_bzero(b->at, b->room);
		free(b->at);
		b->at = at;
		b->room = room;
	}
	if (n)
		memcpy(b->at + b->n, data, n);
	b->n += n;
}

void blob_add_byte(struct blob *b, uint8_t byte)
{
	blob_add(b, &byte, 1);
}

void blob_drop(struct blob *b, size_t n)
{
	if (n > b->n)
		n = b->n;
	if (n)
		memmove(b->at, b->at + n, b->n - n);
	b->n -= n;
}

void blob_clear(struct blob *b)
{
	if (b->at)
		explicit_bzero(b->at, b->room);
	b->n = 0;
}

void blob_free(struct blob *b)
{
	blob_clear(b);
	free(b->at);
	*b = (struct blob){ 0 };
}

bool why_set(struct why *why, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof why->text, format, args);
	va_end(args);
	return false;
}

void free_freep(void *p)
{
	free(*(void **)p);
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool hex_read(const char *text, uint8_t *out, size_t max, size_t *ret_n)
{
	size_t n = strlen(text);

	if (n % 2 || n / 2 > max)
		return false;
	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		out[i / 2] = (uint8_t)(high << 4 | low);
	}
	*ret_n = n / 2;
	return true;
}

int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
