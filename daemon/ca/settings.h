/* settings.h: ca.conf(5), read whole and checked whole. */
#ifndef DERIVD_DAEMON_CA_SETTINGS_H
#define DERIVD_DAEMON_CA_SETTINGS_H

#include <openssl/x509.h>
#include <sys/types.h>

#include "daemon/ca/profile.h"
#include "evidence/path.h"
#include "evidence/payload.h"
#include "evidence/receipt.h"

#define PROFILES_MAX 8
#define APPS_MAX PAYLOAD_APPS_MAX
#define SETTINGS_LIST_MAX 64
#define OFFICERS_MAX 8
#define NO_OFFICERS ((gid_t)-1)

/* The longest that a nonce and an offer may live; ca.conf can only shorten them. */
#define NONCE_LIFETIME_MS (5 * 60 * 1000)
#define OFFER_LIFETIME_MS (15 * 60 * 1000)

/* Texts, ended by NULL, so that it serves as path_params.policies too. */
struct texts {
	size_t n;
	char *v[SETTINGS_LIST_MAX + 1];
};

/* What identifies a holder, in the order in which an anchor's configuration names them. */
enum identify {
	IDENTIFY_UPN,
	IDENTIFY_FASCN_PERSON,
	IDENTIFY_EDIPI,
	IDENTIFY_MAIL,
	IDENTIFY_UUID,
	IDENTIFY_SERIAL,
	IDENTIFY_SUBJECT,
	IDENTIFY_N,
};

/* One trust anchor of cards and the rules on certificates below it. */
struct anchor {
	char *name;
	X509 *certificate;
	uint8_t key_hash[SHA256_LEN]; /* SHA-256 of the SubjectPublicKeyInfo */
	uint8_t digest[SHA256_LEN];   /* of what a path depends on: certificates and policies */
	STACK_OF(X509) *stack;        /* the anchor alone */
	STACK_OF(X509) *intermediates;
	struct texts policies; /* dotted; the signer needs one of them, if there are any */
	struct texts eku;      /* dotted; one of them is needed, if there are any */
	struct texts crl_files;
	size_t n_identify;
	enum identify identify[IDENTIFY_N];
	bool other_certificates; /* others of the same issuer key and subject may add facts */
};

enum app_escape { ESCAPE_NONE, ESCAPE_XML, ESCAPE_JSON };

/* A mail app's configuration: text with facts in it. */
struct app {
	char *name;
	char *type; /* media type */
	char *text; /* a template */
	enum app_escape escape;
};

struct settings {
	uint64_t nonce_lifetime_ms;
	uint64_t offer_lifetime_ms;
	uint64_t crl_validity_ms; /* nextUpdate - thisUpdate of our own CRLs */
	uint64_t crl_every_ms;    /* a new one is published when the last is older */
	uint64_t crl_refresh_ms; /* a fetched CRL is fetched again when it was fetched longer ago */
	uint32_t key_pool;     /* key pairs of a slow type that a process makes ahead of time */
	uint32_t officers;   /* how many approve a change of all this; 1: root changes it alone */
	char *officer_group; /* whose members they are, by name or number */
	gid_t officer_gid;   /* NO_OFFICERS: there is no such group */
	struct texts fetch_allow; /* globs over URLs */
	char *backend;            /* which CA: ca.h */
	size_t n_escrow;
	X509 *escrow[ESCROW_MAX]; /* whoever can open them recovers every encryption key */
	X509 *history;            /* the public half of derivd-history's key; NULL: no history */
	size_t n_anchors;
	struct anchor *anchors[PATH_ANCHORS_MAX];
	size_t n_profiles;
	struct profile *profiles[PROFILES_MAX]; /* ascending purposes, one for each at most */
	size_t n_apps;
	struct app *apps[APPS_MAX]; /* ascending names */
};

/* Reads path with its drop-ins and the files that it names (relative ones beside path). ERR_CONFIG, ERR_NOTFOUND. */
MUST_CHECK struct err *settings_load(const char *path, struct settings **ret_settings);
void settings_free(struct settings *s);
DEFINE_AUTO(settings, struct settings *, settings_free);

/* The configured profile of a purpose; NULL when there is none. */
struct profile *settings_profile(const struct settings *s, Common__Purpose purpose);

/* "upn", "fascn-person", ... */
const char *identify_name(enum identify what);

/* Dotted form of an object identifier given as numbers or as a name; the caller frees. ERR_CONFIG. */
MUST_CHECK struct err *settings_oid(const char *text, char **ret_dotted);

#endif
