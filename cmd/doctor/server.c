/* One address of a broker: does the name resolve, does something listen, is it Kafka, does TLS
 * fit, which SASL mechanisms are offered, which requests does it take. */
#include "cmd/doctor/doctor_int.h"

#include "base/clock.h"
#include "client/client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* A certificate that ends sooner than this is worth a warning. */
#define CERT_DAYS_WARN 30

struct server {
	struct doctor *d;
	const char *host;
	int port;
	const char *name; /* "host:port" */
	struct doctor_broker *broker;
	struct probe_addr addrs[PROBE_ADDRS_MAX];
	unsigned addr_count;
	struct probe_addr *good; /* the first that takes connections */
};

/* ---- Names and addresses ------------------------------------------------------------------ */

static bool is_number(const char *host)
{
	unsigned char address[16];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static const char *addrs_text(const struct server *s)
{
	const char *text = "";

	for (unsigned i = 0; i < s->addr_count; i++)
		text = arena_printf(&s->d->run->arena, "%s%s%s", text, i ? ", " : "",
				    s->addrs[i].text);
	return text;
}

static bool check_dns(struct server *s)
{
	struct doctor *d = s->d;
	int64_t start_ms = clock_mono_ms();
	int rc = probe_resolve(s->host, s->port, d->args->timeout_ms, s->addrs, &s->addr_count);
	int64_t took_ms = clock_mono_ms() - start_ms;

	if (rc == E_NOT_FOUND) {
		finding(d, LEVEL_FAIL, "dns", s->name,
			s->broker ? "the broker tells clients this name (advertised.listeners): "
				    "use one that every client can look up, or add it to DNS or "
				    "/etc/hosts here"
				  : "check the spelling; names of containers are known only inside "
				    "their network",
			"the name %s is unknown here", s->host);
		return false;
	}
	if (rc < 0) {
		finding(d, LEVEL_FAIL, "dns", s->name,
			"check the name servers of this machine (/etc/resolv.conf)",
			"%s cannot be looked up: %s", s->host,
			rc == E_TIMEOUT ? "no answer in time" : err_text(rc));
		return false;
	}
	if (!is_number(s->host))
		finding(d, LEVEL_OK, "dns", s->name, NULL, "%s (%lld ms)", addrs_text(s),
			(long long)took_ms);
	return true;
}

static const char *connect_remedy(int rc)
{
	switch (rc) {
	case -ECONNREFUSED:
		return "nothing listens there: is the broker running, is it the right port, and "
		       "does its listener bind an address that is reachable from here "
		       "(listeners=)?";
	case E_TIMEOUT: return "a firewall or security group drops it, or no such machine is up";
	case -ENETUNREACH:
	case -EHOSTUNREACH: return "this machine has no route to that network";
	default: return "check the network between here and there";
	}
}

static bool check_tcp(struct server *s)
{
	struct doctor *d = s->d;
	unsigned good = 0;
	struct probe p;

	for (unsigned i = 0; i < s->addr_count; i++) {
		struct probe_addr *a = &s->addrs[i];

		if (probe_connect(&p, a, d->args->timeout_ms) < 0)
			continue;
		probe_close(&p);
		good++;
		s->good = s->good ? s->good : a;
	}
	for (unsigned i = 0; i < s->addr_count; i++) {
		const struct probe_addr *a = &s->addrs[i];

		if (a->rc == 0)
			finding(d, LEVEL_OK, "tcp", a->text, NULL, "connected in %.1f ms",
				(double)a->took_us / 1000);
		else if (good)
			/* Every client tries all addresses; some give up at the first. */
			finding(d, i == 0 ? LEVEL_WARN : LEVEL_INFO, "tcp", a->text,
				a->addr.ss_family == AF_INET6
					? "the broker listens on IPv4 only: clients that try IPv6 "
					  "first lose time or fail; use the IPv4 address, or bind "
					  "both"
					: "some clients try only the first address of a name",
				"%s %s", s->host, err_text(a->rc));
		else
			finding(d, LEVEL_FAIL, "tcp", a->text, connect_remedy(a->rc), "%s",
				err_text(a->rc));
	}
	return good > 0;
}

/* ---- TLS ---------------------------------------------------------------------------------- */

static const char *date_text(struct doctor *d, int64_t seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	gmtime_r(&t, &tm);
	return arena_printf(&d->run->arena, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1,
			    tm.tm_mday);
}

static bool check_dates(struct server *s, const struct tls_peer *peer)
{
	struct doctor *d = s->d;
	int64_t now_s = clock_wall_ms() / 1000;
	bool is_good = true;

	for (size_t i = 0; i < peer->cert_count; i++) {
		const struct tls_cert *c = &peer->certs[i];

		if (now_s > c->not_after_s) {
			finding(d, LEVEL_FAIL, "tls", s->name,
				"renew the certificate in the broker's keystore (if its date is "
				"right, this machine's clock is wrong)",
				"the certificate %s has expired on %s", c->subject,
				date_text(d, c->not_after_s));
			is_good = false;
		} else if (now_s < c->not_before_s) {
			finding(d, LEVEL_FAIL, "tls", s->name,
				"check the clock of this machine and of the one that made the "
				"certificate",
				"the certificate %s is valid only from %s on", c->subject,
				date_text(d, c->not_before_s));
			is_good = false;
		} else if (c->not_after_s - now_s < (int64_t)CERT_DAYS_WARN * 86400) {
			finding(d, LEVEL_WARN, "tls", s->name, "renew it in time",
				"the certificate %s ends in %lld days, on %s", c->subject,
				(long long)((c->not_after_s - now_s) / 86400),
				date_text(d, c->not_after_s));
		}
	}
	return is_good;
}

static bool check_certificate(struct server *s, const struct tls_peer *peer)
{
	struct doctor *d = s->d;
	const char *algorithm =
		client_config_str(d->config, CC_SSL_ENDPOINT_IDENTIFICATION_ALGORITHM);
	bool is_checked = algorithm && strcasecmp(algorithm, "https") == 0;
	bool is_good = check_dates(s, peer);
	const struct tls_cert *c = peer->certs;

	if (!peer->is_trusted) {
		finding(d, LEVEL_FAIL, "tls", s->name,
			"put the certificate of its issuer into ssl.truststore.location (of "
			"ssl.truststore.type PEM, for instance)",
			"the certificate is not trusted: %s (issued by %s)", peer->distrust,
			c ? c->issuer : "nobody");
		is_good = false;
	}
	if (c && !peer->has_name) {
		finding(d, is_checked ? LEVEL_FAIL : LEVEL_WARN, "tls", s->name,
			"connect by a name that the certificate has, or issue one with this name "
			"(subjectAltName)",
			"the certificate is not for %s but for %s", s->host,
			c->names[0] ? c->names : c->subject);
		is_good = is_good && !is_checked;
	}
	if (is_good && c)
		finding(d, LEVEL_OK, "tls", s->name, NULL, "%s, %s, %s until %s", peer->protocol,
			peer->cipher, c->subject, date_text(d, c->not_after_s));
	return is_good;
}

/* The handshake, with the certificate judged. Leaves *p ready for requests. */
static bool check_tls(struct server *s, struct probe *p)
{
	struct doctor *d = s->d;
	struct tls_peer peer;
	struct err err = {0};
	char banner[256];
	int rc = probe_tls(p, d->tls, s->host, &err);

	if (rc == 0) {
		tls_peer_inspect(p->tls, s->host, &d->run->arena, &peer);
		return check_certificate(s, &peer);
	}
	if (probe_what(s->good, d->args->timeout_ms, banner, sizeof(banner)) == SPEAKS_KAFKA)
		finding(d, LEVEL_FAIL, "tls", s->name,
			d->use_sasl
				? "set security.protocol=SASL_PLAINTEXT, or use the port of the "
				  "SASL_SSL listener"
				: "set security.protocol=PLAINTEXT, or use the port of the SSL "
				  "listener",
			"this listener speaks Kafka without TLS, security.protocol is %s",
			d->protocol);
	else
		finding(d, LEVEL_FAIL, "tls", s->name,
			strstr(err.text, "alert") ? "does the broker want a certificate of the "
						    "client (ssl.keystore.location), or other "
						    "protocols (ssl.enabled.protocols)?"
						  : "is this the port of an SSL listener?",
			"%s", err_message(&err));
	return false;
}

/* ---- What speaks there -------------------------------------------------------------------- */

/* There was no answer of Kafka without TLS. */
static void tell_what(struct server *s, const struct err *why)
{
	struct doctor *d = s->d;
	char banner[256];

	switch (probe_what(s->good, d->args->timeout_ms, banner, sizeof(banner))) {
	case SPEAKS_TLS:
		finding(d, LEVEL_FAIL, "protocol", s->name,
			d->use_sasl ? "set security.protocol=SASL_SSL and the ssl.* configs"
				    : "set security.protocol=SSL (or SASL_SSL) and "
				      "ssl.truststore.location in the client's configs",
			"this port speaks TLS, security.protocol is %s", d->protocol);
		break;
	case SPEAKS_HTTP:
		finding(d, LEVEL_FAIL, "protocol", s->name,
			"this is the port of a web server (a REST proxy, a user interface, a "
			"registry?): use the port of a Kafka listener, 9092 by default",
			"answers HTTP (%s), not Kafka", banner);
		break;
	case SPEAKS_OTHER:
		finding(d, LEVEL_FAIL, "protocol", s->name, "use the port of a Kafka listener",
			"something else than Kafka answers: %s", banner);
		break;
	case SPEAKS_NOTHING:
		finding(d, LEVEL_FAIL, "protocol", s->name,
			"it takes connections and says nothing: a broker that is starting or "
			"hangs, "
			"a controller's port, or another program",
			"no answer to ApiVersions within %lld ms", (long long)d->args->timeout_ms);
		break;
	case SPEAKS_CLOSED:
		finding(d, LEVEL_FAIL, "protocol", s->name,
			"a port forwarder without a broker behind it (docker, kubectl, ssh), or "
			"another program",
			"closes every connection at once");
		break;
	case SPEAKS_KAFKA:
		finding(d, LEVEL_FAIL, "protocol", s->name, "see the broker's log", "%s",
			err_message(why));
		break;
	}
}

static int call_versions(struct server *s, struct probe *p, struct api_versions_response **response,
			 struct err *err)
{
	struct api_versions_request *request = WIRE_NEW(&s->d->run->arena, api_versions_request);
	int rc;

	request->client_software_name = STR_LIT("kavka");
	request->client_software_version = STR_LIT(KAVKA_VERSION);
	rc = probe_call(p, API_API_VERSIONS, 3, request, &s->d->run->arena, (void **)response, err);
	/* An old broker answers with the versions of ApiVersions that it has. */
	if (rc == 0 && (*response)->error_code == KERR_UNSUPPORTED_VERSION) {
		request = WIRE_NEW(&s->d->run->arena, api_versions_request);
		rc = probe_call(p, API_API_VERSIONS, 0, request, &s->d->run->arena,
				(void **)response, err);
	}
	return rc;
}

static void keep_versions(struct doctor_broker *b, const struct api_versions_response *r)
{
	for (size_t i = 0; i < ARRAY_LEN(b->api_max); i++)
		b->api_max[i] = -1;
	for (int32_t i = 0; i < r->api_keys_count; i++) {
		int16_t key = r->api_keys[i].api_key;

		if (key >= 0 && (size_t)key < ARRAY_LEN(b->api_max))
			b->api_max[key] = r->api_keys[i].max_version;
	}
	b->has_versions = true;
}

static bool check_kafka(struct server *s, struct probe *p)
{
	struct doctor *d = s->d;
	struct api_versions_response *response;
	struct err err = {0};
	int rc = call_versions(s, p, &response, &err);
	const char *level = "";

	if (rc < 0 && p->tls) {
		finding(d, LEVEL_FAIL, "protocol", s->name, "use the port of a Kafka listener",
			"speaks TLS, but there is no Kafka behind it: %s", err_message(&err));
		return false;
	}
	if (rc < 0) {
		tell_what(s, &err);
		return false;
	}
	for (int32_t i = 0; i < response->finalized_features_count; i++) {
		if (str_is(response->finalized_features[i].name, "metadata.version"))
			level = arena_printf(&d->run->arena, ", metadata.version %d",
					     response->finalized_features[i].max_version_level);
	}
	finding(d, LEVEL_OK, "protocol", s->name, NULL, "Kafka: %d kinds of requests%s",
		response->api_keys_count, level);
	if (s->broker)
		keep_versions(s->broker, response);
	return true;
}

/* ---- SASL --------------------------------------------------------------------------------- */

static const char *mechanisms_text(struct doctor *d, const struct sasl_handshake_response *r)
{
	const char *text = "";

	for (int32_t i = 0; i < r->mechanisms_count; i++)
		text = arena_printf(&d->run->arena, "%s%s%.*s", text, i ? ", " : "",
				    STR(r->mechanisms[i]));
	return text;
}

static int call_handshake(struct server *s, struct probe *p, const char *mechanism,
			  struct sasl_handshake_response **response)
{
	struct sasl_handshake_request *request =
		WIRE_NEW(&s->d->run->arena, sasl_handshake_request);

	request->mechanism = str_of(mechanism);
	return probe_call(p, API_SASL_HANDSHAKE, 1, request, &s->d->run->arena, (void **)response,
			  NULL);
}

/* Who does not use SASL is closed out by a listener that wants it, at the first request. */
static bool check_no_sasl(struct server *s, struct probe *p)
{
	struct doctor *d = s->d;
	struct metadata_request *request = WIRE_NEW(&d->run->arena, metadata_request);
	struct sasl_handshake_response *offered = NULL;
	struct metadata_response *response;
	struct err err = {0};

	if (probe_call(p, API_METADATA, 4, request, &d->run->arena, (void **)&response, &err) == 0)
		return true;
	probe_close(p);
	if (err.code == E_CLOSED && probe_connect(p, s->good, d->args->timeout_ms) == 0 &&
	    (!d->tls || probe_tls(p, d->tls, s->host, NULL) == 0))
		(void)!call_handshake(s, p, "NONE", &offered);
	if (offered && offered->mechanisms_count > 0)
		finding(d, LEVEL_FAIL, "sasl", s->name,
			d->use_tls ? "set security.protocol=SASL_SSL, sasl.mechanism and "
				     "sasl.jaas.config"
				   : "set security.protocol=SASL_PLAINTEXT, sasl.mechanism and "
				     "sasl.jaas.config",
			"this listener wants SASL (it offers %s), security.protocol is %s",
			mechanisms_text(d, offered), d->protocol);
	else
		finding(d, LEVEL_FAIL, "protocol", s->name, "see the broker's log", "Metadata: %s",
			err_message(&err));
	return false;
}

static bool check_sasl(struct server *s, struct probe *p)
{
	struct doctor *d = s->d;
	const char *mechanism = client_config_str(d->config, CC_SASL_MECHANISM);
	struct sasl_handshake_response *r;

	if (call_handshake(s, p, mechanism, &r) < 0 || r->error_code == KERR_ILLEGAL_SASL_STATE) {
		finding(d, LEVEL_FAIL, "sasl", s->name,
			d->use_tls ? "set security.protocol=SSL, or use the port of a SASL_SSL "
				     "listener"
				   : "set security.protocol=PLAINTEXT, or use the port of a SASL "
				     "listener",
			"this listener does not want SASL, security.protocol is %s", d->protocol);
		return false;
	}
	if (r->error_code) {
		finding(d, LEVEL_FAIL, "sasl", s->name,
			"set sasl.mechanism to one of them, or enable it on the broker "
			"(sasl.enabled.mechanisms)",
			"mechanism %s is not offered, but %s", mechanism,
			r->mechanisms_count ? mechanisms_text(d, r) : "none");
		return false;
	}
	finding(d, LEVEL_OK, "sasl", s->name, NULL, "%s is offered (of %s)", mechanism,
		mechanisms_text(d, r));
	return true;
}

/* ---- All of it ---------------------------------------------------------------------------- */

bool doctor_server(struct doctor *d, const char *host, int port, struct doctor_broker *broker)
{
	struct server s = {.d = d, .host = host, .port = port, .broker = broker};
	struct probe p = {.fd = -1};
	bool is_good;

	s.name = arena_printf(&d->run->arena, strchr(host, ':') ? "[%s]:%d" : "%s:%d", host, port);
	if (!check_dns(&s) || !check_tcp(&s))
		return false;
	if (probe_connect(&p, s.good, d->args->timeout_ms) < 0)
		return false;
	is_good = (!d->tls || check_tls(&s, &p)) && check_kafka(&s, &p) &&
		  (d->use_sasl ? check_sasl(&s, &p) : check_no_sasl(&s, &p));
	probe_close(&p);
	return is_good;
}
