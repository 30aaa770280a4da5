/*
 * Lets a private pcscd find virtual readers the way it finds real ones, and keeps it off the machine's.
 *
 * pcscd of Debian 12 learns of readers from libudev only (its SIGUSR1 does nothing in that build), looks
 * for drivers in /usr/lib/pcsc/drivers and keeps a pid file in /run/pcscd; none of that can be configured.
 * This object is preloaded into it. It stands in for libudev, with the directory $VREADER_DIR/usb as the
 * USB bus (a file there is a reader, named by the file; its slot is the socket $VREADER_DIR/slot/NAME),
 * and moves the two directories to $VREADER_DIR/drivers and $VREADER_DIR/run. So readers can be
 * plugged in and out at run time, no privilege is needed, and real readers, which belong to the
 * machine's own pcscd, are not seen.
 */
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ROOM = 16, NAMES_MAX = 16 };

static const char *base(void)
{
	const char *dir = getenv("VREADER_DIR");

	if (!dir)
		abort();
	return dir;
}

/* ---- the directories ---- */

static const char *moved(const char *path, char room[PATH_MAX])
{
	static const struct {
		const char *from, *to;
	} moves[] = { { "/run/pcscd", "run" }, { "/usr/lib/pcsc/drivers", "drivers" } };

	for (size_t i = 0; path && i < sizeof moves / sizeof *moves; i++) {
		size_t n = strlen(moves[i].from);

		if (strncmp(path, moves[i].from, n) != 0 || (path[n] && path[n] != '/'))
			continue;
		if (snprintf(room, PATH_MAX, "%s/%s%s", base(), moves[i].to, path + n) >= PATH_MAX)
			abort();
		return room;
	}
	return path;
}

static void *real(const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	if (!p)
		abort();
	return p;
}

int open(const char *path, int flags, ...)
{
	char room[PATH_MAX];
	int (*next)(const char *, int, ...) = real("open");
	va_list args;
	int mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, int) : 0;
	va_end(args);
	return next(moved(path, room), flags, mode);
}

FILE *fopen(const char *path, const char *how)
{
	char room[PATH_MAX];
	FILE *(*next)(const char *, const char *) = real("fopen");

	return next(moved(path, room), how);
}

DIR *opendir(const char *path)
{
	char room[PATH_MAX];
	DIR *(*next)(const char *) = real("opendir");

	return next(moved(path, room));
}

void *dlopen(const char *path, int flags)
{
	char room[PATH_MAX];
	void *(*next)(const char *, int) = real("dlopen");

	return next(moved(path, room), flags);
}

int mkdir(const char *path, mode_t mode)
{
	char room[PATH_MAX];
	int (*next)(const char *, mode_t) = real("mkdir");

	return next(moved(path, room), mode);
}

int chmod(const char *path, mode_t mode)
{
	char room[PATH_MAX];
	int (*next)(const char *, mode_t) = real("chmod");

	return next(moved(path, room), mode);
}

int stat(const char *restrict path, struct stat *restrict st)
{
	char room[PATH_MAX];
	int (*next)(const char *, struct stat *) = real("stat");

	return next(moved(path, room), st);
}

int remove(const char *path)
{
	char room[PATH_MAX];
	int (*next)(const char *) = real("remove");

	return next(moved(path, room));
}

/* ---- the bus: the functions of libudev that pcscd calls, and no more ---- */

struct udev;

struct udev_list_entry {
	char name[NAME_ROOM];
	struct udev_list_entry *next;
};

struct udev_enumerate {
	struct udev_list_entry entries[NAMES_MAX];
	size_t n;
};

struct udev_monitor {
	int fd;
};

struct udev_device {
	char name[NAME_ROOM];
	char node[PATH_MAX];
	const char *action;
};

static int dummy;

static void *must(size_t n)
{
	void *p = calloc(1, n);

	if (!p)
		abort();
	return p;
}

struct udev *udev_new(void)
{
	return (struct udev *)&dummy;
}

struct udev *udev_unref(struct udev *udev)
{
	(void)udev;
	return NULL;
}

static void bus(char room[PATH_MAX])
{
	if (snprintf(room, PATH_MAX, "%s/usb", base()) >= PATH_MAX)
		abort();
}

struct udev_enumerate *udev_enumerate_new(struct udev *udev)
{
	(void)udev;
	return must(sizeof(struct udev_enumerate));
}

struct udev_enumerate *udev_enumerate_unref(struct udev_enumerate *e)
{
	free(e);
	return NULL;
}

