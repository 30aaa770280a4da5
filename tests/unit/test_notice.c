/* test_notice.c: what derivd-courier tells people, and what it does not let itself be told. */
#include "tests/unit/unit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/text.h"
#include "daemon/courier/hook.h"
#include "daemon/courier/notice.h"
#include "daemon/courier/smtp.h"
#include "proto/kind.h"
#include "proto/msg.h"
#include "tests/unit/enrollment.h"

static struct enrollment *made;
static struct deployment deployment;
static uint8_t id[16];
static char host[] = "kiosk.example.org";
static Common__Purpose purposes[] = { COMMON__PURPOSE__AUTHENTICATION, COMMON__PURPOSE__SIGNING };

static Courier__Notice about(Courier__NoticeKind kind)
{
	Courier__Notice m = COURIER__NOTICE__INIT;

	m.id = pb_lend(BYTES(id, sizeof(id)));
	m.kind = kind;
	m.receipt = &made->wire_receipt;
	m.purposes = purposes;
	m.n_purposes = ARRAY_LEN(purposes);
	m.when_ms = 1700000000000;
	return m;
}

static struct err *open_it(const Courier__Notice *m, struct notice **ret)
{
	return notice_open(m, &deployment, "the help desk", ret);
}

static void the_receipt_says_to_whom(void **state)
{
	Courier__Notice m = about(COURIER__NOTICE_KIND__ISSUED);
	AUTO(notice) struct notice *n = NULL;

	assert_ok(open_it(&m, &n));
	AUTO_MEM char *text = notice_text(n);
	assert_non_null(strstr(text, "Hello Ann Example,"));
	assert_non_null(strstr(text, "authentication, signing"));
	assert_non_null(strstr(text, "2023-11-14T22:13:20Z"));
	assert_non_null(strstr(text, "the help desk"));
	assert_non_null(strstr(text, n->device));
	/* This card has no address. */
	assert_null(notice_mail(n));
	AUTO_MEM char *json = notice_json(n);
	assert_non_null(strstr(json, "\"notice\":\"issued\""));
	assert_non_null(strstr(json, "\"name\":\"Ann Example\""));
	assert_null(strstr(json, "\"mail\""));
}

static void a_receipt_of_nobody_s_is_refused(void **state)
{
	Courier__Notice m = about(COURIER__NOTICE_KIND__ISSUED);
	AUTO(notice) struct notice *n = NULL;

	deployment.receipt_public[0] ^= 1;
	struct err *e = open_it(&m, &n);
	deployment.receipt_public[0] ^= 1;
	assert_err(e, &ERR_SIGNATURE_BAD);
	deployment.id[0] ^= 1;
	e = open_it(&m, &n);
	deployment.id[0] ^= 1;
	assert_err(e, &ERR_FORMAT);
	m.receipt = NULL;
	assert_err(open_it(&m, &n), &ERR_FORMAT);
	m = about(COURIER__NOTICE_KIND__NOTICE_UNSET);
	assert_err(open_it(&m, &n), &ERR_FORMAT);
}

static void troubles_have_names_and_no_words(void **state)
{
	static char event[] = "job-blocked", kind[] = "ca-misconfigured", words[] = "Call 555 now!";
	Courier__Notice m = about(COURIER__NOTICE_KIND__OPERATORS);
	Courier__Trouble t = COURIER__TROUBLE__INIT, *list[] = { &t };
	AUTO(notice) struct notice *n = NULL;

	m.troubles = list;
	m.n_troubles = 1;
	t.event = event;
	t.error = kind;
	t.count = 3;
	assert_ok(open_it(&m, &n));
	AUTO_MEM char *text = notice_text(n);
	assert_non_null(strstr(text, "job-blocked (ca-misconfigured), 3 times"));
	AUTO(notice) struct notice *bad = NULL;
	t.event = words;
	assert_err(open_it(&m, &bad), &ERR_FORMAT);
	t.event = event;
	t.error = words;
	assert_err(open_it(&m, &bad), &ERR_FORMAT);
}

