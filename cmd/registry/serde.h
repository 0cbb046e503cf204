/* Keys and values between text and bytes: what --key-format and --value-format ask for.
 *
 *	avro json-schema protobuf	for a schema registry: 0, schema id (4 bytes), payload
 *	registry			reading: whichever of these three the schema is
 *	string json hex base64		without a schema
 *	short int long float double boolean uuid	as Kafka's serializers of these names
 *
 * The text of Avro is its JSON encoding: {"string":"x"} inside unions, bytes as \u00ff; where only
 * one branch of a union fits, plain JSON is taken too. Protobuf is shown by the names of message
 * and fields, and written from its bytes. Schemas are asked for once and kept, by id and by
 * subject; so are the answers that there is none.
 *
 *	struct producer_args { ...; struct registry_args registry; };
 *	... OPTS_REGISTRY, OPTS_FORMATS, OPTS_SCHEMAS (producer) in the table
 *
 *	rc = serde_new(&s, &args->registry, &args->cluster, &props, &err);	// NULL: no format
 *	if (serde_has(s, SERDE_VALUE))
 *		rc = serde_encode(s, SERDE_VALUE, topic, line, &bytes, &err);
 *	if (serde_has(s, SERDE_VALUE))
 *		rc = serde_decode(s, SERDE_VALUE, record->value, &text, &err);
 *	serde_free(s);
 *
 * Nothing connects before the first schema is needed. Calls block until the registry answered or
 * the timeout passed. One thread. */
#ifndef KAVKA_CMD_REGISTRY_SERDE_H
#define KAVKA_CMD_REGISTRY_SERDE_H

#include "cmd/command.h"

#include "base/buf.h"
#include "base/props.h"

#define REGISTRY_VARIABLE "KAVKA_REGISTRY_URL"

struct cluster_args;

struct registry_args {
	const char *url;             /* several: separated by commas */
	const char *user;            /* NAME:PASSWORD */
	const char *ca, *cert, *key; /* PEM files */
	int64_t timeout_ms;          /* 0: REGISTRY_TIMEOUT_MS */
	const char *key_format, *value_format;
	int64_t key_schema_id, value_schema_id; /* 0: not given */
	const char *key_schema, *value_schema;  /* file, or the schema itself if it begins so */
	const char *key_subject, *value_subject;
	const char *strategy;
};

/* Where the registry is: for a table whose AT() knows a field `registry`. */
#define OPTS_REGISTRY                                                                             \
	{"registry", OPT_STRING, AT(registry.url), .arg = "URL", .flags = OPT_OWN,                \
	 .help = "The schema registry, or several of one cluster, separated by commas; without "  \
		 "it schema.registry.url of the configs, else $KAVKA_REGISTRY_URL."},             \
	{"registry-user", OPT_STRING, AT(registry.user), .arg = "name:password",                  \
	 .flags = OPT_OWN,                                                                        \
	 .help = "Basic authentication at the registry, as basic.auth.user.info or in the URL."}, \
	{"registry-ca", OPT_STRING, AT(registry.ca), .arg = "file", .flags = OPT_OWN,             \
	 .complete = COMPLETE_FILE, .help = "Certificates (PEM) that vouch for the registry."},   \
	{"registry-cert", OPT_STRING, AT(registry.cert), .arg = "file", .flags = OPT_OWN,         \
	 .complete = COMPLETE_FILE, .help = "Our certificate (PEM) for the registry."},           \
	{"registry-key", OPT_STRING, AT(registry.key), .arg = "file", .flags = OPT_OWN,           \
	 .complete = COMPLETE_FILE, .help = "The private key (PEM) of --registry-cert."},         \
	{"registry-timeout-ms", OPT_INT, AT(registry.timeout_ms), .arg = "ms", .min = 1,          \
	 .max = 3600000, .flags = OPT_OWN,                                                        \
	 .help = "How long one answer of the registry may take; 10000 without it."}

#define SERDE_FORMATS                                                                             \
	"avro json-schema protobuf registry string json hex base64 short int long float double "  \
	"boolean uuid"

