/* test_ctl_qr.c: the code as it stands on a terminal, read by zbarimg, which knows nothing of how it was drawn. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <unistd.h>

#include "base/io.h"
#include "base/text.h"
#include "client/ctl/qr.c"

#define BEGIN "\033[30;107m"
#define END "\033[0m"
#define SCALE 3
#define SIDE_MAX 200

/* Modules as drawn: 1 is dark. */
struct picture {
	int width, height;
	uint8_t module[SIDE_MAX][SIDE_MAX];
};

static const char *take_character(const char *p, struct picture *pic, int x)
{
	static const struct {
		const char *text;
		uint8_t up, down;
	} blocks[] = { { " ", 0, 0 }, { "\u2580", 1, 0 }, { "\u2584", 0, 1 }, { "\u2588", 1, 1 } };

	for (size_t i = 0; i < ARRAY_LEN(blocks); i++) {
		if (!text_starts(p, blocks[i].text))
			continue;
		pic->module[pic->height][x] = blocks[i].up;
		pic->module[pic->height + 1][x] = blocks[i].down;
		return p + strlen(blocks[i].text);
	}
	fail_msg("something else stands in the code: %.8s", p);
	return NULL;
}

/* One line of the terminal is two rows of modules. */
static void look(const char *lines, struct picture *pic)
{
	*pic = (struct picture){ 0 };
	for (const char *p = lines; *p != '\0'; p++) {
		int x = 0;
		assert_true(text_starts(p, BEGIN));
		p += strlen(BEGIN);
		while (!text_starts(p, END))
			p = take_character(p, pic, x++);
		p += strlen(END);
		assert_int_equal(*p, '\n');
		assert_true(pic->width == 0 || pic->width == x);
		pic->width = x;
		pic->height += 2;
	}
}

/* One line is one row, each module two blanks in its colour. */
static void look_at_blanks(const char *lines, struct picture *pic)
{
	*pic = (struct picture){ 0 };
	for (const char *p = lines; *p != '\0'; p++) {
		int x = 0;
		while (!text_starts(p, END)) {
			bool dark = text_starts(p, "\033[40m  ");
			assert_true(dark || text_starts(p, "\033[107m  "));
			pic->module[pic->height][x++] = dark;
			p += strlen(dark ? "\033[40m  " : "\033[107m  ");
		}
		p += strlen(END);
		assert_int_equal(*p, '\n');
		pic->width = x;
		pic->height++;
	}
}

static int quiet_of(const struct picture *pic)
{
	for (int y = 0; y < pic->height; y++)
		for (int x = 0; x < pic->width; x++)
			if (pic->module[y][x])
				return x < y ? x : y;
	return -1;
}

static struct buf *pgm(const struct picture *pic)
{
	struct buf *b = buf_new();

	buf_addf(b, "P5 %d %d 255\n", pic->width * SCALE, pic->height * SCALE);
	for (int y = 0; y < pic->height * SCALE; y++)
		for (int x = 0; x < pic->width * SCALE; x++)
			buf_add_u8(b, pic->module[y / SCALE][x / SCALE] ? 0 : 255);
	return b;
}

/* What a camera reads; the caller frees. */
static char *read_code(const struct picture *pic)
{
	AUTO(buf) struct buf *image = pgm(pic);
	char path[] = "/tmp/test_ctl_qr.XXXXXX", line[2048] = "";
	int fd = mkstemp(path);
	FILE *out;

	assert_true(fd >= 0);
	assert_ok(io_write_full(fd, buf_bytes(image)));
	close(fd);
	AUTO_MEM char *command = xasprintf("zbarimg -q --raw -Sdisable -Sqrcode.enable %s 2>&1 | grep -v ^Connection", path);
	out = popen(command, "r");
	assert_non_null(out);
	if (!fgets(line, sizeof(line), out))
		line[0] = '\0';
	(void)pclose(out);
	(void)unlink(path);
	line[strcspn(line, "\n")] = '\0';
	return xstrdup(line);
}

static bool has_camera(void)
{
	return system("command -v zbarimg >/dev/null") == 0;
}

