#include "metadata/snapshot.h"

#include "base/fault.h"
#include "base/mem.h"
#include "metadata/delta.h"
#include "metadata/image_write.h"
#include "wire/record_frame.h"

#include <inttypes.h>
#include <stdio.h>

char *snapshot_name(struct snapshot_id id, char name[SNAPSHOT_NAME_MAX])
{
	snprintf(name, SNAPSHOT_NAME_MAX, "%020" PRId64 "-%010" PRId32 SNAPSHOT_SUFFIX,
		 id.end_offset, id.epoch);
	return name;
}

bool snapshot_parse_name(const char *name, struct snapshot_id *id)
{
	char again[SNAPSHOT_NAME_MAX];
	int end = 0;

	if (sscanf(name, "%20" SCNd64 "-%10" SCNd32 "%n", &id->end_offset, &id->epoch, &end) != 2)
		return false;
	return id->end_offset >= 0 && id->epoch >= 0 &&
	       strcmp(snapshot_name(*id, again), name) == 0;
}

/* ---- Control records ------------------------------------------------------------------------- */

static const struct message_desc *control_desc(int type)
{
	switch (type) {
	case CONTROL_LEADER_CHANGE: return &leader_change_message_desc;
	case CONTROL_SNAPSHOT_HEADER: return &snapshot_header_record_desc;
	case CONTROL_SNAPSHOT_FOOTER: return &snapshot_footer_record_desc;
	case CONTROL_KRAFT_VERSION: return &kraft_version_record_desc;
	case CONTROL_KRAFT_VOTERS: return &voters_record_desc;
	default: return NULL;
	}
}

int control_record_add(struct batch_builder *batch, enum control_type type,
		       const struct message_desc *desc, const void *message, int64_t timestamp_ms,
		       struct err *err)
{
	struct out out;
	int rc;

	out_init(&out, METADATA_BATCH_BYTES_MAX);
	rc = message_encode(desc, 0, message, &out, NULL, err);
	if (rc == 0)
		rc = batch_builder_add_control(batch, type, timestamp_ms,
					       (struct slice){.data = out.data, .len = out.len});
	out_fini(&out);
	return rc;
}

int control_record_decode(const struct record *record, struct arena *arena, enum control_type *type,
			  void **message, struct err *err)
{
	int number = control_record_type(record);
	const struct message_desc *desc = control_desc(number);
	size_t used;

	if (!desc)
		return err_set(err, E_UNSUPPORTED, "control record of type %d", number);
	*type = (enum control_type)number;
	*message = message_new(desc, arena);
	return message_decode(desc, 0, record->value, &used, arena, *message, err);
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void writer_begin_batch(struct snapshot_writer *w, bool is_control)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;

	options.base_offset = w->next_offset;
	options.partition_leader_epoch = w->epoch;
	options.is_control = is_control;
	options.max_bytes = METADATA_BATCH_BYTES_MAX;
	batch_builder_init(&w->batch, &options);
}

static int writer_write_batch(struct snapshot_writer *w, struct err *err)
{
	int32_t count = w->batch.record_count;
	struct slice bytes;
	int rc;

	if (count == 0)
		return 0;
	rc = batch_builder_finish(&w->batch, NULL, &bytes);
	if (rc < 0)
		return err_sys(err, rc, "cannot build a batch");
	rc = env_write(w->env, w->fd, bytes.data, bytes.len, w->pos);
	w->pos += (int64_t)bytes.len;
	w->next_offset += count;
	slice_unref(&bytes);
	return rc < 0 ? err_sys(err, rc, "cannot write %s", w->part_path) : 0;
}

static int writer_header(struct snapshot_writer *w, const struct snapshot_header *h,
			 struct err *err)
{
	struct snapshot_header_record header;
	struct kraft_version_record version;
	int rc;

	WIRE_INIT(snapshot_header_record, &header);
	WIRE_INIT(kraft_version_record, &version);
	header.last_contained_log_timestamp = h->last_timestamp_ms;
	version.kraft_version = h->kraft_version;
	writer_begin_batch(w, true);
	rc = control_record_add(&w->batch, CONTROL_SNAPSHOT_HEADER, &snapshot_header_record_desc,
				&header, h->now_ms, err);
	if (rc == 0 && h->kraft_version > 0)
		rc = control_record_add(&w->batch, CONTROL_KRAFT_VERSION,
					&kraft_version_record_desc, &version, h->now_ms, err);
	if (rc == 0 && h->kraft_version > 0 && h->voters)
		rc = control_record_add(&w->batch, CONTROL_KRAFT_VOTERS, &voters_record_desc,
					h->voters, h->now_ms, err);
	if (rc == 0)
		rc = writer_write_batch(w, err);
	batch_builder_fini(&w->batch);
	writer_begin_batch(w, false);
	return rc;
}

