#include "cmd/registry/http.h"

#include "cmd/signals.h"

#include "base/clock.h"
#include "base/lazy.h"
#include "base/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#define CURL_FUNCTIONS(X) \
	X(curl_global_init) \
	X(curl_easy_init) \
	X(curl_easy_setopt) \
	X(curl_easy_perform) \
	X(curl_easy_getinfo) \
	X(curl_easy_reset) \
	X(curl_easy_cleanup) \
	X(curl_easy_strerror) \
	X(curl_slist_append) \
	X(curl_slist_free_all)

struct curl_library {
	CURL_FUNCTIONS(LAZY_FIELD)
};
static const char *const curl_names[] = {CURL_FUNCTIONS(LAZY_NAME)};

struct http {
	struct curl_library lib; /* empty before the first request */
	CURL *curl;
	struct arena arena; /* the config */
	struct http_config config;
	const char **urls;
	size_t url_count, url_next; /* asked first */
	int error_code;
	int64_t down_ms; /* when nobody could be reached; 0: somebody could */
	struct err down; /* and why */
};

/* ---- Setting up --------------------------------------------------------------------------- */

static const char *copy(struct http *h, const char *text)
{
	return text && *text ? arena_strdup(&h->arena, text) : NULL;
}

/* Name and password leave the address, which is printed in messages. */
static const char *url_take_user(struct http *h, const char *url)
{
	const char *host = strstr(url, "://") + 3;
	size_t len = strcspn(host, "/?#");
	const char *at = memrchr(host, '@', len);
	struct out user;

	if (!at)
		return url;
	out_init(&user, len + 1);
	for (const char *p = host; p < at; p++) {
		unsigned byte;

		if (*p == '%' && sscanf(p + 1, "%2x", &byte) == 1) {
			out_byte(&user, (uint8_t)byte);
			p += 2;
		} else {
			out_byte(&user, (uint8_t)*p);
		}
	}
	if (!h->config.user)
		h->config.user = arena_strndup(&h->arena, (const char *)user.data, user.len);
	out_fini(&user);
	return arena_printf(&h->arena, "%.*s%s", (int)(host - url), url, at + 1);
}

/* One address without blanks and slashes at its ends, with its scheme. NULL: it is none. */
static const char *url_clean(struct http *h, const char *text, size_t len)
{
	const char *url;

	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	while (len > 0 && (isspace((unsigned char)text[len - 1]) || text[len - 1] == '/'))
		len--;
	url = arena_strndup(&h->arena, text, len);
	if (!strstr(url, "://"))
		url = arena_printf(&h->arena, "http://%s", url);
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		return NULL;
	url = url_take_user(h, url);
	return strstr(url, "://")[3] ? url : NULL;
}

int http_new(struct http **out, const struct http_config *config, struct err *err)
{
	struct http *h = xcalloc(1, sizeof(*h));
	const char *at = config->urls ? config->urls : "";
	size_t cap = 1;

	arena_init(&h->arena);
	h->config = (struct http_config){.user = copy(h, config->user),
					 .token = copy(h, config->token),
					 .ca = copy(h, config->ca),
					 .cert = copy(h, config->cert),
					 .key = copy(h, config->key),
					 .key_password = copy(h, config->key_password),
					 .timeout_ms = config->timeout_ms};
	for (const char *p = at; *p; p++)
		cap += *p == ',';
	h->urls = arena_array(&h->arena, cap, sizeof(*h->urls));
	for (;; at++) {
		size_t len = strcspn(at, ",");

		if (strspn(at, " \t") < len) {
			h->urls[h->url_count] = url_clean(h, at, len);
			if (!h->urls[h->url_count]) {
				http_free(h);
				return err_set(err, E_USAGE,
					       "'%.*s' is no address of a schema "
					       "registry (http://host:8081)",
					       (int)len, at);
			}
			h->url_count++;
		}
		at += len;
		if (!*at)
			break;
	}
	if (h->url_count == 0) {
		http_free(h);
		return err_set(err, E_USAGE, "the address of the schema registry is empty");
	}
	*out = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	if (h->curl)
		h->lib.curl_easy_cleanup(h->curl);
	arena_fini(&h->arena);
	free(h);
}

