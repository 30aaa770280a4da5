/* host.h: what may stand as the gateway's host in deployment.conf, the QR code and statements. */
#ifndef DERIVD_PROTO_HOST_H
#define DERIVD_PROTO_HOST_H

#include "base/def.h"

#define HOST_MAX 253

/* A host name of letters, digits, "-" and "." (RFC 1123 section 2.1), or an IPv4 or IPv6 address without brackets;
 * at most HOST_MAX bytes. */
bool host_is_good(const char *host);

#endif
