#include "net/tls_int.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/openssl.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

/* A keystore or truststore: far above real ones (a bundle of all public roots is 220 KB). */
#define STORE_BYTES_MAX (16 * 1024 * 1024)

static int context_keys(struct tls_context *ctx, const struct tls_options *o, struct err *err);
static int context_trust(struct tls_context *ctx, const struct tls_options *o, struct err *err);
static int context_protocols(struct tls_context *ctx, const struct tls_options *o,
			     struct err *err);

int tls_error(struct err *err, int code, const char *what)
{
	unsigned long reason = ERR_get_error();
	const char *text = ERR_reason_error_string(reason);

	ERR_clear_error();
	return err_set(err, code, "%s: %s", what, text ? text : err_text(code));
}

int tls_context_new(struct tls_context **out, const struct tls_options *o, struct err *err)
{
	struct tls_context *ctx = xcalloc(1, sizeof(*ctx));
	int mode = SSL_VERIFY_PEER;
	int rc = openssl_load(err);

	if (rc < 0) {
		free(ctx);
		return rc;
	}
	atomic_init(&ctx->ref_count, 1);
	ctx->is_server = o->is_server;
	ctx->verify_host = o->verify_host;
	ERR_clear_error();
	ctx->ssl_ctx = SSL_CTX_new(o->is_server ? TLS_server_method() : TLS_client_method());
	ctx->socket_method = tls_socket_method();
	if (!ctx->ssl_ctx || !ctx->socket_method) {
		rc = tls_error(err, E_MALFORMED, "TLS");
		goto fail;
	}
	SSL_CTX_set_mode(ctx->ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
					       SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
					       SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_options(ctx->ssl_ctx, SSL_OP_NO_RENEGOTIATION);
	rc = context_protocols(ctx, o, err);
	if (rc == 0)
		rc = context_keys(ctx, o, err);
	if (rc == 0)
		rc = context_trust(ctx, o, err);
	if (rc < 0)
		goto fail;
	if (o->is_server && o->client_auth == TLS_CLIENT_AUTH_NONE)
		mode = SSL_VERIFY_NONE;
	if (o->is_server && o->client_auth == TLS_CLIENT_AUTH_REQUIRED)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_CTX_set_verify(ctx->ssl_ctx, mode, NULL);
	if (o->is_server)
		SSL_CTX_set_session_id_context(ctx->ssl_ctx, (const unsigned char *)"kavka", 5);
	*out = ctx;
	return 0;
fail:
	tls_context_unref(ctx);
	return rc;
}

struct tls_context *tls_context_ref(struct tls_context *ctx)
{
	atomic_fetch_add(&ctx->ref_count, 1);
	return ctx;
}

void tls_context_unref(struct tls_context *ctx)
{
	if (!ctx || atomic_fetch_sub(&ctx->ref_count, 1) > 1)
		return;
	SSL_CTX_free(ctx->ssl_ctx);
	BIO_meth_free(ctx->socket_method);
	free(ctx);
}

/* ---- Versions and ciphers -------------------------------------------------------------------- */

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *at = list; (at = strcasestr(at, name)); at += len)
		if ((at == list || at[-1] == ',' || at[-1] == ' ') &&
		    (at[len] == '\0' || at[len] == ',' || at[len] == ' '))
			return true;
	return false;
}

