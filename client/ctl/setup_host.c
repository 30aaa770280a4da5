/* setup_host.c: names and addresses: does the name lead somewhere, is the address one of this machine? */
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "client/ctl/setup.h"
#include "proto/host.h"

#define SMTP_PORT "25"

static inline UNUSED void addrinfo_free(struct addrinfo *a)
{
	if (a)
		freeaddrinfo(a);
}
DEFINE_AUTO(addrinfo, struct addrinfo *, addrinfo_free);

static int look_up(const char *host, int flags, struct addrinfo **ret_found)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags
	};

	return getaddrinfo(host, NULL, &hints, ret_found);
}

static bool is_address(const char *host)
{
	AUTO(addrinfo) struct addrinfo *found = NULL;

	return look_up(host, AI_NUMERICHOST, &found) == 0;
}

/* Of an address's bytes: IPv4, IPv6. */
static struct bytes address_bytes(const struct sockaddr *a)
{
	if (a->sa_family == AF_INET)
		return BYTES(&((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
	if (a->sa_family == AF_INET6)
		return BYTES(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	return BYTES("", 0);
}

static bool is_loopback(struct bytes a)
{
	static const uint8_t v6[16] = { [15] = 1 };

	return (a.len == 4 && a.data[0] == 127) || (a.len == 16 && memcmp(a.data, v6, 16) == 0);
}

static bool is_own(struct bytes wanted)
{
	struct ifaddrs *all = NULL;
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i; i = i->ifa_next)
		if (i->ifa_addr && bytes_eq(address_bytes(i->ifa_addr), wanted))
			found = true;
	freeifaddrs(all);
	return found;
}

static struct err *check_address(const char *host)
{
	AUTO(addrinfo) struct addrinfo *found = NULL;

	if (look_up(host, AI_NUMERICHOST, &found) != 0)
		return err_new(
			&SETUP_ERR_ANSWER, _("\"%s\" is neither a host name nor an address"), host);
	struct bytes address = address_bytes(found->ai_addr);
	if (is_loopback(address))
		return err_new(&SETUP_ERR_DOUBT,
			_("%s is this machine for itself only: no phone gets there"), host);
	if (!is_own(address))
		return err_new(&SETUP_ERR_DOUBT,
			_("%s is no address of this machine; right if something passes it on to "
			  "here"),
			host);
	return NULL;
}

struct err *check_host(struct setup *s UNUSED, struct setup_answer *a)
{
	AUTO(addrinfo) struct addrinfo *found = NULL;

	if (a->n != 1 || !host_is_good(a->values[0]))
		return err_new(
			&SETUP_ERR_ANSWER, _("one host name is needed, as kiosk.example.org, or an "
					     "address, without a port"));
	const char *host = a->values[0];
	if (is_address(host))
		return check_address(host);
	if (strcasecmp(host, "localhost") == 0)
		return err_new(&SETUP_ERR_DOUBT,
			_("%s is this machine for itself only: no phone gets there"), host);
	int code = look_up(host, AI_ADDRCONFIG, &found);
	if (code != 0)
		return err_new(&SETUP_ERR_DOUBT,
			_("the name %s leads nowhere (%s); right if phones have another DNS"), host,
			gai_strerror(code));
	return NULL;
}

/* Would the gateway's socket find its place? Binding tells; nothing listens. */
bool setup_is_port_taken(const char *port)
{
	const struct addrinfo hints = { .ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	AUTO(addrinfo) struct addrinfo *found = NULL;
	const int on = 1;
	bool taken = false;

	if (getaddrinfo(NULL, port, &hints, &found) != 0)
		return false;
	for (const struct addrinfo *i = found; i && !taken; i = i->ai_next) {
		AUTO_FD int fd =
			socket(i->ai_family, i->ai_socktype | SOCK_CLOEXEC, i->ai_protocol);
		if (fd < 0)
			continue;
		/* As systemd does it, so that connections that have ended do not count. */
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		taken = bind(fd, i->ai_addr, i->ai_addrlen) != 0 && errno == EADDRINUSE;
	}
	return taken;
}

char *setup_own_name(void)
{
	struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_CANONNAME
	};
	AUTO(addrinfo) struct addrinfo *found = NULL;
	char name[HOST_MAX + 1];

	if (gethostname(name, sizeof(name)) != 0)
		return NULL;
	name[sizeof(name) - 1] = 0;
	if (getaddrinfo(name, NULL, &hints, &found) != 0)
		return NULL;
	const char *full = found->ai_canonname ? found->ai_canonname : name;
	/* Without a dot nobody elsewhere would find it. */
	return strchr(full, '.') && host_is_good(full) ? xstrdup(full) : NULL;
}

/* --- the mail server --- */

/* "mail.example.org", "mail.example.org:587", "smtps://mail.example.org": its host. */
static struct err *split(
	const char *text, const char **ret_scheme, char **ret_host, const char **ret_port)
{
	const char *rest = strstr(text, "://");
	bool has_scheme = rest != NULL;

	*ret_scheme = text_starts(text, "smtps://") ? "smtps" : "smtp";
	if (has_scheme && !text_starts(text, "smtps://") && !text_starts(text, "smtp://"))
		return err_new(&SETUP_ERR_ANSWER, _("it must begin with smtp:// or smtps://"));
	rest = has_scheme ? rest + 3 : text;
	const char *end = *rest == '[' ? strchr(rest, ']') : rest + strcspn(rest, ":");
	if (!end)
		return err_new(&SETUP_ERR_ANSWER, _("the address does not end: ] is missing"));
	AUTO_MEM char *host =
		bytes_strdup(BYTES(rest + (*rest == '['), (size_t)(end - rest) - (*rest == '[')));
	end += *end == ']';
	*ret_port = *end == ':' ? end + 1 : NULL;
	if ((*end && *end != ':') || !host_is_good(host))
		return err_new(&SETUP_ERR_ANSWER, _("a host, and perhaps :PORT, is needed"));
	*ret_host = take(host);
	return NULL;
}

struct err *check_smtp(struct setup *s UNUSED, struct setup_answer *a)
{
	AUTO(addrinfo) struct addrinfo *found = NULL;
	AUTO_MEM char *host = NULL;
	const char *scheme, *port;
	uint64_t number;

	if (a->n == 0)
		return NULL;
	if (a->n > 1)
		return err_new(&SETUP_ERR_ANSWER, _("one mail server is enough"));
	TRY(split(a->values[0], &scheme, &host, &port));
	if (port)
		TRY(err_as(&SETUP_ERR_ANSWER, text_parse_u64(port, 65535, &number), _("the port")));
	int code = look_up(host, AI_ADDRCONFIG, &found);
	/* One form, also when it comes a second time. */
	bool v6 = strchr(host, ':') != NULL;
	char *url = xasprintf("%s://%s%s%s:%s", scheme, v6 ? "[" : "", host, v6 ? "]" : "",
		port                           ? port
		: strcmp(scheme, "smtps") == 0 ? "465"
					       : SMTP_PORT);
	free(a->values[0]);
	a->values[0] = url;
	if (code != 0)
		return err_new(&SETUP_ERR_DOUBT, _("the name %s leads nowhere (%s)"), host,
			gai_strerror(code));
	return NULL;
}

bool setup_is_local(const char *smtp_url)
{
	AUTO(addrinfo) struct addrinfo *found = NULL;
	AUTO_MEM char *host = NULL;
	const char *scheme, *port;
	AUTO(err) struct err *e = split(smtp_url, &scheme, &host, &port);

	if (e)
		return false;
	if (look_up(host, AI_NUMERICHOST, &found) == 0)
		return is_loopback(address_bytes(found->ai_addr));
	return strcasecmp(host, "localhost") == 0;
}
