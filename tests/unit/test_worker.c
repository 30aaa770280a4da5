/* test_worker.c: the worker's loop in a child process, a peer in this one. */
#include "tests/unit/unit.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/proc.h"
#include "proto/courier.pb-c.h"
#include "proto/frame.h"
#include "proto/worker.h"

/* --- the child: a courier that knows four addresses --- */

static struct err *op_fetch(struct worker *w, const void *request)
{
	const Courier__Fetch *f = request;
	Courier__Fetched answer = COURIER__FETCHED__INIT;
	AUTO_MEM uint8_t *big = xcalloc(1, 5 * 1024 * 1024);

	if (strcmp(f->url, "http://refuse/") == 0)
		return err_new(&ERR_POLICY, "not %s", f->url);
	if (strcmp(f->url, "http://hang/") == 0)
		pause();
	if (strcmp(f->url, "http://late/") == 0) {
		struct pollfd gone = { .fd = peer_get_fd(w->peer) };
		assert_int_equal(poll(&gone, 1, 20000), 1);
	}
	if (strcmp(f->url, "http://reasons/") == 0) {
		Common__Error e = COMMON__ERROR__INIT;
		Common__Reason r = COMMON__REASON__INIT, *list[] = { &r };
		char kind[] = "policy", subject[] = "slot 9A", text[] = "too old";
		e.kind = r.kind = kind;
		e.fate = COMMON__FATE__REFUSE;
		r.subject = subject;
		r.text = text;
		e.reasons = list;
		e.n_reasons = 1;
		return worker_reply(w, MSG_ERROR, &e);
	}
	answer.status = ++*(uint32_t *)w->state;
	if (strcmp(f->url, "http://big/") == 0)
		answer.body = pb_lend(BYTES(big, 5 * 1024 * 1024));
	return worker_reply(w, MSG_COURIER_FETCHED, &answer);
}

/* In place of a deadline: the child has no configuration. */
#define CANNOT_WORK 9999

static const struct worker_op ops[] = {
	{ MSG_COURIER_FETCH, op_fetch },
	{ 0, NULL },
};

/* --- the child, as one whose answers must be settled --- */

/* In place of a deadline, too. */
#define SETTLED 9998

struct settling {
	uint32_t settled; /* so many times */
	bool stop, fail;  /* the next time */
};

static struct err *settle(void *state)
{
	struct settling *s = state;
	bool fail = s->fail;

	if (s->stop)
		raise(SIGSTOP);
	s->settled++;
	s->stop = s->fail = false;
	return fail ? err_new(&ERR_STORE_FULL, "no room") : NULL;
}

/* Answers with how often was settled before. */
static struct err *op_settled(struct worker *w, const void *request)
{
	const Courier__Fetch *f = request;
	struct settling *s = w->state;
	Courier__Fetched answer = COURIER__FETCHED__INIT;

	if (strcmp(f->url, "http://refuse/") == 0)
		return err_new(&ERR_POLICY, "not %s", f->url);
	s->stop |= strcmp(f->url, "http://stop/") == 0;
	s->fail |= strcmp(f->url, "http://fail/") == 0;
	answer.status = s->settled;
	return worker_reply(w, MSG_COURIER_FETCHED, &answer);
}

static const struct worker_op settled_ops[] = {
	{ MSG_COURIER_FETCH, op_settled, true },
	{ 0, NULL, false },
};

static const struct worker_ways ways = { .settle = settle };

/* Exit status of the child. */
enum { ENDED = 0, BROKE = 3 };

/* Where the next child writes its log; -1: to standard error. */
static int log_to = -1;

static struct err *work(int fd, unsigned int deadline_s)
{
	struct settling settling = { 0 };
	uint32_t served = 0;

	if (deadline_s == SETTLED)
		return worker_run_settled(
			fd, LINK_COURIER, "test-worker", settled_ops, 30, &settling, &ways);
	if (deadline_s == CANNOT_WORK)
		return worker_refuse(fd, LINK_COURIER, "test-worker",
			err_new(&ERR_CONFIG, "courier.conf:7: no such key"));
	return worker_run(fd, LINK_COURIER, "test-worker", ops, deadline_s, &served);
}

static pid_t start(unsigned int deadline_s, int *ret_fd)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid > 0) {
		close(fds[1]);
		*ret_fd = fds[0];
		return pid;
	}
	close(fds[0]);
	if (log_to >= 0)
		dup2(log_to, STDERR_FILENO);
	log_init("test-worker", false);
	AUTO(err) struct err *e = work(fds[1], deadline_s);
	_exit(e ? BROKE : ENDED);
}

