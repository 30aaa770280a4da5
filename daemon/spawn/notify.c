/* notify.c: a datagram has one NAME=value on a line; READY and STATUS are all that interests us. */
#include "daemon/spawn/notify.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/buf.h"
#include "base/text.h"

static void read_line(const char *line, struct notice *n)
{
	if (strcmp(line, "READY=1") == 0)
		n->ready = true;
	if (!text_starts(line, "STATUS="))
		return;
	const char *status = line + strlen("STATUS=");
	AUTO_MEM char *shown = text_safe(BYTES(status, strlen(status)));
	snprintf(n->status, sizeof(n->status), "%s", shown);
}

static pid_t sender(struct msghdr *message)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		struct ucred cred;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
			continue;
		memcpy(&cred, CMSG_DATA(c), sizeof(cred));
		return cred.pid;
	}
	return 0;
}

bool notify_read(int fd, struct notice *ret_notice)
{
	char text[NOTIFY_TEXT_MAX];
	/* Room for the sender alone: a descriptor that somebody attaches is dropped by the kernel. */
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
	} control;
	struct iovec iov = { .iov_base = text, .iov_len = sizeof(text) - 1 };
	struct msghdr message = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	struct notice n = { 0 };
	char *rest = NULL;
	ssize_t len = recvmsg(fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (len < 0)
		return false;
	text[len] = 0;
	if (!(message.msg_flags & MSG_TRUNC))
		n.pid = sender(&message);
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		read_line(line, &n);
	*ret_notice = n;
	return true;
}
