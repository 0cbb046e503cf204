/* Protobuf: the message is named and its fields are shown as its schema says.
 *
 *	{"message":"lab.Point","subject":"t-value","fields":{"label":"a","x":[5,6]},
 *	 "indexes":[0],"data":"CgFh..."}
 *
 * Fields have their names of the .proto file; numbers are numbers, bytes are base64, enums their
 * words; what is not in the record is not shown. A field that the schema does not know stands under
 * its number: the wire format does not tell strings, bytes and messages apart, so text is a string,
 * else what reads as a message is one, else {"base64":"..."}. `data` is the payload itself, which
 * the writer takes, so that records can be copied.
 *
 * Source: protobuf.dev encoding; framing of Confluent's serializers (message indexes). */
#ifndef KAVKA_CMD_REGISTRY_PROTOBUF_H
#define KAVKA_CMD_REGISTRY_PROTOBUF_H

#include "cmd/registry/protobuf_schema.h"

#include "base/buf.h"
#include "base/err.h"

#define PROTOBUF_DEPTH_MAX 64   /* of messages in messages: stack */
#define PROTOBUF_INDEXES_MAX 32 /* how deep a message is defined in others */

/* Bytes behind magic and schema id, into JSON. E_MALFORMED. */
MUST_USE int protobuf_read(const struct protobuf_schema *schema, const char *subject,
			   struct slice bytes, struct out *json, struct err *err);
/* {"indexes":[0],"data":"BASE64"} into these bytes; "indexes" may be missing: [0]. E_MALFORMED. */
MUST_USE int protobuf_write(struct str json, struct out *bytes, struct err *err);

#endif
