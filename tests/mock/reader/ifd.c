/*
 * A virtual card reader: an IFD handler that pcscd loads like any reader's driver. The slot is a unix
 * socket; a card that connects to it is in the reader, a card that closes is pulled. On it both speak
 * vpcd's wire protocol (tests/mock/vcard/link.h).
 * README.md says why it is not vpcd's. A reader whose name begins with "pad" has a PIN pad.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <wintypes.h>
#include <pcsclite.h>
#include <ifdhandler.h>
#include <reader.h>

#include "tests/mock/reader/pad.h"

enum { READERS_MAX = 16, MESSAGE_MAX = 65535, LENGTH_BYTES = 2 };
enum { CONTROL_OFF = 0, CONTROL_ON = 1, CONTROL_RESET = 2, CONTROL_ATR = 4 };
/* Not vpcd's: asks for what is typed on the PIN pad; the answer is the digits, or nothing. */
enum { CONTROL_DIGITS = 0x80 };
#define PAD_NAME "pad"

/*
 * A card that goes (CARD to GONE) is not followed by the next one before pcscd's event thread, the one that
 * calls wait_for_move(), has been round its loop and seen the slot empty: so a swap is never overlooked.
 * Other threads look too (before each change of power), and what they saw is not remembered.
 */
enum content { CARD, GONE, EMPTY, READY };

static struct slot {
	pthread_mutex_t lock; /* content, card */
	bool open;
	bool has_pad;
	enum content content;
	int card; /* in CARD and GONE */
	int listener;
	int wakeup; /* eventfd: ends wait_for_move() early */
	bool waited;
	pthread_t event_thread; /* once it waited */
	struct sockaddr_un at;
} slots[READERS_MAX];

static struct slot *find(DWORD lun)
{
	size_t i = lun >> 16;

	return i < READERS_MAX && (lun & 0xFFFF) == 0 ? &slots[i] : NULL;
}

static struct slot *find_open(DWORD lun)
{
	struct slot *s = find(lun);

	return s && s->open ? s : NULL;
}

static bool went_away(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

static bool send_message(const struct slot *s, const uint8_t *bytes, size_t n)
{
	uint8_t message[LENGTH_BYTES + MESSAGE_MAX];
	size_t sent = 0;

	if (n > MESSAGE_MAX)
		return false;
	message[0] = (uint8_t)(n >> 8);
	message[1] = (uint8_t)n;
	memcpy(message + LENGTH_BYTES, bytes, n);
	while (sent < LENGTH_BYTES + n) {
		ssize_t part = send(s->card, message + sent, LENGTH_BYTES + n - sent, MSG_NOSIGNAL);

		if (part < 0)
			return false;
		sent += (size_t)part;
	}
	return true;
}

static bool receive_all(const struct slot *s, uint8_t *bytes, size_t n)
{
	/* Without bytes to read, recv() would wait for some. */
	return !n || recv(s->card, bytes, n, MSG_WAITALL) == (ssize_t)n;
}

static bool receive_message(const struct slot *s, uint8_t *bytes, DWORD *n)
{
	uint8_t length[LENGTH_BYTES];
	size_t have;

	if (!receive_all(s, length, sizeof length))
		return false;
	have = (size_t)length[0] << 8 | length[1];
	if (have > *n || !receive_all(s, bytes, have))
		return false;
	*n = have;
	return true;
}

static bool send_control(const struct slot *s, uint8_t code)
{
	return send_message(s, &code, 1);
}

static bool listen_at(struct slot *s, const char *path)
{
	s->at = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof s->at.sun_path)
		return false;
	strcpy(s->at.sun_path, path);
	unlink(path);
	s->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener < 0)
		return false;
	if (bind(s->listener, (struct sockaddr *)&s->at, sizeof s->at) == 0 &&
		chmod(path, 0600) == 0 && listen(s->listener, 1) == 0)
		return true;
	close(s->listener);
	return false;
}

/* The name is what pcscd makes of a USB device: usb:VID/PID:libudev:INTERFACE:PATH. */
RESPONSECODE IFDHCreateChannelByName(DWORD lun, LPSTR name)
{
	struct slot *s = find(lun);
	const char *path = strchr(name, '/') ? strstr(name, ":/") : NULL;

	if (!s || s->open || !path)
		return IFD_COMMUNICATION_ERROR;
	*s = (struct slot){ .content = READY, .lock = PTHREAD_MUTEX_INITIALIZER };
	if (!listen_at(s, path + 1))
		return IFD_COMMUNICATION_ERROR;
	s->has_pad = strncmp(strrchr(path, '/') + 1, PAD_NAME, strlen(PAD_NAME)) == 0;
	s->wakeup = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	s->open = true;
	return IFD_SUCCESS;
}

