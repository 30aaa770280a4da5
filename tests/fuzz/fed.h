/*
 * fed.h: a stream of derivd-gateway that is fed with what would come out of TLS, for its unit test and for fuzzing: this
 * is the parser that meets the Internet.
 */
#ifndef DERIVD_TESTS_FUZZ_FED_H
#define DERIVD_TESTS_FUZZ_FED_H

#include "daemon/gateway/stream.h"

/* What streams share; ops lends. Aborts when the machine is out of something. */
struct fed {
	struct stream_env env;
	sd_event *event;
	SSL_CTX *ctx;
};

void fed_start(struct fed *f, const struct stream_ops *ops);
void fed_stop(struct fed *f);
/* A stream with its handshake done; stream_free. */
struct stream *fed_open(struct fed *f, void *userdata);
/* The error that would end the connection. */
MUST_CHECK struct err *fed_feed(struct stream *s, struct bytes b);

#endif
