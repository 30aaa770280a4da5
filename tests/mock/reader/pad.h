/* The PIN pad of a virtual reader (PC/SC part 10, FEATURE_VERIFY_PIN_DIRECT). */
#ifndef READER_PAD_H
#define READER_PAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PAD_DIGITS_MAX = 32, PAD_APDU_MAX = 261, PAD_CODE = 0x42000DB2 };

/* What a reader answers itself, in place of the card. */
enum { PAD_TIMED_OUT = 0x6400, PAD_CANCELLED = 0x6401, PAD_WRONG_LENGTH = 0x6403 };

/* The answer to CM_IOCTL_GET_FEATURE_REQUEST: the pad's control code. Returns its length, 0 if it does not
 * fit. */
size_t pad_features(uint8_t *out, size_t room);

/* Takes the request apart (a PIN_VERIFY_STRUCTURE with a command in it) before anybody is asked for a PIN.
 * False if it is not one that this reader can carry out: ASCII digits, left justified, in whole bytes. */
bool pad_accepts(const uint8_t *request, size_t n);

/* Puts the digits into the command of a request that was accepted. 0, or the status word with which the
 * reader refuses. */
uint16_t pad_fill(const uint8_t *request, const char *digits, size_t digits_n,
	uint8_t ret_apdu[PAD_APDU_MAX], size_t *ret_n);

#endif
