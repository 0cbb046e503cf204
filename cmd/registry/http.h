/* Requests to a schema registry over HTTP: libcurl, loaded with the first one.
 *
 * A registry may be several servers of one cluster: an address that cannot be reached or is not
 * well (5xx) hands over to the next; the one that answered last is asked first. Everything that a
 * registry serves may be asked twice without harm, registering too. Calls block. */
#ifndef KAVKA_CMD_REGISTRY_HTTP_H
#define KAVKA_CMD_REGISTRY_HTTP_H

#include "base/buf.h"
#include "base/err.h"

#include <jansson.h>

#define HTTP_BODY_BYTES_MAX (16 * 1024 * 1024) /* of an answer */
#define HTTP_CONNECT_MS 5000                   /* at most, to one address */
#define HTTP_ROUNDS 2                          /* through all addresses */
#define HTTP_PAUSE_MS 200                      /* between rounds */
#define HTTP_DOWN_MS 3000 /* while nobody could be reached, nobody is asked again */

struct http_config {
	const char *urls;            /* commas between; "http://" may be left out */
	const char *user;            /* NAME:PASSWORD; NULL: as the URL has it */
	const char *token;           /* bearer; NULL: none */
	const char *ca, *cert, *key; /* PEM files; NULL: the system's, none */
	const char *key_password;
	int64_t timeout_ms; /* of one answer */
};

struct http;

/* Borrows nothing. E_USAGE: no address, or one that is none. */
MUST_USE int http_new(struct http **out, const struct http_config *config, struct err *err);
void http_free(struct http *h); /* NULL is fine */

/* Asks for `path` ("/subjects", percent-encoded already) by `method` with `body` (NULL: none) and
 * gives the JSON of a 2xx answer. E_UNREACHABLE, E_TIMEOUT, E_AUTH (401, 403), E_NOT_FOUND (404 in
 * the registry's own words), E_INVALID (other errors that it explains: 409, 422), E_MALFORMED (the
 * answer is no registry's). The message names the address. */
MUST_USE int http_ask(struct http *h, const char *method, const char *path, const json_t *body,
		      json_t **out, struct err *err);

/* What the registry said about the last E_NOT_FOUND or E_INVALID: its error_code, 0 if none. */
int http_error_code(const struct http *h);

/* Appends `text` percent-encoded, as a part of a path. */
void http_escape(struct out *path, const char *text);

#endif