static int wait_exit(pid_t pid)
{
	int status;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static struct peer *start_peer(unsigned int deadline_s, pid_t *ret_pid)
{
	int fd;

	*ret_pid = start(deadline_s, &fd);
	struct peer *p = peer_new(fd, LINK_COURIER, SIDE_CLIENT);
	assert_ok(peer_hello(p, "test", 5000));
	return p;
}

static struct err *fetch(struct peer *p, const char *url, Courier__Fetched **ret_answer)
{
	Courier__Fetch f = COURIER__FETCH__INIT;
	AUTO_MEM char *copy = xstrdup(url);

	f.url = copy;
	return peer_call(p, MSG_COURIER_FETCH, &f, MSG_COURIER_FETCHED, 20000, ret_answer);
}

/* --- tests --- */

static void each_request_gets_its_answer(void **state)
{
	pid_t pid;
	AUTO(peer) struct peer *p = start_peer(0, &pid);

	for (uint32_t i = 1; i <= 3; i++) {
		AUTO_MSG Courier__Fetched *a = NULL;
		assert_ok(fetch(p, "http://x/", &a));
		assert_int_equal(a->status, i);
	}
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
}

static void errors_are_answers(void **state)
{
	pid_t pid;
	AUTO(peer) struct peer *p = start_peer(0, &pid);
	AUTO_MSG Courier__Fetched *a = NULL;

	assert_err_text(fetch(p, "http://refuse/", &a), &ERR_POLICY, "not http://refuse/");
	assert_err_text(fetch(p, "http://reasons/", &a), &ERR_POLICY, "slot 9A: too old");
	assert_ok(fetch(p, "http://x/", &a));
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
}

static void a_large_answer_comes_whole(void **state)
{
	pid_t pid;
	AUTO(peer) struct peer *p = start_peer(0, &pid);
	AUTO_MSG Courier__Fetched *a = NULL;

	assert_ok(fetch(p, "http://big/", &a));
	assert_int_equal(a->body.len, 5 * 1024 * 1024);
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
}

static void a_hanging_operation_is_killed(void **state)
{
	pid_t pid;
	AUTO(peer) struct peer *p = start_peer(1, &pid);
	AUTO_MSG Courier__Fetched *a = NULL;

	assert_err(fetch(p, "http://hang/", &a), &ERR_GONE);
	assert_int_equal(wait_exit(pid), 1000 + SIGKILL);
}

static void an_illegal_message_ends_the_worker_with_a_word(void **state)
{
	int fd;
	pid_t pid = start(0, &fd);
	AUTO(peer) struct peer *p = peer_new(fd, LINK_COURIER, SIDE_CLIENT);
	struct peer_message m;
	bool sent;

	assert_ok(peer_hello(p, "test", 5000));
	assert_ok(frame_send(fd, MSG_CARD_LIST_READERS, 7, BYTES(NULL, 0), &sent));
	assert_ok(peer_recv(p, 5000, &m));
	AUTO_MSG Common__Error *e = m.body;
	assert_int_equal(m.msg->number, MSG_ERROR);
	assert_int_equal(m.serial, 0);
	assert_string_equal(e->kind, "protocol");
	assert_non_null(strstr(e->text, "CARD_LIST_READERS"));
	assert_err(peer_recv(p, 5000, &m), &ERR_GONE);
	assert_int_equal(wait_exit(pid), BROKE);
}

static void a_request_before_hello_is_refused(void **state)
{
	int fd;
	pid_t pid = start(0, &fd);
	AUTO(peer) struct peer *p = peer_new(fd, LINK_COURIER, SIDE_CLIENT);
	Courier__Fetch f = COURIER__FETCH__INIT;
	AUTO_MSG Courier__Fetched *a = NULL;
	char url[] = "http://x/";

	f.url = url;
	peer_set_phase(p, PH_READY);
	struct err *e = peer_call(p, MSG_COURIER_FETCH, &f, MSG_COURIER_FETCHED, 5000, &a);
	assert_err(e, &ERR_PROTOCOL);
	assert_int_equal(wait_exit(pid), BROKE);
}

/* What the child has logged by its end. */
static void read_log(FILE *log, char text[static 1024])
{
	rewind(log);
	text[fread(text, 1, 1023, log)] = '\0';
	fclose(log);
	log_to = -1;
}

static void who_hangs_up_is_no_failure(void **state)
{
	FILE *log = tmpfile();
	char text[1024];
	pid_t pid;

	log_to = fileno(log);
	AUTO(peer) struct peer *p = start_peer(0, &pid);
	Courier__Fetch f = COURIER__FETCH__INIT;
	char url[] = "http://late/";
	uint32_t serial;

	f.url = url;
	assert_ok(peer_ask(p, MSG_COURIER_FETCH, &f, &serial));
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
	read_log(log, text);
	assert_string_equal(text, "");
}

static void who_cannot_work_says_why_to_everybody(void **state)
{
	FILE *log = tmpfile();
	char text[1024];
	pid_t pid;

	log_to = fileno(log);
	AUTO(peer) struct peer *p = start_peer(CANNOT_WORK, &pid);
	AUTO_MSG Courier__Fetched *a = NULL;

	for (int i = 0; i < 2; i++)
		assert_err_text(fetch(p, "http://x/", &a), &ERR_CONFIG, "courier.conf:7");
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
	read_log(log, text);
	assert_non_null(strstr(text, "courier.conf:7"));
	assert_null(strstr(strstr(text, "courier.conf:7") + 1, "courier.conf:7"));
}

/* Requests that all are there before the worker sees the first. */
static void ask_together(
	struct peer *p, pid_t pid, const char *const *urls, size_t n, uint32_t *ret_serials)
{
	int status;

	kill(pid, SIGSTOP);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	for (size_t i = 0; i < n; i++) {
		Courier__Fetch f = COURIER__FETCH__INIT;
		AUTO_MEM char *url = xstrdup(urls[i]);
		f.url = url;
		assert_ok(peer_ask(p, MSG_COURIER_FETCH, &f, &ret_serials[i]));
	}
	kill(pid, SIGCONT);
}

static struct err *answer_of(struct peer *p, uint32_t serial, uint32_t *ret_settled)
{
	struct peer_message m = { 0 };
	AUTO_MSG Courier__Fetched *a = NULL;

	TRY(peer_answer(p, serial, 20000, &m));
	assert_non_null(m.msg);
	TRY(peer_settle(&m, MSG_COURIER_FETCHED, &a));
	*ret_settled = a->status;
	return NULL;
}

static void one_settling_for_what_waits(void **state)
{
	static const char *const urls[WORKER_HELD_MAX + 2] = { [0 ... WORKER_HELD_MAX + 1] =
								       "http://x/" };
	uint32_t serials[ARRAY_LEN(urls)], settled;
	pid_t pid;
	AUTO(peer) struct peer *p = start_peer(SETTLED, &pid);

	for (uint32_t round = 0; round < 2; round++) {
		ask_together(p, pid, urls, 3, serials);
		for (size_t i = 0; i < 3; i++) {
			assert_ok(answer_of(p, serials[i], &settled));
			assert_int_equal(settled, round);
		}
	}
	ask_together(p, pid, urls, ARRAY_LEN(urls), serials);
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		assert_ok(answer_of(p, serials[i], &settled));
		assert_int_equal(settled, i < WORKER_HELD_MAX ? 2 : 3);
	}
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
}

