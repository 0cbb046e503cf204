/* The handlers of the broker's APIs, one file per family of requests. All have the same contract:
 * api/request.h. Each is called on the connection's shard. */
#ifndef KAVKA_BROKER_API_HANDLERS_H
#define KAVKA_BROKER_API_HANDLERS_H

#include "api/request.h"

/* The handlers that exist: API constant, function. */
#define API_HANDLERS(X)

#define X(constant, handler) void handler(struct request *r);
API_HANDLERS(X)
#undef X

#endif