static void plain_addresses_only(void **state)
{
	static const char *const good[] = { "ada@example.org", "a.b+c@x.example-1.org", "o'neil@e.org" };
	static const char *const bad[] = { "", "@", "ada", "ada@", "@example.org", "a b@example.org",
		"ada@example.org\r\nRCPT TO:<eve@example.org>", "a>@example.org", "a@b@c", "-f@example.org",
		"\"a\"@example.org", "ada@[127.0.0.1]", "\xc3\xa4@example.org", "ada@example.org,eve@e.org" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(address_is_plain(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(address_is_plain(bad[i]));
}

/* --- the command --- */

static char dir[] = "/tmp/derivd-notice-test.XXXXXX";

static char *script(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);

	assert_ok(io_write_file(path, BYTES(text, strlen(text)), 0755));
	return path;
}

static void a_command_gets_arguments_and_json(void **state)
{
	AUTO_MEM char *out = xasprintf("%s/out", dir);
	AUTO_MEM char *text = xasprintf("#!/bin/sh\necho \"$1|$2|$3\" >%s; cat >>%s\n", out, out);
	AUTO_MEM char *path = script("tell", text);
	const struct hook_rules rules = { .words = { path, "$(id) ; *" }, .timeout_ms = 20000 };
	AUTO(buf) struct buf *got = NULL;

	assert_ok(hook_run(&rules, "issued", "{\"a\":1}"));
	assert_ok(io_read_file(out, 1000, &got));
	assert_string_equal(buf_str(got), "$(id) ; *|issued|\n{\"a\":1}");
}

static void a_command_that_fails_or_hangs(void **state)
{
	AUTO_MEM char *fails = script("fails", "#!/bin/sh\nexit 3\n");
	AUTO_MEM char *hangs = script("hangs", "#!/bin/sh\nsleep 600 & wait\n");
	struct hook_rules rules = { .words = { fails }, .timeout_ms = 20000 };
	int64_t begun = clock_boot_ms();

	assert_err_text(hook_run(&rules, "issued", "{}"), &ERR_NOTICE, "status 3");
	rules.words[0] = "/nothing/there";
	assert_err_text(hook_run(&rules, "issued", "{}"), &ERR_NOTICE, "status 127");
	rules.words[0] = hangs;
	rules.timeout_ms = 300;
	assert_err_text(hook_run(&rules, "issued", "{}"), &ERR_NOTICE, "did not end");
	assert_true(clock_boot_ms() - begun < 20000);
}

static void nobody_there_is_said(void **state)
{
	Courier__Notice m = about(COURIER__NOTICE_KIND__ISSUED);
	Courier__Noticed done = COURIER__NOTICED__INIT;
	struct settings s = { .smtp = { .url = "smtp://127.0.0.1:1", .from = "k@example.org" } };
	AUTO(notice) struct notice *n = NULL;
	struct err *trouble = NULL;

	assert_ok(open_it(&m, &n));
	assert_err_text(notice_send(&s, n, &done, &trouble), &ERR_NOTICE_NOBODY, "no mail address");
	s.smtp.url = NULL;
	assert_err_text(notice_send(&s, n, &done, &trouble), &ERR_NOTICE_NOBODY, "neither");
}

/* What is done is not done again because something else failed. */
static void a_half_is_remembered(void **state)
{
	Courier__Notice m = about(COURIER__NOTICE_KIND__OPERATORS);
	Courier__Noticed done = COURIER__NOTICED__INIT;
	AUTO_MEM char *tells = script("tells", "#!/bin/sh\ncat >/dev/null\n");
	struct settings s = { .smtp = { .url = "smtp://127.0.0.1:1", .from = "k@example.org",
				      .n_operators = 1, .operators = { "ops@example.org" } },
		.hook = { .words = { tells }, .timeout_ms = 20000 } };
	AUTO(notice) struct notice *n = NULL;
	struct err *trouble = NULL;

	assert_ok(open_it(&m, &n));
	assert_ok(notice_send(&s, n, &done, &trouble));
	assert_true(done.hooked);
	assert_false(done.mailed);
	assert_err(trouble, &ERR_NOTICE);
	m.hooked = true;
	assert_err_text(notice_send(&s, n, &done, &trouble), &ERR_NOTICE, "127.0.0.1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_receipt_says_to_whom),
		cmocka_unit_test(a_receipt_of_nobody_s_is_refused),
		cmocka_unit_test(troubles_have_names_and_no_words),
		cmocka_unit_test(plain_addresses_only),
		cmocka_unit_test(a_command_gets_arguments_and_json),
		cmocka_unit_test(a_command_that_fails_or_hangs),
		cmocka_unit_test(nobody_there_is_said),
		cmocka_unit_test(a_half_is_remembered),
	};

	fetch_start();
	made = enrollment_new();
	enrollment_build(made);
	deployment.host = host;
	memcpy(deployment.receipt_public, made->receipt_public, ED25519_PUBLIC_LEN);
	memcpy(deployment.id, made->offer.deployment, DEPLOYMENT_ID_LEN);
	if (!mkdtemp(dir))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	static const char *const left[] = { "tell", "fails", "hangs", "tells", "out" };
	for (size_t i = 0; i < ARRAY_LEN(left); i++) {
		AUTO_MEM char *path = xasprintf("%s/%s", dir, left[i]);
		unlink(path);
	}
	rmdir(dir);
	enrollment_free(made);
	return failed;
}
