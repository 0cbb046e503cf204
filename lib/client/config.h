/* Configs of clients by Kafka's own names: one table (config.def) gives types, defaults, ranges
 * and docs.
 *
 *	struct client_config *cfg = client_config_new(CLIENT_PRODUCER);
 *	rc = client_config_load(cfg, &props, &err);		// the file of --command-config
 *	rc = client_config_set(cfg, "bootstrap.servers", "localhost:9092", &err);
 *	rc = client_config_check(cfg, &err);			// relations between keys
 *
 * A config is fixed once a client was made from it; the client borrows it. Keys of another role
 * (a consumer's key in a file for the admin client) are accepted and have no effect. Keys that only
 * Java can use are accepted; those that a user would miss are named once. An unknown key is named
 * with the nearest known one and ignored, as Kafka does. Warnings go through say_warn. */
#ifndef KAVKA_CLIENT_CONFIG_H
#define KAVKA_CLIENT_CONFIG_H

#include "base/err.h"
#include "base/props.h"

#include <stdbool.h>

enum client_role {
	CLIENT_ADMIN = 1,
	CLIENT_PRODUCER = 2,
	CLIENT_CONSUMER = 4,
};

enum client_config_type {
	CLIENT_CONFIG_BOOL,
	CLIENT_CONFIG_INT, /* all integers; ranges in the table */
	CLIENT_CONFIG_DOUBLE,
	CLIENT_CONFIG_STRING,
	CLIENT_CONFIG_CHOICE,   /* one of the words of the range, any case */
	CLIENT_CONFIG_LIST,     /* with commas */
	CLIENT_CONFIG_CLASS,    /* a Java class name; kavka knows the standard ones */
	CLIENT_CONFIG_PASSWORD, /* never printed */
};

enum client_config_effect {
	EFFECT_FULL,
	EFFECT_SILENT, /* has no meaning here, and nobody misses it */
	EFFECT_WARN,   /* has none: say so once when it is set */
};

/* The keys: CC_BOOTSTRAP_SERVERS, ... */
enum client_config_key {
#define X(id, ...) CC_##id,
#include "client/config.def"
#undef X
	CC_COUNT
};

struct client_config_row {
	const char *name;
	enum client_config_type type;
	unsigned roles;
	const char *preset; /* default as text; NULL: null */
	int64_t min, max;
	const char *choices; /* CLIENT_CONFIG_CHOICE: "all|-1|0|1" */
	enum client_config_effect effect;
	const char *doc;
};
extern const struct client_config_row client_config_rows[CC_COUNT];

struct client_config;

struct client_config *client_config_new(enum client_role role);
void client_config_free(struct client_config *cfg);

/* Sets one. 0, or E_INVALID with the key, the value and what would be right. An unknown key is
 * warned of and gives 0. */
MUST_USE int client_config_set(struct client_config *cfg, const char *key, const char *value,
			       struct err *err);
/* "key=value" as on a command line (--producer-property, --command-property). */
MUST_USE int client_config_set_pair(struct client_config *cfg, const char *pair, struct err *err);
MUST_USE int client_config_load(struct client_config *cfg, const struct props *props,
				struct err *err);
MUST_USE int client_config_read(struct client_config *cfg, const char *path, struct err *err);

/* What depends on several keys: idempotence, delivery.timeout.ms, security.protocol. 0 or
 * E_INVALID. Fills in what follows from others. Called by client_new(). */
MUST_USE int client_config_check(struct client_config *cfg, struct err *err);

enum client_role client_config_role(const struct client_config *cfg);
bool client_config_is_set(const struct client_config *cfg, enum client_config_key key);
int64_t client_config_int(const struct client_config *cfg, enum client_config_key key);
bool client_config_bool(const struct client_config *cfg, enum client_config_key key);
double client_config_double(const struct client_config *cfg, enum client_config_key key);
/* NULL for null and for a value that is empty and unset. */
const char *client_config_str(const struct client_config *cfg, enum client_config_key key);

/* -1 if there is none of that name. */
int client_config_find(const char *name);

#endif
