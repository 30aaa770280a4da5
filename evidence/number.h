/* number.h: the number that some cards give a person, taken from the facts of a certificate. The callers free. */
#ifndef DERIVD_EVIDENCE_NUMBER_H
#define DERIVD_EVIDENCE_NUMBER_H

#include "evidence/facts.h"

/* DoD: the ten digits behind the common name's last dot, or before the @ of the UPN. NULL when there are none. */
char *number_edipi(const struct facts *f);
/*
 * The person in the FASC-N as "C-OOOO-PPPPPPPPPP": organization's category, organization, person (SP 800-73-4 part 1, section
 * 3.4.2). Not the association category, which changes when a contractor is hired. NULL when there is no FASC-N or, as on
 * PIV-I cards with their agency code 9999, none of a person.
 */
char *number_fascn_person(const struct facts *f);
/* The last four digits of that number, or of a subject's serial number if that is what identifies the person; else "". */
char *number_last_four(const struct facts *f);

#endif
