# proto: the wire. Programs link $(PROTO_LIBS).
PROTO_FILES = \
	proto/common.proto proto/card.proto proto/control.proto proto/ca.proto proto/courier.proto \
	proto/gateway.proto proto/device.proto
PROTO_GENERATED = $(PROTO_FILES:.proto=.pb-c.c) $(PROTO_FILES:.proto=.pb-c.h)

noinst_LIBRARIES += proto/libproto.a proto/libwire.a
proto_libproto_a_SOURCES = \
	proto/kind.def proto/kind.h proto/kind.c \
	proto/limit.def proto/limit.h proto/limit.c proto/check.c \
	proto/messages.def proto/msg.h proto/msg.c \
	proto/scan.h proto/scan.c \
	proto/frame.h proto/frame.c \
	proto/peer.h proto/peer.c \
	proto/worker.h proto/worker.c \
	proto/link.h proto/link.c proto/link_send.c proto/link_impl.h \
	proto/sig.h proto/sig.c proto/sig_key.c \
	proto/pem.h proto/pem.c proto/plaincert.h proto/plaincert.c \
	proto/host.h proto/host.c proto/deployment.h proto/deployment.c
proto_libproto_a_CFLAGS = $(SHARED_CFLAGS) $(PROTOBUF_C_CFLAGS) $(SYSTEMD_CFLAGS) $(CRYPTO_CFLAGS) $(CONFUSE_CFLAGS)

# What protoc-c makes is compiled apart: our warnings are not its.
nodist_proto_libwire_a_SOURCES = \
	proto/common.pb-c.c proto/card.pb-c.c proto/control.pb-c.c proto/ca.pb-c.c proto/courier.pb-c.c \
	proto/gateway.pb-c.c proto/device.pb-c.c
proto_libwire_a_SOURCES =
proto_libwire_a_CFLAGS = $(HARDEN_CFLAGS) -fPIC -fvisibility=hidden $(PROTOBUF_C_CFLAGS) -w
PROTO_CFLAGS = $(PROTOBUF_C_CFLAGS) $(SYSTEMD_CFLAGS) $(CRYPTO_CFLAGS)
PROTO_LIBS = proto/libproto.a proto/libwire.a base/libbase.a $(PROTOBUF_C_LIBS) $(CRYPTO_LIBS) \
	$(SYSTEMD_LIBS) $(CONFUSE_LIBS)

BUILT_SOURCES += $(PROTO_GENERATED)
CLEANFILES += $(PROTO_GENERATED)
PROTO_DOCUMENTS = proto/PROTOCOL.frame proto/PROTOCOL.card proto/PROTOCOL.ca proto/PROTOCOL.courier \
	proto/PROTOCOL.gateway proto/PROTOCOL.device proto/PROTOCOL.intent proto/PROTOCOL.control
EXTRA_DIST += $(PROTO_FILES) $(PROTO_DOCUMENTS)
dist_man_MANS += proto/deployment.conf.5 proto/derivd-protocols.7

# For who writes a client or verifies evidence: see derivd-protocols(7).
protocoldir = $(docdir)/protocol
dist_protocol_DATA = $(PROTO_DOCUMENTS) $(PROTO_FILES) proto/messages.def proto/limit.def proto/kind.def
vectorsdir = $(protocoldir)/vectors
dist_vectors_DATA = $(VECTORS)

# One run makes both files: a pattern rule with two targets says so to make. The headers count as the system's,
# since their initialisers cast const away and would warn wherever they are used.
proto/%.pb-c.c proto/%.pb-c.h: $(top_srcdir)/proto/%.proto
	$(AM_V_GEN)$(MKDIR_P) proto && $(PROTOC_C) --proto_path=$(top_srcdir) --c_out=. proto/$*.proto
	$(AM_V_at)$(SED) '1i #pragma GCC system_header' proto/$*.pb-c.h >proto/$*.pb-c.tmp \
		&& mv proto/$*.pb-c.tmp proto/$*.pb-c.h
