/* credential.c: see credential.h. */
#include "base/credential.h"

#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "base/proc.h"
#include "base/text.h"

/* NULL: this program was given none. */
static const char *get_directory(void)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	return directory && *directory ? directory : NULL;
}

char *credential_path(const char *name)
{
	const char *directory = get_directory();

	if (*name == '/')
		return xstrdup(name);
	return directory ? xasprintf("%s/%s", directory, name) : proc_config_path(name);
}

bool credential_is_handed_over(const char *path)
{
	const char *directory = get_directory();

	return directory && text_starts(path, directory) && path[strlen(directory)] == '/';
}

static struct err *explain(const char *path, struct err *take_e)
{
	if (!credential_is_handed_over(path) || !err_is(take_e, &ERR_NOTFOUND))
		return err_as(&ERR_CONFIG, take_e, "cannot be read");
	const char *name = strrchr(path, '/') + 1;
	err_free(take_e);
	return err_new(&ERR_CONFIG,
		"this service has no credential \"%s\": its unit needs LoadCredential=%s:FILE",
		name, name);
}

struct err *credential_read(const char *path, size_t max, struct buf **ret_content)
{
	AUTO(buf) struct buf *content = NULL;
	struct err *e = io_read_file(path, max, &content);

	if (e)
		return explain(path, e);
	if (strspn(buf_str(content), "\r\n") == buf_len(content) && credential_is_handed_over(path))
		return err_new(&ERR_CONFIG,
			"the credential \"%s\" is empty: the file that LoadCredential= in the unit "
			"names was "
			"not there when the service was started, or nothing is in it. Put it there "
			"and "
			"start the service again",
			strrchr(path, '/') + 1);
	*ret_content = take(content);
	return NULL;
}
