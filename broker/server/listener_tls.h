/* TLS of a listener, as its ssl.* configs say: its own (listener.name.NAME.ssl.*) first, then those
 * of all listeners. Whoever accepts on it is the server; a node that connects to another node's
 * listener of that name is a client with the same keys. */
#ifndef KAVKA_BROKER_SERVER_LISTENER_TLS_H
#define KAVKA_BROKER_SERVER_LISTENER_TLS_H

#include "config/config.h"
#include "net/tls.h"

/* Both give one reference; tls_context_new()'s errors. */
MUST_USE int listener_tls_server(struct tls_context **out, const struct config *config,
				 const char *listener, struct err *err);
MUST_USE int listener_tls_client(struct tls_context **out, const struct config *config,
				 const char *listener, struct err *err);

#endif
