/* init.h: derivd-gateway init and pin: commands of root, not of the daemon. */
#ifndef DERIVD_GATEWAY_INIT_H
#define DERIVD_GATEWAY_INIT_H

#include "base/def.h"
#include "base/err.h"

/*
 * Makes NAME.key (0600) and NAME.pem (0644) in dir unless they are there already, gives them to owner ("UID:GID" or NULL),
 * and prints the pin on standard output. A key without a certificate gets one. ERR_CONFIG for a certificate without its key.
 */
MUST_CHECK struct err *init_run(const char *dir, const char *name, const char *owner);
/* Prints the pin of a certificate. */
MUST_CHECK struct err *init_print_pin(const char *certificate_path);

#endif