/* As long as invitations are. */
static char *invitation(size_t len)
{
	char *text = xcalloc(1, len + 1);

	(void)snprintf(text, len + 1, "derivd:1?h=kiosk.example.org:7443&s=");
	for (size_t i = strlen(text); i < len; i++)
		text[i] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
			[(i * 37) % 64];
	return text;
}

static void a_camera_reads_what_was_meant(void **state)
{
	static const size_t lengths[] = { 40, 180, 260, 330, 400 };

	if (!has_camera()) {
		print_message("zbarimg is not installed\n");
		skip();
	}
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		AUTO_MEM char *text = invitation(lengths[i]);
		AUTO(buf) struct buf *lines = NULL;
		struct picture pic;
		assert_ok(qr_render(text, QR_BLOCKS, 200, 200, &lines));
		look(buf_str(lines), &pic);
		assert_int_equal(quiet_of(&pic), QUIET);
		AUTO_MEM char *read = read_code(&pic);
		assert_string_equal(read, text);
	}
}

static void a_smaller_form_where_that_makes_it_fit(void **state)
{
	AUTO_MEM char *text = invitation(230);
	AUTO(buf) struct buf *large = NULL;
	AUTO(buf) struct buf *small = NULL;
	AUTO(buf) struct buf *none = NULL;
	struct picture pic, pic2;

	assert_ok(qr_render(text, QR_BLOCKS, 100, 100, &large));
	look(buf_str(large), &pic);
	/* Exactly that room is enough, one column or line less takes the smaller form, much less is refused. */
	buf_free(take(large));
	assert_ok(qr_render(text, QR_BLOCKS, pic.height / 2, pic.width, &large));
	assert_ok(qr_render(text, QR_BLOCKS, pic.height / 2, pic.width - 1, &small));
	look(buf_str(small), &pic2);
	assert_int_equal(quiet_of(&pic2), QUIET_SMALL);
	assert_int_equal(pic2.width, pic.width - 2 * (QUIET - QUIET_SMALL));
	if (has_camera()) {
		AUTO_MEM char *read = read_code(&pic2);
		assert_string_equal(read, text);
	}
	assert_err_text(qr_render(text, QR_BLOCKS, 24, 80, &none), &ERR_LIMIT, "room for 80 and 24");
	assert_err(qr_render(text, QR_BLOCKS, pic2.height / 2, pic2.width - 1, &none), &ERR_LIMIT);
	assert_err(qr_render(text, QR_BLOCKS, pic2.height / 2 - 1, pic2.width, &none), &ERR_LIMIT);
	assert_null(none);
}

static void without_utf8_it_is_drawn_with_blanks(void **state)
{
	AUTO_MEM char *text = invitation(230);
	AUTO(buf) struct buf *lines = NULL;
	AUTO(buf) struct buf *none = NULL;
	struct picture pic;

	assert_ok(qr_render(text, QR_BLANKS, 200, 200, &lines));
	for (size_t i = 0; i < buf_len(lines); i++)
		assert_true(buf_data(lines)[i] < 0x80);
	look_at_blanks(buf_str(lines), &pic);
	assert_int_equal(pic.width, pic.height);
	if (has_camera()) {
		AUTO_MEM char *read = read_code(&pic);
		assert_string_equal(read, text);
	}
	buf_free(take(lines));
	assert_ok(qr_render(text, QR_BLANKS, pic.height, 2 * pic.width, &lines));
	assert_err(qr_render(text, QR_BLANKS, pic.height, pic.width, &none), &ERR_LIMIT);
	assert_err(qr_render(text, QR_BLANKS, pic.height / 2 + 1, 200, &none), &ERR_LIMIT);
}

static void too_much_for_any_code(void **state)
{
	AUTO_MEM char *text = invitation(4000);
	AUTO(buf) struct buf *lines = NULL;

	assert_err(qr_render(text, QR_BLOCKS, 1000, 1000, &lines), &ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_camera_reads_what_was_meant),
		cmocka_unit_test(a_smaller_form_where_that_makes_it_fit),
		cmocka_unit_test(without_utf8_it_is_drawn_with_blanks),
		cmocka_unit_test(too_much_for_any_code),
	};

	return cmocka_run_group_tests_name("ctl_qr", tests, NULL, NULL);
}