int http_error_code(const struct http *h)
{
	return h->error_code;
}

void http_escape(struct out *path, const char *text)
{
	for (; *text; text++) {
		if (isalnum((unsigned char)*text) || strchr("-._~", *text))
			out_byte(path, (uint8_t)*text);
		else
			out_printf(path, "%%%02X", (unsigned char)*text);
	}
}

/* ---- What an answer means ----------------------------------------------------------------- */

struct request {
	const char *method, *path, *body; /* body: JSON, NULL: none */
	long status;
	struct out answer;
};

/* Why there is no answer. */
static int http_explain(const struct http *h, CURLcode rc, const char *why, const char *url,
			struct err *err)
{
	switch (rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return err_set(err, E_TIMEOUT, "%s: no answer within %lld ms", url,
			       (long long)h->config.timeout_ms);
	case CURLE_COULDNT_RESOLVE_HOST:
		return err_set(err, E_UNREACHABLE, "%s: the name is not known", url);
	case CURLE_COULDNT_CONNECT:
		return err_set(err, E_UNREACHABLE,
			       "%s: connection refused (is the registry running?)", url);
	case CURLE_ABORTED_BY_CALLBACK: return err_set(err, E_INTERRUPTED, "%s: interrupted", url);
	case CURLE_WRITE_ERROR:
		return err_set(err, E_TOO_LARGE, "%s: answers more than %d bytes", url,
			       HTTP_BODY_BYTES_MAX);
	case CURLE_PEER_FAILED_VERIFICATION:
		return err_set(err, E_AUTH, "%s: its certificate is not trusted: %s%s", url, why,
			       h->config.ca ? ""
					    : " (--registry-ca FILE names who vouches for it)");
	case CURLE_SSL_CACERT_BADFILE:
		return err_set(err, E_USAGE, "%s: --registry-ca %s: %s", url,
			       h->config.ca ? h->config.ca : "", why);
	case CURLE_SSL_CERTPROBLEM:
		return err_set(err, E_USAGE, "%s: --registry-cert, --registry-key: %s", url, why);
	case CURLE_SSL_CONNECT_ERROR:
		return err_set(err, E_UNREACHABLE,
			       "%s: TLS: %s (is it https, and does it want "
			       "--registry-cert?)",
			       url, why);
	case CURLE_GOT_NOTHING:
		return err_set(err, E_UNREACHABLE,
			       "%s: closes the connection without an answer "
			       "(is that a broker, or a port that wants https?)",
			       url);
	default: return err_set(err, E_UNREACHABLE, "%s: %s", url, why);
	}
}

/* The registry's own words: {"error_code":40401,"message":"..."}; NULL if they are not. */
static const char *answer_message(const json_t *json, int *code)
{
	const json_t *number = json_object_get(json, "error_code");

	*code = (int)json_integer_value(number);
	return number ? json_string_value(json_object_get(json, "message")) : NULL;
}

static int answer_refused(const struct http *h, const struct request *r, const char *url,
			  const char *message, struct err *err)
{
	bool knows_user = h->config.user || h->config.token;

	if (r->status == 403)
		return err_set(err, E_AUTH, "%s: this user may not %s %s (HTTP 403%s%s)", url,
			       r->method, r->path, message ? ": " : "", message ? message : "");
	return err_set(err, E_AUTH, "%s: %s (HTTP 401%s%s)", url,
		       knows_user ? "refuses this user and password"
				  : "wants to know who asks: give --registry-user NAME:PASSWORD",
		       message ? ": " : "", message ? message : "");
}

/* A word about what came instead of JSON. */
static int answer_strange(const struct request *r, const char *url, struct err *err)
{
	const char *text = (const char *)r->answer.data;
	size_t at = 0;

	while (at < r->answer.len && isspace((unsigned char)text[at]))
		at++;
	return err_set(
		err, E_MALFORMED,
		"%s: answers %s (HTTP %ld for %s): is this the address of a schema registry?", url,
		at == r->answer.len ? "nothing"
		: text[at] == '<'   ? "HTML"
				    : "something that is no JSON",
		r->status, r->path);
}

