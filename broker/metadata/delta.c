#include "metadata/delta.h"

#include "base/mem.h"

/* Numbers never repeat in a process: an edit is this delta's between two publications. */
static uint64_t edit_next(void)
{
	static atomic_uint_least64_t last;

	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

void delta_init(struct image_delta *d, const struct image *from)
{
	image_copy(&d->image, from);
	d->edit = edit_next();
	d->rollback = NULL;
}

void delta_fini(struct image_delta *d)
{
	image_fini(&d->image);
	image_unref(d->rollback);
	d->rollback = NULL;
}

void delta_reset(struct image_delta *d, const struct image *from)
{
	struct image copy;

	image_copy(&copy, from);
	delta_fini(d);
	d->image = copy;
	d->edit = edit_next();
}

static const struct image *delta_freeze(struct image_delta *d)
{
	struct image *image = xmalloc(sizeof(*image));

	image_copy(image, &d->image);
	d->edit = edit_next();
	return image;
}

const struct image *delta_publish(struct image_delta *d, int64_t offset, int32_t epoch,
				  int64_t timestamp_ms)
{
	assert(!delta_in_transaction(d));
	d->image.offset = offset;
	d->image.epoch = epoch;
	d->image.timestamp_ms = timestamp_ms;
	return delta_freeze(d);
}

static int delta_transaction_record(struct image_delta *d, enum metadata_record_type type,
				    struct err *err)
{
	if (type == BEGIN_TRANSACTION_RECORD) {
		if (d->rollback)
			return err_set(err, E_CORRUPT,
				       "a metadata transaction begins in another one");
		d->rollback = delta_freeze(d);
		return 0;
	}
	if (!d->rollback)
		return err_set(err, E_CORRUPT, "a metadata transaction ends that never began");
	if (type == ABORT_TRANSACTION_RECORD) {
		image_fini(&d->image);
		image_copy(&d->image, d->rollback);
		d->edit = edit_next();
	}
	image_unref(d->rollback);
	d->rollback = NULL;
	return 0;
}

int delta_replay(struct image_delta *d, enum metadata_record_type type, const void *record,
		 int64_t offset, struct err *err)
{
	switch (type) {
	case TOPIC_RECORD:
	case PARTITION_RECORD:
	case PARTITION_CHANGE_RECORD:
	case REMOVE_TOPIC_RECORD:
	case CLEAR_ELR_RECORD: return delta_topic_record(d, type, record, err);
	case REGISTER_BROKER_RECORD:
	case UNREGISTER_BROKER_RECORD:
	case FENCE_BROKER_RECORD:
	case UNFENCE_BROKER_RECORD:
	case BROKER_REGISTRATION_CHANGE_RECORD:
	case REGISTER_CONTROLLER_RECORD:
	case UNREGISTER_CONTROLLER_RECORD: return delta_node_record(d, type, record, offset, err);
	case CONFIG_RECORD:
	case FEATURE_LEVEL_RECORD:
	case CLIENT_QUOTA_RECORD:
	case PRODUCER_IDS_RECORD: return delta_setting_record(d, type, record, err);
	case ACCESS_CONTROL_ENTRY_RECORD:
	case REMOVE_ACCESS_CONTROL_ENTRY_RECORD:
	case USER_SCRAM_CREDENTIAL_RECORD:
	case REMOVE_USER_SCRAM_CREDENTIAL_RECORD:
	case DELEGATION_TOKEN_RECORD:
	case REMOVE_DELEGATION_TOKEN_RECORD: return delta_security_record(d, type, record, err);
	case BEGIN_TRANSACTION_RECORD:
	case END_TRANSACTION_RECORD:
	case ABORT_TRANSACTION_RECORD: return delta_transaction_record(d, type, err);
	case NO_OP_RECORD:
	case ZK_MIGRATION_STATE_RECORD: return 0;
	}
	return err_set(err, E_CORRUPT, "no metadata record has type %d", (int)type);
}

int delta_replay_bytes(struct image_delta *d, struct slice value, int64_t offset,
		       struct arena *scratch, struct err *err)
{
	const struct record_type *type;
	int16_t version;
	void *record;
	int rc = metadata_record_decode(RECORDS_METADATA, value, scratch, &type, &version, &record,
					err);

	if (rc == 0)
		rc = delta_replay(d, (enum metadata_record_type)type->type, record, offset, err);
	return rc < 0 ? err_add(err, rc, "metadata record at offset %lld", (long long)offset) : 0;
}

/* ---- Packing --------------------------------------------------------------------------------- */

void *packer_alloc(struct packer *p, size_t struct_size, size_t extra_bytes)
{
	char *memory = xcalloc(1, struct_size + extra_bytes);

	p->at = memory + struct_size;
	p->end = p->at + extra_bytes;
	return memory;
}

void *packer_room(struct packer *p, size_t bytes)
{
	char *room = (char *)(((uintptr_t)p->at + 7) & ~(uintptr_t)7);

	if (bytes == 0)
		return NULL;
	assert(room + bytes <= p->end);
	p->at = room + bytes;
	return room;
}

struct str packer_str(struct packer *p, struct str s)
{
	char *text = p->at;

	if (!s.data)
		return s;
	assert(text + s.len + 1 <= p->end);
	if (s.len)
		memcpy(text, s.data, s.len);
	text[s.len] = '\0';
	p->at += s.len + 1;
	return (struct str){text, s.len};
}
