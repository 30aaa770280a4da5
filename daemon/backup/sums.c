/* sums.c: see sums.h. */
#include "daemon/backup/sums.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/io.h"
#include "base/text.h"
#include "proto/sig.h"

#define CHUNK 65536
#define HEX_LEN (2 * SHA256_LEN)
#define FILE_MAX (SUMS_MAX * (HEX_LEN + 2 + SUMS_NAME_MAX + 1))

static inline void digest_free(EVP_MD_CTX *ctx)
{
	EVP_MD_CTX_free(ctx);
}
DEFINE_AUTO(digest, EVP_MD_CTX *, digest_free);

/* Nothing leads out of the directory, and nothing is hidden. */
static bool is_good_name(const char *name)
{
	static const char letters[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
	const char *slash = strchr(name, '/');
	size_t first = strspn(name, letters);

	if (!first || name[0] == '.' || strlen(name) >= SUMS_NAME_MAX)
		return false;
	if (!slash)
		return name[first] == 0;
	return name + first == slash && slash[1] && slash[1] != '.' &&
	       slash[1 + strspn(slash + 1, letters)] == 0;
}

struct err *sums_add(struct sums *s, const char *name)
{
	if (s->n == SUMS_MAX)
		return err_new(&ERR_LIMIT, "more than %d files in a backup", SUMS_MAX);
	if (!is_good_name(name)) {
		AUTO_MEM char *shown = text_safe(BYTES(name, strlen(name)));
		return err_new(&ERR_LIMIT, "\"%s\" is no name of a file in a backup", shown);
	}
	memcpy(s->name[s->n++], name, strlen(name) + 1);
	return NULL;
}

static struct err *read_through(int fd, const char *path, EVP_MD_CTX *ctx)
{
	AUTO_MEM uint8_t *chunk = xcalloc(1, CHUNK);

	for (;;) {
		ssize_t n = read(fd, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(errno, "%s", path);
		if (n == 0)
			return NULL;
		if (EVP_DigestUpdate(ctx, chunk, (size_t)n) != 1)
			err_abort("SHA-256 fails");
	}
}

static struct err *hash_file(const char *dir, const char *name, char **ret_hex)
{
	AUTO_MEM char *path = xasprintf("%s/%s", dir, name);
	AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	AUTO(digest) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	uint8_t hash[SHA256_LEN];

	if (fd < 0)
		return err_errno(errno, "%s", path);
	if (!ctx || EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) != 1)
		err_abort("SHA-256 cannot be had");
	TRY(read_through(fd, path, ctx));
	if (EVP_DigestFinal_ex(ctx, hash, NULL) != 1)
		err_abort("SHA-256 fails");
	*ret_hex = text_hex(BYTES(hash, SHA256_LEN));
	return NULL;
}

struct err *sums_write(const char *dir, const struct sums *s)
{
	AUTO_MEM char *path = xasprintf("%s/" SUMS_FILE, dir);
	AUTO(buf) struct buf *out = buf_new();

	for (size_t i = 0; i < s->n; i++) {
		AUTO_MEM char *hex = NULL;

		TRY(hash_file(dir, s->name[i], &hex));
		buf_addf(out, "%s  %s\n", hex, s->name[i]);
	}
	return io_write_file(path, buf_bytes(out), 0600);
}

static struct err *check_line(const char *dir, char *line, struct sums *s)
{
	AUTO_MEM char *hex = NULL;

	if (strlen(line) < HEX_LEN + 3 || line[HEX_LEN] != ' ' || line[HEX_LEN + 1] != ' ')
		return err_new(&ERR_FORMAT, "%s/" SUMS_FILE " cannot be read", dir);
	TRY(err_as(&ERR_FORMAT, sums_add(s, line + HEX_LEN + 2), "%s/" SUMS_FILE, dir));
	TRY(hash_file(dir, s->name[s->n - 1], &hex));
	if (memcmp(line, hex, HEX_LEN) != 0)
		return err_new(&ERR_FORMAT, "%s/%s was changed since the backup was taken", dir,
			s->name[s->n - 1]);
	return NULL;
}

struct err *sums_check(const char *dir, struct sums *ret_s)
{
	AUTO_MEM char *path = xasprintf("%s/" SUMS_FILE, dir);
	AUTO(buf) struct buf *text = NULL;
	struct sums s = { .n = 0 };
	struct err *e = io_read_file(path, FILE_MAX, &text);

	if (err_is(e, &ERR_NOTFOUND))
		return err_wrap(e, "not a whole backup");
	TRY(e);
	AUTO_MEM char *lines = bytes_strdup(buf_bytes(text));
	char *rest = lines;
	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		if (*line)
			TRY(check_line(dir, line, &s));
	}
	if (!s.n || strcmp(s.name[s.n - 1], MANIFEST_FILE) != 0)
		return err_new(&ERR_FORMAT, "%s was cut off: not a whole backup", path);
	*ret_s = s;
	return NULL;
}
