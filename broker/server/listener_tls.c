#include "server/listener_tls.h"

#include <string.h>
#include <strings.h>

#define SSL(key) config_listener_text(config, listener, "ssl." key)

/* What both sides need. */
static struct tls_options listener_tls_options(const struct config *config, const char *listener)
{
	return (struct tls_options){
		.keystore_type = SSL("keystore.type"),
		.keystore_location = SSL("keystore.location"),
		.keystore_password = SSL("keystore.password"),
		.keystore_key = SSL("keystore.key"),
		.keystore_certificate_chain = SSL("keystore.certificate.chain"),
		.key_password = SSL("key.password"),
		.truststore_type = SSL("truststore.type"),
		.truststore_location = SSL("truststore.location"),
		.truststore_password = SSL("truststore.password"),
		.truststore_certificates = SSL("truststore.certificates"),
		.protocol = SSL("protocol"),
		.enabled_protocols = SSL("enabled.protocols"),
		.cipher_suites = SSL("cipher.suites"),
	};
}

int listener_tls_server(struct tls_context **out, const struct config *config, const char *listener,
			struct err *err)
{
	const char *auth = SSL("client.auth");
	struct tls_options options = listener_tls_options(config, listener);

	options.is_server = true;
	if (auth && strcmp(auth, "required") == 0)
		options.client_auth = TLS_CLIENT_AUTH_REQUIRED;
	else if (auth && strcmp(auth, "requested") == 0)
		options.client_auth = TLS_CLIENT_AUTH_REQUESTED;
	return tls_context_new(out, &options, err);
}

int listener_tls_client(struct tls_context **out, const struct config *config, const char *listener,
			struct err *err)
{
	const char *check = SSL("endpoint.identification.algorithm");
	struct tls_options options = listener_tls_options(config, listener);

	options.verify_host = check && strcasecmp(check, "https") == 0;
	return tls_context_new(out, &options, err);
}
