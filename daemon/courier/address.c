/* address.c: ranges of RFC 6890 and its successors that are no web server for us. */
#include "daemon/courier/address.h"

#include <netinet/in.h>
#include <string.h>

static bool is_special4(uint32_t a)
{
	static const struct {
		uint32_t net, mask;
	} ranges[] = {
		{ 0x00000000, 0xff000000 }, /* 0/8: this network */
		{ 0x7f000000, 0xff000000 }, /* 127/8: loopback */
		{ 0xa9fe0000, 0xffff0000 }, /* 169.254/16: link-local, and most clouds' metadata */
		{ 0x646464c8, 0xffffffff }, /* 100.100.100.200: metadata */
		{ 0xc0000000,
			0xffffff00 }, /* 192.0.0/24: protocol assignments, one cloud's metadata */
		{ 0xe0000000, 0xf0000000 }, /* 224/4: multicast */
		{ 0xf0000000, 0xf0000000 }, /* 240/4: reserved, broadcast */
	};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if ((a & ranges[i].mask) == ranges[i].net)
			return true;
	return false;
}

static uint32_t read4(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* IPv6 addresses that stand for an IPv4 address, which begins at byte `at`. */
static const struct {
	uint8_t prefix[12];
	uint8_t len;
	uint8_t at;
} wrapped[] = {
	{ { [10] = 0xff, [11] = 0xff }, 12, 12 },          /* mapped */
	{ { [8] = 0xff, [9] = 0xff }, 12, 12 },            /* translated (RFC 2765) */
	{ { 0x00, 0x64, 0xff, 0x9b }, 12, 12 },            /* NAT64 */
	{ { 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01 }, 6, 12 }, /* NAT64 of one's own (RFC 8215) */
	{ { 0x20, 0x02 }, 2, 2 },                          /* 6to4 */
};

static bool is_special6(const uint8_t a[static 16])
{
	static const uint8_t zeros[12];
	static const uint8_t metadata[16] = { 0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54 };

	for (size_t i = 0; i < ARRAY_LEN(wrapped); i++)
		if (memcmp(a, wrapped[i].prefix, wrapped[i].len) == 0)
			return is_special4(read4(a + wrapped[i].at));
	if (memcmp(a, zeros, 12) == 0) /* unspecified, loopback, the old form of IPv4 */
		return true;
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80) /* link-local */
		return true;
	return a[0] == 0xff || memcmp(a, metadata, 16) == 0;
}

bool address_is_special(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET)
		return is_special4(ntohl(
			((const struct sockaddr_in *)(const void *)address)->sin_addr.s_addr));
	if (address->sa_family == AF_INET6)
		return is_special6(
			((const struct sockaddr_in6 *)(const void *)address)->sin6_addr.s6_addr);
	return true;
}
