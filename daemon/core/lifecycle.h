/* lifecycle.h: what happens to requests, devices and credentials after they were made: cancelled, revoked, expired, unclaimed. */
#ifndef DERIVD_CORE_LIFECYCLE_H
#define DERIVD_CORE_LIFECYCLE_H

#include "daemon/core/request.h"
#include "daemon/core/session.h"

/* What officers and operators ask; each answers the caller. Events. */
MUST_CHECK struct err *lifecycle_cancel(
	struct core *c, const struct caller *who, const Control__RequestCancel *m);
MUST_CHECK struct err *lifecycle_revoke(
	struct core *c, const struct caller *who, const Control__CredentialRevoke *m);
MUST_CHECK struct err *lifecycle_revoke_device(
	struct core *c, const struct caller *who, const Control__DeviceRevoke *m);
MUST_CHECK struct err *lifecycle_retry(
	struct core *c, const struct caller *who, const Control__QueueRetry *m);

/* The device must be ENROLLED. */
MUST_CHECK struct err *lifecycle_revoke_known(
	struct core *c, struct device *d, unsigned int reason, const char *actor, const char *text);
/* derivd-ca has done its part of a device's revocation: now its certificates, and the notice. */
MUST_CHECK struct err *lifecycle_device_revoked(struct core *c, const struct job *j);

/* A job for a new CRL, unless one waits: after a revocation, and every hour. derivd-ca decides whether one is due. */
MUST_CHECK struct err *lifecycle_post_crl(struct core *c);
/* Once a minute: credentials whose time is over, a CRL that must be renewed. An event; *ret_more: call again. */
MUST_CHECK struct err *lifecycle_sweep(struct core *c, bool *ret_more);

#endif
