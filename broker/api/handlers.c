#include "api/handlers.h"

#define API_KEY_COUNT 128

static const api_handler handlers[API_KEY_COUNT] = {
#define X(constant, handler) [constant] = handler,
	API_HANDLERS(X)
#undef X
};

static const api_handler controller_handlers[API_KEY_COUNT] = {
#define X(constant, handler) [constant] = handler,
	API_CONTROLLER_HANDLERS(X)
#undef X
};

api_handler api_handler_of(const struct api *api, uint8_t listener_type)
{
	if (!(api->listeners & listener_type) || api->key >= API_KEY_COUNT)
		return NULL;
	if (listener_type == LISTENER_CONTROLLER && controller_handlers[api->key])
		return controller_handlers[api->key];
	return handlers[api->key];
}
