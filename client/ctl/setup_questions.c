/* setup_questions.c: the table of questions: when each is asked, what stands in its brackets, what an answer must be. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "client/ctl/setup.h"
#include "client/ctl/setup_part.h"

/* --- which are needed --- */

static bool for_ca(const struct setup *s)
{
	return !s->found.ca;
}

static bool for_anchors(const struct setup *s)
{
	return !s->found.anchors;
}

static bool for_keys(const struct setup *s)
{
	return !s->found.ca || s->found.ceremony;
}

static bool for_operators(const struct setup *s)
{
	return !s->ctl->tree && !setup_has_members("operator");
}

static bool for_officers(const struct setup *s)
{
	return !s->ctl->tree && !setup_has_members("officer");
}

static bool for_auditors(const struct setup *s)
{
	return !s->ctl->tree && !setup_has_members("auditor");
}

static bool for_notices(const struct setup *s)
{
	return !s->found.notices;
}

static bool for_sender(const struct setup *s)
{
	return s->answers[SETUP_SMTP].n > 0;
}

/* --- defaults: the caller frees; NULL: there is none --- */

static char *none(const struct setup *s UNUSED)
{
	return xstrdup("none");
}

static char *nothing(const struct setup *s UNUSED)
{
	return NULL;
}

/* A guess is for a person to confirm: phones keep this name for as long as they live. */
static char *own_name(const struct setup *s)
{
	return s->defaults ? NULL : setup_own_name();
}

static char *usual_port(const struct setup *s UNUSED)
{
	return xstrdup(SETUP_PORT_DEFAULT);
}

/* What a person has to say, since it widens what is believed; nobody asked means no. */
static char *only_if_asked(const struct setup *s)
{
	return s->defaults ? xstrdup("none") : NULL;
}

static char *made_here(const struct setup *s)
{
	return s->defaults ? NULL : xstrdup(SETUP_NEW);
}

static char *keys_dir(const struct setup *s)
{
	AUTO_MEM char *tree = s->ctl->tree ? realpath(s->ctl->tree, NULL) : NULL;

	return tree ? xasprintf("%s/keys", tree) : xstrdup("/root/derivd-keys");
}

static char *who_became_root(const struct setup *s)
{
	const char *user = getenv("SUDO_USER");

	return xstrdup(!s->defaults && user && *user && strcmp(user, "root") != 0 ? user : "none");
}

static char *kiosk_mail(const struct setup *s)
{
	const char *host = s->found.host ? s->found.host : setup_value(s, SETUP_HOST);

	return host && !strchr(host, ':') ? xasprintf("derivd@%s", host) : NULL;
}

/* --- the table --- */

const struct question setup_questions[SETUP_ANSWERS] = {
	[SETUP_ORGANIZATION] = { "organization", "NAME", for_ca, nothing, check_organization,
		N_("Organization"), N_("Its name stands in the CA's certificates.") },
	[SETUP_HOST] = { "host", "NAME", for_ca, own_name, check_host, N_("Host name for phones"),
		N_("Where phones reach this machine, from wherever they are. Phones keep it: it "
		   "cannot be changed later.") },
	[SETUP_PORT] = { "port", "NUMBER", for_ca, usual_port, check_port, N_("Port for phones"),
		N_("Open it in the firewall.") },
	[SETUP_ANCHORS] = { "anchors", "FILE|DIR", for_anchors, nothing, check_anchors,
		N_("CA certificates of the cards"),
		N_("Whose cards are believed: files with the certificates of the root and of the "
		   "CAs below it, or a directory of them.") },
	[SETUP_POLICIES] = { "policy", "OID", for_anchors, none, check_policies,
		N_("Policies of the cards"),
		N_("Certificates are a card's if they have one of these policies. With none, each "
		   "certificate of these CAs counts,\n"
		   "also one whose key is in a file. (PIV: 2.16.840.1.101.3.2.1.3.13)") },
	[SETUP_OTHERS] = { "other-certificates", "yes|no", for_anchors, only_if_asked, check_others,
		N_("Mail address from the card's other certificates"),
		N_("On many cards (PIV) the mail address stands in the signing certificate only. "
		   "It is taken from there if that one\n"
		   "has the same issuer and the same subject. Without a mail address nobody can "
		   "sign or encrypt. Yes or no?") },
	[SETUP_ESCROW] = { "escrow", "FILE|new", for_ca, made_here, check_escrow,
		N_("Certificate of the escrow officer"),
		N_("Copies of encryption keys are sealed to it, for a disaster. A file, or "
		   "\"new\": it is made here, and the officer\n"
		   "takes the key away.") },
	[SETUP_URL] = { "url", "URL", for_ca, none, check_url, N_("Web address of the CA's CRLs"),
		N_("Where your web server shows what is in /var/lib/derivd-ca/public, as "
		   "http://pki.example.org; it stands in the\n"
		   "certificates. None: others cannot see what was revoked.") },
	[SETUP_KEYS] = { "keys", "DIR", for_keys, keys_dir, check_keys,
		N_("Directory for keys that leave"),
		N_("The keys of the CA's root, of the key history, and of escrow if it is made "
		   "here: to be taken away from this machine.") },
	[SETUP_OPERATORS] = { "operator", "USER", for_operators, who_became_root, check_people,
		N_("Operators"),
		N_("Users of this system who lead enrollments, with commas between.") },
	[SETUP_OFFICERS] = { "officer", "USER", for_officers, none, check_people, N_("Officers"),
		N_("Users who may revoke credentials and devices.") },
	[SETUP_AUDITORS] = { "auditor", "USER", for_auditors, none, check_people, N_("Auditors"),
		N_("Users who read lists and the audit chain.") },
	[SETUP_SMTP] = { "smtp", "HOST[:PORT]", for_notices, none, check_smtp,
		N_("Mail server for notices"),
		N_("Holders are told of what is issued and revoked, operators of troubles. None: "
		   "nobody is told.") },
	[SETUP_FROM] = { "from", "ADDRESS", for_sender, kiosk_mail, check_mail,
		N_("Sender of notices"), N_("A mail address.") },
	[SETUP_NOTIFY] = { "notify", "ADDRESS", for_sender, none, check_mail,
		N_("Mail addresses of operators"), N_("They are told of troubles.") },
};
