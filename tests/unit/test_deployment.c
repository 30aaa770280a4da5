/* test_deployment.c: deployment.conf and the content of the QR code. */
#include "tests/unit/unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "evidence/invitation.h"
#include "proto/host.h"

static char dir[] = "/tmp/derivd-deployment-XXXXXX";
static char *path;

static int make_dir(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	path = xasprintf("%s/deployment.conf", dir);
	return 0;
}

static int remove_dir(void **state)
{
	unlink(path);
	rmdir(dir);
	free(path);
	return 0;
}

static struct deployment sample(void)
{
	static char host[] = "kiosk.example.org";
	struct deployment d = { .host = host, .port = 8443, .pins_epoch = 7, .n_pins = 2 };

	memset(d.id, 1, sizeof(d.id));
	memset(d.kiosk, 2, sizeof(d.kiosk));
	memset(d.delivery_public, 3, sizeof(d.delivery_public));
	memset(d.receipt_public, 4, sizeof(d.receipt_public));
	memset(d.pins[0], 5, SHA256_LEN);
	memset(d.pins[1], 6, SHA256_LEN);
	return d;
}

static struct err *load_text(const char *text, struct deployment **ret_deployment)
{
	assert_ok(io_write_file(path, BYTES(text, strlen(text)), 0644));
	return deployment_load(path, ret_deployment);
}

static void comes_back(void **state)
{
	static char pem[] = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
	struct deployment d = sample();
	AUTO(deployment) struct deployment *got = NULL;

	d.import_certificate = pem;
	AUTO(buf) struct buf *text = deployment_write(&d);
	assert_ok(load_text(buf_str(text), &got));
	assert_memory_equal(got->id, d.id, sizeof(d.id));
	assert_memory_equal(got->kiosk, d.kiosk, sizeof(d.kiosk));
	assert_memory_equal(got->delivery_public, d.delivery_public, sizeof(d.delivery_public));
	assert_memory_equal(got->receipt_public, d.receipt_public, sizeof(d.receipt_public));
	assert_string_equal(got->host, d.host);
	assert_int_equal(got->port, 8443);
	assert_int_equal(got->n_pins, 2);
	assert_int_equal(got->pins_epoch, 7);
	assert_memory_equal(got->pins[1], d.pins[1], SHA256_LEN);
	assert_string_equal(got->import_certificate, pem);
}

/* Each line of a good file left out, or made bad. */
static void every_key_is_needed(void **state)
{
	static const char *const keys[] = { "id", "kiosk", "delivery-key", "receipt-key", "host",
		"port", "gateway-pins" };
	struct deployment d = sample();
	AUTO(buf) struct buf *text = deployment_write(&d);

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		AUTO(deployment) struct deployment *got = NULL;
		AUTO_MEM char *copy = xstrdup(buf_str(text));
		AUTO_MEM char *line = xasprintf("\n%s = ", keys[i]);
		char *at = strstr(copy, line);
		assert_non_null(at);
		char *end = strchr(at + 1, i == 6 ? '}' : '\n');
		memmove(at + 1, end + 1, strlen(end + 1) + 1);
		assert_err_text(load_text(copy, &got), &ERR_CONFIG, keys[i]);
	}
}

static void bad_values(void **state)
{
	static const char *const lines[] = { "id = \"01\"\n", "id = \"zz\"\n", "host = \"a b\"\n",
		"port = 70000\n", "gateway-pins = {}\n", "gateway-pins = {\"00\"}\n",
		"surprise = 1\n", "pins-epoch = -1\n", "host = \"\n" };
	struct deployment d = sample();
	AUTO(buf) struct buf *text = deployment_write(&d);

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		AUTO(deployment) struct deployment *got = NULL;
		AUTO_MEM char *bad = xasprintf("%s%s", buf_str(text), lines[i]);
		assert_err(load_text(bad, &got), &ERR_CONFIG);
	}
}

/* Whoever can write the file decides whom the kiosk trusts. */
static void who_may_write(void **state)
{
	struct deployment d = sample();
	AUTO(buf) struct buf *text = deployment_write(&d);
	AUTO(deployment) struct deployment *got = NULL;
	AUTO_MEM char *drop_ins = xasprintf("%s.d", path);

	assert_ok(load_text(buf_str(text), &got));
	deployment_free(take(got));
	chmod(path, 0664);
	assert_err_text(deployment_load(path, &got), &ERR_CONFIG, "chmod");
	chmod(path, 0646);
	assert_err_text(deployment_load(path, &got), &ERR_CONFIG, "chmod");
	chmod(path, 0644);
	chmod(dir, 0777);
	assert_err_text(deployment_load(path, &got), &ERR_CONFIG, "chmod");
	chmod(dir, 0700);
	mkdir(drop_ins, 0755);
	assert_err_text(deployment_load(path, &got), &ERR_CONFIG, "drop-ins");
	rmdir(drop_ins);
	if (geteuid() == 0) {
		assert_int_equal(chown(path, 12345, 0), 0);
		assert_err_text(deployment_load(path, &got), &ERR_CONFIG, "root");
	}
	unlink(path);
	assert_err(deployment_load(path, &got), &ERR_NOTFOUND);
	assert_null(got);
}

