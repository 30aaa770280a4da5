/* serve.h: the requests of derivctl (PROTOCOL.card). */
#ifndef DERIVD_PKCS11_SERVE_H
#define DERIVD_PKCS11_SERVE_H

#include "pkcs11/settings.h"

/*
 * Serves one connection until the other side hangs up (NULL) or breaks the protocol. fd is taken. A session that is
 * open then ends with the reset of its card.
 */
MUST_CHECK struct err *serve_connection(int take_fd, const struct settings *settings);

#endif
