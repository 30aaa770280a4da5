/* test_ctl_setup.c: what answers of derivctl setup must be, and the one form that they are brought into. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"

typedef struct err *check_function(struct setup *s, struct setup_answer *a);

/* The values that stay, with blanks between; or the kind of the refusal. The caller frees. */
static char *judge(check_function *check, const char *line)
{
	struct ctl c = { 0 };
	struct setup s = { .ctl = &c };
	struct setup_answer a = { 0 };
	AUTO(buf) struct buf *out = buf_new();
	AUTO(err) struct err *e = setup_parse(line, &a);

	if (!e)
		e = check(&s, &a);
	for (size_t i = 0; !e && i < a.n; i++)
		buf_addf(out, "%s%s", i ? " " : "", a.values[i]);
	if (e)
		buf_addf(out, "<%s>", err_get_kind(e)->name);
	setup_answer_clear(&a);
	return xstrdup(buf_str(out));
}

/* What a refusal says. The caller frees. */
static char *why(check_function *check, const char *line)
{
	struct ctl c = { 0 };
	struct setup s = { .ctl = &c };
	struct setup_answer a = { 0 };

	assert_ok(setup_parse(line, &a));
	AUTO(err) struct err *e = check(&s, &a);
	setup_answer_clear(&a);
	assert_non_null(e);
	return xstrdup(err_get_text(e));
}

static void expect(check_function *check, const char *line, const char *expected)
{
	AUTO_MEM char *found = judge(check, line);

	if (strcmp(found, expected) != 0)
		fail_msg("\"%s\" gives \"%s\", not \"%s\"", line, found, expected);
}

