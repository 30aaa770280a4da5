/* setup_anchor_part.h: what the files of setup_anchor share; nobody else includes it. */
#ifndef DERIVD_CTL_SETUP_ANCHOR_PART_H
#define DERIVD_CTL_SETUP_ANCHOR_PART_H

#include <openssl/x509v3.h>

#include "client/ctl/setup_anchor.h"

struct anchor_row {
	X509 *cert;
	char *file;
	bool is_named; /* the file was; not the directory that it is in */
	char *why;     /* it cannot be taken; NULL: it is good */
	bool is_root;
	int root;   /* row of the anchor that it is or is below; -1 */
	char *name; /* of a root: its section */
};

struct anchors {
	size_t n;
	struct anchor_row rows[ANCHORS_MAX];
	bool is_over; /* there were more */
	size_t n_left_out;
	char *left_out
		[ANCHORS_MAX]; /* files of a directory without a certificate, and why; safe to show */
};

/* Adds the certificates of a file, or of the files in a directory, each once. SETUP_ERR_ANSWER. */
MUST_CHECK struct err *anchors_load(struct anchors *a, const char *path);

#endif
