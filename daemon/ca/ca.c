/* ca.c: the registry of back ends. */
#include "daemon/ca/ca.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "proto/kind.h"

static const struct backend *const backends[] = {
	&backend_local,
};

struct err *backend_find(const char *name, const struct backend **ret_backend)
{
	for (size_t i = 0; i < ARRAY_LEN(backends); i++)
		if (strcmp(backends[i]->name, name) == 0) {
			*ret_backend = backends[i];
			return NULL;
		}
	AUTO_MEM char *shown = text_safe(BYTES(name, strlen(name)));
	return err_new(&ERR_CA_MISCONFIGURED, "backend = \"%s\": there is no such back end", shown);
}

void ca_answer_free(struct ca_answer *a)
{
	if (!a)
		return;
	buf_free(a->certificate);
	free(a->text);
	free(a);
}

struct err *ca_outcome_error(const struct ca_answer *a)
{
	const char *text = a->text ? a->text : "the CA gives no reason";

	switch (a->outcome) {
	case CA_ISSUED:
		return NULL;
	case CA_WAIT:
		return err_new(&ERR_BUSY, "the CA has not decided yet: %s", text);
	case CA_REJECTED:
		return err_new(&ERR_CA_REJECTED, "%s", text);
	case CA_UNREACHABLE:
		return err_new(&ERR_CA_UNREACHABLE, "%s", text);
	case CA_MISCONFIGURED:
		break;
	}
	return err_new(&ERR_CA_MISCONFIGURED, "%s", text);
}