int udev_enumerate_add_match_subsystem(struct udev_enumerate *e, const char *subsystem)
{
	(void)e;
	(void)subsystem;
	return 0;
}

/* Hidden names are files that are not ready yet. */
static int is_reader(const struct dirent *d)
{
	return d->d_name[0] != '.' && strlen(d->d_name) < NAME_ROOM;
}

int udev_enumerate_scan_devices(struct udev_enumerate *e)
{
	char path[PATH_MAX];
	struct dirent **found = NULL;
	int n;

	bus(path);
	n = scandir(path, &found, is_reader, alphasort);
	for (int i = 0; i < n; i++) {
		if (e->n < NAMES_MAX) {
			strcpy(e->entries[e->n].name, found[i]->d_name);
			if (e->n)
				e->entries[e->n - 1].next = &e->entries[e->n];
			e->n++;
		}
		free(found[i]);
	}
	free(found);
	return n < 0 ? n : 0;
}

struct udev_list_entry *udev_enumerate_get_list_entry(struct udev_enumerate *e)
{
	return e->n ? e->entries : NULL;
}

struct udev_list_entry *udev_list_entry_get_next(struct udev_list_entry *entry)
{
	return entry->next;
}

const char *udev_list_entry_get_name(struct udev_list_entry *entry)
{
	return entry->name;
}

static struct udev_device *device(const char *name, const char *action)
{
	struct udev_device *d = must(sizeof *d);

	if (strlen(name) >= sizeof d->name || snprintf(d->node, sizeof d->node, "%s/slot/%s",
						      base(), name) >= (int)sizeof d->node) {
		free(d);
		return NULL;
	}
	strcpy(d->name, name);
	d->action = action;
	return d;
}

struct udev_device *udev_device_new_from_syspath(struct udev *udev, const char *path)
{
	(void)udev;
	return device(path, NULL);
}

struct udev_device *udev_device_unref(struct udev_device *d)
{
	free(d);
	return NULL;
}

/* The interface and the device are one here. */
struct udev_device *udev_device_get_parent_with_subsystem_devtype(
	struct udev_device *d, const char *subsystem, const char *type)
{
	(void)subsystem;
	(void)type;
	return d;
}

const char *udev_device_get_devnode(struct udev_device *d)
{
	return d->node;
}

const char *udev_device_get_sysname(struct udev_device *d)
{
	return d->name;
}

const char *udev_device_get_action(struct udev_device *d)
{
	return d->action;
}

/* Vendor and product are those that the rig writes into the driver's Info.plist. The serial number makes
 * the reader's name: "Virtual Reader (NAME) 00 00". */
const char *udev_device_get_sysattr_value(struct udev_device *d, const char *attribute)
{
	if (strcmp(attribute, "serial") == 0)
		return d->name;
	if (strcmp(attribute, "idVendor") == 0)
		return "ffff";
	if (strcmp(attribute, "idProduct") == 0)
		return "0001";
	return strcmp(attribute, "bInterfaceNumber") == 0 ? "00" : NULL;
}

struct udev_monitor *udev_monitor_new_from_netlink(struct udev *udev, const char *name)
{
	struct udev_monitor *m = must(sizeof *m);
	char path[PATH_MAX];

	(void)udev;
	(void)name;
	bus(path);
	m->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (m->fd < 0 || inotify_add_watch(m->fd, path, IN_MOVED_TO | IN_DELETE) < 0)
		abort();
	return m;
}

int udev_monitor_filter_add_match_subsystem_devtype(
	struct udev_monitor *m, const char *subsystem, const char *type)
{
	(void)m;
	(void)subsystem;
	(void)type;
	return 0;
}

int udev_monitor_enable_receiving(struct udev_monitor *m)
{
	(void)m;
	return 0;
}

int udev_monitor_get_fd(struct udev_monitor *m)
{
	return m->fd;
}

/* One event at a time, because pcscd polls before each call: there is room for just one here. */
struct udev_device *udev_monitor_receive_device(struct udev_monitor *m)
{
	union {
		struct inotify_event event;
		char room[sizeof(struct inotify_event) + NAME_ROOM];
	} got;

	if (read(m->fd, &got, sizeof got) < (ssize_t)sizeof got.event || !got.event.len ||
		got.event.name[0] == '.')
		return NULL;
	return device(got.event.name, got.event.mask & IN_DELETE ? "remove" : "add");
}
