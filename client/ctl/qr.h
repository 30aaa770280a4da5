/* qr.h: a QR code (ISO/IEC 18004) for the terminal. */
#ifndef DERIVD_CTL_QR_H
#define DERIVD_CTL_QR_H

#include "base/buf.h"

enum qr_form {
	QR_BLOCKS, /* half blocks, two modules above each other in a character: for terminals that show UTF-8 */
	QR_BLANKS, /* two blanks a module, in its colour: four times the size, for the others */
};

/*
 * The code as lines of a terminal, dark on light whatever the terminal's colours, with the quiet zone of four modules that
 * the standard asks for, or of two where that makes it fit: cameras read it. rows, columns: what there is room for. ERR_LIMIT when the text does not fit a code (which one cannot help),
 * or with a text that says how much room it takes.
 * The buffer holds the secret; wiped with buf_clear or buf_free.
 */
MUST_CHECK struct err *qr_render(
	const char *text, enum qr_form form, int rows, int columns, struct buf **ret_lines);

#endif
