# evidence: what proves a credential. Programs link $(EVIDENCE_LIBS), which brings proto and base.
noinst_LIBRARIES += evidence/libevidence.a
evidence_libevidence_a_SOURCES = \
	evidence/record.h evidence/record.c \
	evidence/part.h evidence/part.c \
	evidence/der.h evidence/der.c \
	evidence/key.h evidence/key.c \
	evidence/facts.h evidence/facts.c evidence/number.h evidence/number.c \
	evidence/cert.h evidence/cert.c evidence/cert_facts.c \
	evidence/offer.h evidence/offer.c \
	evidence/statement.h evidence/statement.c evidence/statement_check.c \
	evidence/intent.h evidence/intent.c evidence/intent_build.c \
	evidence/receipt.h evidence/receipt.c evidence/ticket.c evidence/heads.h evidence/heads.c \
	evidence/checkpoint.h evidence/checkpoint.c \
	evidence/item.h evidence/item.c evidence/payload.h evidence/payload.c \
	evidence/pinset.h evidence/pinset.c \
	evidence/invitation.h evidence/invitation.c \
	evidence/path.h evidence/path.c evidence/path_judge.h evidence/path_judge.c \
	evidence/bundle.h evidence/bundle.c evidence/evidence.c \
	evidence/seal.h evidence/seal.c evidence/seal_form.h evidence/seal_form.c \
	evidence/seal_p256.h evidence/seal_p256.c
evidence_libevidence_a_CFLAGS = $(SHARED_CFLAGS) $(CRYPTO_CFLAGS) $(PROTOBUF_C_CFLAGS) $(CONFUSE_CFLAGS)
EVIDENCE_LIBS = evidence/libevidence.a $(PROTO_LIBS) $(BASE_LIBS) $(CRYPTO_LIBS)
