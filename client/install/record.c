/* record.c: see record.h. */
#include "client/install/record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/io.h"

#define FILE_MAX (1024 * 1024)

struct record {
	char *path, *key;
	json_t *all; /* of all devices and targets */
};

void record_free(struct record *r)
{
	if (!r)
		return;
	free(r->path);
	free(r->key);
	json_decref(r->all);
	free(r);
}

static json_t *own(const struct record *r)
{
	json_t *list = json_object_get(r->all, r->key);

	if (!json_is_array(list)) {
		list = json_array();
		json_object_set_new(r->all, r->key, list);
	}
	return list;
}

static struct trouble *read_all(const char *path, json_t **ret_all)
{
	AUTO(buf) struct buf *text = NULL;
	struct err *e = io_read_file(path, FILE_MAX, &text);

	if (err_is(e, &ERR_NOTFOUND)) {
		err_free(e);
		*ret_all = json_object();
		return NULL;
	}
	PASS(trouble_err(e));
	*ret_all = json_loadb((const char *)buf_data(text), buf_len(text), 0, NULL);
	if (!json_is_object(*ret_all)) {
		json_decref(take(*ret_all));
		return trouble_new(DERIVD_DEVICE_KIND_FORMAT,
			"%s is damaged; without it nothing that was installed can be taken back: "
			"look "
			"yourself, then remove the file",
			path);
	}
	return NULL;
}

struct trouble *record_load(
	const char *state, const char *device, const char *target, struct record **ret_record)
{
	AUTO(record) struct record *r = xcalloc(1, sizeof(*r));
	size_t len = strlen(state);

	while (len > 1 && state[len - 1] == '/')
		len--;
	r->path = xasprintf("%.*s.installed.json", (int)len, state);
	r->key = xasprintf("%s %s", device, target);
	PASS(read_all(r->path, &r->all));
	*ret_record = take(r);
	return NULL;
}

static size_t find(const struct record *r, const char *hash)
{
	const json_t *list = own(r);
	size_t i = 0;

	for (; i < json_array_size(list); i++) {
		const char *it = json_string_value(json_array_get(list, i));
		if (it && strcmp(it, hash) == 0)
			break;
	}
	return i;
}

void record_add(struct record *r, const char *hash)
{
	json_t *list = own(r);

	if (find(r, hash) == json_array_size(list))
		json_array_append_new(list, json_string(hash));
}

void record_drop(struct record *r, const char *hash)
{
	json_array_remove(own(r), find(r, hash));
}

const char *record_at(const struct record *r, size_t i)
{
	return json_string_value(json_array_get(own(r), i));
}

struct trouble *record_save(const struct record *r)
{
	AUTO_MEM char *text = json_dumps(r->all, JSON_INDENT(2) | JSON_SORT_KEYS);

	if (!text)
		err_abort("no memory for a text");
	return trouble_err(io_write_file(r->path, BYTES(text, strlen(text)), 0600));
}
