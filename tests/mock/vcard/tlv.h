/*
 * BER-TLV as PIV cards use it (SP 800-73 Part 1 and 2): tags of one to three bytes, definite
 * lengths.
 */
#ifndef VCARD_TLV_H
#define VCARD_TLV_H

#include "tests/mock/vcard/bits.h"

/* Appends tag (its raw bytes as a number: 0x5C, 0x7F61, 0x5FC102), length and value. */
void tlv_put(struct blob *out, uint32_t tag, struct span value);

/* Reads one element off the front of *in. False at the end, or when what is left is not a whole
 * element (then in->n is not zero). */
bool tlv_next(struct span *in, uint32_t *ret_tag, struct span *ret_value);

#endif
