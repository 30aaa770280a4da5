/*
 * command_pins.c: derivd-ca pins: which keys of the gateway devices trust. Root changes deployment.conf; derivd sends what it
 * says to the devices, and every change has a higher number, so that no device ever goes back.
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"
#include "daemon/ca/approval.h"
#include "daemon/ca/command.h"
#include "daemon/ca/payload_fill.h"
#include "evidence/pinset.h"

#define DAY_MS (INT64_C(86400) * 1000)
#define DAYS_USUAL 90

static struct err *load(struct deployment **ret_deployment)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");

	return deployment_load(path, ret_deployment);
}

static void show(const struct deployment *d)
{
	printf("Change %" PRIu64 ", keys of the gateway that devices trust:\n", d->pins_epoch);
	for (size_t i = 0; i < d->n_pins; i++) {
		AUTO_MEM char *pin = text_hex(BYTES(d->pins[i], SHA256_LEN));
		printf("  %s\n", pin);
	}
}

static struct err *save(struct deployment *d)
{
	AUTO_MEM char *path = proc_config_path("deployment.conf");

	d->pins_epoch++;
	AUTO(buf) struct buf *text = deployment_write(d);
	TRY(io_write_file(path, buf_bytes(text), 0644));
	show(d);
	return NULL;
}

static size_t find(const struct deployment *d, const uint8_t pin[static SHA256_LEN])
{
	size_t i = 0;

	while (i < d->n_pins && memcmp(d->pins[i], pin, SHA256_LEN) != 0)
		i++;
	return i;
}

static struct err *add(struct deployment *d, const uint8_t pin[static SHA256_LEN])
{
	if (find(d, pin) < d->n_pins)
		return err_new(&ERR_CONFIG, "this key is one that devices trust already");
	if (d->n_pins == PINS_MAX)
		return err_new(
			&ERR_CONFIG, "devices trust %d keys at most: drop one first", PINS_MAX);
	memcpy(d->pins[d->n_pins++], pin, SHA256_LEN);
	TRY(save(d));
	printf("\nNow:   systemctl reload derivd\n"
	       "Then:  derivctl pins, until the devices have it; only then let the gateway use\n"
	       "       that key (gateway.conf), and drop the old one.\n");
	return NULL;
}

static struct err *drop(struct deployment *d, const uint8_t pin[static SHA256_LEN])
{
	size_t i = find(d, pin);

	if (i == d->n_pins)
		return err_new(&ERR_CONFIG, "this key is none that devices trust");
	if (d->n_pins == 1)
		return err_new(&ERR_CONFIG, "this is the only key that devices trust: add the next "
					    "one first");
	memmove(d->pins[i], d->pins[i + 1], (--d->n_pins - i) * SHA256_LEN);
	TRY(save(d));
	/* Which key the gateway uses is not known here. */
	printf("\nFirst: derivd-gateway pin CERTIFICATE, of the certificate in gateway.conf, must print one\n"
	       "       of these. If it does not, the gateway still uses the dropped key, and no device\n"
	       "       will connect once this counts: derivd-ca pins add CERTIFICATE takes it back.\n"
	       "Then:  systemctl reload derivd\n"
	       "       A device that knows only the dropped key needs: derivd-ca pins sign\n");
	return NULL;
}

static struct err *change(const char *how, const char *which)
{
	AUTO(deployment) struct deployment *d = NULL;
	uint8_t pin[SHA256_LEN];

	TRY(load(&d));
	TRY(init_read_pin(which, pin));
	if (strcmp(how, "add") == 0)
		return add(d, pin);
	if (strcmp(how, "drop") == 0)
		return drop(d, pin);
	return err_new(&ERR_CONFIG, "pins: \"%s\" is neither add, drop nor sign", how);
}

/* As the service's user, who has the delivery key. */
static struct err *sign(uint64_t days)
{
	AUTO(state) struct state *s = NULL;
	AUTO(buf) struct buf *signature = NULL;

	TRY(command_become_owner());
	TRY(state_open(&s));
	TRY(approval_check(s, false));
	if (s->deployment->pins_epoch == 0)
		return err_new(&ERR_CONFIG,
			"the gateway's keys were never changed: there is nothing "
			"that a device could have missed");
	int64_t until_ms = clock_real_ms() + (int64_t)days * DAY_MS;
	AUTO(buf) struct buf *body = payload_pinset(s->deployment, until_ms);
	TRY(state_sign_delivery(s, SIG_PINS, buf_bytes(body), &signature));
	AUTO_MEM char *text =
		pinset_text(buf_bytes(body), s->deployment->delivery_public, buf_bytes(signature));
	AUTO_MEM char *until = text_time(until_ms);
	printf("# The gateway's keys as of change %" PRIu64
	       ", good until %s. Anybody may hand this to\n"
	       "# a device that was away meanwhile: derivd-device repin FILE\n%s\n",
		s->deployment->pins_epoch, until, text);
	return NULL;
}

static struct err *parse_days(int argc, char **argv, uint64_t *ret_days)
{
	static const struct option options[] = { { "days", required_argument, NULL, 'd' }, { 0 } };
	uint64_t days = DAYS_USUAL;

	for (int c = getopt_long(argc, argv, "", options, NULL); c != -1;
		c = getopt_long(argc, argv, "", options, NULL)) {
		if (c != 'd')
			return err_new(&ERR_CONFIG, "see derivd-ca --help");
		TRY(err_as(&ERR_CONFIG, text_parse_u64(optarg, PINSET_MOST_MS / DAY_MS, &days),
			"--days"));
	}
	if (optind != argc)
		return err_new(&ERR_CONFIG, "pins sign: \"%s\" is no option", argv[optind]);
	*ret_days = days;
	return NULL;
}

struct err *command_pins(int argc, char **argv)
{
	AUTO(deployment) struct deployment *d = NULL;
	uint64_t days;

	if (argc > 1 && strcmp(argv[1], "sign") == 0) {
		TRY(parse_days(argc - 1, argv + 1, &days));
		return sign(days);
	}
	if (argc == 3)
		return change(argv[1], argv[2]);
	if (argc != 1)
		return err_new(&ERR_CONFIG, "pins: see derivd-ca --help");
	TRY(load(&d));
	show(d);
	return NULL;
}
