#include "wire/api.h"

#include <strings.h>

const struct api *api_by_key(int key)
{
	size_t low = 0, high = wire_api_count;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (wire_apis[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < wire_api_count && wire_apis[low].key == key ? &wire_apis[low] : NULL;
}

const struct api *api_by_name(struct str name)
{
	for (size_t i = 0; i < wire_api_count; i++) {
		const struct api *api = &wire_apis[i];

		if (name.len == strlen(api->name) &&
		    strncasecmp(name.data, api->name, name.len) == 0)
			return api;
	}
	return NULL;
}

const struct message_desc *message_by_name(struct str name)
{
	for (size_t i = 0; i < wire_message_count; i++) {
		if (str_is(name, wire_messages[i]->name))
			return wire_messages[i];
	}
	return NULL;
}

static bool api_is_flexible(const struct api *api, int version)
{
	return api->flexible_since != WIRE_VERSION_MAX && version >= api->flexible_since;
}

int16_t api_request_header_version(const struct api *api, int version)
{
	return api_is_flexible(api, version) ? 2 : 1;
}

int16_t api_response_header_version(const struct api *api, int version)
{
	/* Whoever asks for ApiVersions does not know yet what the peer can read. */
	if (api->key == API_API_VERSIONS)
		return 0;
	return api_is_flexible(api, version) ? 1 : 0;
}
