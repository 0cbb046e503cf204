/* What a TLS peer shows: its certificates and whether they would be trusted. */
#include "net/tls_int.h"

#include "base/openssl.h"

#include <string.h>
#include <time.h>

void tls_session_accept_any(struct tls_session *s)
{
	SSL_set_verify(tls_session_ssl(s), SSL_VERIFY_NONE, NULL);
}

static const char *bio_text(struct arena *arena, BIO *bio)
{
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	const char *text = arena_strndup(arena, data, (size_t)MAX(len, 0L));

	BIO_free(bio);
	return text;
}

static const char *name_text(struct arena *arena, const X509_NAME *name)
{
	BIO *bio = BIO_new(BIO_s_mem());

	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
	return bio_text(arena, bio);
}

static int64_t time_s(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : 0;
}

static const char *alternative_names(struct arena *arena, const X509 *cert)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	BIO *bio = BIO_new(BIO_s_mem());
	char address[INET6_ADDRSTRLEN];

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		const char *separator = BIO_pending(bio) > 0 ? ", " : "";

		if (name->type == GEN_DNS) {
			BIO_printf(bio, "%s%.*s", separator, ASN1_STRING_length(name->d.dNSName),
				   ASN1_STRING_get0_data(name->d.dNSName));
		} else if (name->type == GEN_IPADD) {
			int len = ASN1_STRING_length(name->d.iPAddress);

			if ((len == 4 || len == 16) &&
			    inet_ntop(len == 4 ? AF_INET : AF_INET6,
				      ASN1_STRING_get0_data(name->d.iPAddress), address,
				      sizeof(address)))
				BIO_printf(bio, "%s%s", separator, address);
		}
	}
	GENERAL_NAMES_free(names);
	return bio_text(arena, bio);
}

/* Trust alone: dates and names are told apart from it. */
static void inspect_trust(SSL *ssl, X509 *cert, STACK_OF(X509) * chain, struct arena *arena,
			  struct tls_peer *out)
{
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();

	out->distrust = "cannot be checked";
	if (ctx && X509_STORE_CTX_init(ctx, SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl)), cert,
				       chain) == 1) {
		X509_STORE_CTX_set_default(ctx, "ssl_server");
		X509_STORE_CTX_set_flags(ctx,
					 X509_V_FLAG_NO_CHECK_TIME | X509_V_FLAG_PARTIAL_CHAIN);
		out->is_trusted = X509_verify_cert(ctx) == 1;
		out->distrust = arena_strdup(
			arena, X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
	}
	X509_STORE_CTX_free(ctx);
}

void tls_peer_inspect(struct tls_session *s, const char *name, struct arena *arena,
		      struct tls_peer *out)
{
	SSL *ssl = tls_session_ssl(s);
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	unsigned char address[16];
	X509 *first;

	*out = (struct tls_peer){
		.protocol = arena_strdup(arena, SSL_get_version(ssl)),
		.cipher = arena_strdup(arena, SSL_get_cipher_name(ssl)),
		.distrust = "it has none",
	};
	if (sk_X509_num(chain) <= 0)
		return;
	out->cert_count = (size_t)sk_X509_num(chain);
	out->certs = arena_array(arena, out->cert_count, sizeof(*out->certs));
	for (size_t i = 0; i < out->cert_count; i++) {
		const X509 *cert = sk_X509_value(chain, (int)i);

		out->certs[i] = (struct tls_cert){
			.subject = name_text(arena, X509_get_subject_name(cert)),
			.issuer = name_text(arena, X509_get_issuer_name(cert)),
			.names = alternative_names(arena, cert),
			.not_before_s = time_s(X509_get0_notBefore(cert)),
			.not_after_s = time_s(X509_get0_notAfter(cert)),
		};
	}
	first = sk_X509_value(chain, 0);
	inspect_trust(ssl, first, chain, arena, out);
	if (inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1)
		out->has_name = X509_check_ip_asc(first, name, 0) == 1;
	else
		out->has_name = X509_check_host(first, name, strlen(name), 0, NULL) == 1;
	ERR_clear_error();
}
