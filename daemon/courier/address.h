/* address.h: network addresses that a name in a certificate must not lead to. */
#ifndef DERIVD_DAEMON_COURIER_ADDRESS_H
#define DERIVD_DAEMON_COURIER_ADDRESS_H

#include <sys/socket.h>

#include "base/def.h"

/*
 * Is this one of this machine or this link, or one where clouds keep their metadata: unspecified, loopback, link-local,
 * multicast, reserved; also when it is wrapped into IPv6 (mapped, NAT64, 6to4)? Private addresses are not: agencies publish
 * CRLs there. Other families than IPv4 and IPv6 are special.
 */
bool address_is_special(const struct sockaddr *address);

#endif
