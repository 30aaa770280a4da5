/* test_courier.c: derivd-courier against a real web server: what it brings, and what it does not. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "daemon/courier/address.h"
#include "daemon/courier/fetch.h"
#include "proto/courier.pb-c.h"
#include "proto/kind.h"
#include "proto/peer.h"
#include "tests/unit/stand.h"

static unsigned int port;

static struct err *get(const struct fetch_rules *rules, const char *path, size_t max, uint32_t ms,
	struct fetched **ret)
{
	AUTO_MEM char *url = xasprintf("http://127.0.0.1:%u%s", port, path);
	const struct fetch f = {
		.url = url, .max_bytes = max, .timeout_ms = ms, .accept = "application/pkix-crl"
	};

	return fetch_get(rules, &f, ret);
}

static const struct fetch_rules loopback = { .allow = { "http://127.0.0.1:*" } };

static void brings_what_is_there(void **state)
{
	AUTO(fetched) struct fetched *f = NULL;
	AUTO(fetched) struct fetched *followed = NULL;
	AUTO(fetched) struct fetched *headers = NULL;

	assert_ok(get(&loopback, "/good", 4, 3000, &f));
	assert_string_equal(buf_str(f->body), "good");
	assert_string_equal(f->content_type, "application/pkix-crl");
	assert_ok(get(&loopback, "/to-good", 4, 3000, &followed));
	assert_string_equal(buf_str(followed->body), "good");
	assert_ok(get(&loopback, "/headers", 4000, 3000, &headers));
	assert_non_null(strstr(buf_str(headers->body), "Accept: application/pkix-crl"));
	assert_null(strstr(buf_str(headers->body), "Cookie"));
	assert_null(strstr(buf_str(headers->body), "Authorization"));
}

static void tells_what_is_missing(void **state)
{
	AUTO(fetched) struct fetched *f = NULL;

	assert_ok(get(&loopback, "/nothing", 1000, 3000, &f));
	assert_int_equal(f->status, 404);
}

static void stops_at_the_size(void **state)
{
	AUTO(fetched) struct fetched *f = NULL;
	AUTO(fetched) struct fetched *exact = NULL;

	assert_err_text(get(&loopback, "/large", 4999, 3000, &f), &ERR_LIMIT, "larger than 4999");
	assert_ok(get(&loopback, "/large", 5000, 3000, &exact));
	assert_err_text(get(&loopback, "/endless", 100000, 5000, &f), &ERR_LIMIT, "larger than");
}

static void stops_at_the_time(void **state)
{
	AUTO(fetched) struct fetched *f = NULL;

	assert_err(get(&loopback, "/slow", 1000, 500, &f), &ERR_TIMEOUT);
	assert_err(get(&loopback, "/good", 0, 500, &f), &ERR_FORMAT);
	assert_err(get(&loopback, "/good", 10, 0, &f), &ERR_FORMAT);
	assert_err(get(&loopback, "/good", FETCH_BYTES_MAX + 1, 500, &f), &ERR_FORMAT);
}

static void goes_nowhere_else(void **state)
{
	static const char *const paths[] = { "/to-file", "/to-gopher", "/to-other",
		"/to-metadata" };
	AUTO(fetched) struct fetched *f = NULL;

	for (size_t i = 0; i < ARRAY_LEN(paths); i++)
		assert_err(get(&loopback, paths[i], 1000, 3000, &f), &ERR_POLICY);
	assert_err_text(get(&loopback, "/to-loop", 1000, 3000, &f), &ERR_COURIER, "redirections");
}

/* A name that leads home, an address that no glob names, another scheme. */
static void keeps_out_of_this_machine(void **state)
{
	static const struct fetch_rules any = { .allow = { "http://*", "https://*" } };
	static const struct fetch_rules none = { .allow = { "http://crl.example.org/*" } };
	AUTO(fetched) struct fetched *f = NULL;
	AUTO_MEM char *name = xasprintf("http://localhost:%u/good", port);
	struct fetch by_name = { .url = name, .max_bytes = 100, .timeout_ms = 3000 };
	struct fetch file = { .url = "file:///etc/passwd", .max_bytes = 100, .timeout_ms = 3000 };

	assert_err_text(get(&any, "/good", 100, 3000, &f), &ERR_POLICY, "this machine");
	assert_err_text(fetch_get(&any, &by_name, &f), &ERR_POLICY, "this machine");
	assert_err_text(get(&none, "/good", 100, 3000, &f), &ERR_POLICY, "courier.conf");
	assert_err(fetch_get(&any, &file, &f), &ERR_FORMAT);
}

static void ignores_the_environment(void **state)
{
	AUTO(fetched) struct fetched *f = NULL;

	assert_int_equal(setenv("http_proxy", "http://127.0.0.1:1/", 1), 0);
	assert_ok(get(&loopback, "/good", 100, 3000, &f));
	assert_int_equal(unsetenv("http_proxy"), 0);
}

static void uses_a_proxy_that_is_configured(void **state)
{
	static const struct fetch_rules rules = { .allow = { "http://127.0.0.1:*" },
		.proxy = "http://127.0.0.1:1" };
	AUTO(fetched) struct fetched *f = NULL;

	assert_err_text(get(&rules, "/good", 100, 3000, &f), &ERR_COURIER, "127.0.0.1");
}

