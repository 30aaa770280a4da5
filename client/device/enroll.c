/* enroll.c: see enroll.h. */
#include "client/device/enroll.h"

#include <string.h>

#include "base/text.h"
#include "client/device/fault.h"
#include "client/device/make.h"
#include "evidence/invitation.h"

static struct err *sign_begin(struct attempt *a, EVP_PKEY *invitation, const struct state *s)
{
	AUTO(buf) struct buf *signature = NULL;

	TRY(sig_sign(invitation, SIG_BEGIN, BYTES(s->identity_key, SHA256_LEN), &signature));
	buf_add_bytes(a->begin, buf_bytes(signature));
	return NULL;
}

static void take_invitation(struct state *s, const struct invitation_uri *u, const char *platform)
{
	s->stage = STAGE_PENDING;
	s->host = xstrdup(u->host);
	s->port = u->port;
	s->n_pins = u->n_pins;
	memcpy(s->pins, u->pins, sizeof(s->pins));
	memcpy(s->deployment, u->deployment, DEPLOYMENT_ID_LEN);
	memcpy(s->delivery_hash, u->delivery_hash, SHA256_LEN);
	s->platform = xstrdup(platform);
	s->attempt = attempt_new();
	s->attempt->operation = COMMON__OPERATION__ENROLL;
	buf_add(s->attempt->seed, u->seed, sizeof(u->seed));
}

/* *ret_continue: this invitation is being answered already. */
static struct err *check_earlier(
	const struct home *h, const uint8_t public[static ED25519_PUBLIC_LEN], bool *ret_continue)
{
	AUTO(state) struct state *s = NULL;

	*ret_continue = false;
	TRY(home_load(h, &s));
	if (!s)
		return NULL;
	bool same = s->attempt && s->attempt->operation == COMMON__OPERATION__ENROLL &&
		    memcmp(s->attempt->invitation_public, public, ED25519_PUBLIC_LEN) == 0;
	*ret_continue = same && s->stage != STAGE_REMOVED;
	if (s->stage == STAGE_ENROLLED && !same)
		return err_new(
			&ERR_HOME, "%s holds the keys of a device that is enrolled", home_dir(h));
	return NULL;
}

struct err *enroll_begin(const struct home *h, const char *uri, const char *platform)
{
	AUTO(invitation_uri) struct invitation_uri *u = NULL;
	AUTO(pkey) EVP_PKEY *invitation = NULL;
	AUTO(state) struct state *s = state_new();
	uint8_t public[ED25519_PUBLIC_LEN];
	bool goes_on;

	if (!text_is_printable(BYTES(platform, strlen(platform))) ||
		strlen(platform) > STATEMENT_PLATFORM_MAX)
		return err_new(&ERR_FORMAT, "the platform's name is too long or not printable");
	TRY(err_as(&ERR_INVITATION, invitation_uri_parse(uri, &u), "the QR code"));
	TRY(sig_from_seed(BYTES(u->seed, sizeof(u->seed)), &invitation));
	sig_raw_public(invitation, public);
	TRY(check_earlier(h, public, &goes_on));
	if (goes_on)
		return NULL;
	take_invitation(s, u, platform);
	memcpy(s->attempt->invitation_public, public, ED25519_PUBLIC_LEN);
	TRY(make_identity(h, s));
	TRY(sign_begin(s->attempt, invitation, s));
	TRY(home_save(h, s));
	return home_sweep(h, s);
}