/* What keys and values are. */
#define OPTS_FORMATS                                                                              \
	{"key-format", OPT_STRING, AT(registry.key_format), .arg = "format", .flags = OPT_OWN,    \
	 .complete = COMPLETE_WORDS, .words = SERDE_FORMATS,                                      \
	 .help = "What keys are: see --value-format."},                                           \
	{"value-format", OPT_STRING, AT(registry.value_format), .arg = "format",                  \
	 .flags = OPT_OWN, .complete = COMPLETE_WORDS, .words = SERDE_FORMATS,                    \
	 .help = "What values are: avro, json-schema or protobuf with a schema of --registry "    \
		 "(or registry: whichever it is), or string, json, hex, base64, short, int, "     \
		 "long, float, double, boolean, uuid."}

/* Which schema to write with. */
#define OPTS_SCHEMAS                                                                              \
	{"key-schema-id", OPT_INT, AT(registry.key_schema_id), .arg = "id", .min = 1,             \
	 .max = INT32_MAX, .flags = OPT_OWN, .help = "Write keys with the schema of this id."},   \
	{"value-schema-id", OPT_INT, AT(registry.value_schema_id), .arg = "id", .min = 1,         \
	 .max = INT32_MAX, .flags = OPT_OWN, .help = "Write values with the schema of this id."}, \
	{"key-schema", OPT_STRING, AT(registry.key_schema), .arg = "file", .flags = OPT_OWN,      \
	 .complete = COMPLETE_FILE,                                                               \
	 .help = "Write keys with the schema in this file, registered if it is new."},            \
	{"value-schema", OPT_STRING, AT(registry.value_schema), .arg = "file", .flags = OPT_OWN,  \
	 .complete = COMPLETE_FILE,                                                               \
	 .help = "Write values with the schema in this file, registered if it is new; without "   \
		 "id and file the newest of the subject."},                                       \
	{"key-subject", OPT_STRING, AT(registry.key_subject), .arg = "subject",                   \
	 .flags = OPT_OWN, .help = "The subject of the schema of keys."},                         \
	{"value-subject", OPT_STRING, AT(registry.value_subject), .arg = "subject",               \
	 .flags = OPT_OWN, .help = "The subject of the schema of values."},                       \
	{"subject-strategy", OPT_STRING, AT(registry.strategy), .arg = "strategy",                \
	 .flags = OPT_OWN, .complete = COMPLETE_WORDS,                                            \
	 .words = "TopicName RecordName TopicRecordName",                                         \
	 .help = "How subjects are named: TopicName (the default: TOPIC-key, TOPIC-value), "      \
		 "RecordName or TopicRecordName."}

enum serde_part {
	SERDE_KEY,
	SERDE_VALUE,
};

struct serde;

/* Text of a key or value, borrowed until the next call for the same part. */
struct serde_text {
	struct str text;   /* null for null */
	bool is_json;      /* a JSON value that may stand inside JSON as it is */
	int32_t schema_id; /* -1: none */
};

/* Reads options, then `props` (schema.registry.url, basic.auth.user.info, value.schema,
 * value.schema.id ... as Confluent's console tools take them by --property), then the settings of
 * the config file and the profile of `cluster` (the same keys, and schema.registry.ssl.*), then
 * $KAVKA_REGISTRY_URL; the first that has a thing wins. `props` may be NULL; nothing is kept of it
 * and of `cluster`; `args` is borrowed for the life of the serde. Gives NULL if no format was asked
 * for.
 * 0, or E_USAGE: an unknown format, a format with a registry but none named, a schema file that
 * cannot be read. */
MUST_USE int serde_new(struct serde **out, const struct registry_args *args,
		       const struct cluster_args *cluster, const struct props *props,
		       struct err *err);
void serde_free(struct serde *s); /* NULL is fine */

/* Has this part a format? False for NULL. */
bool serde_has(const struct serde *s, enum serde_part part);

/* Text into the bytes of a record. `out` borrows until the next call for the same part; null (as
 * for a tombstone) stays null. 0, E_MALFORMED (the text does not fit the schema: the message names
 * the field), or what hindered asking the registry (E_UNREACHABLE, E_AUTH, E_NOT_FOUND,
 * E_TIMEOUT, E_INVALID). The message begins with "key: " or "value: ". */
MUST_USE int serde_encode(struct serde *s, enum serde_part part, struct str topic, struct str text,
			  struct slice *out, struct err *err);

/* Bytes of a record into text; the same codes. The caller puts "TOPIC-PARTITION@OFFSET" in front
 * of the message. */
MUST_USE int serde_decode(struct serde *s, enum serde_part part, struct slice bytes,
			  struct serde_text *out, struct err *err);

#endif