static bool is_special(const char *text)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };

	if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
		return address_is_special((const struct sockaddr *)&v4);
	assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
	return address_is_special((const struct sockaddr *)&v6);
}

static void knows_special_addresses(void **state)
{
	static const char *const special[] = { "0.0.0.0", "127.0.0.1", "127.255.0.9",
		"169.254.169.254", "100.100.100.200", "192.0.0.192", "224.0.0.1", "255.255.255.255",
		"::", "::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1",
		"2002:7f00:1::", "64:ff9b:1::a9fe:a9fe", "::ffff:0:127.0.0.1", "fe80::1", "ff02::1",
		"fd00:ec2::254", "::127.0.0.1" };
	static const char *const fine[] = { "10.1.2.3", "172.16.0.1", "192.168.1.1", "8.8.8.8",
		"100.64.0.1", "2001:db8::1", "fd12:3456::1", "::ffff:10.0.0.1", "64:ff9b::808:808",
		"64:ff9b:1::808:808", "64:ff9b:2::7f00:1" };

	for (size_t i = 0; i < ARRAY_LEN(special); i++)
		if (!is_special(special[i]))
			fail_msg("%s", special[i]);
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		if (is_special(fine[i]))
			fail_msg("%s", fine[i]);
}

/* --- a network whose name server never answers --- */

#define CANNOT 77

static bool set_up_mute_network(void)
{
	static const char conf[] = "nameserver 127.0.0.1\n";
	char path[] = "/tmp/derivd-courier-test.XXXXXX";
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(53) };
	struct ifreq loopback_up = { .ifr_name = "lo", .ifr_flags = IFF_UP };

	if (unshare(CLONE_NEWNS | CLONE_NEWNET) != 0 ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	int udp = socket(AF_INET, SOCK_DGRAM, 0), fd = mkstemp(path);
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	bool fine = ioctl(udp, SIOCSIFFLAGS, &loopback_up) == 0 &&
		    bind(udp, (const struct sockaddr *)&server, sizeof(server)) == 0 &&
		    write(fd, conf, strlen(conf)) == (ssize_t)strlen(conf) &&
		    mount(path, "/etc/resolv.conf", NULL, MS_BIND, NULL) == 0;
	unlink(path);
	return fine;
}

static int ask_in_mute_network(void)
{
	static const struct fetch_rules any = { .allow = { "http://*" } };
	static const struct fetch f = {
		.url = "http://crl.example.org/x", .max_bytes = 100, .timeout_ms = 500
	};
	AUTO(fetched) struct fetched *fetched = NULL;

	if (!set_up_mute_network())
		return CANNOT;
	int64_t began = clock_boot_ms();
	AUTO(err) struct err *e = fetch_get(&any, &f, &fetched);
	return err_is(e, &ERR_TIMEOUT) && clock_boot_ms() - began < 4000 ? 0 : 1;
}

static void a_mute_name_server_takes_no_more_time(void **state)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(ask_in_mute_network());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == CANNOT)
		unit_skip("no network of one's own can be made here: not root");
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The program itself, with a connection passed in. */
static void serves_a_connection(void **state)
{
	AUTO_MEM char *program = stand_program("derivd-courier");
	AUTO_MEM char *url = xasprintf("http://127.0.0.1:%u/good", port);
	AUTO_MSG Courier__Fetched *fetched = NULL;
	Courier__Fetch q = COURIER__FETCH__INIT;
	char dir[] = "/tmp/derivd-courier-test.XXXXXX";
	static const char conf[] = "allow = {\"http://127.0.0.1:*\"}\n";
	int fd;

	assert_non_null(mkdtemp(dir));
	AUTO_MEM char *path = xasprintf("%s/courier.conf", dir);
	assert_ok(io_write_file(path, BYTES(conf, strlen(conf)), 0644));
	assert_int_equal(setenv("CONFIGURATION_DIRECTORY", dir, 1), 0);
	pid_t pid = stand_connect(program, &fd);
	AUTO(peer) struct peer *p = peer_new(fd, LINK_COURIER, SIDE_CLIENT);
	assert_ok(peer_hello(p, "test", 5000));
	q.url = url;
	q.accept = url + strlen(url);
	q.max_bytes = 100;
	q.timeout_ms = 3000;
	assert_ok(peer_call(p, MSG_COURIER_FETCH, &q, MSG_COURIER_FETCHED, 5000, &fetched));
	assert_int_equal(fetched->body.len, 4);
	assert_int_equal(fetched->status, 200);
	url[0] = 'f';
	struct err *e = peer_call(p, MSG_COURIER_FETCH, &q, MSG_COURIER_FETCHED, 5000, &fetched);
	assert_err(e, &ERR_FORMAT);
	stand_stop(pid);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brings_what_is_there),
		cmocka_unit_test(tells_what_is_missing),
		cmocka_unit_test(stops_at_the_size),
		cmocka_unit_test(stops_at_the_time),
		cmocka_unit_test(goes_nowhere_else),
		cmocka_unit_test(keeps_out_of_this_machine),
		cmocka_unit_test(ignores_the_environment),
		cmocka_unit_test(uses_a_proxy_that_is_configured),
		cmocka_unit_test(knows_special_addresses),
		cmocka_unit_test(a_mute_name_server_takes_no_more_time),
		cmocka_unit_test(serves_a_connection),
	};

	fetch_start();
	pid_t web = stand_web("/tmp", &port);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	stand_stop(web);
	return failed;
}
