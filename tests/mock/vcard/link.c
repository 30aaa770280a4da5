/* The contacts between card and reader: see link.h. */
#include "tests/mock/vcard/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { RETRY_MS = 20, HOST_ROOM = 64, LENGTH_BYTES = 2 };
enum { CONTROL_OFF = 0, CONTROL_ON = 1, CONTROL_RESET = 2, CONTROL_ATR = 4 };
/* Not vpcd's: the rig's reader asks for what is typed on its PIN pad. */
enum { CONTROL_DIGITS = 0x80 };

struct link {
	union {
		struct sockaddr any;
		struct sockaddr_in ip;
		struct sockaddr_un path;
	} peer;
	socklen_t peer_n;
	unsigned gap_ms;
	int fd;
	bool connecting;
	int64_t next_try;
	unsigned pulls_seen;
	struct blob in;
	struct blob answer; /* an R-APDU that waits for its time; empty if none */
	int64_t due;
};

static bool parse_path(struct link *l, const char *target, struct why *why)
{
	if (strlen(target) >= sizeof l->peer.path.sun_path)
		return why_set(why, "%s: a socket's path has at most %zu bytes", target,
			sizeof l->peer.path.sun_path - 1);
	l->peer.path.sun_family = AF_UNIX;
	strcpy(l->peer.path.sun_path, target);
	l->peer_n = sizeof l->peer.path;
	return true;
}

static bool parse_host(struct link *l, const char *target, struct why *why)
{
	char host[HOST_ROOM];
	const char *colon = strrchr(target, ':');
	char *end;
	unsigned long port = colon ? strtoul(colon + 1, &end, 0) : 0;

	if (!colon || *end || !port || port > 65535 || (size_t)(colon - target) >= sizeof host)
		return why_set(why, "\"%s\" is neither HOST:PORT nor a path", target);
	memcpy(host, target, (size_t)(colon - target));
	host[colon - target] = 0;
	l->peer.ip.sin_family = AF_INET;
	l->peer.ip.sin_port = htons((uint16_t)port);
	if (inet_pton(AF_INET, host, &l->peer.ip.sin_addr) != 1)
		return why_set(why, "\"%s\" is not a numeric IPv4 address", host);
	if (ntohl(l->peer.ip.sin_addr.s_addr) >> 24 != IN_LOOPBACKNET)
		return why_set(
			why, "%s is not a loopback address: the card's keys stay here", host);
	l->peer_n = sizeof l->peer.ip;
	return true;
}

bool link_new(const char *target, unsigned gap_ms, struct link **ret_link, struct why *why)
{
	AUTO(link) struct link *l = must_alloc(sizeof *l);

	l->fd = -1;
	l->gap_ms = gap_ms;
	if (strchr(target, '/') ? !parse_path(l, target, why) : !parse_host(l, target, why))
		return false;
	*ret_link = take(l);
	return true;
}

static void let_go(struct link *l)
{
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
	l->connecting = false;
	blob_clear(&l->in);
	blob_clear(&l->answer);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	let_go(l);
	blob_free(&l->in);
	blob_free(&l->answer);
	free(l);
}

bool link_is_up(const struct link *l)
{
	return l->fd >= 0 && !l->connecting;
}

/* The reader went away: no power any more. */
static void lose(struct link *l, struct hand *h)
{
	let_go(l);
	l->next_try = now_ms() + RETRY_MS;
	hand_reset(h);
}

static void try_connect(struct link *l)
{
	l->fd = socket(l->peer.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (l->fd < 0)
		return;
	if (connect(l->fd, &l->peer.any, l->peer_n) == 0)
		return;
	l->connecting = errno == EINPROGRESS;
	if (!l->connecting) {
		let_go(l);
		l->next_try = now_ms() + RETRY_MS;
	}
}

static void finish_connect(struct link *l)
{
	int error = 0;
	socklen_t n = sizeof error;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && !error) {
		l->connecting = false;
		return;
	}
	let_go(l);
	l->next_try = now_ms() + RETRY_MS;
}

/* vpcd writes the length and the bytes apart. With delayed acknowledgement the second waits 40 ms
 * for the first one's; the setting does not last, so it is renewed at each turn. */
