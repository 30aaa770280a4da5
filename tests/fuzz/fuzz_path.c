/*
 * fuzz_path.c: paths. The input is a byte of flags, then pieces, each a type and a length of two bytes: 'L' the leaf,
 * 'A' an anchor, 'U' another certificate, 'C' a CRL.
 */
#include <stdlib.h>

#include "evidence/cert.h"
#include "evidence/path.h"
#include "tests/fuzz/fuzz.h"

#define PIECES_MAX 32
/* 2020-06-01 */
#define TIME_MS INT64_C(1590969600000)

struct input {
	X509 *leaf;
	STACK_OF(X509) *anchors, *untrusted;
	STACK_OF(X509_CRL) *crls;
};

static void add_crl(struct input *in, struct bytes b)
{
	const uint8_t *p = b.data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)b.len);

	if (crl)
		sk_X509_CRL_push(in->crls, crl);
}

static void add_piece(struct input *in, uint8_t type, struct bytes b)
{
	AUTO(x509) X509 *cert = NULL;

	if (type == 'C') {
		add_crl(in, b);
		return;
	}
	AUTO(err) struct err *e = cert_parse(b, &cert);
	if (e)
		return;
	if (type == 'A')
		sk_X509_push(in->anchors, take(cert));
	else if (type == 'U')
		sk_X509_push(in->untrusted, take(cert));
	else if (type == 'L' && !in->leaf)
		in->leaf = take(cert);
}

static struct err *read_pieces(struct input *in, struct bytes b)
{
	struct cursor c = { b };

	for (int n = 0; c.rest.len && n < PIECES_MAX; n++) {
		struct bytes piece;
		uint16_t len;
		uint8_t type;
		TRY(cursor_u8(&c, &type));
		TRY(cursor_u16(&c, &len));
		TRY(cursor_bytes(&c, len, &piece));
		add_piece(in, type, piece);
	}
	return NULL;
}

static void judge(const struct input *in, uint8_t flags)
{
	static const char *const policies[] = { "2.16.840.1.101.3.2.1.48.1", NULL };
	const struct path_params params = {
		.time_ms = TIME_MS,
		.anchors = in->anchors,
		.untrusted = in->untrusted,
		.crls = in->crls,
		.check_revocation = flags & 1,
		.policies = flags & 2 ? policies : NULL,
		.allow_weak = flags & 4,
	};
	AUTO(path) struct path *path = NULL;
	AUTO(err) struct err *e = path_build(in->leaf, &params, &path);
	AUTO(x509_stack) STACK_OF(X509) *missing = path_missing_crls(&params, in->leaf);

	if (!e && sk_X509_num(path_certs(path)) > PATH_LEN_MAX)
		err_abort("a path of %d certificates", sk_X509_num(path_certs(path)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .anchors = sk_X509_new_null(),
		.untrusted = sk_X509_new_null(),
		.crls = sk_X509_CRL_new_null() };

	if (size > 1)
		err_free(read_pieces(&in, BYTES(data + 1, size - 1)));
	if (in.leaf)
		judge(&in, data[0]);
	X509_free(in.leaf);
	x509_stack_free(in.anchors);
	x509_stack_free(in.untrusted);
	sk_X509_CRL_pop_free(in.crls, X509_CRL_free);
	return 0;
}
