#include "net/tls_int.h"

#include "base/mem.h"
#include "base/openssl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct tls_session {
	SSL *ssl;
	struct tls_context *ctx;
	bool wants_write;
	bool is_done;		/* handshake complete: close_notify makes sense */
	bool has_failed;
};

/* ---- The socket, as OpenSSL sees it ---------------------------------------------------------- */

/* OpenSSL's own socket BIO writes with write(), which raises SIGPIPE. */
static int socket_write(BIO *bio, const char *data, int len)
{
	ssize_t n = send((int)(intptr_t)BIO_get_data(bio), data, (size_t)len, MSG_NOSIGNAL);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	return (int)n;
}

static int socket_read(BIO *bio, char *data, int len)
{
	ssize_t n = recv((int)(intptr_t)BIO_get_data(bio), data, (size_t)len, 0);

	BIO_clear_retry_flags(bio);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	if (n == 0)
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return (int)n;
}

static long socket_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	if (cmd == BIO_CTRL_EOF)
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	return cmd == BIO_CTRL_FLUSH || cmd == BIO_CTRL_DUP;
}

BIO_METHOD *tls_socket_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "kavka socket");

	if (!m)
		return NULL;
	BIO_meth_set_write(m, socket_write);
	BIO_meth_set_read(m, socket_read);
	BIO_meth_set_ctrl(m, socket_ctrl);
	return m;
}

static bool session_socket(struct tls_session *s, struct tls_context *ctx, int fd)
{
	BIO *bio = BIO_new(ctx->socket_method);

	if (!bio)
		return false;
	BIO_set_data(bio, (void *)(intptr_t)fd);
	BIO_set_init(bio, 1);
	SSL_set_bio(s->ssl, bio, bio);
	return true;
}

SSL *tls_session_ssl(struct tls_session *s)
{
	return s->ssl;
}

/* ---- Sessions -------------------------------------------------------------------------------- */

int tls_session_new(struct tls_session **out, struct tls_context *ctx, int fd,
		    const char *server_name, struct err *err)
{
	struct tls_session *s = xcalloc(1, sizeof(*s));
	unsigned char address[16];

	ERR_clear_error();
	s->ssl = SSL_new(ctx->ssl_ctx);
	if (!s->ssl || !session_socket(s, ctx, fd)) {
		tls_session_free(s);
		return tls_error(err, E_MALFORMED, "TLS");
	}
	s->ctx = tls_context_ref(ctx);
	if (ctx->is_server) {
		SSL_set_accept_state(s->ssl);
		*out = s;
		return 0;
	}
	SSL_set_connect_state(s->ssl);
	if (server_name) {
		bool is_address = inet_pton(AF_INET, server_name, address) == 1 ||
				  inet_pton(AF_INET6, server_name, address) == 1;

		if (!is_address)
			SSL_set_tlsext_host_name(s->ssl, server_name);
		if (ctx->verify_host && is_address)
			X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(s->ssl), server_name);
		else if (ctx->verify_host)
			SSL_set1_host(s->ssl, server_name);
	}
	*out = s;
	return 0;
}

void tls_session_free(struct tls_session *s)
{
	if (!s)
		return;
	if (s->is_done && !s->has_failed) {
		ERR_clear_error();
		SSL_shutdown(s->ssl);
		ERR_clear_error();
	}
	SSL_free(s->ssl);
	tls_context_unref(s->ctx);
	free(s);
}

/* What a call that did not succeed means. */
static int session_result(struct tls_session *s, int ret, struct err *err)
{
	int why = SSL_get_error(s->ssl, ret);
	int saved = errno;
	long verify;

	s->wants_write = why == SSL_ERROR_WANT_WRITE;
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return -EAGAIN;
	if (why == SSL_ERROR_ZERO_RETURN)
		return 0;
	s->has_failed = true;
	if (why == SSL_ERROR_SYSCALL)
		return saved ? err_set(err, -saved, "%s", err_text(-saved))
			     : err_set(err, -ECONNRESET, "closed by the peer");
	if (ERR_GET_REASON(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
		ERR_clear_error();
		return err_set(err, -ECONNRESET, "closed by the peer");
	}
	verify = SSL_get_verify_result(s->ssl);
	if (!s->is_done && verify != X509_V_OK) {
		ERR_clear_error();
		return err_set(err, E_AUTH, "the peer's certificate: %s",
			       X509_verify_cert_error_string(verify));
	}
	return tls_error(err, s->is_done ? E_MALFORMED : E_AUTH,
			 s->is_done ? "TLS" : "TLS handshake");
}

int tls_handshake(struct tls_session *s, struct err *err)
{
	int ret, rc;

	ERR_clear_error();
	errno = 0;
	ret = SSL_do_handshake(s->ssl);
	if (ret == 1) {
		s->is_done = true;
		s->wants_write = false;
		return 0;
	}
	rc = session_result(s, ret, err);
	if (rc == 0)
		return err_set(err, -ECONNRESET, "closed by the peer in the TLS handshake");
	if (rc == -ECONNRESET)
		return err_set(err, rc, "closed by the peer in the TLS handshake "
					"(does it speak TLS?)");
	return rc;
}

ssize_t tls_read(struct tls_session *s, void *data, size_t len, struct err *err)
{
	size_t n = 0;

	ERR_clear_error();
	errno = 0;
	if (SSL_read_ex(s->ssl, data, len, &n) == 1)
		return (ssize_t)n;
	return session_result(s, 0, err);
}

ssize_t tls_write(struct tls_session *s, const void *data, size_t len, struct err *err)
{
	size_t n = 0;
	int rc;

	ERR_clear_error();
	errno = 0;
	if (SSL_write_ex(s->ssl, data, len, &n) == 1)
		return (ssize_t)n;
	rc = session_result(s, 0, err);
	return rc == 0 ? err_set(err, -EPIPE, "closed by the peer") : rc;
}

bool tls_has_pending(struct tls_session *s)
{
	return SSL_has_pending(s->ssl);
}

bool tls_wants_write(struct tls_session *s)
{
	return s->wants_write;
}

char *tls_peer_subject(struct tls_session *s, char *text, size_t size)
{
	X509 *cert = SSL_get1_peer_certificate(s->ssl);
	BIO *bio;
	int len;

	text[0] = '\0';
	if (!cert)
		return text;
	bio = BIO_new(BIO_s_mem());
	X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253);
	len = BIO_read(bio, text, (int)size - 1);
	text[MAX(len, 0)] = '\0';
	BIO_free(bio);
	X509_free(cert);
	return text;
}