static int context_ciphers(struct tls_context *ctx, const char *suites, struct err *err)
{
	char *copy = xstrdup(suites);
	struct out tls13, tls12;
	char *save = NULL;
	int rc = 0;

	out_init(&tls13, 65536);
	out_init(&tls12, 65536);
	for (char *name = strtok_r(copy, ", ", &save); name; name = strtok_r(NULL, ", ", &save)) {
		const char *own = OPENSSL_cipher_name(name);
		bool is_13 = strncmp(name, "TLS_AES_", 8) == 0 ||
			     strcmp(name, "TLS_CHACHA20_POLY1305_SHA256") == 0;
		struct out *o = is_13 ? &tls13 : &tls12;

		if (!is_13 && (!own || strcmp(own, "(NONE)") == 0))
			continue;	/* Java's list may name what OpenSSL does not have */
		out_printf(o, "%s%s", o->len ? ":" : "", is_13 ? name : own);
	}
	if (tls13.len + tls12.len == 0)
		rc = err_set(err, E_INVALID, "ssl.cipher.suites: none of '%s' is known", suites);
	out_byte(&tls13, '\0');
	out_byte(&tls12, '\0');
	if (rc == 0 && (SSL_CTX_set_ciphersuites(ctx->ssl_ctx, (char *)tls13.data) != 1 ||
			(tls12.len > 1 &&
			 SSL_CTX_set_cipher_list(ctx->ssl_ctx, (char *)tls12.data) != 1)))
		rc = tls_error(err, E_INVALID, "ssl.cipher.suites");
	out_fini(&tls13);
	out_fini(&tls12);
	free(copy);
	return rc;
}

static int context_protocols(struct tls_context *ctx, const struct tls_options *o,
			     struct err *err)
{
	const char *enabled = o->enabled_protocols && o->enabled_protocols[0] ? o->enabled_protocols
									   : "TLSv1.2,TLSv1.3";
	bool has_12 = list_has(enabled, "TLSv1.2");
	bool has_13 = list_has(enabled, "TLSv1.3");

