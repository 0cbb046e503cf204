/* Messages inside records: the metadata log's, the coordinators' keys and values, and blobs that
 * begin with their version. The layouts:
 *
 *	metadata record		uvarint 1, uvarint type, uvarint version, body
 *	coordinator key		int16 type, body (version 0)
 *	coordinator value	int16 version, body; a null value is a tombstone
 *	versioned blob		int16 version, body
 *
 * Decoding borrows `bytes` as message_decode() does and refuses bytes that are left over. */
#ifndef KAVKA_WIRE_RECORD_FRAME_H
#define KAVKA_WIRE_RECORD_FRAME_H

#include "wire/codec.h"

/* Who a record belongs to; types are numbered in each family anew. */
enum record_family {
	RECORDS_METADATA,	/* __cluster_metadata */
	RECORDS_STORAGE,	/* __remote_log_metadata; framed as metadata records */
	RECORDS_GROUP,		/* __consumer_offsets */
	RECORDS_TXN,		/* __transaction_state */
	RECORDS_SHARE,		/* __share_group_state */
};

struct record_type {
	enum record_family family;
	int16_t type;
	const char *constant;			/* "TOPIC_RECORD", "OFFSET_COMMIT" */
	const struct message_desc *key;		/* coordinators only */
	const struct message_desc *value;	/* the record itself in the metadata log */
};

extern const struct record_type wire_record_types[];
extern const size_t wire_record_type_count;

/* NULL if there is none. */
const struct record_type *record_type_by_number(enum record_family family, int type);
const struct record_type *record_type_by_constant(enum record_family family, struct str constant);

/* Appends a metadata record. Errors: message_encode()'s. */
MUST_USE int metadata_record_encode(const struct message_desc *m, int16_t version,
				    const void *record, struct out *out, struct err *err);

/* Gives type, version and the record (in `arena`) of a record's value. Returns message_decode()'s
 * errors; E_UNSUPPORTED also for another frame version or an unknown type. */
MUST_USE int metadata_record_decode(enum record_family family, struct slice bytes,
				    struct arena *arena, const struct record_type **type,
				    int16_t *version, void **record, struct err *err);

/* Appends the key of a coordinator record, by its descriptor (offset_commit_key_desc). */
MUST_USE int coordinator_key_encode(const struct message_desc *m, const void *key,
				    struct out *out, struct err *err);

/* Gives type and key (in `arena`). E_UNSUPPORTED: an unknown type, which readers skip. */
MUST_USE int coordinator_key_decode(enum record_family family, struct slice bytes,
				    struct arena *arena, const struct record_type **type,
				    void **key, struct err *err);

/* int16 version and body: coordinator values, group protocol metadata, principals. */
MUST_USE int versioned_encode(const struct message_desc *m, int16_t version, const void *msg,
			      struct out *out, struct err *err);

/* Gives version and message (in `arena`). E_UNSUPPORTED: a version that `m` does not have. */
MUST_USE int versioned_decode(const struct message_desc *m, struct slice bytes,
			      struct arena *arena, int16_t *version, void **msg, struct err *err);

/* The same for what embedded clients exchange (ConsumerProtocolSubscription and -Assignment): a
 * version above the highest known is read as that one, and bytes left over are let pass. */
MUST_USE int versioned_decode_lenient(const struct message_desc *m, struct slice bytes,
				      struct arena *arena, int16_t *version, void **msg,
				      struct err *err);

#endif
