/*
 * replay.c: runs an entry point over its corpus, for make check. The program replay_NAME reads the files of
 * tests/fuzz/corpus/NAME below the source directory, or what its arguments name; each as it is, and damaged in some ways
 * that are the same each time for the same file. Output: TAP.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/sample.h"

/* Of each input. */
#define DAMAGES 64
#define INPUT_MAX (16 * 1024 * 1024)

static size_t n_run;

/* A copy of exactly that size, so that a sanitizer sees a byte read too many. */
static void run(struct bytes input)
{
	AUTO_MEM uint8_t *exact = malloc(input.len ? input.len : 1);

	if (!exact)
		err_abort("no memory for an input");
	if (input.len)
		memcpy(exact, input.data, input.len);
	LLVMFuzzerTestOneInput(exact, input.len);
	n_run++;
}

static void run_file(const char *path)
{
	AUTO(buf) struct buf *input = NULL;
	AUTO(err) struct err *e = io_read_file(path, INPUT_MAX, &input);
	uint64_t state = 1;

	if (e) {
		printf("Bail out! %s\n", err_get_text(e));
		exit(1);
	}
	run(buf_bytes(input));
	for (int i = 0; i < DAMAGES; i++) {
		AUTO(buf) struct buf *damaged = sample_damage(buf_bytes(input), &state);
		run(buf_bytes(damaged));
	}
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void run_directory(const char *path)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_visible, alphasort);

	if (n < 0) {
		printf("Bail out! %s cannot be read\n", path);
		exit(1);
	}
	for (int i = 0; i < n; i++) {
		AUTO_MEM char *file = xasprintf("%s/%s", path, entries[i]->d_name);
		run_file(file);
		free(entries[i]);
	}
	free(entries);
}

int main(int argc, char **argv)
{
	const char *name = strstr(argv[0], "replay_");
	const char *source = getenv("abs_top_srcdir");

	for (int i = 1; i < argc; i++)
		run_file(argv[i]);
	if (argc == 1 && name && source) {
		AUTO_MEM char *corpus =
			xasprintf("%s/tests/fuzz/corpus/%s", source, name + strlen("replay_"));
		run_directory(corpus);
	}
	printf("1..1\n%s 1 - %zu inputs\n", n_run ? "ok" : "not ok", n_run);
	return n_run ? 0 : 1;
}