static void hurry(struct link *l)
{
	static const int on = 1;

	if (l->peer.any.sa_family != AF_INET)
		return;
	setsockopt(l->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
	setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static bool send_all(struct link *l, struct span bytes)
{
	struct pollfd p = { .fd = l->fd, .events = POLLOUT };

	while (bytes.n) {
		ssize_t n = send(l->fd, bytes.at, bytes.n, MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN && poll(&p, 1, -1) > 0)
			continue;
		if (n < 0)
			return false;
		bytes = (struct span){ bytes.at + n, bytes.n - (size_t)n };
	}
	return true;
}

static bool send_message(struct link *l, struct span bytes)
{
	AUTO(blob) struct blob whole = { 0 };

	blob_add_byte(&whole, (uint8_t)(bytes.n >> 8));
	blob_add_byte(&whole, (uint8_t)bytes.n);
	blob_add(&whole, bytes.at, bytes.n);
	return send_all(l, blob_span(&whole));
}

/* One whole message. False when the link is of no use any more. */
static bool take_message(struct link *l, struct hand *h, struct span m)
{
	if (m.n != 1)
		return hand_apdu(h, m, &l->answer, &l->due) == HAND_ANSWER;
	switch (m.at[0]) {
	case CONTROL_OFF:
	case CONTROL_RESET:
		hand_reset(h);
		return true;
	case CONTROL_ATR:
		return send_message(l, card_atr(hand_card(h)));
	case CONTROL_DIGITS:
		hand_pad_ask(h);
		return true;
	case CONTROL_ON:
	default:
		return true;
	}
}

static bool take_messages(struct link *l, struct hand *h)
{
	while (l->in.n >= LENGTH_BYTES && !l->answer.n) {
		size_t n = (size_t)l->in.at[0] << 8 | l->in.at[1];
		AUTO(blob) struct blob message = { 0 };

		if (l->in.n < LENGTH_BYTES + n)
			return true;
		blob_add(&message, l->in.at + LENGTH_BYTES, n);
		blob_drop(&l->in, LENGTH_BYTES + n);
		if (n && !take_message(l, h, blob_span(&message)))
			return false;
	}
	return true;
}

/* Sends the answer if it is time. */
static void answer(struct link *l, struct hand *h)
{
	bool sent;

	if (!l->answer.n || hand_mute(h) || now_ms() < l->due)
		return;
	sent = send_message(l, blob_span(&l->answer));
	blob_clear(&l->answer);
	if (!sent || !take_messages(l, h))
		lose(l, h);
}

/* Sends what was typed on the PIN pad, if somebody asked and somebody typed. */
static void type_digits(struct link *l, struct hand *h)
{
	AUTO(blob) struct blob digits = { 0 };

	if (l->fd >= 0 && hand_pad_take(h, &digits) && !send_message(l, blob_span(&digits)))
		lose(l, h);
}

static void follow(struct link *l, struct hand *h)
{
	bool moved = l->pulls_seen != hand_pulls(h);

	l->pulls_seen = hand_pulls(h);
	if (moved) {
		let_go(l);
		l->next_try = now_ms() + l->gap_ms;
	}
	if (l->fd < 0 && hand_in(h) && now_ms() >= l->next_try)
		try_connect(l);
}

static int wait_until(int64_t when)
{
	int64_t left = when - now_ms();

	return left < 0 ? 0 : (int)left;
}

int link_prepare(struct link *l, struct hand *h, struct pollfd *ret_poll)
{
	follow(l, h);
	answer(l, h);
	type_digits(l, h);
	*ret_poll = (struct pollfd){ .fd = l->fd, .events = l->connecting ? POLLOUT : POLLIN };
	if (l->fd < 0)
		return hand_in(h) ? wait_until(l->next_try) : -1;
	return l->answer.n && !hand_mute(h) ? wait_until(l->due) : -1;
}

void link_serve(struct link *l, struct hand *h, const struct pollfd *polled)
{
	uint8_t part[4096];
	ssize_t n;

	if (l->fd < 0 || polled->fd != l->fd || !polled->revents)
		return;
	if (l->connecting) {
		finish_connect(l);
		return;
	}
	n = recv(l->fd, part, sizeof part, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(l, h);
		return;
	}
	hurry(l);
	blob_add(&l->in, part, (size_t)n);
	/* A pulled card is let go of by follow(), in the next turn. */
	(void)take_messages(l, h);
}
