#include "log/log_dir.h"

#include "base/fault.h"
#include "base/limits.h"
#include "base/mem.h"
#include "base/props.h"
#include "base/say.h"
#include "log/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <time.h>

#define SAY_PLACE "broker/log"
#define META_FILE "meta.properties"
#define CLEAN_FILE ".kafka_cleanshutdown"
#define CLEAN_FILE_BYTES_MAX 4096

static const char *const checkpoint_files[LOG_DIR_CHECKPOINTS] = {
	[LOG_DIR_RECOVERY_POINT] = "recovery-point-offset-checkpoint",
	[LOG_DIR_LOG_START] = "log-start-offset-checkpoint",
	[LOG_DIR_HIGH_WATERMARK] = "replication-offset-checkpoint",
	[LOG_DIR_CLEANER] = "cleaner-offset-checkpoint",
};

/* A line of a loaded checkpoint; the key is "topic-partition". */
struct loaded_entry {
	struct map_node node;
	int64_t offset;
	char key[];
};

/* ---- Opening --------------------------------------------------------------------------------- */

static int lock_take(struct log_dir *dir, struct err *err)
{
	struct env *env = dir->env;
	char *path = xasprintf("%s/.lock", dir->path);
	int rc = env->ops->open(env, path, ENV_WRITE | ENV_CREATE);

	if (rc >= 0) {
		dir->lock_fd = rc;
		rc = env->ops->lock ? env->ops->lock(env, rc) : 0;
	}
	if (rc == -EAGAIN)
		rc = err_set(err, rc, "%s: another process uses this log directory (it holds %s)",
			     dir->path, path);
	else if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	free(path);
	return rc;
}

static int meta_number(const struct props *p, const char *key, int64_t *out)
{
	const char *text = props_get(p, key);

	return text ? checkpoint_number(str_of(text), out) : -ENOENT;
}

static int meta_take(struct log_dir *dir, const struct props *p, struct err *err)
{
	struct log_dir_meta *meta = &dir->meta;
	const char *cluster_id = props_get(p, "cluster.id");
	const char *directory_id = props_get(p, "directory.id");
	int64_t version = 0, node_id = -1;
	int rc = meta_number(p, "version", &version);

	if (rc != -ENOENT && (rc < 0 || version < 0 || version > 1))
		return err_set(err, E_MALFORMED, "%s/" META_FILE ": version is not 0 or 1",
			       dir->path);
	rc = meta_number(p, version == 0 ? "broker.id" : "node.id", &node_id);
	if ((rc < 0 && (version == 1 || rc != -ENOENT)) || node_id > INT32_MAX)
		return err_set(err, E_MALFORMED, "%s/" META_FILE ": no valid node.id", dir->path);
	if (version == 1 && !cluster_id)
		return err_set(err, E_MALFORMED, "%s/" META_FILE ": no cluster.id", dir->path);
	if (directory_id && uuid_parse(&meta->directory_id, str_of(directory_id)) < 0)
		return err_set(err, E_MALFORMED, "%s/" META_FILE ": directory.id is no uuid",
			       dir->path);
	meta->version = (int32_t)version;
	meta->node_id = (int32_t)node_id;
	meta->cluster_id = cluster_id ? xstrdup(cluster_id) : NULL;
	meta->exists = true;
	return 0;
}

static int meta_read(struct log_dir *dir, struct err *err)
{
	char *path = xasprintf("%s/" META_FILE, dir->path);
	struct props p;
	char *text;
	size_t len;
	int rc = env_read_file(dir->env, path, PROPS_FILE_BYTES_MAX, &text, &len);

	dir->meta.node_id = -1;
	if (rc == -ENOENT) {
		free(path);
		return 0;
	}
	if (rc < 0) {
		rc = err_sys(err, rc, "%s", path);
		free(path);
		return rc;
	}
	props_init(&p);
	rc = props_parse(&p, text, len, err);
	if (rc < 0)
		rc = err_add(err, E_MALFORMED, "%s", path);
	else
		rc = meta_take(dir, &p, err);
	props_fini(&p);
	free(text);
	free(path);
	return rc;
}

/* Makes a directory and those above it that are missing. */
static int make_dirs(struct env *env, const char *path)
{
	char *part = xstrdup(path);
	int rc;

	/* One that cannot be made shows in the next below it, at last in `path` itself. */
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)!env_make_dir(env, part);
		*slash = '/';
	}
	rc = env_make_dir(env, path);
	free(part);
	return rc == -EEXIST ? 0 : rc;
}