int snapshot_writer_open(struct snapshot_writer *w, struct env *env, const char *dir,
			 struct snapshot_id id, const struct snapshot_header *header,
			 struct err *err)
{
	char name[SNAPSHOT_NAME_MAX];
	int rc;

	*w = (struct snapshot_writer){.env = env, .epoch = id.epoch, .now_ms = header->now_ms};
	snapshot_name(id, name);
	w->dir = xstrdup(dir);
	w->path = xasprintf("%s/%s", dir, name);
	w->part_path = xasprintf("%s.part", w->path);
	out_init(&w->scratch, METADATA_BATCH_BYTES_MAX);
	w->fd = env->ops->open(env, w->part_path, ENV_WRITE | ENV_CREATE | ENV_TRUNCATE);
	if (w->fd < 0) {
		rc = err_sys(err, w->fd, "cannot make %s", w->part_path);
		writer_begin_batch(w, false);
	} else {
		rc = writer_header(w, header, err);
	}
	if (rc < 0)
		snapshot_writer_abort(w);
	return rc;
}

int snapshot_writer_add(void *writer, const struct message_desc *desc, int16_t version,
			const void *record, struct err *err)
{
	struct snapshot_writer *w = writer;
	struct slice value;
	int rc;

	out_reset(&w->scratch);
	rc = metadata_record_encode(desc, version, record, &w->scratch, err);
	if (rc < 0)
		return rc;
	value = (struct slice){.data = w->scratch.data, .len = w->scratch.len};
	if (w->batch.record_count &&
	    batch_builder_bytes(&w->batch) + record_size_max(0, value.len, NULL, 0) >
		    SNAPSHOT_BATCH_BYTES) {
		rc = writer_write_batch(w, err);
		batch_builder_fini(&w->batch);
		writer_begin_batch(w, false);
		if (rc < 0)
			return rc;
	}
	return batch_builder_add(&w->batch, w->now_ms, SLICE_NULL, value, NULL, 0);
}

static void writer_fini(struct snapshot_writer *w)
{
	if (w->fd >= 0)
		w->env->ops->close(w->env, w->fd);
	batch_builder_fini(&w->batch);
	out_fini(&w->scratch);
	free(w->path);
	free(w->part_path);
	free(w->dir);
	*w = (struct snapshot_writer){.fd = -1};
}

void snapshot_writer_abort(struct snapshot_writer *w)
{
	if (w->fd >= 0)
		(void)w->env->ops->unlink(w->env, w->part_path);
	writer_fini(w);
}

int snapshot_writer_finish(struct snapshot_writer *w, struct err *err)
{
	struct snapshot_footer_record footer;
	struct env *env = w->env;
	int rc;

	WIRE_INIT(snapshot_footer_record, &footer);
	rc = writer_write_batch(w, err);
	batch_builder_fini(&w->batch);
	writer_begin_batch(w, true);
	if (rc == 0)
		rc = control_record_add(&w->batch, CONTROL_SNAPSHOT_FOOTER,
					&snapshot_footer_record_desc, &footer, w->now_ms, err);
	if (rc == 0)
		rc = writer_write_batch(w, err);
	if (rc == 0) {
		rc = FAULT(snapshot_unsynced) ? 0 : env->ops->fsync(env, w->fd);
		if (rc == 0)
			rc = env->ops->rename(env, w->part_path, w->path);
		if (rc == 0)
			rc = env->ops->fsync_dir(env, w->dir);
		if (rc < 0)
			err_sys(err, rc, "cannot finish %s", w->path);
	}
	if (rc < 0)
		snapshot_writer_abort(w);
	else
		writer_fini(w);
	return rc;
}

int snapshot_write_image(struct env *env, const char *dir, struct snapshot_id id,
			 const struct snapshot_header *header, const struct image *image,
			 struct err *err)
{
	struct snapshot_writer w;
	int rc = snapshot_writer_open(&w, env, dir, id, header, err);

