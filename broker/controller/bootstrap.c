/* What the first leader writes: the records that `format` left in the directory. */
#include "base/mem.h"
#include "controller/control_int.h"
#include "metadata/features.h"
#include "wire/record_frame.h"

#include <errno.h>

struct bootstrap {
	struct control *control;
	size_t cap;
	int16_t metadata_version;
	struct arena scratch;
};

static int bootstrap_add(void *ctx, struct slice value, struct err *err)
{
	struct bootstrap *b = ctx;
	struct control *c = b->control;
	const struct record_type *type;
	int16_t version;
	void *record;
	int rc = metadata_record_decode(RECORDS_METADATA, value, &b->scratch, &type, &version,
					&record, err);

	if (rc < 0)
		return rc;
	if (type->type == FEATURE_LEVEL_RECORD) {
		const struct feature_level_record *f = record;

		if (str_is(f->name, METADATA_VERSION_FEATURE))
			b->metadata_version = f->feature_level;
	}
	if (c->bootstrap_count == b->cap) {
		struct slice *grown;

		b->cap = b->cap ? b->cap * 2 : 16;
		grown = arena_array(&c->fixed, b->cap, sizeof(*grown));
		if (c->bootstrap_count)
			memcpy(grown, c->bootstrap, c->bootstrap_count * sizeof(*grown));
		c->bootstrap = grown;
	}
	c->bootstrap[c->bootstrap_count++] = (struct slice){
		.data = arena_memdup(&c->fixed, value.data, value.len), .len = value.len};
	return 0;
}

/* Nobody said anything: the newest level alone. */
static int bootstrap_default(struct bootstrap *b, struct err *err)
{
	struct feature_level_record r;
	struct out out;
	int rc;

	WIRE_INIT(feature_level_record, &r);
	r.name = STR_LIT(METADATA_VERSION_FEATURE);
	r.feature_level = METADATA_VERSION_DEFAULT;
	out_init(&out, 1024);
	rc = metadata_record_encode(&feature_level_record_desc, 0, &r, &out, err);
	if (rc == 0)
		rc = bootstrap_add(b, (struct slice){.data = out.data, .len = out.len}, err);
	out_fini(&out);
	return rc;
}

int bootstrap_load(struct control *c, struct snapshot_id latest, const char *dir,
		   int16_t *metadata_version, struct err *err)
{
	struct bootstrap b = {.control = c};
	struct snapshot_contents contents;
	char name[SNAPSHOT_NAME_MAX];
	struct env_stat stat;
	char *path = xasprintf("%s/%s", dir, snapshot_name(SNAPSHOT_BOOTSTRAP, name));
	char *legacy = xasprintf("%s/bootstrap.checkpoint", c->options.metadata_dir);
	int rc = 0;

	arena_init(&b.scratch);
	if (latest.end_offset <= 0) {
		if (snapshot_id_eq(latest, SNAPSHOT_BOOTSTRAP))
			rc = snapshot_read(c->env, path, &b.scratch, &contents, bootstrap_add, &b,
					   err);
		if (rc == 0 && c->bootstrap_count == 0 &&
		    c->env->ops->stat(c->env, legacy, &stat) == 0)
			rc = snapshot_read(c->env, legacy, &b.scratch, &contents, bootstrap_add, &b,
					   err);
	}
	if (rc == 0 && c->bootstrap_count == 0)
		rc = bootstrap_default(&b, err);
	arena_fini(&b.scratch);
	free(path);
	free(legacy);
	*metadata_version = b.metadata_version;
	return rc;
}
