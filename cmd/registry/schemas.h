/* The schemas of a registry: asked for once, then kept, by id and by subject. That there is none is
 * kept too. Speaks Confluent's REST API, which Karapace, Apicurio and Redpanda serve as well.
 *
 *	rc = schemas_new(&r, &config, &err);
 *	rc = schemas_by_id(r, 7, &schema, &err);
 *	rc = schemas_avro(r, schema, &avro, &err);
 *	schemas_free(r);
 *
 * What is given lives as long as the `struct schemas`. Functions return 0 or what http_ask() does;
 * E_INVALID: the schema cannot be used. */
#ifndef KAVKA_CMD_REGISTRY_SCHEMAS_H
#define KAVKA_CMD_REGISTRY_SCHEMAS_H

#include "cmd/registry/avro.h"
#include "cmd/registry/http.h"
#include "cmd/registry/protobuf_schema.h"

#define SCHEMAS_REFERENCES_MAX 200 /* of one schema, those of its references included */

enum schema_kind {
	SCHEMA_AVRO,
	SCHEMA_JSON,
	SCHEMA_PROTOBUF,
	SCHEMA_KIND_COUNT,
};

struct schema {
	int32_t id;
	enum schema_kind kind;
	const char *text;
	const json_t *references; /* array, or NULL */
	const char *subject;      /* NULL: asked for by id */
	int version;              /* of the subject; 0: not known */
};

struct schemas;

MUST_USE int schemas_new(struct schemas **out, const struct http_config *config, struct err *err);
void schemas_free(struct schemas *r); /* NULL is fine */
/* For requests that concern no schema. */
struct http *schemas_http(struct schemas *r);

MUST_USE int schemas_by_id(struct schemas *r, int32_t id, const struct schema **out,
			   struct err *err);
/* `version`: a number or "latest". */
MUST_USE int schemas_by_subject(struct schemas *r, const char *subject, const char *version,
				const struct schema **out, struct err *err);
/* The id of this text under the subject: looked up, and registered if it is not there. */
MUST_USE int schemas_register(struct schemas *r, const char *subject, enum schema_kind kind,
			      const char *text, const json_t *references, const struct schema **out,
			      struct err *err);

/* Parsed, with all that it refers to. */
MUST_USE int schemas_avro(struct schemas *r, const struct schema *schema,
			  const struct avro_schema **out, struct err *err);
MUST_USE int schemas_protobuf(struct schemas *r, const struct schema *schema,
			      const struct protobuf_schema **out, struct err *err);
/* One subject that has the schema, for people; NULL if the registry cannot tell. */
const char *schemas_subject_of(struct schemas *r, const struct schema *schema);

/* "AVRO", "JSON", "PROTOBUF": the registry's words. */
const char *schema_kind_word(enum schema_kind kind);
/* From these words, in any case, or "json-schema"; SCHEMA_KIND_COUNT: none of them. */
enum schema_kind schema_kind_of(const char *word);

#endif