static void hosts(void **state)
{
	static const char *const good[] = { "a", "kiosk.example.org", "192.0.2.1", "2001:db8::1",
		"::1", "xn--bcher-kva.example" };
	static const char *const bad[] = { "", ".", "a..b", "-a.b", "a-.b", "a b", "a_b", "[::1]",
		"a/b", "host:80", "a.", "1:2" };

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(host_is_good(good[i]));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(host_is_good(bad[i]));
}

/* --- the QR code --- */

static struct invitation_uri invitation(char *host)
{
	struct invitation_uri u = { .host = host, .port = 443, .n_pins = 1 };

	for (size_t i = 0; i < 32; i++)
		u.seed[i] = (uint8_t)i;
	memset(u.deployment, 0xd1, sizeof(u.deployment));
	memset(u.delivery_hash, 0xff, SHA256_LEN);
	memset(u.pins[0], 0xfe, SHA256_LEN);
	return u;
}

static void invitations_come_back(void **state)
{
	static char hosts[][32] = { "kiosk.example.org", "192.0.2.1", "2001:db8::1" };

	for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
		struct invitation_uri u = invitation(hosts[i]);
		AUTO(invitation_uri) struct invitation_uri *got = NULL;
		AUTO_MEM char *text = invitation_uri_text(&u);
		assert_ok(invitation_uri_parse(text, &got));
		assert_string_equal(got->host, hosts[i]);
		assert_int_equal(got->port, 443);
		assert_memory_equal(got->seed, u.seed, 32);
		assert_memory_equal(got->deployment, u.deployment, DEPLOYMENT_ID_LEN);
		assert_memory_equal(got->delivery_hash, u.delivery_hash, SHA256_LEN);
		assert_int_equal(got->n_pins, 1);
		assert_memory_equal(got->pins[0], u.pins[0], SHA256_LEN);
	}
}

#define D "d=0dHR0dHR0dHR0dHR0dHR0Q"
#define S "s=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define K "k=__________________________________________8"
#define P "p=_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v4"

static void the_exact_text(void **state)
{
	static char host[] = "kiosk.example.org";
	struct invitation_uri u = invitation(host);
	AUTO_MEM char *text = invitation_uri_text(&u);

	assert_string_equal(text, "derivd:1?h=kiosk.example.org:443&" D "&" S "&" K "&" P);
}

static void other_texts(void **state)
{
	static const char *const bad[] = {
		"",
		"derivd:1?",
		"derivd:2?h=a:1&" D "&" S "&" K "&" P,
		"http://example.org",
		"derivd:1?h=a:1",
		"derivd:1?h=a:1&" D "&" S "&" K,
		"derivd:1?h=a:1&" D "&" K "&" P,       /* no seed */
		"derivd:1?h=a:1&" S "&" D "&" K "&" P, /* another order */
		"derivd:1?h=a:1&" D "&" S "&" K "&" P "&" P "&" P "&" P "&" P,
		"derivd:1?h=a:1&" D "&" D "&" S "&" K "&" P,
		"derivd:1?h=a:1&h=a:1&" D "&" S "&" K "&" P,
		"derivd:1?h=a:1&" D "&" S "&" K "&" P "&x=1",
		"derivd:1?h=a:1&" D "&" S "&" K "&" P "&",
		"derivd:1?h=a:01&" D "&" S "&" K "&" P,
		"derivd:1?h=a:0&" D "&" S "&" K "&" P,
		"derivd:1?h=a:65536&" D "&" S "&" K "&" P,
		"derivd:1?h=a&" D "&" S "&" K "&" P,
		"derivd:1?h=:1&" D "&" S "&" K "&" P,
		"derivd:1?h=[a]:1&" D "&" S "&" K "&" P,
		"derivd:1?h=::1:1&" D "&" S "&" K "&" P,
		"derivd:1?h=a:1&" D "=&" S "&" K "&" P,
		"derivd:1?h=a:1&d=0dHR0dHR0dHR0dHR0dHR0R&" S "&" K "&" P, /* last bits not zero */
		"derivd:1?h=a:1&d=0dHR&" S "&" K "&" P,
		"derivd:1?h=a\x1b:1&" D "&" S "&" K "&" P,
	};

	AUTO(invitation_uri) struct invitation_uri *got = NULL;
	assert_ok(invitation_uri_parse("derivd:1?h=a:1&" D "&" S "&" K "&" P, &got));
	invitation_uri_free(take(got));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_err(invitation_uri_parse(bad[i], &got), &ERR_FORMAT);
	AUTO_MEM char *longest = xcalloc(1, 5000);
	memset(longest, 'p', 4999);
	memcpy(longest, "derivd:1?h=", 11);
	assert_err(invitation_uri_parse(longest, &got), &ERR_FORMAT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comes_back),
		cmocka_unit_test(every_key_is_needed),
		cmocka_unit_test(bad_values),
		cmocka_unit_test(who_may_write),
		cmocka_unit_test(hosts),
		cmocka_unit_test(invitations_come_back),
		cmocka_unit_test(the_exact_text),
		cmocka_unit_test(other_texts),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
