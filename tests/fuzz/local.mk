# tests/fuzz: each parser of outside bytes has an entry point fuzz_NAME.c and a corpus. "make check" replays the corpus,
# as it is and damaged; "make fuzz" looks for more with libFuzzer (FUZZ_SECONDS each).
FUZZERS =
FUZZ_SECONDS = 60
REPLAY = tests/fuzz/replay.c tests/fuzz/sample.h tests/fuzz/sample.c
FUZZ_LINK = $(AM_LDFLAGS) -fsanitize=fuzzer
EXTRA_DIST += tests/fuzz/fuzz.sh tests/fuzz/corpus

fuzz: all
	$(AM_V_at)$(SHELL) $(srcdir)/tests/fuzz/fuzz.sh $(abs_top_srcdir) $(FUZZ_SECONDS) $(FUZZERS)
fuzz-sources: $(BUILT_SOURCES)
.PHONY: fuzz fuzz-sources

# proto
FUZZERS += msg
EXTRA_PROGRAMS += tests/fuzz/fuzz_msg
tests_fuzz_fuzz_msg_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_msg.c
tests_fuzz_fuzz_msg_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_fuzz_msg_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_msg_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/fuzz/replay_msg
TESTS += tests/fuzz/replay_msg
tests_fuzz_replay_msg_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_msg_SOURCES)
tests_fuzz_replay_msg_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_replay_msg_LDADD = $(PROTO_LIBS)

FUZZERS += frame_stream
EXTRA_PROGRAMS += tests/fuzz/fuzz_frame_stream
tests_fuzz_fuzz_frame_stream_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_frame_stream.c
tests_fuzz_fuzz_frame_stream_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_fuzz_frame_stream_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_frame_stream_LDADD = $(PROTO_LIBS)
check_PROGRAMS += tests/fuzz/replay_frame_stream
TESTS += tests/fuzz/replay_frame_stream
tests_fuzz_replay_frame_stream_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_frame_stream_SOURCES)
tests_fuzz_replay_frame_stream_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_replay_frame_stream_LDADD = $(PROTO_LIBS)

# gateway
FUZZERS += gateway_stream
EXTRA_PROGRAMS += tests/fuzz/fuzz_gateway_stream
tests_fuzz_fuzz_gateway_stream_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_gateway_stream.c tests/fuzz/fed.h tests/fuzz/fed.c
tests_fuzz_fuzz_gateway_stream_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS)
tests_fuzz_fuzz_gateway_stream_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_gateway_stream_LDADD = $(GATEWAY_LIBS)
check_PROGRAMS += tests/fuzz/replay_gateway_stream
TESTS += tests/fuzz/replay_gateway_stream
tests_fuzz_replay_gateway_stream_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_gateway_stream_SOURCES)
tests_fuzz_replay_gateway_stream_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SSL_CFLAGS)
tests_fuzz_replay_gateway_stream_LDADD = $(GATEWAY_LIBS)

# courier
FUZZERS += url
EXTRA_PROGRAMS += tests/fuzz/fuzz_url
tests_fuzz_fuzz_url_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_url.c
tests_fuzz_fuzz_url_CFLAGS = $(AM_CFLAGS) $(COURIER_CFLAGS)
tests_fuzz_fuzz_url_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_url_LDADD = $(COURIER_LIBS)
check_PROGRAMS += tests/fuzz/replay_url
TESTS += tests/fuzz/replay_url
tests_fuzz_replay_url_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_url_SOURCES)
tests_fuzz_replay_url_CFLAGS = $(AM_CFLAGS) $(COURIER_CFLAGS)
tests_fuzz_replay_url_LDADD = $(COURIER_LIBS)

# evidence
FUZZERS += record
EXTRA_PROGRAMS += tests/fuzz/fuzz_record
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_record.c
tests_fuzz_fuzz_record_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_fuzz_record_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_record_LDADD = $(EVIDENCE_LIBS)
check_PROGRAMS += tests/fuzz/replay_record
TESTS += tests/fuzz/replay_record
tests_fuzz_replay_record_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_record_SOURCES)
tests_fuzz_replay_record_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_replay_record_LDADD = $(EVIDENCE_LIBS)

FUZZERS += cert
EXTRA_PROGRAMS += tests/fuzz/fuzz_cert
tests_fuzz_fuzz_cert_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_cert.c
tests_fuzz_fuzz_cert_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_fuzz_cert_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_cert_LDADD = $(EVIDENCE_LIBS)
check_PROGRAMS += tests/fuzz/replay_cert
TESTS += tests/fuzz/replay_cert
tests_fuzz_replay_cert_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_cert_SOURCES)
tests_fuzz_replay_cert_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_replay_cert_LDADD = $(EVIDENCE_LIBS)

FUZZERS += path
EXTRA_PROGRAMS += tests/fuzz/fuzz_path
tests_fuzz_fuzz_path_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_path.c
tests_fuzz_fuzz_path_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_fuzz_path_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_path_LDADD = $(EVIDENCE_LIBS)
check_PROGRAMS += tests/fuzz/replay_path
TESTS += tests/fuzz/replay_path
tests_fuzz_replay_path_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_path_SOURCES)
tests_fuzz_replay_path_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_replay_path_LDADD = $(EVIDENCE_LIBS)

FUZZERS += unseal
EXTRA_PROGRAMS += tests/fuzz/fuzz_unseal
tests_fuzz_fuzz_unseal_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_unseal.c
tests_fuzz_fuzz_unseal_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_fuzz_unseal_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_unseal_LDADD = $(EVIDENCE_LIBS)
check_PROGRAMS += tests/fuzz/replay_unseal
TESTS += tests/fuzz/replay_unseal
tests_fuzz_replay_unseal_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_unseal_SOURCES)
tests_fuzz_replay_unseal_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS)
tests_fuzz_replay_unseal_LDADD = $(EVIDENCE_LIBS)

# pkcs11
FUZZERS += card
EXTRA_PROGRAMS += tests/fuzz/fuzz_card
tests_fuzz_fuzz_card_SOURCES = tests/fuzz/fuzz.h tests/fuzz/fuzz_card.c
tests_fuzz_fuzz_card_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(P11KIT_CFLAGS)
tests_fuzz_fuzz_card_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_card_LDADD = $(CARD_LIBS)
check_PROGRAMS += tests/fuzz/replay_card
TESTS += tests/fuzz/replay_card
tests_fuzz_replay_card_SOURCES = $(REPLAY) $(tests_fuzz_fuzz_card_SOURCES)
tests_fuzz_replay_card_CFLAGS = $(tests_fuzz_fuzz_card_CFLAGS)
tests_fuzz_replay_card_LDADD = $(CARD_LIBS)
