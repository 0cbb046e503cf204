/* Where the registry is and who we are there: from options, properties, config file and profile. */
#ifndef KAVKA_CMD_REGISTRY_CONFIG_H
#define KAVKA_CMD_REGISTRY_CONFIG_H

#include "cmd/registry/http.h"
#include "cmd/registry/serde.h"

#define REGISTRY_TIMEOUT_MS 10000
#define SCHEMA_FILE_BYTES_MAX (16 * 1024 * 1024)

/* In the order that serde_new() says; strings are in `arena` or borrowed from `args`. E_USAGE: no
 * registry is named anywhere. */
MUST_USE int config_read(struct http_config *out, const struct registry_args *args,
			 const struct cluster_args *cluster, const struct props *props,
			 struct arena *arena, struct err *err);

/* A whole file, terminated; NULL with `err`: cannot be read, too large, or has a NUL. */
const char *config_read_file(struct arena *arena, const char *path, struct err *err);

#endif
