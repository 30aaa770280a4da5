/* test_metrics.c: what a scraper reads, in both formats, and what it may ask in which way. */
#include "tests/unit/unit.h"

#include <string.h>

#include "client/metrics/http.h"

static struct buf *shown(enum render_format f)
{
	static char opened[] = "opened", crl[] = "crl", blocked[] = "blocked", queue[] = "queue";
	static char odd[] = "a\"b\\c", version[] = "1", build[] = "abc";
	static uint64_t most[] = { 50, 1000 }, n[] = { 2, 1, 1 };
	Control__MetricsReply m = CONTROL__METRICS_REPLY__INIT;
	Control__Count request = CONTROL__COUNT__INIT, job = CONTROL__COUNT__INIT;
	Control__QueueCount crls = CONTROL__QUEUE_COUNT__INIT;
	Control__ErrorCount error = CONTROL__ERROR_COUNT__INIT;
	Control__Durations issuance = CONTROL__DURATIONS__INIT;
	Control__Count *requests[] = { &request }, *jobs[] = { &job };
	Control__QueueCount *kinds[] = { &crls };
	Control__ErrorCount *errors[] = { &error };

	m.version = version;
	m.build = build;
	m.run = 7;
	m.started_ms = 1700000000123;
	request.name = opened;
	request.n = 3;
	m.requests = requests;
	m.n_requests = 1;
	job.name = blocked;
	job.n = 1;
	crls.what = crl;
	crls.states = jobs;
	crls.n_states = 1;
	crls.oldest_ms = 61500;
	m.queue = kinds;
	m.n_queue = 1;
	error.where = queue;
	error.kind = odd;
	error.n = 2;
	m.errors = errors;
	m.n_errors = 1;
	issuance.most_ms = most;
	issuance.n_most_ms = 2;
	issuance.n = n;
	issuance.n_n = 3;
	issuance.sum_ms = 2075;
	m.issuance = &issuance;
	return render(&m, NULL, f);
}

static void assert_line(const struct buf *text, const char *line)
{
	AUTO_MEM char *whole = xasprintf("\n%s\n", line);

	if (!strstr(buf_str(text), whole))
		fail_msg("\"%s\" is not in\n%s", line, buf_str(text));
}

static void openmetrics_names_counters_without_total(void **state)
{
	AUTO(buf) struct buf *text = shown(RENDER_OPENMETRICS);

	assert_line(text, "derivd_up 1");
	assert_line(text, "# TYPE derivd_starts counter");
	assert_line(text, "derivd_starts_total 7");
	assert_line(text, "# TYPE derivd_build info");
	assert_line(text, "derivd_build_info{version=\"1\",build=\"abc\"} 1");
	assert_true(buf_len(text) > 6);
	assert_string_equal(buf_str(text) + buf_len(text) - 6, "# EOF\n");
}

static void the_older_format_names_them_with_it(void **state)
{
	AUTO(buf) struct buf *text = shown(RENDER_TEXT);

	assert_line(text, "# TYPE derivd_starts_total counter");
	assert_line(text, "# TYPE derivd_build_info gauge");
	assert_null(strstr(buf_str(text), "EOF"));
}

static void numbers_are_seconds_and_labels_are_escaped(void **state)
{
	AUTO(buf) struct buf *text = shown(RENDER_TEXT);

	assert_line(text, "derivd_start_time_seconds 1700000000.123");
	assert_line(text, "derivd_requests{state=\"opened\"} 3");
	assert_line(text, "derivd_jobs{kind=\"crl\",state=\"blocked\"} 1");
	assert_line(text, "derivd_job_oldest_age_seconds{kind=\"crl\"} 61.500");
	assert_line(text, "derivd_errors_total{source=\"queue\",kind=\"a\\\"b\\\\c\"} 2");
	/* What is not known is left out. */
	assert_null(strstr(buf_str(text), "expiry_timestamp"));
}

static void histograms_add_up(void **state)
{
	AUTO(buf) struct buf *text = shown(RENDER_TEXT);

	assert_line(text, "derivd_issuance_duration_seconds_bucket{le=\"0.050\"} 2");
	assert_line(text, "derivd_issuance_duration_seconds_bucket{le=\"1.000\"} 3");
	assert_line(text, "derivd_issuance_duration_seconds_bucket{le=\"+Inf\"} 4");
	assert_line(text, "derivd_issuance_duration_seconds_sum 2.075");
	assert_line(text, "derivd_issuance_duration_seconds_count 4");
}

