/*
 * module.h: a PKCS#11 module in this process. It is foreign code: before each call the kernel is told to kill the
 * process if the call does not return, and nothing that it says is believed without a look.
 */
#ifndef DERIVD_PKCS11_MODULE_H
#define DERIVD_PKCS11_MODULE_H

#include <p11-kit/pkcs11.h>

#include "base/def.h"
#include "base/err.h"

/* All that is ever called. */
#define MODULE_FUNCTIONS(F)                                                                        \
	F(C_Initialize)                                                                            \
	F(C_Finalize)                                                                              \
	F(C_GetSlotList)                                                                           \
	F(C_GetSlotInfo)                                                                           \
	F(C_GetTokenInfo)                                                                          \
	F(C_GetMechanismInfo)                                                                      \
	F(C_OpenSession)                                                                           \
	F(C_CloseSession)                                                                          \
	F(C_Login)                                                                                 \
	F(C_Logout)                                                                                \
	F(C_FindObjectsInit)                                                                       \
	F(C_FindObjects)                                                                           \
	F(C_FindObjectsFinal)                                                                      \
	F(C_GetAttributeValue)                                                                     \
	F(C_SignInit)                                                                              \
	F(C_Sign)

struct module_functions {
#define F(name) CK_##name name;
	MODULE_FUNCTIONS(F)
#undef F
};

struct module;

/*
 * Loads the module (C_GetInterface of PKCS#11 3, then C_GetFunctionList) and initialises it. arguments: what some modules
 * want to be told then (NSS), NULL for the others; lent for the module's life. call_s: seconds that a call may take.
 * ERR_MODULE names the file.
 */
MUST_CHECK struct err *module_open(
	const char *path, const char *arguments, unsigned int call_s, struct module **ret_module);
/* C_Finalize. The library stays mapped: modules leave exit handlers and threads behind. */
void module_close(struct module *m);
DEFINE_AUTO(module, struct module *, module_close);

/*
 * One call: MODULE_CALL(m, C_Logout, session). The result is the function's. MODULE_CALL_FOR has its own limit in
 * seconds.
 */
#define MODULE_CALL_FOR(m, seconds, function, ...)                                                 \
	module_after(m, #function, module_before(m, seconds)->function(__VA_ARGS__))
#define MODULE_CALL(m, function, ...) MODULE_CALL_FOR(m, 0, function, __VA_ARGS__)

/* The two halves of MODULE_CALL. seconds 0: as given to module_open. */
const struct module_functions *module_before(struct module *m, unsigned int seconds);
CK_RV module_after(struct module *m, const char *function, CK_RV rv);

#endif