/* Gives the JSON of a good answer, else says what is wrong. */
static int http_answer(struct http *h, const struct request *r, const char *url, json_t **out,
		       struct err *err)
{
	json_t *json = r->answer.len == 0 ? NULL
					  : json_loadb((const char *)r->answer.data, r->answer.len,
						       JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	const char *message = answer_message(json, &h->error_code);
	int rc = 0;

	if (r->status >= 200 && r->status < 300 && json) {
		*out = json;
		return 0;
	}
	if (r->status == 401 || r->status == 403)
		rc = answer_refused(h, r, url, message, err);
	else if (!message)
		rc = answer_strange(r, url, err);
	else
		rc = err_set(err, r->status == 404 ? E_NOT_FOUND : E_INVALID, "%s: %s (%d)", url,
			     message, h->error_code);
	json_decref(json);
	return rc;
}

/* ---- One request -------------------------------------------------------------------------- */

static int http_load(struct http *h, struct err *err)
{
	int rc;

	if (h->curl)
		return 0;
	rc = lazy_load("libcurl.so.4", "libcurl4", curl_names, ARRAY_LEN(curl_names), &h->lib, err);
	if (rc < 0)
		return err_add(err, rc, "the schema registry");
	h->lib.curl_global_init(CURL_GLOBAL_DEFAULT);
	h->curl = h->lib.curl_easy_init();
	return h->curl ? 0 : err_set(err, E_UNSUPPORTED, "libcurl does not start");
}

static size_t http_body_received(char *data, size_t size, size_t count, void *ctx)
{
	struct out *body = ctx;

	out_bytes(body, data, size * count);
	return body->failed ? 0 : size * count;
}

/* Ctrl-C does not wait for a registry that does not answer; not 0: give up. */
static int http_progressed(void *ctx, curl_off_t all_down, curl_off_t down, curl_off_t all_up,
			   curl_off_t up)
{
	(void)ctx, (void)all_down, (void)down, (void)all_up, (void)up;
	return signals_came();
}

static void http_secure(struct http *h)
{
	const struct http_config *c = &h->config;

	if (c->ca)
		h->lib.curl_easy_setopt(h->curl, CURLOPT_CAINFO, c->ca);
	if (c->cert)
		h->lib.curl_easy_setopt(h->curl, CURLOPT_SSLCERT, c->cert);
	if (c->key)
		h->lib.curl_easy_setopt(h->curl, CURLOPT_SSLKEY, c->key);
	if (c->key_password)
		h->lib.curl_easy_setopt(h->curl, CURLOPT_KEYPASSWD, c->key_password);
	if (c->user) {
		h->lib.curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
		h->lib.curl_easy_setopt(h->curl, CURLOPT_USERPWD, c->user);
	} else if (c->token) {
		h->lib.curl_easy_setopt(h->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
		h->lib.curl_easy_setopt(h->curl, CURLOPT_XOAUTH2_BEARER, c->token);
	}
}

/* Asks one address once. 0 with status and body, or E_UNREACHABLE, E_TIMEOUT, E_TOO_LARGE. */
static int http_once(struct http *h, const char *url, struct request *r, struct err *err)
{
	struct curl_library *lib = &h->lib;
	char why[CURL_ERROR_SIZE] = "";
	char *address = xasprintf("%s%s", url, r->path);
	struct curl_slist *headers;
	long connect_ms = (long)MIN(h->config.timeout_ms, HTTP_CONNECT_MS);
	CURLcode rc;

	lib->curl_easy_reset(h->curl);
	headers = lib->curl_slist_append(
		NULL, "Accept: application/vnd.schemaregistry.v1+json, application/json");
	headers = lib->curl_slist_append(headers,
					 "Content-Type: application/vnd.schemaregistry.v1+json");
	lib->curl_easy_setopt(h->curl, CURLOPT_URL, address);
	lib->curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	lib->curl_easy_setopt(h->curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
	lib->curl_easy_setopt(h->curl, CURLOPT_FOLLOWLOCATION, 1L);
	lib->curl_easy_setopt(h->curl, CURLOPT_MAXREDIRS, 5L);
	lib->curl_easy_setopt(h->curl, CURLOPT_POSTREDIR, (long)CURL_REDIR_POST_ALL);
	lib->curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
	lib->curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, (long)h->config.timeout_ms);
	lib->curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, connect_ms);
	lib->curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, why);
	lib->curl_easy_setopt(h->curl, CURLOPT_USERAGENT, "kavka/" KAVKA_VERSION);
	lib->curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
	lib->curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	lib->curl_easy_setopt(h->curl, CURLOPT_XFERINFOFUNCTION, http_progressed);
	lib->curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, http_body_received);
	lib->curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, &r->answer);
	if (r->body) {
		lib->curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE, (long)strlen(r->body));
		lib->curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, r->body);
	}
	lib->curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, r->method);
	http_secure(h);
	out_reset(&r->answer);
	rc = lib->curl_easy_perform(h->curl);
	if (rc == CURLE_OK)
		lib->curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &r->status);
	lib->curl_slist_free_all(headers);
	free(address);
	if (rc == CURLE_OK)
		return 0;
	return http_explain(h, rc, why[0] ? why : lib->curl_easy_strerror(rc), url, err);
}

