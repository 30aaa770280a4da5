/* service.c: the table. Whoever changes a socket here changes it in systemd/ too. */
#include "daemon/spawn/service.h"

#include <string.h>

const struct service SERVICE_TABLE[SERVICES] = {
	{
		.program = "derivd",
		.sockets = {
			/* Everybody may connect: derivd asks the kernel for the peer's groups. */
			{ .name = "control", .file = "control.sock", .mode = 0666 },
			{ .name = "gateway", .file = "gateway.sock", .mode = 0600,
				.client = "derivd-gateway" },
		},
		.n_sockets = 2,
		.state = true,
	},
	{
		.program = "derivd-gateway",
		.sockets = { { .name = "device" } },
		.n_sockets = 1,
	},
	{
		.program = "derivd-card",
		.sockets = { { .name = "card", .file = "card.sock", .mode = 0660 } },
		.n_sockets = 1,
		.accept = true,
		/* A session takes two, and a watcher notices within a second that it is alone. */
		.connections_max = 64,
		.connections_per_uid_max = 32,
	},
	{
		.program = "derivd-ca",
		.sockets = { { .name = "ca", .file = "ca.sock", .mode = 0600, .client = "derivd" } },
		.n_sockets = 1,
		.accept = true,
		.state = true,
		.connections_max = 64,
		.connections_per_uid_max = 64,
	},
	{
		.program = "derivd-ca-officer",
		.binary = "derivd-ca",
		.argument = "officer",
		.sockets = { { .name = "officer", .file = "officer.sock", .mode = 0660 } },
		.n_sockets = 1,
		.accept = true,
		.home = "derivd-ca",
		.connections_max = 16,
		.connections_per_uid_max = 4,
	},
	{
		.program = "derivd-courier",
		.sockets = { { .name = "courier", .file = "courier.sock", .mode = 0600,
			.client = "derivd-ca" } },
		.n_sockets = 1,
		.accept = true,
		.connections_max = 64,
		.connections_per_uid_max = 64,
	},
	{
		.program = "derivd-notice",
		.binary = "derivd-courier",
		.argument = "notices",
		.sockets = { { .name = "notice", .file = "notice.sock", .mode = 0600,
			.client = "derivd" } },
		.n_sockets = 1,
		.accept = true,
		.connections_max = 4,
		.connections_per_uid_max = 4,
	},
};

const struct service *service_find(const char *program)
{
	for (size_t i = 0; i < SERVICES; i++) {
		if (strcmp(SERVICE_TABLE[i].program, program) == 0)
			return &SERVICE_TABLE[i];
	}
	return NULL;
}

size_t service_index(const struct service *s)
{
	return (size_t)(s - SERVICE_TABLE);
}

bool service_has_socket_file(const char *file)
{
	for (size_t i = 0; i < SERVICES; i++) {
		for (size_t k = 0; k < SERVICE_TABLE[i].n_sockets; k++) {
			const char *has = SERVICE_TABLE[i].sockets[k].file;
			if (has && strcmp(has, file) == 0)
				return true;
		}
	}
	return false;
}
