/* qr.h: a QR code (ISO/IEC 18004) for the terminal. */
#ifndef DERIVD_CTL_QR_H
#define DERIVD_CTL_QR_H

#include "base/buf.h"

/*
 * The code as lines of half blocks, dark on light with a quiet zone of four modules, whatever the terminal's colours.
 * columns: what the terminal has. ERR_LIMIT when the text does not fit a code or the code does not fit the columns.
 * The buffer holds the secret: wipe it with buf_clear.
 */
MUST_CHECK struct err *qr_render(const char *text, int columns, struct buf **ret_lines);

#endif