static void lists(void **state)
{
	struct setup_answer a = { 0 };

	assert_ok(setup_parse(" a , b c,,d ", &a));
	assert_int_equal(a.n, 3);
	assert_string_equal(a.values[1], "b c");
	setup_answer_clear(&a);
	assert_ok(setup_parse("none", &a));
	assert_int_equal(a.n, 0);
	assert_true(a.given);
	assert_ok(setup_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16", &a));
	setup_answer_clear(&a);
	assert_err(setup_parse("1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17", &a), &SETUP_ERR_ANSWER);
	(void)state;
}

static void organizations(void **state)
{
	expect(check_organization, "Example Agency", "Example Agency");
	expect(check_organization, "none", "<answer>");
	expect(check_organization,
		"12345678901234567890123456789012345678901234567890123456789012345", "<answer>");
	expect(check_organization, "a\033[2Jb", "<answer>");
	expect(check_organization, "A ${name}", "<answer>");
	(void)state;
}

static void ports(void **state)
{
	expect(check_port, "17443", "17443");
	expect(check_port, "0443", "<answer>");
	expect(check_port, "0", "<answer>");
	expect(check_port, "65536", "<answer>");
	expect(check_port, "7443,7444", "<answer>");
	expect(check_port, "https", "<answer>");
	/* One that somebody listens at, whoever that is. */
	AUTO_FD int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(address);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	AUTO_MEM char *port = xasprintf("%d", ntohs(address.sin_port));
	expect(check_port, port, "<doubt>");
	(void)state;
}

static void hosts(void **state)
{
	expect(check_host, "kiosk example", "<answer>");
	expect(check_host, "https://kiosk", "<answer>");
	expect(check_host, "kiosk:7443", "<answer>");
	expect(check_host, "none", "<answer>");
	/* Nobody else gets there, but whoever says so may know why. */
	expect(check_host, "localhost", "<doubt>");
	expect(check_host, "127.0.0.1", "<doubt>");
	expect(check_host, "::1", "<doubt>");
	/* TEST-NET-3: no machine has it. */
	expect(check_host, "203.0.113.7", "<doubt>");
	(void)state;
}

static void policies(void **state)
{
	expect(check_policies, "2.16.840.1.101.3.2.1.3.13, 1.2.3",
		"2.16.840.1.101.3.2.1.3.13 1.2.3");
	expect(check_policies, "none", "");
	expect(check_policies, "clientAuth", "<answer>");
	expect(check_policies, "1..2", "<answer>");
	expect(check_policies, "9.1", "<answer>");
	(void)state;
}

static void yes_or_no(void **state)
{
	expect(check_others, "yes", "same-subject");
	expect(check_others, "Y", "same-subject");
	expect(check_others, "same-subject", "same-subject");
	expect(check_others, "no", "");
	expect(check_others, "none", "");
	expect(check_others, "perhaps", "<answer>");
	(void)state;
}

static void addresses_of_crls(void **state)
{
	expect(check_url, "http://PKI.example.org/x/", "http://pki.example.org/x");
	expect(check_url, "none", "");
	expect(check_url, "https://pki.example.org", "<answer>");
	expect(check_url, "ldap://pki.example.org", "<answer>");
	expect(check_url, "pki.example.org", "<answer>");
	expect(check_url, "http://pki.example.org/\"}", "<answer>");
	expect(check_url, "http://pki.example.org/${name}", "<answer>");
	(void)state;
}

static void mail(void **state)
{
	expect(check_mail, "kiosk@example.org, a@b", "kiosk@example.org a@b");
	expect(check_mail, "kiosk", "<answer>");
	expect(check_mail, "@example.org", "<answer>");
	expect(check_mail, "a@b@c", "<answer>");
	expect(check_mail, "A <a@b>", "<answer>");
	expect(check_mail, "a\"@b", "<answer>");
	expect(check_smtp, "127.0.0.1", "smtp://127.0.0.1:25");
	expect(check_smtp, "127.0.0.1:587", "smtp://127.0.0.1:587");
	expect(check_smtp, "smtps://[::1]", "smtps://[::1]:465");
	expect(check_smtp, "http://127.0.0.1", "<answer>");
	expect(check_smtp, "user@127.0.0.1", "<answer>");
	expect(check_smtp, "127.0.0.1:mail", "<answer>");
	expect(check_smtp, "[::1", "<answer>");
	expect(check_smtp, "none", "");
	assert_true(setup_is_local("smtp://127.0.0.1:25"));
	assert_true(setup_is_local("smtp://[::1]:25"));
	assert_true(setup_is_local("smtp://localhost:25"));
	assert_false(setup_is_local("smtp://203.0.113.7:25"));
	(void)state;
}

static void people(void **state)
{
	expect(check_people, "none", "");
	expect(check_people, "root", "<answer>");
	expect(check_people, "daemon", "daemon");
	expect(check_people, "daemon, no-such-user-here", "<answer>");
	(void)state;
}

static void files(void **state)
{
	expect(check_anchors, "none", "<answer>");
	expect(check_anchors, "/nonexistent", "<answer>");
	expect(check_anchors, "/dev/null", "<answer>");
	expect(check_escrow, "none", "<answer>");
	expect(check_escrow, "new", "new");
	expect(check_escrow, "new,/nonexistent", "<answer>");
	expect(check_escrow, "/nonexistent", "<answer>");
	AUTO_MEM char *nine = why(check_escrow, "1,2,3,4,5,6,7,8,9");
	assert_string_equal(nine, "these are more than 8");
	expect(check_keys, "keys", "<answer>");
	expect(check_keys, "/etc/passwd", "<answer>");
	expect(check_keys, "/tmp", "<answer>");
	expect(check_keys, "/nonexistent/keys", "<answer>");
	/* A file system that does not keep modes as others do, and everybody may look. */
	expect(check_keys, "/proc", "<doubt>");
	expect(check_keys, "/proc/derivd-keys", "<doubt>");
	expect(check_keys, "/usr/derivd-keys//", "/usr/derivd-keys");
	(void)state;
}

/* Who has a directory above it can put another one in its place. */
static void places_of_others(void **state)
{
	char top[] = "/tmp/derivd-setup-XXXXXX";

	if (geteuid() != 0)
		skip();
	assert_non_null(mkdtemp(top));
	AUTO_MEM char *keys = xasprintf("%s/keys", top);
	assert_int_equal(mkdir(keys, 0700), 0);
	expect(check_keys, keys, keys);
	assert_int_equal(chown(top, 1, 1), 0);
	expect(check_keys, keys, "<answer>");
	/* A link of theirs is gone through now, and not again. */
	AUTO_MEM char *link = xasprintf("%s/link", top);
	assert_int_equal(symlink("/root", link), 0);
	AUTO_MEM char *through = xasprintf("%s/derivd-keys", link);
	expect(check_keys, through, "/root/derivd-keys");
	assert_int_equal(unlink(link), 0);
	assert_int_equal(rmdir(keys), 0);
	assert_int_equal(rmdir(top), 0);
	(void)state;
}

/* Each question has what asking it takes, and each option another name. */
static void the_table(void **state)
{
	for (int key = 0; key < SETUP_ANSWERS; key++) {
		const struct question *q = &setup_questions[key];

		assert_true(q->option && q->value && q->is_needed && q->fallback && q->check &&
			    q->label && q->hint);
		for (int other = 0; other < key; other++)
			assert_string_not_equal(q->option, setup_questions[other].option);
	}
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(organizations),
		cmocka_unit_test(ports),
		cmocka_unit_test(hosts),
		cmocka_unit_test(policies),
		cmocka_unit_test(yes_or_no),
		cmocka_unit_test(addresses_of_crls),
		cmocka_unit_test(mail),
		cmocka_unit_test(people),
		cmocka_unit_test(files),
		cmocka_unit_test(places_of_others),
		cmocka_unit_test(the_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
