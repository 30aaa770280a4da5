/*
 * main.c: derivd-device-install: brings a store of keys up to what the device has. A program of its own, so that the agent
 * that is always connected does not carry NSS along.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/proc.h"
#include "base/text.h"
#include "client/install/install.h"
#include "client/agent/place.h"
#include "client/install/record.h"
#include "client/agent/say.h"

#define PROGRAM "derivd-device-install"
#define SERIAL_SHOWN 8

static const char USAGE[] =
	"usage: derivd-device-install [--state DIR] [--json] TARGET [--password-file FILE]\n"
	"  --nss DIR                     an NSS database: a profile of Thunderbird, ~/.pki/nssdb\n"
	"  --module FILE --token LABEL   a token behind a PKCS#11 module\n"
	"  --help | --version\n"
	"What the device has is put there; what this program put there before, and the device has "
	"no more, goes.\n";

struct options {
	const char *state;
	struct install_target target;
	bool json;
	bool help;
	bool version;
};

/* What it takes to do the work. */
struct work {
	struct derivd_device *device;
	struct derivd_device_credentials *credentials;
	struct record *record;
	struct install *install;
	const struct options *options;
};

static void work_free(struct work *w)
{
	derivd_device_credentials_free(w->credentials);
	derivd_device_close(w->device);
	record_free(w->record);
	install_free(w->install);
	free(w);
}
DEFINE_AUTO(work, struct work *, work_free);

static inline UNUSED void data_free(struct derivd_device_data *d)
{
	derivd_device_data_free(d);
}
DEFINE_AUTO(data, struct derivd_device_data *, data_free);

static bool is_usable(const struct derivd_device_credential *c)
{
	return c->has_key && c->has_certificate;
}

/* --- putting it there --- */

static void tell(const struct work *w, const char *event, const char *hash, const char *text)
{
	say(w->options->json, event, json_pack("{s:s}", "certificate", hash), text);
}

static struct trouble *put_chain(const struct work *w, const struct derivd_device_credential *c)
{
	AUTO(data) struct derivd_device_data *chain = NULL;

	PASS(trouble_device(
		derivd_device_export(w->device, c->id, DERIVD_DEVICE_PEM_CHAIN, NULL, &chain)));
	return install_chain(w->install, (const char *)chain->data);
}

static struct trouble *put(const struct work *w, const struct derivd_device_credential *c)
{
	AUTO_MEM char *name = xasprintf("derivd %s %.*s", c->purpose, SERIAL_SHOWN, c->serial);
	AUTO_MEM char *text = xasprintf("%s is there.", name);
	AUTO(data) struct derivd_device_data *key = NULL;
	AUTO(data) struct derivd_device_data *certificate = NULL;

	PASS(trouble_device(
		derivd_device_export(w->device, c->id, DERIVD_DEVICE_PEM_KEY, NULL, &key)));
	PASS(trouble_device(derivd_device_export(
		w->device, c->id, DERIVD_DEVICE_PEM_CERTIFICATE, NULL, &certificate)));
	PASS(install_credential(
		w->install, (const char *)key->data, (const char *)certificate->data, name));
	tell(w, "installed", c->certificate, text);
	return NULL;
}

static struct trouble *put_all(const struct work *w)
{
	bool chained = false;

	for (size_t i = 0; i < w->credentials->n; i++) {
		const struct derivd_device_credential *c = w->credentials->list[i];
		if (!is_usable(c))
			continue;
		if (!chained)
			PASS(put_chain(w, c));
		chained = true;
		PASS(put(w, c));
	}
	return NULL;
}

/* --- taking back --- */

static bool is_current(const struct work *w, const char *hash)
{
	for (size_t i = 0; i < w->credentials->n; i++) {
		const struct derivd_device_credential *c = w->credentials->list[i];
		if (is_usable(c) && strcmp(c->certificate, hash) == 0)
			return true;
	}
	return false;
}

static struct trouble *take_back(const struct work *w, const char *hash)
{
	AUTO(buf) struct buf *bytes = NULL;
	int removed;

	PASS(trouble_err(text_unhex(hash, &bytes)));
	if (buf_len(bytes) != INSTALL_HASH_LEN)
		return trouble_new(DERIVD_DEVICE_KIND_FORMAT, "the record has a hash that is none");
	PASS(install_remove(w->install, buf_data(bytes), &removed));
	if (removed)
		tell(w, "removed", hash,
			"A certificate that this device has no more was taken away, with its key.");
	return NULL;
}

