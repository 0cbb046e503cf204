/* The bytes of a key, value or header as text: Kafka's deserializers and their toString(). */
#ifndef KAVKA_CMD_CONSUMER_FIELD_H
#define KAVKA_CMD_CONSUMER_FIELD_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum deserializer {
	AS_BYTES, /* as they are */
	AS_STRING,
	AS_LONG,
	AS_INTEGER,
	AS_SHORT,
	AS_FLOAT,
	AS_DOUBLE,
	AS_BOOLEAN,
	AS_UUID,
	AS_ESCAPED, /* org.apache.kafka.common.serialization.BytesDeserializer */
	AS_VOID,
};

/* By class name, with or without package; NULL and "" are AS_BYTES; -1: there is none such. */
int field_deserializer(const char *class_name);

/* "a.b.C$D" -> "D" */
const char *field_class_simple_name(const char *name);

/* Text of bytes that are not null; borrows them, or is in `scratch`. 0, or E_MALFORMED: they do not
 * fit; *exception is the class that Java throws then. */
MUST_USE int field_text(enum deserializer as, struct slice bytes, struct arena *scratch,
			struct str *out, const char **exception, struct err *err);

#endif