	if (rc < 0)
		return rc;
	rc = image_write(image, snapshot_writer_add, &w, err);
	if (rc < 0) {
		snapshot_writer_abort(&w);
		return rc;
	}
	return snapshot_writer_finish(&w, err);
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct snapshot_reader {
	struct env *env;
	const char *path;
	int fd;
	int64_t pos, size;
	bool has_footer;
	struct arena *arena;
	struct snapshot_contents *out;
	snapshot_record each;
	void *ctx;
};

static int reader_control(struct snapshot_reader *r, const struct record *record, struct err *err)
{
	enum control_type type;
	void *message;
	int rc = control_record_decode(record, r->arena, &type, &message, err);

	if (rc == E_UNSUPPORTED)
		return 0;
	if (rc < 0)
		return rc;
	if (type == CONTROL_SNAPSHOT_HEADER)
		r->out->last_timestamp_ms =
			((struct snapshot_header_record *)message)->last_contained_log_timestamp;
	else if (type == CONTROL_SNAPSHOT_FOOTER)
		r->has_footer = true;
	else if (type == CONTROL_KRAFT_VERSION)
		r->out->kraft_version = ((struct kraft_version_record *)message)->kraft_version;
	else if (type == CONTROL_KRAFT_VOTERS)
		r->out->voters = message_copy(&voters_record_desc, r->arena, message);
	return 0;
}

static int reader_batch(struct snapshot_reader *r, const struct batch *b, struct err *err)
{
	struct record_iter it;
	struct record record;
	int rc;

	if (!batch_crc_ok(b))
		return err_set(err, E_CORRUPT, "wrong checksum");
	rc = batch_check(b);
	if (rc == 0)
		rc = record_iter_init(&it, b, NULL, METADATA_BATCH_BYTES_MAX);
	if (rc < 0)
		return err_sys(err, rc, "bad batch");
	for (rc = record_next(&it, &record); rc > 0; rc = record_next(&it, &record)) {
		int used;

		if (batch_is_control(b)) {
			used = reader_control(r, &record, err);
		} else {
			r->out->record_count++;
			used = r->each ? r->each(r->ctx, record.value, err) : 0;
		}
		if (used)
			return used;
	}
	return rc < 0 ? err_sys(err, rc, "bad record") : 0;
}

/* Reads and handles the batch at pos. */
static int reader_next(struct snapshot_reader *r, struct err *err)
{
	uint8_t header[BATCH_HEADER_BYTES];
	struct batch b;
	uint8_t *data;
	ssize_t got = env_read(r->env, r->fd, header, sizeof(header), r->pos);
	int rc;

	if (got < 0)
		return err_sys(err, (int)got, "cannot read");
	rc = batch_parse_header(&b, header, (size_t)got);
	if (rc < 0 || b.size_bytes > (size_t)(r->size - r->pos))
		return err_set(err, E_CORRUPT, "not a whole batch");
	data = xmalloc(b.size_bytes);
	got = env_read(r->env, r->fd, data, b.size_bytes, r->pos);
	if (got < 0)
		rc = err_sys(err, (int)got, "cannot read");
	else if (batch_parse(&b, data, (size_t)got) < 0)
		rc = err_set(err, E_CORRUPT, "not a whole batch");
	else
		rc = reader_batch(r, &b, err);
	r->pos += (int64_t)b.size_bytes;
	free(data);
	return rc;
}

int snapshot_read(struct env *env, const char *path, struct arena *arena,
		  struct snapshot_contents *out, snapshot_record each, void *ctx, struct err *err)
{
	struct snapshot_reader r = {
		.env = env, .path = path, .arena = arena, .out = out, .each = each, .ctx = ctx};
	struct env_stat stat;
	int rc;

	*out = (struct snapshot_contents){0};
	r.fd = env->ops->open(env, path, ENV_READ);
	if (r.fd < 0)
		return err_sys(err, r.fd, "%s", path);
	rc = env->ops->fstat(env, r.fd, &stat);
	if (rc < 0) {
		err_sys(err, rc, "cannot stat");
	} else {
		r.size = stat.size_bytes;
		while (rc == 0 && r.pos < r.size) {
			int64_t pos = r.pos;

			rc = reader_next(&r, err);
			if (rc < 0)
				err_add(err, rc, "at byte %" PRId64, pos);
		}
		if (rc == 0 && !r.has_footer)
			rc = err_set(err, E_CORRUPT, "the snapshot was never finished");
	}
	env->ops->close(env, r.fd);
	return rc < 0 ? err_add(err, rc, "%s", path) : rc;
}

struct image_reader {
	struct image_delta delta;
	struct arena scratch;
	int64_t offset;
};

static int image_reader_record(void *ctx, struct slice value, struct err *err)
{
	struct image_reader *r = ctx;
	int rc = delta_replay_bytes(&r->delta, value, r->offset, &r->scratch, err);

	arena_reset(&r->scratch);
	return rc;
}

int snapshot_read_image(struct env *env, const char *dir, struct snapshot_id id,
			struct arena *arena, struct snapshot_contents *contents,
			const struct image **out, struct err *err)
{
	struct image_reader r = {.offset = id.end_offset - 1};
	const struct image *empty = image_empty();
	char name[SNAPSHOT_NAME_MAX];
	char *path = xasprintf("%s/%s", dir, snapshot_name(id, name));
	int rc;

	delta_init(&r.delta, empty);
	arena_init(&r.scratch);
	rc = snapshot_read(env, path, arena, contents, image_reader_record, &r, err);
	if (rc == 0 && delta_in_transaction(&r.delta))
		rc = err_set(err, E_CORRUPT, "%s: ends inside a metadata transaction", path);
	if (rc == 0)
		*out = delta_publish(&r.delta, id.end_offset - 1, id.epoch,
				     contents->last_timestamp_ms);
	arena_fini(&r.scratch);
	delta_fini(&r.delta);
	image_unref(empty);
	free(path);
	return rc;
}