	if (o->protocol && strcasecmp(o->protocol, "TLSv1.2") == 0)
		has_13 = false;
	if (!has_12 && !has_13)
		return err_set(err, E_INVALID,
			       "ssl.enabled.protocols: '%s' has none of TLSv1.2, TLSv1.3", enabled);
	SSL_CTX_set_min_proto_version(ctx->ssl_ctx, has_12 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(ctx->ssl_ctx, has_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	if (o->cipher_suites && o->cipher_suites[0])
		return context_ciphers(ctx, o->cipher_suites, err);
	return 0;
}

/* ---- Keys and certificates ------------------------------------------------------------------- */

static int password_given(char *buf, int size, int rwflag, void *password)
{
	size_t len = password ? strlen(password) : 0;

	(void)rwflag;
	if (len > (size_t)size)
		return -1;
	memcpy(buf, password ? password : "", len);
	return (int)len;
}

static int file_bio(BIO **out, const char *key, const char *path, struct err *err)
{
	FILE *f = fopen(path, "rbe");
	struct out bytes;
	size_t n;
	int rc = 0;

	if (!f)
		return err_sys(err, -errno, "%s: %s", key, path);
	out_init(&bytes, STORE_BYTES_MAX);
	do {
		uint8_t *room = out_reserve(&bytes, 65536);

		n = room ? fread(room, 1, 65536, f) : 0;
		bytes.len += n;
	} while (n > 0);
	if (bytes.failed)
		rc = err_set(err, E_TOO_LARGE, "%s: %s is too large", key, path);
	else if (ferror(f))
		rc = err_sys(err, -EIO, "%s: %s", key, path);
	fclose(f);
	if (rc == 0) {
		*out = BIO_new(BIO_s_mem());
		BIO_write(*out, bytes.data, (int)bytes.len);
	}
	out_fini(&bytes);
	return rc;
}

/* PEM text with a key and, behind or before it, the chain; or both apart. */
static int keys_pem(SSL_CTX *ssl, BIO *key_bio, BIO *chain_bio, const char *password,
		    struct err *err)
{
	EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, password_given,
						(void *)(uintptr_t)password);
	X509 *cert;
	int count = 0;
	int rc = 0;

	if (!key)
		return tls_error(err, E_AUTH, "ssl.keystore: no private key can be read "
					      "(PKCS#8 PEM; ssl.key.password if it is encrypted)");
	if (chain_bio == key_bio)
		(void)BIO_seek(chain_bio, 0);
	while ((cert = PEM_read_bio_X509(chain_bio, NULL, NULL, NULL))) {
		if (count++ == 0) {
			if (SSL_CTX_use_certificate(ssl, cert) != 1)
				rc = tls_error(err, E_INVALID, "ssl.keystore: certificate");
			X509_free(cert);
		} else if (SSL_CTX_add0_chain_cert(ssl, cert) != 1) {
			X509_free(cert);
		}
	}
	ERR_clear_error();
	if (rc == 0 && count == 0)
		rc = err_set(err, E_INVALID, "ssl.keystore: no certificate in it");
	if (rc == 0 &&
	    (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1))
		rc = tls_error(err, E_INVALID, "ssl.keystore: key and certificate");
	EVP_PKEY_free(key);
	return rc;
}

/* Opens a PKCS12 store; Java's JKS files are told apart by their magic number. */
static int store_open(const char *key, const char *path, const char *password, EVP_PKEY **pkey,
		      X509 **cert, STACK_OF(X509) **chain, struct err *err)
{
	BIO *bio;
	PKCS12 *p12;
	char *data;
	int rc = file_bio(&bio, key, path, err);

	if (rc < 0)
		return rc;
	if (BIO_get_mem_data(bio, &data) >= 4 && memcmp(data, "\xfe\xed\xfe\xed", 4) == 0) {
		BIO_free(bio);
		return err_set(err, E_UNSUPPORTED,
			       "%s: %s is a JKS file; convert it: keytool -importkeystore "
			       "-srckeystore %s -destkeystore NEW.p12 -deststoretype PKCS12",
			       key, path, path);
	}
	p12 = d2i_PKCS12_bio(bio, NULL);
	BIO_free(bio);
	if (!p12) {
		ERR_clear_error();
		return err_set(err, E_MALFORMED, "%s: %s is not a PKCS12 file", key, path);
	}
	if (PKCS12_parse(p12, password ? password : "", pkey, cert, chain) != 1) {
		rc = err_set(err, E_AUTH, "%s: %s cannot be opened (wrong password?)", key, path);
		ERR_clear_error();
	}
	PKCS12_free(p12);
	return rc;
}

static int keys_pkcs12(SSL_CTX *ssl, const struct tls_options *o, struct err *err)
{
	EVP_PKEY *pkey = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *chain = NULL;
	int rc;

	if (!o->keystore_password)
		return err_set(err, E_INVALID, "ssl.keystore.password is not set");
	rc = store_open("ssl.keystore.location", o->keystore_location, o->keystore_password, &pkey,
			&cert, &chain, err);
	if (rc < 0)
		return rc;
	if (!pkey || !cert)
		rc = err_set(err, E_INVALID, "ssl.keystore.location: %s has no key",
			     o->keystore_location);
	else if (SSL_CTX_use_cert_and_key(ssl, cert, pkey, chain, 1) != 1)
		rc = tls_error(err, E_INVALID, "ssl.keystore.location");
	EVP_PKEY_free(pkey);
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	return rc;
}

static int context_keys(struct tls_context *ctx, const struct tls_options *o, struct err *err)
{
	bool is_pem = o->keystore_type && strcasecmp(o->keystore_type, "PEM") == 0;
	BIO *key, *chain;
	int rc;

	if (!o->keystore_key != !o->keystore_certificate_chain)
		return err_set(err, E_INVALID,
			       "ssl.keystore.key and ssl.keystore.certificate.chain go together");
	if (o->keystore_key && (!is_pem || o->keystore_location || o->keystore_password))
		return err_set(err, E_INVALID, "ssl.keystore.key needs ssl.keystore.type=PEM and "
					       "no location or password");
	if (is_pem && o->keystore_password)
		return err_set(err, E_INVALID, "ssl.keystore.password is not for PEM "
					       "(ssl.key.password is the key's)");
	if (o->keystore_key) {
		key = BIO_new_mem_buf(o->keystore_key, -1);
		chain = BIO_new_mem_buf(o->keystore_certificate_chain, -1);
		rc = keys_pem(ctx->ssl_ctx, key, chain, o->key_password, err);
		BIO_free(key);
		BIO_free(chain);
		return rc;
	}
	if (!o->keystore_location)
		return o->is_server ? err_set(err, E_INVALID, "ssl.keystore.location is not set")
				    : 0;
	if (!is_pem)
		return keys_pkcs12(ctx->ssl_ctx, o, err);
	rc = file_bio(&key, "ssl.keystore.location", o->keystore_location, err);
	if (rc < 0)
		return rc;
	/* Two passes over one file: the key may stand before or behind the certificates. */
	rc = file_bio(&chain, "ssl.keystore.location", o->keystore_location, err);
	if (rc == 0) {
		rc = keys_pem(ctx->ssl_ctx, key, chain, o->key_password, err);
		BIO_free(chain);
	}
	BIO_free(key);
	return rc;
}

/* ---- Trust ----------------------------------------------------------------------------------- */

static int trust_pem(X509_STORE *store, BIO *bio, struct err *err)
{
	X509 *cert;
	int count = 0;

	while ((cert = PEM_read_bio_X509(bio, NULL, NULL, NULL))) {
		X509_STORE_add_cert(store, cert);
		X509_free(cert);
		count++;
	}
	ERR_clear_error();
	return count ? 0 : err_set(err, E_INVALID, "ssl.truststore: no certificate in it");
}

static int trust_pkcs12(X509_STORE *store, const struct tls_options *o, struct err *err)
{
	EVP_PKEY *pkey = NULL;
	X509 *cert = NULL;
	STACK_OF(X509) *chain = NULL;
	int rc = store_open("ssl.truststore.location", o->truststore_location,
			    o->truststore_password, &pkey, &cert, &chain, err);

	if (rc < 0)
		return rc;
	if (cert)
		X509_STORE_add_cert(store, cert);
	for (int i = 0; i < sk_X509_num(chain); i++)
		X509_STORE_add_cert(store, sk_X509_value(chain, i));
	if (!cert && sk_X509_num(chain) <= 0)
		rc = err_set(err, E_INVALID, "ssl.truststore.location: %s has no certificate",
			     o->truststore_location);
	EVP_PKEY_free(pkey);
	X509_free(cert);
	sk_X509_pop_free(chain, X509_free);
	return rc;
}

static int context_trust(struct tls_context *ctx, const struct tls_options *o, struct err *err)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx->ssl_ctx);
	bool is_pem = o->truststore_type && strcasecmp(o->truststore_type, "PEM") == 0;
	BIO *bio;
	int rc;

	/* A certificate that is trusted need not be a root. */
	X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	if (o->truststore_certificates && (!is_pem || o->truststore_location))
		return err_set(err, E_INVALID, "ssl.truststore.certificates needs "
					       "ssl.truststore.type=PEM and no location");
	if (is_pem && o->truststore_password)
		return err_set(err, E_INVALID, "ssl.truststore.password is not for PEM");
	if (o->truststore_certificates) {
		bio = BIO_new_mem_buf(o->truststore_certificates, -1);
		rc = trust_pem(store, bio, err);
		BIO_free(bio);
		return rc;
	}
	if (!o->truststore_location) {
		/* The system's, as Java takes its own. */
		if (!o->is_server)
			SSL_CTX_set_default_verify_paths(ctx->ssl_ctx);
		return 0;
	}
	if (!is_pem)
		return trust_pkcs12(store, o, err);
	rc = file_bio(&bio, "ssl.truststore.location", o->truststore_location, err);
	if (rc == 0) {
		rc = trust_pem(store, bio, err);
		BIO_free(bio);
	}
	return rc;
}
