/*
 * effect.h: what the configuration of derivd-ca comes to: one line for each fact, in one order, so that two of them can be
 * compared by a digest and their difference be told in words. Officers approve it (approval.h).
 */
#ifndef DERIVD_DAEMON_CA_EFFECT_H
#define DERIVD_DAEMON_CA_EFFECT_H

#include "daemon/ca/issuer.h"
#include "daemon/ca/settings.h"
#include "proto/deployment.h"

/* The longest line of a difference, in bytes. */
#define EFFECT_LINE_MAX 2048

/*
 * "what: value" lines, ascending, each ended by a line feed: ca.conf with everything that it names, by content and not by the
 * names of files, deployment.conf, and who issues. The same text means the same effect.
 */
struct buf *effect_text(
	const struct settings *s, const struct deployment *d, const struct issuer *issuer);
void effect_digest(struct bytes text, uint8_t ret_digest[static SHA256_LEN]);

/* Lines; the caller frees what is in them with effect_lines_clear. */
struct effect_lines {
	size_t n;
	char **v;
};
/* "what: before -> after", "what added: after", "what removed: before". An empty text before: everything is added. */
void effect_difference(struct bytes before, struct bytes after, struct effect_lines *ret_lines);
void effect_lines_add(struct effect_lines *l, char *take_line);
void effect_lines_clear(struct effect_lines *l);

#endif
