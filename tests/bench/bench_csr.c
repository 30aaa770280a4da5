/*
 * bench_csr.c: certificates for devices' requests per second: two processes of derivd-ca, each with one connection, which check
 * the card behind each request again and log what they issue, asked as derivd asks them on two cores: eight requests under way
 * on each connection. Beside it "cfssl serve", which checks nothing and keeps nothing, with as many requests under way: on
 * as many connections, since HTTP has one on each. One loop asks both in turn.
 */
#include "tests/unit/unit.h"

#include "tests/bench/bench.h"
#include "tests/bench/cfssl.h"
#include "tests/unit/ca_world.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "evidence/seal.h"
#include "proto/peer.h"

#define ROUNDS 9
#define BATCH 120
#define CLIENTS 2
#define WINDOW 8 /* derivd.conf(5): ca-window */
#define CONNECTIONS (CLIENTS * WINDOW)
#define WAIT_MS 60000
/* Two purposes of each enrollment have keys of the device; one batch more warms up. */
#define RUNS ((ROUNDS + 1) * BATCH / 2)

struct order {
	Ca__Certify message;
	Common__AuditHead audit;
	struct buf *http;
};

struct shop {
	struct world *w;
	struct world_run *runs[RUNS];
	struct world_card *cards[RUNS]; /* each person has one */
	size_t n_orders, next_ours, next_theirs;
	struct order orders[RUNS * 2];
	struct peer *peers[CLIENTS];
	pid_t pids[CLIENTS];
	struct cfssl *cfssl;
	int connections[CONNECTIONS];
};

static void add_order(struct shop *s, struct world_run *r, Common__Purpose purpose)
{
	struct order *o = &s->orders[s->n_orders++];

	ca__certify__init(&o->message);
	o->message.receipt = r->verified->receipt;
	o->message.purpose = purpose;
	o->message.request = pb_lend(buf_bytes(r->pkcs10[purpose - 1]));
	o->message.audit = world_audit(s->w, &o->audit);
	o->http = cfssl_request(buf_bytes(r->pkcs10[purpose - 1]));
}

static void enroll(struct shop *s)
{
	for (size_t i = 0; i < RUNS; i++) {
		s->runs[i] = world_run_new(s->w);
		s->cards[i] = world_new_card(s->w, NULL);
		s->runs[i]->card = s->cards[i];
		world_enroll(s->runs[i]);
		add_order(s, s->runs[i], COMMON__PURPOSE__AUTHENTICATION);
		add_order(s, s->runs[i], COMMON__PURPOSE__SIGNING);
	}
}

/* As systemd starts it for a connection that it accepted. */
static _Noreturn void run_ca(int fd)
{
	const char *dir = getenv("abs_top_builddir");
	AUTO_MEM char *program = xasprintf("%s/derivd-ca", dir ? dir : ".");
	AUTO_MEM char *pid = xasprintf("%d", (int)getpid());
	int null = open("/dev/null", O_WRONLY);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd == 3)
		fcntl(fd, F_SETFD, 0);
	else
		dup2(fd, 3);
	dup2(null, 2);
	setenv("LISTEN_PID", pid, 1);
	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "connection", 1);
	execl(program, "derivd-ca", (char *)NULL);
	_exit(127);
}

static void start_ca(struct shop *s, size_t i)
{
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd), 0);
	s->pids[i] = fork();
	assert_true(s->pids[i] >= 0);
	if (s->pids[i] == 0)
		run_ca(fd[1]);
	close(fd[1]);
	s->peers[i] = peer_new(fd[0], LINK_CA, SIDE_CLIENT);
	assert_ok(peer_hello(s->peers[i], "derivd", WAIT_MS));
}

static void wait_for(struct pollfd *fds, nfds_t n)
{
	if (poll(fds, n, WAIT_MS) <= 0)
		err_abort("no answer in %d ms", WAIT_MS);
}

/* What one connection was asked: answers come in the order of the requests. */
struct asked {
	uint32_t serials[BATCH];
	size_t n, answered;
};

static void ask_ours(struct shop *s, size_t i, struct asked *a)
{
	assert_ok(peer_ask(s->peers[i], MSG_CA_CERTIFY, &s->orders[s->next_ours++].message,
		&a->serials[a->n++]));
}