int log_dir_open(struct log_dir **out, struct env *env, const char *path, struct err *err)
{
	struct log_dir *dir = xcalloc(1, sizeof(*dir));
	size_t len = strlen(path);
	struct env_stat st;
	int rc;

	while (len > 1 && path[len - 1] == '/')
		len--;
	dir->env = env;
	dir->path = xstrndup(path, len);
	dir->lock_fd = -1;
	dir->broker_epoch = -1;
	for (int i = 0; i < LOG_DIR_CHECKPOINTS; i++)
		map_init(&dir->checkpoints[i]);
	rc = env->ops->stat(env, dir->path, &st);
	if (rc == -ENOENT) {
		rc = make_dirs(env, dir->path);
		if (rc == 0)
			say_info("made log directory %s", dir->path);
	} else if (rc == 0 && !st.is_dir) {
		rc = -ENOTDIR;
	}
	if (rc < 0)
		rc = err_sys(err, rc, "%s", dir->path);
	else
		rc = lock_take(dir, err);
	if (rc == 0)
		rc = meta_read(dir, err);
	if (rc < 0) {
		log_dir_close(dir);
		return rc;
	}
	*out = dir;
	return 0;
}

void log_dir_close(struct log_dir *dir)
{
	struct loaded_entry *entry;

	if (!dir)
		return;
	for (int i = 0; i < LOG_DIR_CHECKPOINTS; i++) {
		MAP_FOREACH(&dir->checkpoints[i], entry, struct loaded_entry, node) {
			map_remove(&dir->checkpoints[i], &entry->node);
			free(entry);
		}
		map_fini(&dir->checkpoints[i]);
	}
	if (dir->lock_fd >= 0)
		dir->env->ops->close(dir->env, dir->lock_fd);
	free(dir->meta.cluster_id);
	free(dir->path);
	free(dir);
}

/* ---- Identity -------------------------------------------------------------------------------- */

static void put_property(struct out *out, const char *key, const char *value)
{
	out_printf(out, "%s=", key);
	for (; *value; value++) {
		if (strchr("=:#!\\ ", *value))
			out_byte(out, '\\');
		out_byte(out, (uint8_t)*value);
	}
	out_byte(out, '\n');
}

int log_dir_write_meta(struct log_dir *dir, const char *cluster_id, int32_t node_id,
		       struct uuid directory_id, struct err *err)
{
	char *path = xasprintf("%s/" META_FILE, dir->path);
	time_t now = (time_t)(env_wall_ms(dir->env) / 1000);
	char id[UUID_TEXT_LEN + 1], number[16], date[64];
	struct out out;
	struct tm tm;
	int rc;

	gmtime_r(&now, &tm);
	strftime(date, sizeof(date), "%a %b %d %H:%M:%S UTC %Y", &tm);
	snprintf(number, sizeof(number), "%" PRId32, node_id);
	out_init(&out, PROPS_FILE_BYTES_MAX);
	out_printf(&out, "#\n#%s\n", date);
	put_property(&out, "cluster.id", cluster_id);
	if (!uuid_is_zero(directory_id))
		put_property(&out, "directory.id", uuid_format(directory_id, id));
	put_property(&out, "node.id", number);
	put_property(&out, "version", "1");
	rc = env_write_file(dir->env, path, out.data, out.len);
	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	out_fini(&out);
	free(path);
	if (rc < 0)
		return rc;
	cluster_id = xstrdup(cluster_id);
	free(dir->meta.cluster_id);
	dir->meta = (struct log_dir_meta){.exists = true, .version = 1, .node_id = node_id,
					  .cluster_id = (char *)(uintptr_t)cluster_id,
					  .directory_id = directory_id};
	return 0;
}

/* ---- Checkpoints ----------------------------------------------------------------------------- */

static int load_line(void *ctx, const struct str *words)
{
	struct map *map = ctx;
	int64_t partition, offset;
	struct loaded_entry *entry;
	size_t len = words[0].len + 1 + words[1].len;

	if (checkpoint_number(words[1], &partition) < 0 || checkpoint_number(words[2], &offset) < 0)
		return E_MALFORMED;
	entry = xmalloc(sizeof(*entry) + len);
	*entry = (struct loaded_entry){.offset = offset};
	memcpy(entry->key, words[0].data, words[0].len);
	entry->key[words[0].len] = '-';
	memcpy(entry->key + words[0].len + 1, words[1].data, words[1].len);
	if (map_get(map, entry->key, len))
		free(entry);	/* the first line counts */
	else
		map_put(map, &entry->node, entry->key, len);
	return 0;
}

