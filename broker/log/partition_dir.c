/* Partition directories: their names, partition.metadata, setting aside and deleting. */
#include "base/mem.h"
#include "base/say.h"
#include "log/checkpoint.h"
#include "log/log_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#define SAY_PLACE "broker/log"
#define METADATA_FILE "partition.metadata"
#define METADATA_BYTES_MAX 4096
#define HEX_LEN 32
#define REMOTE_CACHE_DIR "remote-log-index-cache"

static const struct {
	const char *suffix;
	enum log_dir_kind kind;
} kinds[] = {
	{"-delete", LOG_DIR_DELETED},
	{"-stray", LOG_DIR_STRAY},
	{"-future", LOG_DIR_FUTURE},
};

static bool is_hex(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!(text[i] >= '0' && text[i] <= '9') && !(text[i] >= 'a' && text[i] <= 'f'))
			return false;
	return true;
}

/* Cuts ".HEX-delete" and the like off: the length of TOPIC-N, or -1 if it is no such name. */
static ssize_t plain_length(const char *name, size_t len, enum log_dir_kind *kind)
{
	*kind = LOG_DIR_PARTITION;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		size_t suffix_len = strlen(kinds[i].suffix), hex_at;

		if (len < suffix_len ||
		    memcmp(name + len - suffix_len, kinds[i].suffix, suffix_len) != 0)
			continue;
		if (len < suffix_len + HEX_LEN + 1)
			return -1;
		hex_at = len - suffix_len - HEX_LEN;
		if (name[hex_at - 1] != '.' || !is_hex(name + hex_at, HEX_LEN))
			return -1;
		*kind = kinds[i].kind;
		return (ssize_t)(hex_at - 1);
	}
	return (ssize_t)len;
}

int log_dir_parse_name(struct log_dir_entry *entry, const char *name)
{
	size_t len = strlen(name), dash;
	int64_t partition;
	ssize_t plain;

	*entry = (struct log_dir_entry){0};
	if (len >= sizeof(entry->name))
		return E_MALFORMED;
	memcpy(entry->name, name, len + 1);
	plain = plain_length(name, len, &entry->kind);
	if (plain < 0)
		return E_MALFORMED;
	for (dash = (size_t)plain; dash > 0 && name[dash - 1] != '-'; dash--)
		;
	if (dash < 2 || name[dash] == '-' ||
	    checkpoint_number((struct str){name + dash, (size_t)plain - dash}, &partition) < 0 ||
	    partition > INT32_MAX)
		return E_MALFORMED;
	entry->topic = (struct str){entry->name, dash - 1};
	entry->partition = (int32_t)partition;
	return 0;
}

struct list_ctx {
	struct log_dir *dir;
	int (*each)(void *ctx, const struct log_dir_entry *entry);
	void *ctx;
	struct err *err;
};

static int list_entry(void *ctx, const char *name, bool is_dir)
{
	struct list_ctx *list = ctx;
	struct log_dir_entry entry;
	char *path;
	int rc;

	if (!is_dir || strcmp(name, REMOTE_CACHE_DIR) == 0)
		return 0;
	if (log_dir_parse_name(&entry, name) < 0)
		return err_set(list->err, E_MALFORMED,
			       "%s: directory %s is not a partition's (move it elsewhere)",
			       list->dir->path, name);
	path = xasprintf("%s/%s", list->dir->path, name);
	rc = partition_metadata_read(list->dir->env, path, &entry.topic_id, NULL);
	if (rc == E_MALFORMED)
		say_warn("%s/" METADATA_FILE " cannot be read", path);
	free(path);
	return list->each(list->ctx, &entry);
}

int log_dir_list(struct log_dir *dir, int (*each)(void *ctx, const struct log_dir_entry *entry),
		 void *ctx, struct err *err)
{
	struct list_ctx list = {dir, each, ctx, err};
	struct err quiet = {0};
	int rc;

	if (!err)
		list.err = &quiet;
	list.err->code = 0;
	rc = dir->env->ops->list(dir->env, dir->path, list_entry, &list);
	if (rc < 0 && list.err->code != rc)
		err_sys(err, rc, "%s", dir->path);
	return rc;
}

