/* The PIN pad of a virtual reader: see pad.h. */
#include "tests/mock/reader/pad.h"

#include <arpa/inet.h>
#include <string.h>

#include <wintypes.h>
#include <reader.h>

enum { HEADER = 5, UNITS_ARE_BYTES = 0x80, TYPE_MASK = 0x03, ASCII = 0x02, RIGHT = 0x04 };

_Static_assert(PAD_CODE == SCARD_CTL_CODE(3506), "the code that vendors' readers use, too");

/* The fixed part; what follows it is the command. */
static PIN_VERIFY_STRUCTURE fixed_part(const uint8_t *request)
{
	PIN_VERIFY_STRUCTURE s;

	memcpy(&s, request, sizeof s);
	return s;
}

size_t pad_features(uint8_t *out, size_t room)
{
	PCSC_TLV_STRUCTURE verify = { FEATURE_VERIFY_PIN_DIRECT, 4, htonl(PAD_CODE) };

	if (room < sizeof verify)
		return 0;
	memcpy(out, &verify, sizeof verify);
	return sizeof verify;
}

/* Where the first digit goes in the command. */
static size_t position(const PIN_VERIFY_STRUCTURE *s)
{
	return HEADER + (s->bmFormatString >> 3 & 0x0F);
}

bool pad_accepts(const uint8_t *request, size_t n)
{
	PIN_VERIFY_STRUCTURE s;
	size_t block;

	if (n < sizeof s)
		return false;
	s = fixed_part(request);
	block = s.bmPINBlockString & 0x0F;
	if (s.ulDataLength != n - sizeof s || s.ulDataLength > PAD_APDU_MAX)
		return false;
	if ((s.bmFormatString & TYPE_MASK) != ASCII || s.bmFormatString & RIGHT)
		return false;
	if (!(s.bmFormatString & UNITS_ARE_BYTES) && s.bmFormatString >> 3 & 0x0F)
		return false;
	/* The length of the PIN goes nowhere, and its block is in the command already, with its padding. */
	return !(s.bmPINBlockString >> 4) && block && position(&s) + block <= s.ulDataLength;
}

uint16_t pad_fill(const uint8_t *request, const char *digits, size_t digits_n,
	uint8_t ret_apdu[PAD_APDU_MAX], size_t *ret_n)
{
	PIN_VERIFY_STRUCTURE s = fixed_part(request);
	size_t min = s.wPINMaxExtraDigit >> 8, max = s.wPINMaxExtraDigit & 0xFF;

	if (!digits_n)
		return PAD_CANCELLED;
	if (digits_n < min || digits_n > max || digits_n > (s.bmPINBlockString & 0x0F))
		return PAD_WRONG_LENGTH;
	memcpy(ret_apdu, request + sizeof s, s.ulDataLength);
	memcpy(ret_apdu + position(&s), digits, digits_n);
	*ret_n = s.ulDataLength;
	return 0;
}
