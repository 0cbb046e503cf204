/* Formats, frames, and which schema a topic's keys and values have. */
#include "cmd/registry/serde.h"
#include "cmd/registry/config.h"
#include "cmd/registry/json_text.h"
#include "cmd/registry/plain.h"
#include "cmd/registry/protobuf.h"
#include "cmd/registry/schemas.h"

#include "cmd/connect.h"

#include "base/mem.h"
#include "base/near.h"

#include <stdio.h>
#include <string.h>

#define FRAME_BYTES 5 /* 0, schema id */
#define SERDE_BYTES_MAX ((size_t)512 << 20)

enum strategy { BY_TOPIC, BY_RECORD, BY_TOPIC_AND_RECORD, STRATEGY_COUNT };

static const char *const strategy_words[] = {[BY_TOPIC] = "TopicName",
					     [BY_RECORD] = "RecordName",
					     [BY_TOPIC_AND_RECORD] = "TopicRecordName"};

/* Keys, or values. */
struct part {
	const char *word; /* "key", "value" */
	bool has_format;
	bool is_framed;        /* a schema stands in front */
	enum schema_kind kind; /* is_framed; SCHEMA_KIND_COUNT: whichever */
	enum plain_format plain;
	/* writing */
	int32_t schema_id;       /* 0: not given */
	const char *schema_text; /* NULL: not given */
	const char *subject;     /* NULL: by strategy */
	char *topic;             /* whose schema `current` is */
	const struct schema *current;
	/* of the last call */
	struct out text, bytes;
};

struct serde {
	struct arena arena;
	struct part parts[2];
	enum strategy strategy;
	struct schemas *schemas; /* NULL: no format needs them */
};

/* ---- Setting up --------------------------------------------------------------------------- */

static int part_format(struct part *p, const char *word, struct err *err)
{
	static const char words[] = SERDE_FORMATS;
	struct near near;
	char copy[sizeof(words)], *save = NULL;

	if (!word)
		return 0;
	p->has_format = true;
	p->plain = plain_format_of(word);
	p->kind = schema_kind_of(word);
	p->is_framed = p->plain == PLAIN_FORMAT_COUNT;
	if (!p->is_framed || p->kind != SCHEMA_KIND_COUNT || strcmp(word, "registry") == 0)
		return 0;
	near_init(&near, word);
	memcpy(copy, words, sizeof(words));
	for (char *w = strtok_r(copy, " ", &save); w; w = strtok_r(NULL, " ", &save))
		near_offer(&near, w);
	if (near.best)
		return err_set(err, E_USAGE, "--%s-format: no format '%s'; did you mean %s?",
			       p->word, word, near.best);
	return err_set(err, E_USAGE, "--%s-format: no format '%s' (there are: %s)", p->word, word,
		       words);
}

/* Could it be a schema at all? What it refers to is the registry's to know. */
static int schema_check(enum schema_kind kind, const char *text, struct err *err)
{
	struct avro_schema *avro;
	struct out json;
	int rc = 0;

	if (kind == SCHEMA_AVRO) {
		avro = avro_schema_new();
		rc = avro_schema_add(avro, str_of(text), err);
		avro_schema_free(avro);
	} else if (kind == SCHEMA_JSON) {
		out_init(&json, SERDE_BYTES_MAX);
		rc = json_text_compact(&json, str_of(text), err);
		out_fini(&json);
	}
	return rc;
}

/* A schema that stands on the command line itself, or in a file. */
static int part_schema(struct serde *s, struct part *p, const char *given, struct err *err)
{
	bool is_text;

	if (!given || !*given)
		return 0;
	is_text = strchr("{[\"", given[strspn(given, " \t\n")]);
	p->schema_text = is_text ? given : config_read_file(&s->arena, given, err);
	if (!p->schema_text || schema_check(p->kind, p->schema_text, err) < 0)
		return err_add(err, E_USAGE, "--%s-schema%s%s", p->word, is_text ? "" : " ",
			       is_text ? "" : given);
	return 0;
}

/* What Confluent's console tools take as properties, where no option says it. */
static const char *part_property(struct serde *s, const struct props *props, const struct part *p,
				 const char *name)
{
	const char *value =
		props ? props_get(props, arena_printf(&s->arena, "%s.%s", p->word, name)) : NULL;

	return value && *value ? arena_strdup(&s->arena, value) : NULL;
}

