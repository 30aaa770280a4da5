/* bring.h: what a person brings as an argument, in a file, or on standard input ("-"). */
#ifndef DERIVD_AGENT_BRING_H
#define DERIVD_AGENT_BRING_H

#include "base/buf.h"
#include "client/agent/trouble.h"

/*
 * The invitation: the argument, which is wiped, or one line. It is a secret for as long as it lives; buffers are wiped when they
 * are freed.
 */
MUST_CHECK struct trouble *bring_uri(char *argument, struct buf **ret_uri);
/* A signed pin set: the text itself, or a file that has it. */
MUST_CHECK struct trouble *bring_pins(const char *source, struct buf **ret_text);
/* The first line of a file of at most max bytes. */
MUST_CHECK struct trouble *bring_password(const char *path, size_t max, struct buf **ret_password);

#endif
