# daemon/backup: what derivd and derivd-ca share to back up what they keep, and to put it back.
noinst_LIBRARIES += daemon/backup/libbackup.a
daemon_backup_libbackup_a_SOURCES = \
	daemon/backup/dbcopy.h daemon/backup/dbcopy.c \
	daemon/backup/manifest.h daemon/backup/manifest.c \
	daemon/backup/sums.h daemon/backup/sums.c \
	daemon/backup/place.h daemon/backup/place.c
daemon_backup_libbackup_a_CFLAGS = $(AM_CFLAGS) $(PROTO_CFLAGS) $(SQLITE_CFLAGS) $(CONFUSE_CFLAGS)
BACKUP_LIBS = daemon/backup/libbackup.a $(PROTO_LIBS) $(SQLITE_LIBS) $(CONFUSE_LIBS)