static int load_checkpoint(struct log_dir *dir, enum log_dir_checkpoint which, struct err *err)
{
	struct map *map = &dir->checkpoints[which];
	char *path = xasprintf("%s/%s", dir->path, checkpoint_files[which]);
	int rc = checkpoint_read(dir->env, path, 3, load_line, map);

	if (rc == E_MALFORMED || rc == E_TOO_LARGE) {
		struct loaded_entry *entry;

		say_warn("%s: cannot be read (%s), taken as empty", path, err_text(rc));
		MAP_FOREACH(map, entry, struct loaded_entry, node) {
			map_remove(map, &entry->node);
			free(entry);
		}
		rc = 0;
	}
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	free(path);
	return rc;
}

/* The marker says that the last stop was clean; it is gone before anything changes. */
static int load_marker(struct log_dir *dir, struct err *err)
{
	char *path = xasprintf("%s/" CLEAN_FILE, dir->path);
	char *text;
	size_t len;
	int rc = env_read_file(dir->env, path, CLEAN_FILE_BYTES_MAX, &text, &len);

	if (rc == 0) {
		json_t *json = json_loadb(text, len, 0, NULL);
		json_t *epoch = json_object_get(json, "brokerEpoch");

		if (json_is_integer(epoch))
			dir->broker_epoch = json_integer_value(epoch);
		json_decref(json);
		free(text);
	}
	if (rc == 0 || rc == E_TOO_LARGE) {
		dir->was_clean = true;
		rc = FAULT(clean_marker_stays) ? 0 : dir->env->ops->unlink(dir->env, path);
		if (rc == 0)
			rc = dir->env->ops->fsync_dir(dir->env, dir->path);
	}
	if (rc == -ENOENT)
		rc = 0;
	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	free(path);
	return rc;
}

int log_dir_load(struct log_dir *dir, struct err *err)
{
	int rc = load_marker(dir, err);

	for (int i = 0; rc == 0 && i < LOG_DIR_CHECKPOINTS; i++)
		rc = load_checkpoint(dir, (enum log_dir_checkpoint)i, err);
	return rc;
}

int64_t log_dir_offset(const struct log_dir *dir, enum log_dir_checkpoint which, struct str topic,
		       int32_t partition, int64_t otherwise)
{
	char key[LOG_DIR_NAME_MAX + 16];
	struct map_node *node;
	int len;

	assert(which < LOG_DIR_CHECKPOINTS);
	len = snprintf(key, sizeof(key), "%.*s-%" PRId32, STR(topic), partition);
	if (len < 0 || (size_t)len >= sizeof(key))
		return otherwise;
	node = map_get(&dir->checkpoints[which], key, (size_t)len);
	return node ? CONTAINER_OF(node, struct loaded_entry, node)->offset : otherwise;
}

int log_dir_write_checkpoint(struct log_dir *dir, enum log_dir_checkpoint which,
			     const struct checkpoint_entry *entries, size_t count, struct err *err)
{
	char *path = xasprintf("%s/%s", dir->path, checkpoint_files[which]);
	struct out out;
	int rc;

	checkpoint_begin(&out, count);
	for (size_t i = 0; i < count; i++)
		out_printf(&out, "%.*s %" PRId32 " %" PRId64 "\n", STR(entries[i].topic),
			   entries[i].partition, entries[i].offset);
	rc = out.failed ? E_TOO_LARGE : env_write_file(dir->env, path, out.data, out.len);
	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	out_fini(&out);
	free(path);
	return rc;
}

int log_dir_mark_clean(struct log_dir *dir, int64_t broker_epoch, struct err *err)
{
	char *path = xasprintf("%s/" CLEAN_FILE, dir->path);
	char text[64];
	int len = snprintf(text, sizeof(text), "{\"version\":0,\"brokerEpoch\":%" PRId64 "}",
			   broker_epoch);
	int rc = env_write_file(dir->env, path, text, (size_t)len);

	if (rc < 0)
		rc = err_sys(err, rc, "%s", path);
	free(path);
	return rc;
}