char *log_dir_partition_path(const struct log_dir *dir, struct str topic, int32_t partition)
{
	return xasprintf("%s/%.*s-%" PRId32, dir->path, STR(topic), partition);
}

void log_dir_suffixed_name(struct env *env, const char *name, const char *suffix,
			   char out[LOG_DIR_NAME_MAX])
{
	const char *dash = strrchr(name, '-');
	char tail[LOG_DIR_NAME_MAX], hex[HEX_LEN + 1];
	uint8_t random[HEX_LEN / 2];
	size_t topic_len, tail_len;

	assert(dash != NULL);
	env->ops->random(env, random, sizeof(random));
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(hex + 2 * i, 3, "%02x", random[i]);
	tail_len = (size_t)snprintf(tail, sizeof(tail), "%.16s.%s-%.16s", dash, hex, suffix);
	topic_len = MIN((size_t)(dash - name), LOG_DIR_NAME_MAX - 1 - tail_len);
	memcpy(out, name, topic_len);
	memcpy(out + topic_len, tail, tail_len + 1);
}

void partition_dir_touch(struct env *env, const char *path)
{
	int fd = env->ops->open(env, path, ENV_READ);

	if (fd < 0)
		return;
	(void)env->ops->set_mtime(env, fd, env_wall_ms(env));
	env->ops->close(env, fd);
}

static int rename_in(struct log_dir *dir, const char *name, const char *new_name, struct err *err)
{
	struct env *env = dir->env;
	char *from = xasprintf("%s/%s", dir->path, name);
	char *to = xasprintf("%s/%s", dir->path, new_name);
	int rc;

	partition_dir_touch(env, from);
	rc = env->ops->rename(env, from, to);
	if (rc == 0)
		rc = env->ops->fsync_dir(env, dir->path);
	if (rc < 0)
		rc = err_sys(err, rc, "renaming %s to %s", from, new_name);
	free(from);
	free(to);
	return rc;
}

/* Without the suffix that it has. */
static int plain_name(const char *name, char plain[LOG_DIR_NAME_MAX], struct err *err)
{
	struct log_dir_entry entry;

	if (log_dir_parse_name(&entry, name) < 0)
		return err_set(err, E_MALFORMED, "%s: not a partition directory", name);
	snprintf(plain, LOG_DIR_NAME_MAX, "%.*s-%" PRId32, (int)entry.topic.len, name,
		 entry.partition);
	return 0;
}

static int rename_aside(struct log_dir *dir, const char *name, const char *suffix, struct err *err)
{
	char plain[LOG_DIR_NAME_MAX], new_name[LOG_DIR_NAME_MAX];
	int rc = plain_name(name, plain, err);

	if (rc < 0)
		return rc;
	log_dir_suffixed_name(dir->env, plain, suffix, new_name);
	return rename_in(dir, name, new_name, err);
}

int log_dir_promote(struct log_dir *dir, const char *name, struct err *err)
{
	char plain[LOG_DIR_NAME_MAX];
	int rc = plain_name(name, plain, err);

	return rc < 0 ? rc : rename_in(dir, name, plain, err);
}

int log_dir_set_aside(struct log_dir *dir, const char *name, struct err *err)
{
	return rename_aside(dir, name, "stray", err);
}

int log_dir_discard(struct log_dir *dir, const char *name, struct err *err)
{
	return rename_aside(dir, name, "delete", err);
}

/* ---- Removing what was deleted --------------------------------------------------------------- */

struct names {
	char **items;
	size_t count, cap;
};

static int names_entry(void *ctx, const char *name, bool is_dir UNUSED)
{
	struct names *names = ctx;

	names->items = grow_array(names->items, names->count, &names->cap, sizeof(char *));
	names->items[names->count++] = xstrdup(name);
	return 0;
}