static void no_answer_before_it_is_settled(void **state)
{
	static const char *const urls[] = { "http://x/", "http://stop/", "http://refuse/" };
	uint32_t serials[3], settled;
	bool ready;
	pid_t pid;
	int status;
	AUTO(peer) struct peer *p = start_peer(SETTLED, &pid);

	ask_together(p, pid, urls, 3, serials);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_ok(peer_wait(p, 0, &ready));
	assert_false(ready);
	kill(pid, SIGCONT);
	assert_ok(answer_of(p, serials[0], &settled));
	assert_ok(answer_of(p, serials[1], &settled));
	assert_err(answer_of(p, serials[2], &settled), &ERR_POLICY);
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
}

static void what_cannot_be_settled_is_not_answered(void **state)
{
	static const char *const urls[] = { "http://x/", "http://fail/", "http://x/" };
	uint32_t serials[3], settled;
	FILE *log = tmpfile();
	char text[1024];
	pid_t pid;

	log_to = fileno(log);
	AUTO(peer) struct peer *p = start_peer(SETTLED, &pid);
	ask_together(p, pid, urls, 3, serials);
	for (size_t i = 0; i < 3; i++)
		assert_err_text(answer_of(p, serials[i], &settled), &ERR_STORE_FULL, "no room");
	ask_together(p, pid, urls, 1, serials);
	assert_ok(answer_of(p, serials[0], &settled));
	assert_int_equal(settled, 1);
	peer_free(take(p));
	assert_int_equal(wait_exit(pid), ENDED);
	read_log(log, text);
	assert_non_null(strstr(text, "3 answers"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_request_gets_its_answer),
		cmocka_unit_test(errors_are_answers),
		cmocka_unit_test(a_large_answer_comes_whole),
		cmocka_unit_test(a_hanging_operation_is_killed),
		cmocka_unit_test(an_illegal_message_ends_the_worker_with_a_word),
		cmocka_unit_test(a_request_before_hello_is_refused),
		cmocka_unit_test(who_hangs_up_is_no_failure),
		cmocka_unit_test(who_cannot_work_says_why_to_everybody),
		cmocka_unit_test(one_settling_for_what_waits),
		cmocka_unit_test(no_answer_before_it_is_settled),
		cmocka_unit_test(what_cannot_be_settled_is_not_answered),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
