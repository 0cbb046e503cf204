/* TLS over a non-blocking socket (OpenSSL). A context holds keys and trusted certificates and is
 * shared by connections (any thread, after it was made); a session is one connection's.
 *
 * Nothing of OpenSSL is initialised before the first context is made. Configs are Kafka's ssl.*
 * keys: PEM files, PEM inside the config, PKCS12 stores. */
#ifndef KAVKA_NET_TLS_H
#define KAVKA_NET_TLS_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

struct tls_context;
struct tls_session;

enum tls_client_auth { TLS_CLIENT_AUTH_NONE, TLS_CLIENT_AUTH_REQUESTED, TLS_CLIENT_AUTH_REQUIRED };

/* Values as in Kafka's keys of the same names; NULL: not set. All are borrowed. */
struct tls_options {
	bool is_server;
	const char *keystore_type;	/* "PEM", "PKCS12" ("JKS": read as PKCS12 if it is one) */
	const char *keystore_location, *keystore_password;
	const char *keystore_key, *keystore_certificate_chain;	/* PEM text */
	const char *key_password;
	const char *truststore_type;
	const char *truststore_location, *truststore_password;
	const char *truststore_certificates;			/* PEM text */
	const char *protocol;			/* "TLSv1.3", "TLSv1.2" */
	const char *enabled_protocols;		/* list with commas */
	const char *cipher_suites;		/* list with commas, IANA names */
	bool verify_host;			/* client: the name must be in the certificate */
	enum tls_client_auth client_auth;	/* server */
};

/* 0, E_INVALID (a combination Kafka refuses), -errno, E_AUTH (wrong password), E_MALFORMED. */
MUST_USE int tls_context_new(struct tls_context **out, const struct tls_options *options,
			     struct err *err);
struct tls_context *tls_context_ref(struct tls_context *ctx);
void tls_context_unref(struct tls_context *ctx);

/* `server_name`: client only, what the certificate must be for, and SNI; NULL: not checked. */
MUST_USE int tls_session_new(struct tls_session **out, struct tls_context *ctx, int fd,
			     const char *server_name, struct err *err);
void tls_session_free(struct tls_session *s);	/* sends close_notify if it can; not the fd */

/* 0 done; -EAGAIN; E_AUTH (certificate), E_MALFORMED, E_CLOSED or -errno with a message. */
MUST_USE int tls_handshake(struct tls_session *s, struct err *err);
/* Bytes; 0: the peer closed; -EAGAIN; other < 0 with a message. */
MUST_USE ssize_t tls_read(struct tls_session *s, void *data, size_t len, struct err *err);
/* Bytes taken; -EAGAIN: call again with the same bytes; other < 0 with a message. */
MUST_USE ssize_t tls_write(struct tls_session *s, const void *data, size_t len, struct err *err);
bool tls_has_pending(struct tls_session *s);	/* bytes wait inside: the socket will not tell */
bool tls_wants_write(struct tls_session *s);	/* the last -EAGAIN waits for writing */

/* The peer's certificate's subject as RFC 2253 text into `text` ("" if there is none): the name
 * for principals. Returns `text`. */
char *tls_peer_subject(struct tls_session *s, char *text, size_t size);

/* ---- Looking at a peer, whatever it is ------------------------------------------------------- */

struct tls_cert {
	const char *subject, *issuer;	/* RFC 2253 */
	const char *names;		/* DNS names and addresses, with ", "; "" if none */
	int64_t not_before_s, not_after_s;	/* since 1970 */
};

struct tls_peer {
	const char *protocol, *cipher;	/* "TLSv1.3", "TLS_AES_256_GCM_SHA384" */
	bool is_trusted;		/* as the context would have it, but for name and dates */
	const char *distrust;		/* why not */
	bool has_name;			/* the first certificate is for the name asked for */
	struct tls_cert *certs;		/* as the peer sent them: its own first */
	size_t cert_count;
};

/* Client, before the handshake: goes on whatever certificate comes. */
void tls_session_accept_any(struct tls_session *s);
/* After the handshake: what the peer showed, in `arena`. `name`: what it should be for. */
void tls_peer_inspect(struct tls_session *s, const char *name, struct arena *arena,
		      struct tls_peer *out);

#endif