/* Asks one address after the other until one can answer. */
static int http_round(struct http *h, struct request *r, json_t **out, struct err *err)
{
	struct out all;
	int rc = 0;

	out_init(&all, ERR_TEXT_MAX);
	for (size_t i = 0; i < h->url_count; i++) {
		const char *url = h->urls[h->url_next];
		struct err why = {0};

		rc = http_once(h, url, r, &why);
		if (rc == 0 && r->status < 500 && r->status != 429) {
			out_fini(&all);
			return http_answer(h, r, url, out, err);
		}
		if (rc == E_INTERRUPTED) {
			out_fini(&all);
			return err_set(err, rc, "%s", why.text);
		}
		if (rc == 0)
			rc = err_set(&why, E_AGAIN, "%s: is not well (HTTP %ld)", url, r->status);
		out_printf(&all, "%s%s", all.len > 0 ? "; " : "", why.text);
		h->url_next = (h->url_next + 1) % h->url_count;
	}
	err_set(err, rc, "%.*s", (int)all.len, (const char *)all.data);
	out_fini(&all);
	return rc;
}

/* Those who are up but not well may be in a moment. */
static int http_rounds(struct http *h, struct request *r, json_t **out, struct err *err)
{
	const struct timespec pause = {.tv_nsec = HTTP_PAUSE_MS * 1000000L};
	int rc = 0;

	for (unsigned round = 0; round < HTTP_ROUNDS; round++) {
		if (round > 0)
			nanosleep(&pause, NULL);
		rc = http_round(h, r, out, err);
		if (rc != E_AGAIN)
			return rc;
	}
	if (err)
		err->code = E_UNREACHABLE;
	return E_UNREACHABLE;
}

int http_ask(struct http *h, const char *method, const char *path, const json_t *body, json_t **out,
	     struct err *err)
{
	struct request r = {.method = method, .path = path};
	char *text = NULL;
	int rc;

	*out = NULL;
	h->error_code = 0;
	if (h->down_ms && clock_mono_ms() - h->down_ms < HTTP_DOWN_MS)
		return err_set(err, h->down.code, "schema registry %s", h->down.text);
	rc = http_load(h, err);
	if (rc < 0)
		return rc;
	text = body ? json_dumps(body, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	r.body = text;
	out_init(&r.answer, HTTP_BODY_BYTES_MAX);
	h->down = (struct err){0};
	rc = http_rounds(h, &r, out, &h->down);
	h->down_ms = rc == E_UNREACHABLE || rc == E_TIMEOUT ? clock_mono_ms() : 0;
	if (rc < 0)
		err_set(err, rc, "schema registry %s", h->down.text);
	out_fini(&r.answer);
	free(text);
	return rc;
}
