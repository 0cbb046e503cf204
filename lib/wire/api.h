/* The table of Kafka's APIs, from lib/wire/schema/api. `enum api_key` (API_FETCH, ...) is in
 * wire/messages.h. Keys 4 to 7 (gone) are not in the table. */
#ifndef KAVKA_WIRE_API_H
#define KAVKA_WIRE_API_H

#include "base/buf.h"
#include "wire/desc.h"
#include "wire/messages.h"

enum listener_type {
	LISTENER_BROKER = 1,
	LISTENER_CONTROLLER = 2,
};

struct api {
	int16_t key;
	const char *name;		/* "DescribeLogDirs" */
	const char *constant;		/* "DESCRIBE_LOG_DIRS" */
	int16_t min_version, max_version;
	int16_t flexible_since;		/* WIRE_VERSION_MAX: never */
	bool is_latest_unstable;	/* max_version is hidden unless unstable versions are on */
	bool is_forwardable;		/* a broker passes it to the active controller */
	uint8_t listeners;		/* LISTENER_* that serve it */
	const struct message_desc *request, *response;
};

extern const struct api wire_apis[];	/* ascending keys */
extern const size_t wire_api_count;

/* Every message of the schema, for tests and tools. */
extern const struct message_desc *const wire_messages[];
extern const size_t wire_message_count;

/* NULL if there is none. */
const struct api *api_by_key(int key);
const struct api *api_by_name(struct str name);			/* "Fetch", any case */
const struct message_desc *message_by_name(struct str name);	/* "FetchRequest", exact case */

static inline int16_t api_max_stable(const struct api *api)
{
	return (int16_t)(api->max_version - (api->is_latest_unstable ? 1 : 0));
}
static inline bool api_has_version(const struct api *api, int version)
{
	return version >= api->min_version && version <= api->max_version;
}

/* Header versions: request 1 or 2; response 0 or 1, and always 0 for ApiVersions. A version above
 * the table's counts as flexible, if the API ever is. */
int16_t api_request_header_version(const struct api *api, int version);
int16_t api_response_header_version(const struct api *api, int version);

#endif
