/*
 * say.h: what the person reads: one line for each thing that happened, in words, or (--json) as one JSON object a line with
 * "event", "text" and what belongs to the event.
 */
#ifndef DERIVD_AGENT_SAY_H
#define DERIVD_AGENT_SAY_H

#include <jansson.h>
#include <stdbool.h>

#include "client/agent/trouble.h"

/* In words on standard error, with what to do; as JSON on standard output like the rest. */
void say_trouble(bool json, const char *event, const struct trouble *t);
/* The callback of derivd_device_options; context: a bool, whether it is JSON. */
void say_event(void *context, const struct derivd_device_event *event);
/* One line; take_fields: an object, or NULL. */
void say(bool json, const char *event, json_t *take_fields, const char *text);
/* Prints a whole JSON value, indented. */
void say_json(json_t *take_value);

#endif
