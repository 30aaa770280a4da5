/* test_io.c: files are whole or refused, and sockets have the mode that was asked for. */
#include "tests/unit/unit.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"

static char dir[] = "/tmp/derivd-unit-io.XXXXXX";

/* dir/name, lent until the next call but three. */
static const char *in_dir(const char *name)
{
	static char paths[4][256];
	static size_t next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
	return path;
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode & 07777;
}

static void what_was_written_is_read(void **state)
{
	const char *path = in_dir("file");
	AUTO(buf) struct buf *b = NULL;
	AUTO(buf) struct buf *again = NULL;

	assert_ok(io_write_file(path, BYTES("a\0b", 3), 0640));
	assert_ok(io_read_file(path, 3, &b));
	assert_true(bytes_eq(buf_bytes(b), BYTES("a\0b", 3)));
	assert_int_equal(mode_of(path), 0640);
	assert_ok(io_write_file(path, BYTES(NULL, 0), 0600));
	assert_ok(io_read_file(path, 0, &again));
	assert_int_equal(buf_len(again), 0);
	assert_int_equal(mode_of(path), 0600);
}

static void a_file_of_several_chunks(void **state)
{
	AUTO(buf) struct buf *big = buf_new();
	AUTO(buf) struct buf *b = NULL;

	for (uint32_t i = 0; i < 30000; i++)
		buf_add_u32(big, i);
	assert_ok(io_write_file(in_dir("big"), buf_bytes(big), 0600));
	assert_ok(io_read_file(in_dir("big"), buf_len(big), &b));
	assert_true(bytes_eq(buf_bytes(b), buf_bytes(big)));
}

static void more_than_the_maximum_is_refused(void **state)
{
	struct buf *b = NULL;

	assert_ok(io_write_file(in_dir("four"), BYTES("1234", 4), 0600));
	assert_err_text(io_read_file(in_dir("four"), 3, &b), &ERR_LIMIT, in_dir("four"));
	assert_err(io_read_file(in_dir("big"), 65536, &b), &ERR_LIMIT);
	/* Endless, and not a file: must be refused before it is read. */
	assert_err(io_read_file("/dev/zero", 1000, &b), &ERR_SYSTEM);
	assert_null(b);
}

static void what_is_no_file_is_refused(void **state)
{
	struct buf *b = NULL;

	assert_err_text(io_read_file(in_dir("none"), 9, &b), &ERR_NOTFOUND, "none");
	assert_err(io_read_file(dir, 9, &b), &ERR_SYSTEM);
	/* A pipe that nobody writes to must not make us wait. */
	assert_int_equal(mkfifo(in_dir("pipe"), 0600), 0);
	assert_err(io_read_file(in_dir("pipe"), 9, &b), &ERR_SYSTEM);
	assert_null(b);
}

static void files_of_proc_are_read_although_their_size_is_0(void **state)
{
	AUTO(buf) struct buf *b = NULL;

	assert_ok(io_read_file("/proc/self/status", 65536, &b));
	assert_true(buf_len(b) > 100);
}

