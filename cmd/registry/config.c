#include "cmd/registry/config.h"

#include "cmd/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct sources {
	const struct cluster_args *cluster;
	const struct props *props;
	struct arena *arena;
};

static const char *setting(const struct sources *s, const char *key)
{
	const char *value = s->props ? props_get(s->props, key) : NULL;

	if (value && *value)
		return arena_strdup(s->arena, value);
	return s->cluster ? connect_setting(s->cluster, key, s->arena) : NULL;
}

/* Java's key stores are not read: only PEM, of which the type can be told. */
static int setting_pem(const struct sources *s, const char *key, const char **out, struct err *err)
{
	const char *path = setting(s, key);
	size_t len = path ? strlen(path) : 0;

	*out = path;
	if (len > 4 && (strcmp(path + len - 4, ".jks") == 0 || strcmp(path + len - 4, ".p12") == 0))
		return err_set(err, E_USAGE, "%s: %s is a key store of Java's; give a PEM file",
			       key, path);
	return 0;
}

int config_read(struct http_config *out, const struct registry_args *args,
		const struct cluster_args *cluster, const struct props *props, struct arena *arena,
		struct err *err)
{
	const struct sources s = {cluster, props, arena};
	const char *variable = getenv(REGISTRY_VARIABLE), *store = NULL;
	int rc = 0;

	*out = (struct http_config){.urls = args->url,
				    .user = args->user,
				    .ca = args->ca,
				    .cert = args->cert,
				    .key = args->key ? args->key : args->cert,
				    .timeout_ms = args->timeout_ms ? args->timeout_ms
								   : REGISTRY_TIMEOUT_MS};
	/* Credentials of a file or profile are for the registry that it names, not for another. */
	if (!out->urls) {
		out->urls = setting(&s, "schema.registry.url");
		if (out->urls && !out->user) {
			out->user = setting(&s, "basic.auth.user.info");
			if (!out->user)
				out->user = setting(&s, "schema.registry.basic.auth.user.info");
			out->token = setting(&s, "bearer.auth.token");
		}
	}
	if (!out->urls && variable && *variable)
		out->urls = variable;
	if (!out->urls)
		return err_set(err, E_USAGE,
			       "no schema registry is named: give --registry URL or "
			       "set $" REGISTRY_VARIABLE);
	if (!out->ca)
		rc = setting_pem(&s, "schema.registry.ssl.truststore.location", &out->ca, err);
	if (rc == 0 && !out->cert)
		rc = setting_pem(&s, "schema.registry.ssl.keystore.location", &store, err);
	if (store)
		out->cert = out->key = store;
	out->key_password = setting(&s, "schema.registry.ssl.key.password");
	return rc;
}

const char *config_read_file(struct arena *arena, const char *path, struct err *err)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct out text;
	char *copy = NULL;
	ssize_t n = -1;

	if (fd < 0) {
		err_sys(err, -errno, "cannot be read");
		return NULL;
	}
	out_init(&text, SCHEMA_FILE_BYTES_MAX);
	for (;;) {
		uint8_t *room = out_reserve(&text, 65536);

		n = room ? read(fd, room, 65536) : 0;
		if (n <= 0)
			break;
		text.len += (size_t)n;
	}
	if (n < 0)
		err_sys(err, -errno, "cannot be read");
	else if (text.failed)
		err_set(err, E_TOO_LARGE, "is larger than %d bytes", SCHEMA_FILE_BYTES_MAX);
	else if (memchr(text.data, '\0', text.len))
		err_set(err, E_INVALID, "is no text");
	else
		copy = arena_strndup(arena, (const char *)text.data, text.len);
	out_fini(&text);
	close(fd);
	return copy;
}
