/*
 * hub.h: what the rooms of the gateway share: the loop, the settings, all connections, the way to derivd. door.c brings
 * connections in, conn.c says what may pass on one of them and in which direction, hub.c joins them with derivd.
 */
#ifndef DERIVD_GATEWAY_HUB_H
#define DERIVD_GATEWAY_HUB_H

#include <sys/queue.h>

#include "daemon/gateway/due.h"
#include "daemon/gateway/poller.h"
#include "daemon/gateway/roster.h"
#include "daemon/gateway/settings.h"
#include "daemon/gateway/stream.h"
#include "daemon/gateway/tls.h"
#include "daemon/gateway/uplink.h"

struct conn;
TAILQ_HEAD(conn_queue, conn);

/* What happened since the last line in the journal that summed it up. */
struct tally {
	uint64_t refused; /* by caps */
	uint64_t failed;  /* handshakes */
	uint64_t shed;    /* handshakes and strangers that made room for others */
	uint64_t broken;  /* devices that broke a rule */
	uint64_t slow;    /* devices that took nothing */
};

struct hub {
	sd_event *event;
	struct settings *settings;
	SSL_CTX *tls;
	struct due *due;
	struct poller *poller;
	struct roster *roster;
	struct stream_env env;
	struct uplink *uplink;
	/* Each connection is in one of three: */
	struct conn_queue fresh;       /* has not said Hello yet, or is being hung up on */
	struct conn_queue unannounced; /* derivd does not know of it yet, or not any more */
	struct conn_queue announced;
	struct conn_queue strangers; /* derivd has given them nothing but Welcome and errors; oldest first */
	struct conn_queue paused; /* and in this one while it is not read for derivd's sake */
	bool syncing;             /* Synced is owed once nobody is unannounced */
	size_t devices;           /* connected, handshake done */
	size_t most_devices;      /* since memory was last given back */
	struct tally tally;
	sd_event_source *housekeeping;
	unsigned int rounds;
	char *said_status;
	bool met_derivd;     /* since the start */
	char *not_in_force; /* why the configuration that was to be read again is not used; or NULL */
};

/* settings and tls are taken also on failure; path: derivd's socket. */
MUST_CHECK struct err *hub_new(sd_event *event, struct settings *take_settings, SSL_CTX *take_tls,
	const char *path, struct hub **ret_hub);
void hub_free(struct hub *h);
DEFINE_AUTO(hub, struct hub *, hub_free);
/* New settings and keys for what comes from now on; both are taken. */
void hub_reload(struct hub *h, struct settings *take_settings, SSL_CTX *take_tls);
/* The configuration that was to be read again cannot be used, why: "systemctl status" says so until it can. */
void hub_keep(struct hub *h, const struct err *why);
/* Says so to the service manager. */
void hub_ready(struct hub *h);
/* Tells derivd of connections that it does not know of, as far as its queue allows. */
void hub_announce(struct hub *h);

#endif