static int part_init(struct serde *s, struct part *p, const char *format, int64_t id,
		     const char *schema, const char *subject, const struct props *props,
		     struct err *err)
{
	const char *property_id = part_property(s, props, p, "schema.id");
	int rc;

	out_init(&p->text, SERDE_BYTES_MAX);
	out_init(&p->bytes, SERDE_BYTES_MAX);
	rc = part_format(p, format, err);
	if (rc < 0)
		return rc;
	p->schema_id = (int32_t)id;
	if (id == 0 && property_id)
		p->schema_id = (int32_t)strtol(property_id, NULL, 10);
	p->subject = subject;
	if (!p->has_format && (id || schema || subject))
		return err_set(err, E_USAGE, "a schema of the %s needs --%s-format", p->word,
			       p->word);
	if (p->has_format && !p->is_framed && (id || schema || subject))
		return err_set(err, E_USAGE, "--%s-format %s has no schema", p->word, format);
	if (p->schema_id && schema)
		return err_set(err, E_USAGE, "--%s-schema-id and --%s-schema exclude each other",
			       p->word, p->word);
	if (schema && p->kind == SCHEMA_KIND_COUNT)
		return err_set(err, E_USAGE,
			       "--%s-schema: say what it is by --%s-format avro, json-schema or "
			       "protobuf",
			       p->word, p->word);
	if (!schema && p->is_framed && !p->schema_id)
		schema = part_property(s, props, p, "schema");
	return part_schema(s, p, schema, err);
}

static int serde_strategy(struct serde *s, const char *word, struct err *err)
{
	if (!word)
		return 0;
	for (s->strategy = 0; s->strategy < STRATEGY_COUNT; s->strategy++) {
		const char *name = strategy_words[s->strategy];

		/* Confluent's classes are called so, with "Strategy" behind. */
		if (strcasecmp(word, name) == 0 ||
		    (strncasecmp(word, name, strlen(name)) == 0 &&
		     strcasecmp(word + strlen(name), "Strategy") == 0))
			return 0;
	}
	return err_set(err, E_USAGE,
		       "--subject-strategy: '%s' is none of TopicName, RecordName, TopicRecordName",
		       word);
}

static int serde_init(struct serde *s, const struct registry_args *args,
		      const struct cluster_args *cluster, const struct props *props,
		      struct err *err)
{
	struct part *key = &s->parts[SERDE_KEY], *value = &s->parts[SERDE_VALUE];
	struct http_config config;
	int rc;

	rc = part_init(s, key, args->key_format, args->key_schema_id, args->key_schema,
		       args->key_subject, props, err);
	if (rc == 0)
		rc = part_init(s, value, args->value_format, args->value_schema_id,
			       args->value_schema, args->value_subject, props, err);
	if (rc == 0)
		rc = serde_strategy(s, args->strategy, err);
	if (rc < 0 || (!key->is_framed && !value->is_framed))
		return rc;
	rc = config_read(&config, args, cluster, props, &s->arena, err);
	return rc < 0 ? rc : schemas_new(&s->schemas, &config, err);
}

