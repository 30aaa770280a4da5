/* qr.c: see qr.h. */
#include "client/ctl/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#include "base/secret.h"

#define QUIET 4

static void code_free(QRcode *q)
{
	wipe(q->data, (size_t)q->width * (size_t)q->width);
	QRcode_free(q);
}
DEFINE_AUTO(code, QRcode *, code_free);

static bool dark(const QRcode *q, int x, int y)
{
	return x >= 0 && y >= 0 && x < q->width && y < q->width && (q->data[y * q->width + x] & 1);
}

struct err *qr_render(const char *text, int columns, struct buf **ret_lines)
{
	/* Black on white is set in full: a code in the terminal's own colours may come out inverted. */
	static const char *const half[2][2] = { { " ", "\u2584" }, { "\u2580", "\u2588" } };
	AUTO(code) QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	AUTO(buf) struct buf *b = buf_new();

	if (!q)
		return err_errno(errno, "cannot make a QR code");
	if (q->width + 2 * QUIET > columns)
		return err_new(&ERR_LIMIT, "the QR code needs %d columns, the terminal has %d: make the window larger",
			q->width + 2 * QUIET, columns);
	for (int y = -QUIET; y < q->width + QUIET; y += 2) {
		buf_add_str(b, "\033[30;107m");
		for (int x = -QUIET; x < q->width + QUIET; x++)
			buf_add_str(b, half[dark(q, x, y)][dark(q, x, y + 1)]);
		buf_add_str(b, "\033[0m\n");
	}
	*ret_lines = take(b);
	return NULL;
}