static bool take_ours(struct shop *s, size_t i, struct asked *a)
{
	struct peer_message answer = { 0 };
	AUTO_MSG Ca__Certified *certified = NULL;

	if (a->answered == a->n)
		return false;
	assert_ok(peer_answer(s->peers[i], a->serials[a->answered], 0, &answer));
	if (!answer.msg)
		return false;
	assert_ok(peer_settle(&answer, MSG_CA_CERTIFIED, &certified));
	a->answered++;
	return true;
}

static double ours(struct shop *s)
{
	struct pollfd fds[CLIENTS] = { 0 };
	struct asked asked[CLIENTS] = { 0 };
	size_t n = 0, done = 0;
	double began = bench_now();

	for (size_t i = 0; i < CLIENTS; i++)
		fds[i] = (struct pollfd){ .fd = peer_get_fd(s->peers[i]), .events = POLLIN };
	for (; n < CONNECTIONS; n++)
		ask_ours(s, n % CLIENTS, &asked[n % CLIENTS]);
	while (done < BATCH) {
		wait_for(fds, CLIENTS);
		for (size_t i = 0; i < CLIENTS; i++) {
			if (!fds[i].revents || !take_ours(s, i, &asked[i]))
				continue;
			done++;
			if (n < BATCH) {
				ask_ours(s, i, &asked[i]);
				n++;
			}
		}
	}
	return BATCH / (bench_now() - began);
}

static void ask_theirs(struct shop *s, size_t i)
{
	struct bytes request = buf_bytes(s->orders[s->next_theirs++].http);

	assert_int_equal(
		send(s->connections[i], request.data, request.len, MSG_NOSIGNAL), request.len);
}

static double theirs(struct shop *s)
{
	struct pollfd fds[CONNECTIONS] = { 0 };
	struct buf *answers[CONNECTIONS];
	size_t asked = 0, done = 0;
	double began = bench_now();

	for (size_t i = 0; i < CONNECTIONS; i++, asked++) {
		fds[i] = (struct pollfd){ .fd = s->connections[i], .events = POLLIN };
		answers[i] = buf_new();
		ask_theirs(s, i);
	}
	while (done < BATCH) {
		wait_for(fds, CONNECTIONS);
		for (size_t i = 0; i < CONNECTIONS; i++) {
			if (!fds[i].revents || !cfssl_receive(fds[i].fd, answers[i]))
				continue;
			done++;
			buf_clear(answers[i]);
			if (asked < BATCH) {
				ask_theirs(s, i);
				asked++;
			}
		}
	}
	double rate = BATCH / (bench_now() - began);
	for (size_t i = 0; i < CONNECTIONS; i++)
		buf_free(answers[i]);
	return rate;
}

static void measure(struct shop *s)
{
	double a[ROUNDS], b[ROUNDS], ratio[ROUNDS];

	ours(s);
	theirs(s);
	for (int i = 0; i < ROUNDS; i++) {
		a[i] = ours(s);
		b[i] = theirs(s);
		ratio[i] = a[i] / b[i];
	}
	bench_note("issuance from a device's request, P-256, %d requests under way: derivd-ca, two "
		   "processes, card checked again, each on the disk before it is answered: %.0f/s; "
		   "cfssl serve, "
		   "nothing checked or kept: %.0f/s",
		CONNECTIONS, bench_median(a, ROUNDS), bench_median(b, ROUNDS));
	bench_at_least("issue-device-key", bench_median(ratio, ROUNDS), 1.0);
}

static void stop(struct shop *s)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		peer_free(s->peers[i]);
		waitpid(s->pids[i], NULL, 0);
	}
	for (size_t i = 0; i < CONNECTIONS; i++)
		close(s->connections[i]);
	cfssl_free(s->cfssl);
	for (size_t i = 0; i < s->n_orders; i++)
		buf_free(s->orders[i].http);
	for (size_t i = 0; i < RUNS; i++) {
		world_run_free(s->runs[i]);
		world_card_free(s->cards[i]);
	}
	world_free(s->w);
}

int main(void)
{
	static struct shop s;
	AUTO_MEM char *here = realpath(".", NULL);

	seal_start();
	world_parent = here;
	world_start_ms = (int64_t)time(NULL) * 1000 - 60000;
	s.w = world_new(NULL);
	enroll(&s);
	s.cfssl = cfssl_start(s.w->dir, s.w->ca, s.w->ca_key);
	for (size_t i = 0; i < CLIENTS; i++)
		start_ca(&s, i);
	for (size_t i = 0; i < CONNECTIONS; i++) {
		s.connections[i] = cfssl_connect(s.cfssl);
		assert_true(s.connections[i] >= 0);
	}
	measure(&s);
	stop(&s);
	return 0;
}
