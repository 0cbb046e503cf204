#include "api/handlers.h"

#define API_KEY_COUNT 128

static const api_handler handlers[API_KEY_COUNT] = {
#define X(constant, handler) [constant] = handler,
	API_HANDLERS(X)
#undef X
};

api_handler api_handler_of(int16_t api_key)
{
	return api_key >= 0 && api_key < API_KEY_COUNT ? handlers[api_key] : NULL;
}
