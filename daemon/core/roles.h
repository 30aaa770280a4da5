/* roles.h: who may ask what: the groups of the peer's process, as the kernel says them (SO_PEERGROUPS). */
#ifndef DERIVD_CORE_ROLES_H
#define DERIVD_CORE_ROLES_H

#include "base/proc.h"
#include "daemon/core/settings.h"
#include "proto/msg.h"

#define ROLE_BIT(role) (1U << (role))

/* One bit for each role; root has all. */
unsigned int roles_of(const struct settings *s, const struct proc_peer *peer);
/* ERR_DENIED names the group that may do this. */
MUST_CHECK struct err *roles_check(
	const struct settings *s, unsigned int roles, enum msg_number number);

/* The i-th thing that a role allows, as derivctl's commands; NULL behind the last. */
const char *roles_command(enum role r, size_t i);
#define ROLES_COMMANDS_MAX 32

#endif
