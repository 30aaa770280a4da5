/*
 * limit.c: the table is sorted once, at first use, and then searched by type and field. libderivd-device may be used by several
 * threads.
 */
#include "proto/limit.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "proto/ca.pb-c.h"
#include "proto/card.pb-c.h"
#include "proto/common.pb-c.h"
#include "proto/control.pb-c.h"
#include "proto/courier.pb-c.h"
#include "proto/device.pb-c.h"
#include "proto/gateway.pb-c.h"

static struct limit limits[] = {
#define LIMIT(package, message, field, kind, min, max, max_count)                                  \
	{ &package##__##message##__descriptor, #field, LIMIT_##kind, min, max, max_count, 0 },
#include "proto/limit.def"
#undef LIMIT
};

static pthread_once_t sorted = PTHREAD_ONCE_INIT;

static int compare(const void *pa, const void *pb)
{
	const struct limit *a = pa, *b = pb;
	uintptr_t ta = (uintptr_t)a->type, tb = (uintptr_t)b->type;

	if (ta != tb)
		return ta < tb ? -1 : 1;
	return a->index == b->index ? 0 : a->index < b->index ? -1 : 1;
}

static void sort(void)
{
	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		struct limit *l = &limits[i];
		const ProtobufCFieldDescriptor *f =
			protobuf_c_message_descriptor_get_field_by_name(l->type, l->field);

		if (!f)
			err_abort("limit.def: %s has no field %s", l->type->name, l->field);
		l->index = (unsigned int)(f - l->type->fields);
	}
	qsort(limits, ARRAY_LEN(limits), sizeof(limits[0]), compare);
}

const struct limit *limit_table(size_t *ret_n)
{
	pthread_once(&sorted, sort);
	*ret_n = ARRAY_LEN(limits);
	return limits;
}

const struct limit *limit_find(const ProtobufCMessageDescriptor *type, unsigned int index)
{
	struct limit key = { .type = type, .index = index };

	pthread_once(&sorted, sort);
	return bsearch(&key, limits, ARRAY_LEN(limits), sizeof(limits[0]), compare);
}