static size_t count_entries(const char *path)
{
	DIR *d = opendir(path);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void a_failed_write_leaves_nothing_behind(void **state)
{
	AUTO(buf) struct buf *b = NULL;

	assert_ok(io_mkdirs(in_dir("full/target"), 0700));
	assert_ok(io_write_file(in_dir("full/target/x"), BYTES("old", 3), 0600));
	size_t before = count_entries(in_dir("full"));
	/* A directory that is not empty cannot be replaced by a file. */
	assert_err_text(io_write_file(in_dir("full/target"), BYTES("new", 3), 0600), &ERR_SYSTEM,
		"cannot write");
	assert_int_equal(count_entries(in_dir("full")), before);
	assert_ok(io_read_file(in_dir("full/target/x"), 3, &b));
	assert_err(io_write_file(in_dir("no/such/dir"), BYTES("x", 1), 0600), &ERR_SYSTEM);
}

static void a_link_is_replaced_not_followed(void **state)
{
	AUTO(buf) struct buf *b = NULL;

	assert_ok(io_write_file(in_dir("victim"), BYTES("old", 3), 0600));
	assert_int_equal(symlink("victim", in_dir("link")), 0);
	assert_ok(io_write_file(in_dir("link"), BYTES("new", 3), 0600));
	assert_ok(io_read_file(in_dir("victim"), 3, &b));
	assert_string_equal(buf_str(b), "old");
}

static void directories_with_parents(void **state)
{
	assert_ok(io_mkdirs(in_dir("a/b/c"), 0750));
	assert_ok(io_mkdirs(in_dir("a/b/c"), 0700));
	assert_ok(io_mkdirs(in_dir("a//b/d/"), 0755));
	assert_int_equal(mode_of(in_dir("a/b/c")), 0750);
	assert_int_equal(mode_of(in_dir("a/b/d")), 0755);
	assert_err_text(io_mkdirs(in_dir("four/x"), 0700), &ERR_SYSTEM, "four");
	assert_err(io_mkdirs(in_dir("four"), 0700), &ERR_SYSTEM);
	assert_ok(io_mkdirs("/", 0700));
}

static void full_reads_and_writes(void **state)
{
	char data[4] = "";
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	assert_ok(io_write_full(fds[1], BYTES("abcdef", 6)));
	assert_ok(io_read_full(fds[0], data, 4));
	assert_memory_equal(data, "abcd", 4);
	close(fds[1]);
	assert_err_text(io_read_full(fds[0], data, 4), &ERR_GONE, "2 bytes");
	close(fds[0]);
	assert_err(io_read_full(-1, data, 1), &ERR_SYSTEM);
}

static void writing_to_nobody_is_gone(void **state)
{
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_err(io_write_full(fds[1], BYTES("x", 1)), &ERR_GONE);
	close(fds[1]);
}

static void sockets_keep_message_boundaries(void **state)
{
	const char *path = in_dir("socket");
	AUTO_FD int listener = -1;
	AUTO_FD int client = -1;
	char data[16];

	umask(077);
	assert_ok(io_listen_unix(path, 0666, &listener));
	assert_int_equal(mode_of(path), 0666);
	assert_ok(io_connect_unix(path, &client));
	AUTO_FD int server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	assert_int_equal(send(client, "one", 3, 0), 3);
	assert_int_equal(send(client, "two!", 4, 0), 4);
	assert_int_equal(recv(server, data, sizeof(data), 0), 3);
	assert_int_equal(recv(server, data, sizeof(data), 0), 4);
	assert_true(fcntl(client, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(listener, F_GETFD) & FD_CLOEXEC);
}

static void a_stale_socket_is_replaced_but_no_file(void **state)
{
	int fd = -1;

	assert_ok(io_listen_unix(in_dir("stale"), 0600, &fd));
	close(fd);
	assert_err(io_connect_unix(in_dir("stale"), &fd), &ERR_SYSTEM);
	assert_ok(io_listen_unix(in_dir("stale"), 0600, &fd));
	close(fd);
	assert_err(io_listen_unix(in_dir("four"), 0600, &fd), &ERR_SYSTEM);
	assert_int_equal(access(in_dir("four"), F_OK), 0);
	assert_err_text(io_connect_unix(in_dir("nobody"), &fd), &ERR_NOTFOUND, "nobody");
}

static void paths_up_to_107_bytes(void **state)
{
	char path[200];
	int fd = -1;

	memset(path, 'x', sizeof(path));
	memcpy(path, dir, strlen(dir));
	path[strlen(dir)] = '/';
	path[108] = 0;
	assert_err_text(io_listen_unix(path, 0600, &fd), &ERR_SYSTEM, "107 bytes");
	assert_err(io_connect_unix(path, &fd), &ERR_SYSTEM);
	path[107] = 0;
	assert_ok(io_listen_unix(path, 0600, &fd));
	close(fd);
}

/* A server that hangs: those who wait for it fill its queue, and the next one must not hang with it. */
static void a_server_that_accepts_nobody_is_not_waited_for(void **state)
{
	int listener = -1, clients[300], n = 0;
	struct err *e = NULL;

	assert_ok(io_listen_unix(in_dir("hung"), 0600, &listener));
	alarm(30);
	while (!e && n < (int)ARRAY_LEN(clients))
		e = io_connect_unix(in_dir("hung"), &clients[n++]);
	alarm(0);
	assert_err_text(e, &ERR_TIMEOUT, "hung");
	for (int i = 0; i < n - 1; i++)
		close(clients[i]);
	close(listener);
}

static int make_dir(void **state)
{
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	AUTO_MEM char *command = xasprintf("rm -rf '%s'", dir);

	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(a_file_of_several_chunks),
		cmocka_unit_test(more_than_the_maximum_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused),
		cmocka_unit_test(files_of_proc_are_read_although_their_size_is_0),
		cmocka_unit_test(a_failed_write_leaves_nothing_behind),
		cmocka_unit_test(a_link_is_replaced_not_followed),
		cmocka_unit_test(directories_with_parents),
		cmocka_unit_test(full_reads_and_writes),
		cmocka_unit_test(writing_to_nobody_is_gone),
		cmocka_unit_test(sockets_keep_message_boundaries),
		cmocka_unit_test(a_stale_socket_is_replaced_but_no_file),
		cmocka_unit_test(paths_up_to_107_bytes),
		cmocka_unit_test(a_server_that_accepts_nobody_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("io", tests, make_dir, remove_dir);
}