static void a_derivd_that_is_away_is_down(void **state)
{
	AUTO(buf) struct buf *text = render(NULL, "unreachable", RENDER_TEXT);

	assert_line(text, "derivd_up 0");
	assert_line(text, "derivd_scrape_failure{kind=\"unreachable\"} 1");
}

/* --- HTTP --- */

static struct http_request asked(const char *head)
{
	struct http_request q;

	http_parse(BYTES(head, strlen(head)), &q);
	return q;
}

static void a_head_ends_with_an_empty_line(void **state)
{
	assert_int_equal(http_head_len(BYTES("GET / HTTP/1.1\r\n", 16)), 0);
	assert_int_equal(http_head_len(BYTES("GET / HTTP/1.1\r\n\r\nx", 19)), 18);
	assert_int_equal(http_head_len(BYTES("GET / HTTP/1.1\n\nx", 17)), 16);
	assert_int_equal(http_head_len(BYTES("", 0)), 0);
}

static void what_is_asked_for_in_another_way_is_refused(void **state)
{
	assert_int_equal(asked("GET /metrics HTTP/1.1\r\n\r\n").status, 200);
	assert_int_equal(asked("GET /metrics?x=1 HTTP/1.0\n\n").status, 200);
	assert_true(asked("HEAD /metrics HTTP/1.1\r\n\r\n").head_only);
	assert_int_equal(asked("GET /metricsx HTTP/1.1\r\n\r\n").status, 404);
	assert_int_equal(asked("GET / HTTP/1.1\r\n\r\n").status, 404);
	assert_int_equal(asked("POST /metrics HTTP/1.1\r\n\r\n").status, 405);
	assert_int_equal(asked("GET /metrics\r\n\r\n").status, 400);
	assert_int_equal(asked("\r\n\r\n").status, 400);
	assert_int_equal(asked("GET /metrics HTTP/2\r\n\r\n").status, 400);
}

static void whoever_accepts_openmetrics_gets_it(void **state)
{
	assert_int_equal(asked("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").format, RENDER_TEXT);
	assert_int_equal(asked("GET /metrics HTTP/1.1\r\naCCept: "
			       "application/openmetrics-text;version=1.0.0,*/*\r\n\r\n")
				 .format,
		RENDER_OPENMETRICS);
	assert_int_equal(
		asked("GET /metrics HTTP/1.1\r\nX: application/openmetrics-text\r\n\r\n").format,
		RENDER_TEXT);
}

static void an_answer_says_how_long_it_is(void **state)
{
	const struct http_request get = { .status = 200, .format = RENDER_TEXT };
	const struct http_request head = { .status = 200, .head_only = true };
	const struct http_request wrong = { .status = 405 };
	AUTO(buf) struct buf *body = buf_new();

	buf_add_str(body, "derivd_up 1\n");
	AUTO(buf) struct buf *got = http_answer(&get, body);
	AUTO(buf) struct buf *only_head = http_answer(&head, body);
	AUTO(buf) struct buf *refused = http_answer(&wrong, NULL);
	assert_non_null(strstr(buf_str(got), "\r\nContent-Length: 12\r\n"));
	assert_non_null(strstr(buf_str(got), "\r\n\r\nderivd_up 1\n"));
	assert_non_null(strstr(buf_str(only_head), "\r\nContent-Length: 12\r\n"));
	assert_null(strstr(buf_str(only_head), "derivd_up"));
	assert_non_null(strstr(buf_str(refused), "HTTP/1.1 405 Method Not Allowed\r\n"));
	assert_non_null(strstr(buf_str(refused), "\r\nAllow: GET, HEAD\r\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openmetrics_names_counters_without_total),
		cmocka_unit_test(the_older_format_names_them_with_it),
		cmocka_unit_test(numbers_are_seconds_and_labels_are_escaped),
		cmocka_unit_test(histograms_add_up),
		cmocka_unit_test(a_derivd_that_is_away_is_down),
		cmocka_unit_test(a_head_ends_with_an_empty_line),
		cmocka_unit_test(what_is_asked_for_in_another_way_is_refused),
		cmocka_unit_test(whoever_accepts_openmetrics_gets_it),
		cmocka_unit_test(an_answer_says_how_long_it_is),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
