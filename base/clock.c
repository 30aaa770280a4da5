/* clock.c: all four functions stand in one file because the simulator replaces them together. */
#include "base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"

static int64_t read_ms(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		err_abort("clock %d cannot be read: %s", (int)clock, strerror(errno));
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t clock_real_ms(void)
{
	return read_ms(CLOCK_REALTIME);
}

int64_t clock_boot_ms(void)
{
	return read_ms(CLOCK_BOOTTIME);
}

struct err *clock_boot_id(uint8_t ret_id[static 16])
{
	static const char path[] = "/proc/sys/kernel/random/boot_id";
	AUTO(buf) struct buf *file = NULL;
	AUTO(buf) struct buf *digits = buf_new();
	AUTO(buf) struct buf *id = NULL;
	struct err *e = io_read_file(path, 64, &file);

	if (e)
		return err_as(&ERR_SYSTEM, e, "the kernel's boot id");
	for (const char *p = buf_str(file); *p && *p != '\n'; p++) {
		if (*p != '-')
			buf_add(digits, p, 1);
	}
	e = text_unhex(buf_str(digits), &id);
	if (e)
		return err_as(&ERR_SYSTEM, e, "%s", path);
	if (buf_len(id) != 16)
		return err_new(&ERR_SYSTEM, "%s: %zu bytes instead of 16", path, buf_len(id));
	memcpy(ret_id, buf_data(id), 16);
	return NULL;
}

void clock_random(void *ret_bytes, size_t len)
{
	uint8_t *p = ret_bytes;

	while (len) {
		ssize_t n = getrandom(p, len, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			err_abort("the kernel gives no random bytes: %s", strerror(errno));
		p += n;
		len -= (size_t)n;
	}
}
