/*
 * setup_anchor.h: whose cards are believed: certificates of CAs from files and directories, sorted into anchors (self-signed)
 * and what stands below them, and written as ca.conf(5) wants them.
 */
#ifndef DERIVD_CTL_SETUP_ANCHOR_H
#define DERIVD_CTL_SETUP_ANCHOR_H

#include "base/def.h"
#include "base/err.h"

struct anchors;

#define ANCHORS_MAX 256 /* certificates */

/*
 * Reads files, in PEM (one or several certificates) or DER, and directories of them. A file that is named must be good as a
 * whole; in a directory what is not is left out, and shown as such. Good is a CA's certificate that is valid now, with a key
 * that counts today, and either self-signed or below one that is. SETUP_ERR_ANSWER says which is not, and why.
 */
MUST_CHECK struct err *anchors_read(
	char *const paths[], size_t n, int64_t now_ms, struct anchors **ret_anchors);
void anchors_free(struct anchors *a);
DEFINE_AUTO(anchors, struct anchors *, anchors_free);
size_t anchors_count(const struct anchors *a);
/* For each what it is, on standard output. */
void anchors_show(const struct anchors *a);
/*
 * The drop-in of ca.conf, into *ret_text. policies: dotted numbers. File names in it are relative to the configuration's
 * directory; the caller frees it with buf_free.
 */
struct buf *anchors_section(
	const struct anchors *a, char *const policies[], size_t n_policies, bool same_subject);
/* The certificates into the directory "anchors" of the configuration. ERR_SYSTEM. */
MUST_CHECK struct err *anchors_write(const struct anchors *a);

#endif
