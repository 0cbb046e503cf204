/* Inside of `kavka api`: api.c (the command, asking), api_schema.c (--list, --schema, --template),
 * api_decode.c (--decode). */
#ifndef KAVKA_CMD_API_INT_H
#define KAVKA_CMD_API_INT_H

#include "cmd/connect.h"
#include "cmd/output.h"

#include "wire/api.h"
#include "wire/codec.h"

#include <jansson.h>

#define VERSION_NOT_GIVEN (-1)

struct api_args {
	struct cluster_args cluster;
	struct output_args output;
	bool list, schema, template, hex, controller, response;
	int64_t version;
	const char *broker, *coordinator, *txn_coordinator, *leader, *decode;
};

/* By name (any case) or key; NULL with E_USAGE and the nearest name. */
const struct api *api_find(const char *name, struct err *err);
/* The version of the option, checked against those we know; `preset` if none was given. */
MUST_USE int api_version_of(const struct api_args *args, const struct api *api, int16_t preset,
			    int16_t *version, struct err *err);
/* Prints a value: on one line with --output json, else indented. Takes `json`. */
void api_print_json(json_t *json, enum output_format format);

/* `supported` may be NULL: no broker was reached. */
void api_list_print(struct run *run, enum output_format format,
		    const struct api_versions_response *supported);
void api_schema_print(struct run *run, const struct api *api, int version,
		      enum output_format format);
MUST_USE int api_template_print(struct run *run, const struct api *api, int16_t version,
				enum output_format format, struct err *err);

/* --decode. */
MUST_USE int api_decode(struct run *run, const struct api_args *args, const struct api *api,
			enum output_format format, struct err *err);

#endif
