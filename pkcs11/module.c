/* module.c: loading a PKCS#11 module, and the timer around its calls. */
#include "pkcs11/module.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/proc.h"
#include "pkcs11/rv.h"
#include "proto/kind.h"

/* CK_INTERFACE of PKCS#11 3.0, which the header of Debian 12's p11-kit lacks. */
struct interface {
	char *name;
	void *functions;
	CK_FLAGS flags;
};

typedef CK_RV get_interface(
	CK_UTF8CHAR *name, CK_VERSION *version, struct interface **ret_interface, CK_FLAGS flags);

struct module {
	void *library;
	struct module_functions functions;
	unsigned int call_s;
	bool initialized;
};

const struct module_functions *module_before(struct module *m, unsigned int seconds)
{
	proc_deadline(seconds ? seconds : m->call_s);
	return &m->functions;
}

CK_RV module_after(struct module *m, const char *function, CK_RV rv)
{
	(void)m;
	proc_deadline(0);
	log_debug("%s: %s", function, rv_name(rv));
	return rv;
}

static bool is_known(const CK_FUNCTION_LIST *list)
{
	return list && (list->version.major == 2 || list->version.major == 3);
}

/* The list of 3.x begins with that of 2.40, so its beginning is all that we need. */
static CK_FUNCTION_LIST *ask_interface(void *library)
{
	static CK_UTF8CHAR name[] = "PKCS 11";
	struct interface *found = NULL;
	get_interface *ask;

	*(void **)&ask = dlsym(library, "C_GetInterface");
	if (!ask || ask(name, NULL, &found, 0) != CKR_OK || !found)
		return NULL;
	CK_FUNCTION_LIST *list = found->functions;
	return is_known(list) ? list : NULL;
}

static CK_FUNCTION_LIST *ask_function_list(void *library)
{
	CK_FUNCTION_LIST *list = NULL;
	CK_C_GetFunctionList ask;

	*(void **)&ask = dlsym(library, "C_GetFunctionList");
	if (!ask || ask(&list) != CKR_OK)
		return NULL;
	return is_known(list) ? list : NULL;
}

static struct err *copy_functions(const CK_FUNCTION_LIST *list, struct module_functions *functions)
{
#define F(name)                                                                                    \
	functions->name = list->name;                                                              \
	if (!functions->name)                                                                      \
		return err_new(&ERR_MODULE, "it has no " #name);
	MODULE_FUNCTIONS(F)
#undef F
	return NULL;
}

static CK_FUNCTION_LIST *ask_library(void *library)
{
	CK_FUNCTION_LIST *list = ask_interface(library);

	return list ? list : ask_function_list(library);
}

static struct err *load(struct module *m, const char *path)
{
	CK_FUNCTION_LIST *list = NULL;

	/* Constructors of the library are foreign code too. */
	proc_deadline(m->call_s);
	m->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (m->library)
		list = ask_library(m->library);
	proc_deadline(0);
	if (!m->library)
		return err_new(&ERR_MODULE, "%s", dlerror());
	if (!list)
		return err_new(&ERR_MODULE, "it is not a PKCS#11 module of version 2 or 3");
	return copy_functions(list, &m->functions);
}

/*
 * PKCS#11 wants pReserved to be NULL; modules that have more to be told take a text there, as p11-kit's x-init-reserved
 * gives it to them.
 */
static CK_RV initialize(struct module *m, const char *arguments)
{
	CK_C_INITIALIZE_ARGS args = {
		.flags = CKF_OS_LOCKING_OK,
		.pReserved = (void *)(uintptr_t)arguments,
	};

	return MODULE_CALL(m, C_Initialize, arguments ? &args : NULL);
}

static struct err *explain_arguments(CK_RV rv, const char *arguments)
{
	struct err *e = rv_error(rv, "C_Initialize");

	if (rv != CKR_ARGUMENTS_BAD)
		return e;
	return err_wrap(e, arguments ? "module-arguments in card.conf"
				     : "it may want module-arguments in card.conf");
}

struct err *module_open(
	const char *path, const char *arguments, unsigned int call_s, struct module **ret_module)
{
	AUTO(module) struct module *m = xcalloc(1, sizeof(*m));

	m->call_s = call_s;
	TRY(err_wrap(load(m, path), "PKCS#11 module %s", path));
	CK_RV rv = initialize(m, arguments);
	TRY(err_as(&ERR_MODULE, explain_arguments(rv, arguments), "PKCS#11 module %s", path));
	m->initialized = true;
	*ret_module = take(m);
	return NULL;
}

void module_close(struct module *m)
{
	if (!m)
		return;
	if (m->initialized)
		MODULE_CALL(m, C_Finalize, NULL);
	free(m);
}
