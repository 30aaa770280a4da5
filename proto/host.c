/* host.c: names by their characters and labels, addresses as the C library reads them. */
#include "proto/host.h"

#include <arpa/inet.h>
#include <string.h>

#define LABEL_MAX 63
#define ALNUM "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static bool is_label(const char *label, size_t len)
{
	return len >= 1 && len <= LABEL_MAX && label[0] != '-' && label[len - 1] != '-';
}

static bool is_name(const char *host)
{
	if (strspn(host, ALNUM "-.") != strlen(host))
		return false;
	for (const char *label = host;;) {
		size_t len = strcspn(label, ".");
		if (!is_label(label, len))
			return false;
		if (!label[len])
			return true;
		label += len + 1;
	}
}

bool host_is_good(const char *host)
{
	struct in6_addr address;

	if (strlen(host) > HOST_MAX)
		return false;
	return inet_pton(AF_INET6, host, &address) == 1 || is_name(host);
}
