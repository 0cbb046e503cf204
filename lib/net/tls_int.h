/* Inside of TLS: contexts (tls.c) and sessions (tls_session.c). */
#ifndef KAVKA_NET_TLS_INT_H
#define KAVKA_NET_TLS_INT_H

#include "net/tls.h"

#include "base/openssl.h"

#include <arpa/inet.h>
#include <stdatomic.h>

struct tls_context {
	atomic_uint ref_count;	/* any thread, atomic */
	SSL_CTX *ssl_ctx;	/* fixed after tls_context_new */
	BIO_METHOD *socket_method;
	bool is_server;
	bool verify_host;
};

/* The kind of BIO that sessions of a context use; freed with BIO_meth_free(). */
BIO_METHOD *tls_socket_method(void);

SSL *tls_session_ssl(struct tls_session *s);

/* Sets "WHAT: OpenSSL's reason" and empties OpenSSL's queue; returns `code`. */
int tls_error(struct err *err, int code, const char *what);

#endif
