/* settings.h: derivd.conf (see derivd.conf(5)), and what derivd needs of deployment.conf. */
#ifndef DERIVD_CORE_SETTINGS_H
#define DERIVD_CORE_SETTINGS_H

#include <sys/types.h>

#include "base/def.h"
#include "base/err.h"
#include "proto/deployment.h"

enum role { ROLE_OPERATOR, ROLE_OFFICER, ROLE_AUDITOR, ROLE_MONITOR, ROLES };

#define NO_GROUP ((gid_t)-1)

struct settings {
	char *store; /* path of the database */
	struct {
		char *name;
		gid_t gid; /* NO_GROUP: there is no such group, and nobody but root has the role */
	} role[ROLES];
	uint64_t session_ms;    /* a session's life */
	uint64_t grace_ms;      /* for derivctl to come back */
	uint64_t invitation_ms; /* the most that an invitation may live unused */
	uint64_t unclaimed_ms;  /* for a device to fetch what was issued */
	unsigned int devices_per_holder;
	bool revoke_superseded;
	uint64_t
		expiry_notice_ms; /* so long before a credential ends its holder is told; 0: never */
	unsigned int notices_per_hour; /* to one holder */
	unsigned int ca_connections;   /* for mass work */
	unsigned int ca_window;        /* jobs under way on each */
	uint8_t accept_head
		[32]; /* the audit head of derivd-ca with which the operator goes on; zeros */
	uint8_t accept_log
		[32]; /* the head of derivd-ca's log whose loss the operator accepts; zeros */
	uint64_t backup_age_ms; /* a backup that is older is too old; 0: none is */
	/* deployment.conf */
	uint8_t deployment[DEPLOYMENT_ID_LEN];
	uint8_t delivery_public[ED25519_PUBLIC_LEN];
	uint64_t pins_epoch; /* deployment.conf's: how often the gateway's pins were changed */
	uint8_t pins[32];    /* SHA-256 over epoch and pins: changes when they do */
};

/* Reads the files of this program's configuration directory. ERR_CONFIG. */
MUST_CHECK struct err *settings_load(struct settings **ret_settings);
/* The built-in values, without deployment: for tests. */
struct settings *settings_default(void);
void settings_free(struct settings *s);
DEFINE_AUTO(settings, struct settings *, settings_free);

/* "operator", "officer", "auditor", "monitor". */
const char *role_name(enum role r);

#endif