static void names_fini(struct names *names)
{
	for (size_t i = 0; i < names->count; i++)
		free(names->items[i]);
	free(names->items);
}

/* A partition directory has no directories in it. */
static int remove_directory(struct env *env, const char *path)
{
	struct names names = {0};
	int rc = env->ops->list(env, path, names_entry, &names);

	for (size_t i = 0; rc == 0 && i < names.count; i++) {
		char *file = xasprintf("%s/%s", path, names.items[i]);

		rc = env->ops->unlink(env, file);
		free(file);
	}
	names_fini(&names);
	return rc == 0 ? env->ops->rmdir(env, path) : rc;
}

/* 1: removed; 0: it is not to be, or not yet. */
static int sweep_one(struct log_dir *dir, const char *name, int64_t delay_ms, struct err *err)
{
	struct env *env = dir->env;
	struct log_dir_entry entry;
	struct env_stat st;
	char *path;
	int rc;

	if (log_dir_parse_name(&entry, name) < 0 || entry.kind != LOG_DIR_DELETED)
		return 0;
	path = xasprintf("%s/%s", dir->path, name);
	rc = env->ops->stat(env, path, &st);
	if (rc == 0 && env_wall_ms(env) - st.mtime_ms >= delay_ms) {
		rc = remove_directory(env, path);
		if (rc == 0) {
			say_info("deleted %s", path);
			rc = 1;
		}
	}
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	free(path);
	return rc;
}

int log_dir_sweep(struct log_dir *dir, int64_t delay_ms, int most, struct err *err)
{
	struct names names = {0};
	int rc = dir->env->ops->list(dir->env, dir->path, names_entry, &names);
	int count = 0;

	if (rc < 0)
		rc = err_sys(err, rc, "%s", dir->path);
	for (size_t i = 0; rc >= 0 && count < most && i < names.count; i++) {
		rc = sweep_one(dir, names.items[i], delay_ms, err);
		count += rc > 0;
	}
	names_fini(&names);
	return rc < 0 ? rc : count;
}

/* ---- partition.metadata ---------------------------------------------------------------------- */

static int metadata_parse(const char *text, struct uuid *topic_id)
{
	char version_key[16], version[16], id_key[16], id[64];

	if (sscanf(text, "%15s %15s %15s %63s", version_key, version, id_key, id) != 4)
		return E_MALFORMED;
	if (strcmp(version_key, "version:") != 0 || strcmp(id_key, "topic_id:") != 0)
		return E_MALFORMED;
	if (uuid_parse(topic_id, str_of(id)) < 0 || uuid_is_zero(*topic_id))
		return E_MALFORMED;
	return 0;
}

int partition_metadata_read(struct env *env, const char *path, struct uuid *topic_id,
			    struct err *err)
{
	char *file = xasprintf("%s/" METADATA_FILE, path);
	char *text;
	size_t len;
	int rc = env_read_file(env, file, METADATA_BYTES_MAX, &text, &len);

	*topic_id = (struct uuid){0};
	if (rc == 0) {
		rc = metadata_parse(text, topic_id);
		free(text);
	}
	if (rc == E_TOO_LARGE)
		rc = E_MALFORMED;
	if (rc < 0) {
		*topic_id = (struct uuid){0};
		rc = err_sys(err, rc, "%s", file);
	}
	free(file);
	return rc;
}

int partition_metadata_write(struct env *env, const char *path, struct uuid topic_id,
			     struct err *err)
{
	char *file = xasprintf("%s/" METADATA_FILE, path);
	char id[UUID_TEXT_LEN + 1], text[64];
	int len = snprintf(text, sizeof(text), "version: 0\ntopic_id: %s",
			   uuid_format(topic_id, id));
	int rc = env_write_file(env, file, text, (size_t)len);

	if (rc < 0)
		rc = err_sys(err, rc, "%s", file);
	free(file);
	return rc;
}
