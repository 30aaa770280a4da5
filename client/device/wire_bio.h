/* wire_bio.h: how OpenSSL reaches the socket: a gateway that hangs up is an error, and never SIGPIPE, which belongs to the app. */
#ifndef DERIVD_DEVICE_WIRE_BIO_H
#define DERIVD_DEVICE_WIRE_BIO_H

#include <openssl/bio.h>

/* The descriptor is lent. NULL when there is no memory. */
BIO *wire_bio_new(int fd);

#endif