static struct trouble *take_back_all(const struct work *w)
{
	size_t i = 0;

	for (const char *hash = record_at(w->record, 0); hash; hash = record_at(w->record, i)) {
		if (is_current(w, hash)) {
			i++;
			continue;
		}
		PASS(take_back(w, hash));
		record_drop(w->record, hash);
	}
	return record_save(w->record);
}

/* What is about to be put there is written down first: who is killed in between finds it the next time. */
static struct trouble *work_do(const struct work *w)
{
	for (size_t i = 0; i < w->credentials->n; i++)
		if (is_usable(w->credentials->list[i]))
			record_add(w->record, w->credentials->list[i]->certificate);
	PASS(record_save(w->record));
	PASS(put_all(w));
	return take_back_all(w);
}

/* --- words --- */

static struct trouble *begin(const struct options *o, const char *state, struct work *w)
{
	const struct install_target *t = &o->target;
	AUTO_MEM char *place =
		t->nss ? xasprintf("nss:%s", t->nss) : xasprintf("%s:%s", t->module, t->token);
	struct derivd_device_status *s;

	w->options = o;
	PASS(trouble_device(derivd_device_open(state, DERIVD_DEVICE_READ, &w->device)));
	PASS(trouble_device(derivd_device_get_credentials(w->device, &w->credentials)));
	PASS(trouble_device(derivd_device_get_status(w->device, &s)));
	struct trouble *trouble = record_load(state, s->device, place, &w->record);
	derivd_device_status_free(s);
	PASS(trouble);
	return install_open(t, &w->install);
}

static struct trouble *run(const struct options *o)
{
	AUTO(work) struct work *w = xcalloc(1, sizeof(*w));
	const struct install_target *t = &o->target;
	AUTO_MEM char *fallback = NULL;

	if (!t->nss == !(t->module && t->token) || !t->module != !t->token)
		return trouble_new(DERIVD_DEVICE_KIND_FORMAT,
			"either --nss, or --module with --token, is needed; see --help");
	if (!o->state)
		fallback = place_state();
	PASS(begin(o, o->state ? o->state : fallback, w));
	return work_do(w);
}

enum { OPT_STATE = 256, OPT_JSON, OPT_NSS, OPT_MODULE, OPT_TOKEN, OPT_PASSWORD_FILE };

static const struct option LONG_OPTIONS[] = {
	{ "state", required_argument, NULL, OPT_STATE },
	{ "json", no_argument, NULL, OPT_JSON },
	{ "nss", required_argument, NULL, OPT_NSS },
	{ "module", required_argument, NULL, OPT_MODULE },
	{ "token", required_argument, NULL, OPT_TOKEN },
	{ "password-file", required_argument, NULL, OPT_PASSWORD_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 },
};

static bool take_option(struct options *o, int c)
{
	switch (c) {
	case OPT_STATE:
		o->state = optarg;
		return true;
	case OPT_JSON:
		o->json = true;
		return true;
	case OPT_NSS:
		o->target.nss = optarg;
		return true;
	case OPT_MODULE:
		o->target.module = optarg;
		return true;
	case OPT_TOKEN:
		o->target.token = optarg;
		return true;
	case OPT_PASSWORD_FILE:
		o->target.password_file = optarg;
		return true;
	case 'h':
		o->help = true;
		return true;
	case 'V':
		o->version = true;
		return true;
	default:
		return false;
	}
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	int c;

	while ((c = getopt_long(argc, argv, "hV", LONG_OPTIONS, NULL)) != -1)
		if (!take_option(o, c))
			return false;
	return optind == argc;
}

int main(int argc, char **argv)
{
	struct options o = { 0 };

	proc_start_interactive(PROGRAM);
	if (!parse_options(argc, argv, &o)) {
		fputs(USAGE, stderr);
		return 2;
	}
	if (o.help || o.version) {
		if (o.help)
			fputs(USAGE, stdout);
		else
			printf(PROGRAM " %s\n", derivd_device_version());
		return 0;
	}
	AUTO(trouble) struct trouble *t = run(&o);
	if (t)
		say_trouble(o.json, "error", t);
	return t ? 1 : 0;
}
