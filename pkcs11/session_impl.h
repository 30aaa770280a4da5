/* session_impl.h: what session.c and session_sign.c share. */
#ifndef DERIVD_PKCS11_SESSION_IMPL_H
#define DERIVD_PKCS11_SESSION_IMPL_H

#include "pkcs11/session.h"

struct session {
	const struct settings *settings; /* lent */
	struct refused *refused;         /* lent */
	struct uri *uri;                 /* NULL: any token */
	struct hold *hold;               /* NULL without PC/SC */
	bool alone;                      /* no other reader holds a card */
	struct hold_look look;
	struct module *module;
	struct slot slot;
	struct token token;
	bool has_token; /* token.session is open */
	bool logged_in;
	bool spent;
	struct card *card;
	struct pin pin;
};

/*
 * An error of a card that is not there any more, or is another one now, becomes just that, whatever the module said.
 */
MUST_CHECK struct err *session_explain(struct session *s, struct err *take_e);
/* ERR_MODULE when the card is not held exclusively and allow-shared does not accept that. */
MUST_CHECK struct err *session_check_exclusive(struct session *s);
struct card_source session_source(const struct session *s);

#endif
