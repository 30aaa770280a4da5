/* chuid.h: the card holder unique identifier (SP 800-73-4 part 1, section 3.1.2 and appendix A, table 9). */
#ifndef DERIVD_PKCS11_CHUID_H
#define DERIVD_PKCS11_CHUID_H

#include "base/def.h"
#include "base/err.h"

#define CHUID_GUID_LEN 16

/*
 * The GUID, lent from the bytes: the container's content with or without its outer tag 53, as modules differ. A CHUID
 * without a GUID, or with one of zeros, has *ret_guid of length 0. ERR_FORMAT.
 */
MUST_CHECK struct err *chuid_guid(struct bytes chuid, struct bytes *ret_guid);

#endif