RESPONSECODE IFDHCreateChannel(DWORD lun, DWORD channel)
{
	(void)lun;
	(void)channel;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHCloseChannel(DWORD lun)
{
	struct slot *s = find_open(lun);

	if (!s)
		return IFD_COMMUNICATION_ERROR;
	if (s->content == CARD || s->content == GONE)
		close(s->card);
	close(s->listener);
	close(s->wakeup);
	unlink(s->at.sun_path);
	s->open = false;
	return IFD_SUCCESS;
}

/* One step from GONE to READY; the event thread is at the end of a turn of its loop. What is to be polled
 * for, or -1 for nothing: it shall go round again. */
static struct pollfd end_of_turn(struct slot *s)
{
	struct pollfd p = { .fd = -1, .events = POLLIN };

	pthread_mutex_lock(&s->lock);
	s->event_thread = pthread_self();
	s->waited = true;
	switch (s->content) {
	case CARD:
		p = (struct pollfd){ .fd = s->card, .events = POLLRDHUP };
		break;
	case GONE:
		close(s->card);
		s->content = EMPTY;
		break;
	case EMPTY:
	case READY:
		s->content = READY;
		p.fd = s->listener;
		break;
	}
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* Waits until a card comes or goes, or stop_waiting() is called. Called without pcscd's lock on the
 * reader, beside a running APDU. */
static RESPONSECODE wait_for_move(DWORD lun, int timeout_ms)
{
	struct slot *s = find_open(lun);
	struct pollfd p[2];
	uint64_t count;

	if (!s)
		return IFD_NO_SUCH_DEVICE;
	p[0] = end_of_turn(s);
	p[1] = (struct pollfd){ .fd = s->wakeup, .events = POLLIN };
	if (p[0].fd < 0)
		return IFD_SUCCESS;
	if (poll(p, 2, timeout_ms) < 0 && errno != EINTR)
		return IFD_COMMUNICATION_ERROR;
	if (p[1].revents && read(s->wakeup, &count, sizeof count) < 0)
		return IFD_COMMUNICATION_ERROR;
	return IFD_SUCCESS;
}

static RESPONSECODE stop_waiting(DWORD lun)
{
	static const uint64_t one = 1;
	struct slot *s = find_open(lun);

	if (!s || write(s->wakeup, &one, sizeof one) < 0)
		return IFD_COMMUNICATION_ERROR;
	return IFD_SUCCESS;
}

static bool may_take_in(const struct slot *s)
{
	return s->content == READY &&
	       (!s->waited || pthread_equal(s->event_thread, pthread_self()));
}

RESPONSECODE IFDHICCPresence(DWORD lun)
{
	struct slot *s = find_open(lun);
	RESPONSECODE present;
	int card;

	if (!s)
		return IFD_NO_SUCH_DEVICE;
	pthread_mutex_lock(&s->lock);
	if (s->content == CARD && went_away(s->card))
		s->content = GONE;
	if (may_take_in(s) && (card = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
		s->card = card;
		s->content = CARD;
	}
	present = s->content == CARD ? IFD_ICC_PRESENT : IFD_ICC_NOT_PRESENT;
	pthread_mutex_unlock(&s->lock);
	return present;
}

static RESPONSECODE give(const void *value, size_t n, PDWORD length, PUCHAR out)
{
	if (*length < n)
		return IFD_ERROR_INSUFFICIENT_BUFFER;
	memcpy(out, value, n);
	*length = n;
	return IFD_SUCCESS;
}

static RESPONSECODE read_atr(const struct slot *s, PDWORD length, PUCHAR out)
{
	if (s->content != CARD)
		return IFD_ICC_NOT_PRESENT;
	if (!send_control(s, CONTROL_ATR) || !receive_message(s, out, length)) {
		*length = 0;
		return IFD_ICC_NOT_PRESENT;
	}
	return *length > 0 ? IFD_SUCCESS : IFD_ERROR_POWER_ACTION;
}

RESPONSECODE IFDHGetCapabilities(DWORD lun, DWORD tag, PDWORD length, PUCHAR value)
{
	static const UCHAR one = 1, many = READERS_MAX;
	static RESPONSECODE (*const wait_function)(DWORD, int) = wait_for_move;
	static RESPONSECODE (*const stop_function)(DWORD) = stop_waiting;

	(void)lun;
	switch (tag) {
	case TAG_IFD_SLOTS_NUMBER:
	case TAG_IFD_THREAD_SAFE:
		return give(&one, 1, length, value);
	case TAG_IFD_SIMULTANEOUS_ACCESS:
		return give(&many, 1, length, value);
	case TAG_IFD_POLLING_THREAD_WITH_TIMEOUT:
		return give(&wait_function, sizeof wait_function, length, value);
	case TAG_IFD_STOP_POLLING_THREAD:
		return give(&stop_function, sizeof stop_function, length, value);
	default:
		*length = 0;
		return IFD_ERROR_TAG;
	}
}

RESPONSECODE IFDHSetCapabilities(DWORD lun, DWORD tag, DWORD length, PUCHAR value)
{
	(void)lun;
	(void)tag;
	(void)length;
	(void)value;
	return IFD_NOT_SUPPORTED;
}

RESPONSECODE IFDHSetProtocolParameters(
	DWORD lun, DWORD protocol, UCHAR flags, UCHAR pts1, UCHAR pts2, UCHAR pts3)
{
	(void)lun;
	(void)protocol;
	(void)flags;
	(void)pts1;
	(void)pts2;
	(void)pts3;
	return IFD_SUCCESS;
}

static RESPONSECODE power(const struct slot *s, DWORD action, PUCHAR atr, PDWORD length)
{
	if (s->content != CARD)
		return IFD_ICC_NOT_PRESENT;
	switch (action) {
	case IFD_POWER_DOWN:
		/* pcscd also powers down a card that is just going: nothing to report then. */
		(void)send_control(s, CONTROL_OFF);
		return IFD_SUCCESS;
	case IFD_POWER_UP:
	case IFD_RESET:
		if (!send_control(s, action == IFD_RESET ? CONTROL_RESET : CONTROL_ON))
			return IFD_ICC_NOT_PRESENT;
		return read_atr(s, length, atr);
	default:
		return IFD_NOT_SUPPORTED;
	}
}

RESPONSECODE IFDHPowerICC(DWORD lun, DWORD action, PUCHAR atr, PDWORD length)
{
	struct slot *s = find_open(lun);
	RESPONSECODE result;

	if (!s)
		return IFD_NO_SUCH_DEVICE;
	pthread_mutex_lock(&s->lock);
	result = power(s, action, atr, length);
	pthread_mutex_unlock(&s->lock);
	return result;
}

/* Returns when the card answers or goes; there is no time-out, as there is none for a card that keeps
 * asking for more time. */
static RESPONSECODE transmit(
	const struct slot *s, const UCHAR *tx, DWORD tx_length, PUCHAR rx, PDWORD rx_length)
{
	/* One byte would be a control code of the protocol; a command has four. */
	if (tx_length < 4)
		return IFD_COMMUNICATION_ERROR;
	if (s->content != CARD || !send_message(s, tx, tx_length) ||
		!receive_message(s, rx, rx_length))
		return IFD_ICC_NOT_PRESENT;
	return IFD_SUCCESS;
}

RESPONSECODE IFDHTransmitToICC(DWORD lun, SCARD_IO_HEADER send_pci, PUCHAR tx, DWORD tx_length,
	PUCHAR rx, PDWORD rx_length, PSCARD_IO_HEADER receive_pci)
{
	struct slot *s = find_open(lun);
	RESPONSECODE result;

	if (!s)
		return IFD_NO_SUCH_DEVICE;
	pthread_mutex_lock(&s->lock);
	result = transmit(s, tx, tx_length, rx, rx_length);
	pthread_mutex_unlock(&s->lock);
	if (result != IFD_SUCCESS)
		*rx_length = 0;
	receive_pci->Protocol = send_pci.Protocol;
	return result;
}

/* The card's process is the person, too: the digits come from there, when they are typed. */
static RESPONSECODE verify_by_pad(
	const struct slot *s, const UCHAR *request, size_t request_n, PUCHAR rx, PDWORD rx_length)
{
	uint8_t digits[PAD_DIGITS_MAX], apdu[PAD_APDU_MAX];
	DWORD digits_n = sizeof digits;
	uint16_t refusal;
	size_t n;

	if (!pad_accepts(request, request_n) || *rx_length < 2)
		return IFD_COMMUNICATION_ERROR;
	if (s->content != CARD || !send_control(s, CONTROL_DIGITS) ||
		!receive_message(s, digits, &digits_n))
		return IFD_ICC_NOT_PRESENT;
	refusal = pad_fill(request, (const char *)digits, digits_n, apdu, &n);
	explicit_bzero(digits, sizeof digits);
	if (!refusal)
		return transmit(s, apdu, n, rx, rx_length);
	rx[0] = (UCHAR)(refusal >> 8);
	rx[1] = (UCHAR)refusal;
	*rx_length = 2;
	return IFD_SUCCESS;
}

/* Readers with a PIN pad have it as their only feature; the others have none. */
RESPONSECODE IFDHControl(DWORD lun, DWORD code, PUCHAR tx, DWORD tx_length, PUCHAR rx,
	DWORD rx_length, LPDWORD returned)
{
	struct slot *s = find_open(lun);
	RESPONSECODE result;

	*returned = 0;
	if (!s)
		return IFD_NO_SUCH_DEVICE;
	if (code == CM_IOCTL_GET_FEATURE_REQUEST) {
		*returned = s->has_pad ? pad_features(rx, rx_length) : 0;
		return IFD_SUCCESS;
	}
	if (!s->has_pad || code != PAD_CODE)
		return IFD_ERROR_NOT_SUPPORTED;
	pthread_mutex_lock(&s->lock);
	result = verify_by_pad(s, tx, tx_length, rx, &rx_length);
	pthread_mutex_unlock(&s->lock);
	*returned = result == IFD_SUCCESS ? rx_length : 0;
	return result;
}
