/* facts_out.h: what was read of a card, as the message Facts. */
#ifndef DERIVD_PKCS11_FACTS_OUT_H
#define DERIVD_PKCS11_FACTS_OUT_H

#include "pkcs11/session.h"
#include "proto/card.pb-c.h"

struct facts_out;

/* Texts of the card are made safe to show; the session and the settings must outlive the result. */
struct facts_out *facts_out_new(const struct session *s, const struct settings *settings);
void facts_out_free(struct facts_out *f);
DEFINE_AUTO(facts_out, struct facts_out *, facts_out_free);
const Card__Facts *facts_out_message(const struct facts_out *f);

/* What stands for a reader when the module's slots are none of PC/SC: the module's file name; lent. */
const char *facts_out_module_name(const struct settings *settings);

#endif
