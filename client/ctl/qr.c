/* qr.c: see qr.h. */
#include "client/ctl/qr.h"

#include <errno.h>
#include <qrencode.h>
#include <string.h>

#include "base/secret.h"

#define QUIET 4
#define QUIET_SMALL 2

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

/* With a quiet zone of that many modules. A terminal's character is about twice as high as it is wide. */
static int columns_of(const QRcode *q, enum qr_form form, int quiet)
{
	return (q->width + 2 * quiet) * (form == QR_BLOCKS ? 1 : 2);
}

static int rows_of(const QRcode *q, enum qr_form form, int quiet)
{
	return (q->width + 2 * quiet + 1) / (form == QR_BLOCKS ? 2 : 1);
}

static struct err *choose(const QRcode *q, enum qr_form form, int rows, int columns, int *ret_quiet)
{
	static const int quiets[] = { QUIET, QUIET_SMALL };

	for (size_t i = 0; i < ARRAY_LEN(quiets); i++)
		if (columns_of(q, form, quiets[i]) <= columns &&
			rows_of(q, form, quiets[i]) <= rows) {
			*ret_quiet = quiets[i];
			return NULL;
		}
	return err_new(&ERR_LIMIT,
		"the code takes %d columns and %d lines, and there is room for %d and %d",
		columns_of(q, form, QUIET_SMALL), rows_of(q, form, QUIET_SMALL), columns, rows);
}

static struct buf *draw_blanks(const QRcode *q, int quiet)
{
	struct buf *b = buf_new();

	for (int y = -quiet; y < q->width + quiet; y++) {
		for (int x = -quiet; x < q->width + quiet; x++)
			buf_add_str(b, dark(q, x, y) ? "\033[40m  " : "\033[107m  ");
		buf_add_str(b, "\033[0m\n");
	}
	return b;
}

static struct buf *draw_blocks(const QRcode *q, int quiet)
{
	static const char *const half[2][2] = { { " ", "\u2584" }, { "\u2580", "\u2588" } };
	struct buf *b = buf_new();

	for (int y = -quiet; y < q->width + quiet; y += 2) {
		/* Black on white is said in full: in the terminal's own colours the code may come out inverted. */
		buf_add_str(b, "\033[30;107m");
		for (int x = -quiet; x < q->width + quiet; x++)
			buf_add_str(b, half[dark(q, x, y)][dark(q, x, y + 1)]);
		buf_add_str(b, "\033[0m\n");
	}
	return b;
}

struct err *qr_render(
	const char *text, enum qr_form form, int rows, int columns, struct buf **ret_lines)
{
	AUTO(code) QRcode *q = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_L);
	int quiet = 0;

	if (!q)
		return err_as(
			&ERR_LIMIT, err_errno(errno, "cannot make a QR code"), "the invitation");
	TRY(choose(q, form, rows, columns, &quiet));
	*ret_lines = form == QR_BLOCKS ? draw_blocks(q, quiet) : draw_blanks(q, quiet);
	return NULL;
}
