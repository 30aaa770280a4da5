/* engine.h: an engine whose ports write down what leaves, for the tests of daemon/core. */
#ifndef DERIVD_TESTS_UNIT_ENGINE_H
#define DERIVD_TESTS_UNIT_ENGINE_H

#include "tests/unit/unit.h"

#include <unistd.h>

#include "base/buf.h"
#include "daemon/core/core.h"
#include "daemon/core/mail.h"
#include "daemon/core/turn.h"

#define LETTERS_MAX 64

struct letter {
	uint64_t whom;
	unsigned int number; /* MSG_ERROR with kind, or the message's */
	uint32_t serial;
	const struct err_kind *kind;
};

static struct {
	struct letter letter[LETTERS_MAX];
	size_t n;
	unsigned int commits;
} post;

static void write_down(
	uint64_t whom, unsigned int number, uint32_t serial, const struct err_kind *kind)
{
	assert_true(post.n < LETTERS_MAX);
	post.letter[post.n++] = (struct letter){ whom, number, serial, kind };
}

static void to_caller(void *outside UNUSED, uint64_t caller, enum msg_number number,
	uint32_t serial, const void *body UNUSED)
{
	write_down(caller, number, serial, NULL);
}

static void to_caller_error(
	void *outside UNUSED, uint64_t caller, uint32_t serial, const struct err *e)
{
	write_down(caller, MSG_ERROR, serial, err_get_kind(e));
}

static void to_ca(void *outside UNUSED, const struct ask *ask, enum msg_number number,
	const void *body UNUSED)
{
	write_down(ask->kind, number, 0, NULL);
}

static bool under_way(void *outside UNUSED, const uint8_t job[ID_LEN] UNUSED)
{
	return false;
}

static void committed(void *outside UNUSED)
{
	post.commits++;
}

static const struct ports ENGINE_PORTS = {
	.caller = to_caller,
	.caller_error = to_caller_error,
	.device = to_caller,
	.device_error = to_caller_error,
	.ask = to_ca,
	.under_way = under_way,
	.committed = committed,
};

static char *engine_path;

/* A fresh store, or the one before once more. */
static UNUSED struct core *engine_open(bool fresh)
{
	struct core *c = NULL;

	if (!engine_path)
		engine_path = xasprintf("/tmp/derivd-unit-%d.db", (int)getpid());
	AUTO_MEM char *wal = xasprintf("%s-wal", engine_path);
	AUTO_MEM char *shm = xasprintf("%s-shm", engine_path);
	if (fresh) {
		unlink(engine_path);
		unlink(wal);
		unlink(shm);
	}
	assert_ok(core_new(engine_path, settings_default(), &ENGINE_PORTS, NULL, &c));
	memset(&post, 0, sizeof(post));
	return c;
}

static UNUSED void engine_close(struct core *c)
{
	core_free(c);
}

static UNUSED int engine_remove(void **state UNUSED)
{
	AUTO_MEM char *wal = xasprintf("%s-wal", engine_path);
	AUTO_MEM char *shm = xasprintf("%s-shm", engine_path);

	unlink(engine_path);
	unlink(wal);
	unlink(shm);
	free(engine_path);
	return 0;
}

#endif
