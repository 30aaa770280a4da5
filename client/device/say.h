/*
 * say.h: what the person reads: one line for each thing that happened, in words, or (--json) as one JSON object a line with
 * "event", "text" and what belongs to the event.
 */
#ifndef DERIVD_DEVICE_SAY_H
#define DERIVD_DEVICE_SAY_H

#include <jansson.h>

#include "base/def.h"
#include "base/err.h"

struct say;

struct say *say_new(bool json);
void say_free(struct say *s);
DEFINE_AUTO(say, struct say *, say_free);
bool say_is_json(const struct say *s);
/* take_fields: an object, or NULL. What comes from others in the text must be printable. */
void say(struct say *s, const char *event, json_t *take_fields, const char *fmt, ...) PRINTF(4, 5);
/* In words on standard error, with what to do; as JSON on standard output like the rest. */
void say_error(struct say *s, const char *event, const struct err *e);
/* Prints a whole JSON value, indented. */
void say_json(json_t *take_value);

#endif
