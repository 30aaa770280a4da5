/*
 * main.c: derivd-metrics, for Prometheus: answers one scrape on the connection that systemd gives it, or writes a file for
 * node_exporter. It asks derivd for counts, may ask it for nothing else (the role "monitor"), and has no key, no store and no
 * network. derivd-metrics(8).
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/proc.h"
#include "client/metrics/http.h"
#include "proto/peer.h"

#define PROGRAM "derivd-metrics"
/* derivd's answer; Prometheus gives up after ten seconds. */
#define ANSWER_MS 5000
/* For a scraper to say what it wants. */
#define REQUEST_MS 5000
/* Whatever happens. */
#define DEADLINE_S 30

static const char USAGE[] =
	"usage: derivd-metrics print [--openmetrics]   what derivd counts, to standard output\n"
	"       derivd-metrics write FILE              the same into a file, for node_exporter\n"
	"       derivd-metrics answer                  one HTTP request on standard input and "
	"output\n"
	"       derivd-metrics --help | --version\n";

static struct err *ask(Control__MetricsReply **ret_reply)
{
	AUTO_MEM char *path = proc_runtime_path("control.sock");
	AUTO(peer) struct peer *p = NULL;
	Control__Metrics q = CONTROL__METRICS__INIT;

	TRY(err_wrap(peer_connect(path, LINK_CONTROL, PROGRAM, &p), "derivd"));
	return peer_call(p, MSG_METRICS, &q, MSG_METRICS_REPLY, ANSWER_MS, ret_reply);
}

/* That derivd does not answer is what there is to say then; *ret_why is why, or NULL. */
static struct buf *collect(enum render_format format, struct err **ret_why)
{
	AUTO_MSG Control__MetricsReply *m = NULL;

	*ret_why = ask(&m);
	return render(m, *ret_why ? err_get_kind(*ret_why)->name : NULL, format);
}

static struct err *print(enum render_format format)
{
	struct err *why = NULL;
	AUTO(buf) struct buf *text = collect(format, &why);

	if (fwrite(buf_data(text), 1, buf_len(text), stdout) != buf_len(text) ||
		fflush(stdout) != 0) {
		err_free(why);
		return err_errno(errno, "standard output");
	}
	return why;
}

/* A file that stays as it was would say that all is well: it is written also when derivd is away. */
static struct err *write_file(const char *path)
{
	struct err *why = NULL;
	AUTO(buf) struct buf *text = collect(RENDER_TEXT, &why);

	if (why)
		log_error(why, PROGRAM);
	return io_write_file(path, buf_bytes(text), 0644);
}

/* --- one scrape --- */

/* More of the request. ERR_GONE, ERR_TIMEOUT. */
static struct err *read_some(struct buf *head, int64_t until_boot_ms)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	uint8_t data[1024];
	int64_t left = until_boot_ms - clock_boot_ms();

	if (left <= 0 || poll(&p, 1, (int)left) == 0)
		return err_new(&ERR_TIMEOUT, "no whole request came in time");
	ssize_t n = read(STDIN_FILENO, data, sizeof(data));
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return NULL;
	if (n < 0)
		return err_errno(errno, "reading a request");
	if (n == 0)
		return err_new(&ERR_GONE, "the connection ended before a whole request came");
	buf_add(head, data, (size_t)n);
	return NULL;
}

static struct err *read_request(struct http_request *ret_request)
{
	AUTO(buf) struct buf *head = buf_new();
	int64_t until = clock_boot_ms() + REQUEST_MS;
	size_t len = 0;

	while (len == 0 && buf_len(head) <= HTTP_HEAD_MAX) {
		TRY(read_some(head, until));
		len = http_head_len(buf_bytes(head));
	}
	if (len == 0 || len > HTTP_HEAD_MAX)
		*ret_request = (struct http_request){ .status = 400 };
	else
		http_parse(BYTES(buf_data(head), len), ret_request);
	return NULL;
}

static struct err *answer(void)
{
	AUTO(buf) struct buf *body = NULL;
	AUTO(err) struct err *why = NULL;
	struct http_request q;

	proc_deadline(DEADLINE_S);
	TRY(read_request(&q));
	if (q.status == 200)
		body = collect(q.format, &why);
	AUTO(buf) struct buf *text = http_answer(&q, body);
	TRY(io_write_full(STDOUT_FILENO, buf_bytes(text)));
	/* So that what was not read of the request does not reset the connection before the answer is there. */
	shutdown(STDOUT_FILENO, SHUT_WR);
	return NULL;
}

static int report(struct err *take_e)
{
	if (!take_e)
		return EXIT_SUCCESS;
	log_error(take_e, PROGRAM);
	return EXIT_FAILURE;
}

/* A scraper that hangs up is nobody's trouble. */
static int report_scrape(struct err *take_e)
{
	if (!err_is(take_e, &ERR_GONE) && !err_is(take_e, &ERR_TIMEOUT))
		return report(take_e);
	err_free(take_e);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (argc == 2 && strcmp(word, "--help") == 0) {
		fputs(USAGE, stdout);
		return EXIT_SUCCESS;
	}
	if (argc == 2 && strcmp(word, "--version") == 0) {
		puts(PROGRAM " " PACKAGE_VERSION);
		return EXIT_SUCCESS;
	}
	proc_start(PROGRAM);
	if (argc == 2 && strcmp(word, "answer") == 0)
		return report_scrape(answer());
	if (argc == 2 && strcmp(word, "print") == 0)
		return report(print(RENDER_TEXT));
	if (argc == 3 && strcmp(word, "print") == 0 && strcmp(argv[2], "--openmetrics") == 0)
		return report(print(RENDER_OPENMETRICS));
	if (argc == 3 && strcmp(word, "write") == 0)
		return report(write_file(argv[2]));
	fputs(USAGE, stderr);
	return 2;
}