int serde_new(struct serde **out, const struct registry_args *args,
	      const struct cluster_args *cluster, const struct props *props, struct err *err)
{
	struct serde *s = xcalloc(1, sizeof(*s));
	int rc;

	*out = NULL;
	arena_init(&s->arena);
	s->parts[SERDE_KEY].word = "key";
	s->parts[SERDE_VALUE].word = "value";
	rc = serde_init(s, args, cluster, props, err);
	if (rc < 0 || (!serde_has(s, SERDE_KEY) && !serde_has(s, SERDE_VALUE))) {
		serde_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

void serde_free(struct serde *s)
{
	if (!s)
		return;
	for (unsigned i = 0; i < ARRAY_LEN(s->parts); i++) {
		out_fini(&s->parts[i].text);
		out_fini(&s->parts[i].bytes);
		free(s->parts[i].topic);
	}
	schemas_free(s->schemas);
	arena_fini(&s->arena);
	free(s);
}

bool serde_has(const struct serde *s, enum serde_part part)
{
	return s && s->parts[part].has_format;
}

/* ---- Which schema to write with ----------------------------------------------------------- */

/* The name of the record that a schema describes, in `name`. */
static int schema_record_name(enum schema_kind kind, const char *text, struct out *name,
			      struct err *err)
{
	struct avro_schema *avro = NULL;
	struct protobuf_schema *protobuf = NULL;
	const struct protobuf_named *message;
	json_t *json = NULL;
	const char *found = NULL;
	int rc = 0;

	if (kind == SCHEMA_AVRO) {
		avro = avro_schema_new();
		rc = avro_schema_add(avro, str_of(text), err);
		found = rc == 0 ? avro_schema_name(avro) : NULL;
	} else if (kind == SCHEMA_JSON) {
		json = json_loads(text, JSON_DECODE_ANY, NULL);
		found = json_string_value(json_object_get(json, "title"));
	} else {
		protobuf = protobuf_schema_new();
		protobuf_schema_add(protobuf, text);
		message = protobuf_schema_find(protobuf, (const int32_t[]){0}, 1);
		found = message ? message->name : NULL;
	}
	if (found)
		out_text(name, found);
	if (rc == 0 && name->len == 0)
		rc = err_set(err, E_INVALID,
			     "the schema names no record: give --subject-strategy "
			     "TopicName, or the subject");
	avro_schema_free(avro);
	protobuf_schema_free(protobuf);
	json_decref(json);
	return rc;
}

/* Appends the subject, terminated. */
static int part_subject(struct serde *s, const struct part *p, struct str topic,
			struct out *subject, struct err *err)
{
	int rc = 0;

	if (p->subject) {
		out_text(subject, p->subject);
	} else if (s->strategy == BY_TOPIC) {
		out_printf(subject, "%.*s-%s", STR(topic), p->word);
	} else if (!p->schema_text) {
		rc = err_set(err, E_USAGE,
			     "--subject-strategy %s needs a schema to name the "
			     "subject after: give --%s-schema, --%s-schema-id or --%s-subject",
			     strategy_words[s->strategy], p->word, p->word, p->word);
	} else {
		struct out name;

		out_init(&name, SERDE_BYTES_MAX);
		rc = schema_record_name(p->kind, p->schema_text, &name, err);
		if (s->strategy == BY_TOPIC_AND_RECORD)
			out_printf(subject, "%.*s-", STR(topic));
		out_bytes(subject, name.data, name.len);
		out_fini(&name);
	}
	out_byte(subject, '\0');
	return rc;
}

static int part_find_schema(struct serde *s, struct part *p, struct str topic,
			    const struct schema **out, struct err *err)
{
	struct out subject;
	int rc;

	if (p->schema_id)
		return schemas_by_id(s->schemas, p->schema_id, out, err);
	out_init(&subject, SERDE_BYTES_MAX);
	rc = part_subject(s, p, topic, &subject, err);
	if (rc == 0 && p->schema_text)
		rc = schemas_register(s->schemas, (const char *)subject.data, p->kind,
				      p->schema_text, NULL, out, err);
	else if (rc == 0)
		rc = schemas_by_subject(s->schemas, (const char *)subject.data, "latest", out, err);
	if (rc == E_NOT_FOUND)
		err_add(err, rc, "no schema to write with (--%s-schema FILE registers one)",
			p->word);
	out_fini(&subject);
	return rc;
}

static int part_check_kind(const struct part *p, const struct schema *schema, struct err *err)
{
	static const char *const formats[] = {[SCHEMA_AVRO] = "avro",
					      [SCHEMA_JSON] = "json-schema",
					      [SCHEMA_PROTOBUF] = "protobuf"};

	if (p->kind == SCHEMA_KIND_COUNT || p->kind == schema->kind)
		return 0;
	return err_set(err, E_MALFORMED, "schema %d is %s: --%s-format %s", schema->id,
		       schema_kind_word(schema->kind), p->word, formats[schema->kind]);
}

/* The schema for a topic, kept while the topic stays the same. */
static int part_schema_of(struct serde *s, struct part *p, struct str topic,
			  const struct schema **out, struct err *err)
{
	int rc;

	if (p->current && str_is(topic, p->topic)) {
		*out = p->current;
		return 0;
	}
	rc = part_find_schema(s, p, topic, out, err);
	if (rc == 0)
		rc = part_check_kind(p, *out, err);
	if (rc < 0)
		return rc;
	free(p->topic);
	p->topic = xstrndup(topic.data ? topic.data : "", topic.len);
	p->current = *out;
	return 0;
}

/* ---- Text into bytes ---------------------------------------------------------------------- */

static int framed_encode(struct serde *s, struct part *p, struct str topic, struct str text,
			 struct err *err)
{
	const struct schema *schema;
	const struct avro_schema *avro;
	uint8_t frame[FRAME_BYTES] = {0};
	int rc = part_schema_of(s, p, topic, &schema, err);

	if (rc < 0)
		return rc;
	put_be32(frame + 1, (uint32_t)schema->id);
	if (schema->kind == SCHEMA_JSON) {
		out_reset(&p->text);
		rc = json_text_compact(&p->text, text, err);
	}
	out_bytes(&p->bytes, frame, sizeof(frame));
	switch (schema->kind) {
	case SCHEMA_AVRO:
		rc = schemas_avro(s->schemas, schema, &avro, err);
		return rc < 0 ? rc : avro_write(avro, text, &p->bytes, err);
	case SCHEMA_PROTOBUF: return protobuf_write(text, &p->bytes, err);
	default: out_bytes(&p->bytes, text.data, text.len); return rc;
	}
}

int serde_encode(struct serde *s, enum serde_part part, struct str topic, struct str text,
		 struct slice *out, struct err *err)
{
	struct part *p = &s->parts[part];
	int rc;

	*out = SLICE_NULL;
	if (str_is_null(text))
		return 0;
	out_reset(&p->bytes);
	if (p->is_framed)
		rc = framed_encode(s, p, topic, text, err);
	else
		rc = plain_write(p->plain, text, &p->bytes, err);
	if (rc == 0 && p->bytes.failed)
		rc = err_set(err, E_TOO_LARGE, "is too large");
	if (rc < 0)
		return err_add(err, rc, "%s", p->word);
	out->data = p->bytes.data ? p->bytes.data : (const uint8_t *)"";
	out->len = p->bytes.len;
	return 0;
}

/* ---- Bytes into text ---------------------------------------------------------------------- */

static int framed_decode(struct serde *s, struct part *p, struct slice bytes,
			 struct serde_text *out, struct err *err)
{
	const struct schema *schema;
	const struct protobuf_schema *protobuf;
	const struct avro_schema *avro;
	struct slice payload;
	int rc;

	if (bytes.len == 0)
		return err_set(err, E_MALFORMED, "is empty: there is no schema id in front");
	if (bytes.data[0] != 0)
		return err_set(err, E_MALFORMED,
			       "begins with 0x%02x, not with 0 and a schema id: "
			       "was it written with a schema registry?",
			       bytes.data[0]);
	if (bytes.len < FRAME_BYTES)
		return err_set(err, E_MALFORMED, "ends within the schema id");
	rc = schemas_by_id(s->schemas, (int32_t)be32(bytes.data + 1), &schema, err);
	if (rc < 0)
		return err_add(err, rc, "schema %d", (int32_t)be32(bytes.data + 1));
	rc = part_check_kind(p, schema, err);
	if (rc < 0)
		return rc;
	out->is_json = true;
	out->schema_id = schema->id;
	payload = (struct slice){.data = bytes.data + FRAME_BYTES, .len = bytes.len - FRAME_BYTES};
	switch (schema->kind) {
	case SCHEMA_AVRO:
		rc = schemas_avro(s->schemas, schema, &avro, err);
		if (rc < 0)
			return rc;
		rc = avro_read(avro, payload, &p->text, err);
		break;
	case SCHEMA_PROTOBUF:
		rc = schemas_protobuf(s->schemas, schema, &protobuf, err);
		if (rc < 0)
			return rc;
		rc = protobuf_read(protobuf, schemas_subject_of(s->schemas, schema), payload,
				   &p->text, err);
		break;
	default:
		rc = json_text_compact(&p->text,
				       (struct str){(const char *)payload.data, payload.len}, err);
		break;
	}
	return rc < 0 ? err_add(err, rc, "schema %d", schema->id) : 0;
}

int serde_decode(struct serde *s, enum serde_part part, struct slice bytes, struct serde_text *out,
		 struct err *err)
{
	struct part *p = &s->parts[part];
	int rc;

	*out = (struct serde_text){.schema_id = -1};
	if (!bytes.data)
		return 0;
	out_reset(&p->text);
	if (p->is_framed)
		rc = framed_decode(s, p, bytes, out, err);
	else
		rc = plain_read(p->plain, bytes, &p->text, &out->is_json, err);
	if (rc == 0 && p->text.failed)
		rc = err_set(err, E_TOO_LARGE, "is too large to show");
	if (rc < 0)
		return err_add(err, rc, "%s", p->word);
	out->text = (struct str){p->text.data ? (const char *)p->text.data : "", p->text.len};
	return 0;
}
