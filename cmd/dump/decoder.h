/* Keys and values of records as text: what kafka-dump-log's --...-decoder options choose. */
#ifndef KAVKA_CMD_DECODER_H
#define KAVKA_CMD_DECODER_H

#include "base/arena.h"
#include "base/err.h"
#include "wire/batch.h"

enum decoder_kind {
	DECODE_BYTES,        /* by the classes for key and value */
	DECODE_OFFSETS,      /* __consumer_offsets */
	DECODE_TRANSACTIONS, /* __transaction_state */
	DECODE_METADATA,     /* __cluster_metadata */
	DECODE_REMOTE,       /* __remote_log_metadata */
	DECODE_SHARE,        /* __share_group_state */
};

enum decoder_class { CLASS_STRING, CLASS_DEFAULT, CLASS_INTEGER, CLASS_LONG };

struct decoder {
	enum decoder_kind kind;
	enum decoder_class key_class, value_class;
	struct arena scratch;
	struct out key, value;
};

/* Texts, borrowed until the next call; data == NULL: there is none. */
struct decoded {
	struct str key, value;
	bool key_is_json, value_is_json;
};

void decoder_init(struct decoder *d, enum decoder_kind kind);
void decoder_fini(struct decoder *d);

/* A class of org.apache.kafka.tools.api, or of kafka.serializer as releases before 4.0 have it;
 * NULL: the default. E_INVALID. */
MUST_USE int decoder_class_parse(const char *name, enum decoder_class *out, struct err *err);

/* Bytes that cannot be decoded are told in place of the text, as Apache's tool does it. E_MALFORMED
 * only where that tool ends: a number of the wrong size, or no key where there must be one. */
MUST_USE int decoder_decode(struct decoder *d, const struct record *r, struct decoded *out,
			    struct err *err);

/* What stands in a control record, as it follows the record's line: " endTxnMarker: COMMIT ...". */
MUST_USE int control_text(struct decoder *d, const struct record *r, struct str *out,
			  struct err *err);

#endif
