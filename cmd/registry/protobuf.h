/* Protobuf, as far as it goes without generated code: the message is named by its schema, its
 * fields by number.
 *
 *	{"message":"lab.Point","fields":{"1":"a","2":[5,6],"3":{"1":7}},"indexes":[0],"data":"CgFh"}
 *
 * The wire format does not tell strings, bytes and messages apart: text is a string, else what
 * reads as a message is one, else {"base64":"..."}. Numbers are shown as signed integers of 64
 *bits, zigzag and floating point ones too. `data` is the payload itself, in base64: what the writer
 * takes, so that records can be copied.
 *
 * Source: protobuf.dev encoding; framing of Confluent's serializers (message indexes). */
#ifndef KAVKA_CMD_REGISTRY_PROTOBUF_H
#define KAVKA_CMD_REGISTRY_PROTOBUF_H

#include "base/buf.h"
#include "base/err.h"

#define PROTOBUF_DEPTH_MAX 64
#define PROTOBUF_INDEXES_MAX 32      /* how deep a message is defined in others */
#define PROTOBUF_FIELD_MAX 536870911 /* 2^29 - 1 */

/* Bytes behind magic and schema id, into JSON. E_MALFORMED. */
MUST_USE int protobuf_read(const char *schema_text, const char *subject, struct slice bytes,
			   struct out *json, struct err *err);
/* {"indexes":[0],"data":"BASE64"} into these bytes; "indexes" may be missing: [0]. E_MALFORMED. */
MUST_USE int protobuf_write(struct str json, struct out *bytes, struct err *err);

/* Puts the full name of the message with these indexes into `name`; the schema is a .proto text, or
 * a FileDescriptorProto in base64. "" if it has none such. */
void protobuf_name(const char *schema_text, const int32_t *indexes, size_t count, struct out *name);

#endif
