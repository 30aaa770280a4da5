/* person.h: what a screen says of who somebody is: the name and the last four digits of a number, no more of it. */
#ifndef DERIVD_CTL_PERSON_H
#define DERIVD_CTL_PERSON_H

#include "evidence/facts.h"

/* The name in the facts without longer numbers in it (common names of some cards end in one); "" when there is none.
 * The caller frees. */
char *person_name(const struct facts *f);
/* The last four digits of the person's number (DoD ID, FASC-N person, serial number); "" when the facts have none. The
 * caller frees. */
char *person_last_four(const struct facts *f);

#endif
