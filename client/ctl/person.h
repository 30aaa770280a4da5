/* person.h: what a screen says of who somebody is. */
#ifndef DERIVD_CTL_PERSON_H
#define DERIVD_CTL_PERSON_H

#include "evidence/facts.h"

/* The name in the facts without longer numbers in it (common names of some cards end in one); "" when there is none.
 * The caller frees. */
char *person_name(const struct facts *f);

#endif
