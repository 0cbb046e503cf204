#define SAY_PLACE "client/config"
#include "client/config.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/near.h"
#include "base/say.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define R_A CLIENT_ADMIN
#define R_P CLIENT_PRODUCER
#define R_C CLIENT_CONSUMER
#define R_PC (R_P | R_C)
#define R_ALL (R_A | R_P | R_C)
#define INT_ANY INT64_MIN

const struct client_config_row client_config_rows[CC_COUNT] = {
#define X(id, key, type, role, preset, min, max, choice, effect, text) \
	[CC_##id] = {key,    CLIENT_CONFIG_##type, role, preset, min, max, \
		     choice, EFFECT_##effect,      text},
#include "client/config.def"
#undef X
};

struct client_config {
	enum client_role role;
	char *values[CC_COUNT]; /* NULL: not set */
	bool is_checked;
};

struct client_config *client_config_new(enum client_role role)
{
	struct client_config *cfg = xcalloc(1, sizeof(*cfg));

	cfg->role = role;
	return cfg;
}

void client_config_free(struct client_config *cfg)
{
	if (!cfg)
		return;
	for (int i = 0; i < CC_COUNT; i++)
		free(cfg->values[i]);
	free(cfg);
}

int client_config_find(const char *name)
{
	for (int i = 0; i < CC_COUNT; i++)
		if (strcmp(client_config_rows[i].name, name) == 0)
			return i;
	return -1;
}

/* ---- Setting --------------------------------------------------------------------------------- */

/* A whole number as Java reads it: decimal, with blanks around it. */
static bool config_parse_int(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	while (*end == ' ' || *end == '\t')
		end++;
	return errno == 0 && end != text && *end == '\0';
}

static bool config_has_choice(const char *choices, const char *value)
{
	size_t len = strlen(value);

	for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL) {
		size_t word = strcspn(at, "|");

		if (word == len && strncasecmp(at, value, len) == 0)
			return true;
	}
	return false;
}

static int config_bad_int(const struct client_config_row *row, const char *value, struct err *err)
{
	if (row->min == INT_ANY)
		return err_set(err, E_INVALID, "%s=%s: not a whole number", row->name, value);
	if (row->max == INT64_MAX || row->max == INT32_MAX)
		return err_set(err, E_INVALID, "%s=%s: must be a number of at least %lld",
			       row->name, value, (long long)row->min);
	return err_set(err, E_INVALID, "%s=%s: must be a number from %lld to %lld", row->name,
		       value, (long long)row->min, (long long)row->max);
}

static int config_validate(const struct client_config_row *row, const char *value, struct err *err)
{
	int64_t number;
	char *end;

	switch (row->type) {
	case CLIENT_CONFIG_BOOL:
		if (strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0)
			return err_set(err, E_INVALID, "%s=%s: must be true or false", row->name,
				       value);
		return 0;
	case CLIENT_CONFIG_INT:
		if (!config_parse_int(value, &number) ||
		    (row->min != INT_ANY && number < row->min) || number > row->max)
			return config_bad_int(row, value, err);
		return 0;
	case CLIENT_CONFIG_DOUBLE:
		(void)strtod(value, &end);
		if (end == value || *end)
			return err_set(err, E_INVALID, "%s=%s: not a number", row->name, value);
		return 0;
	case CLIENT_CONFIG_CHOICE:
		if (!config_has_choice(row->choices, value))
			return err_set(err, E_INVALID, "%s=%s: must be one of %s", row->name, value,
				       row->choices);
		return 0;
	case CLIENT_CONFIG_STRING:
	case CLIENT_CONFIG_LIST:
	case CLIENT_CONFIG_CLASS:
	case CLIENT_CONFIG_PASSWORD: return 0;
	}
	return 0;
}

static void config_warn_unknown(const char *key)
{
	struct near near;

	near_init(&near, key);
	for (int i = 0; i < CC_COUNT; i++)
		near_offer(&near, client_config_rows[i].name);
	if (near.best)
		say_warn("unknown config '%s' is ignored (did you mean '%s'?)", key, near.best);
	else
		say_warn("unknown config '%s' is ignored", key);
}

/* Keys that configure a Java plug-in by their prefix belong to nobody here. */
static bool config_is_foreign(const char *key)
{
	static const char *const prefixes[] = {
		"config.providers.",
		"metrics.context.",
		"schema.registry.",
		"basic.auth.",
	};

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++)
		if (strncmp(key, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

int client_config_set(struct client_config *cfg, const char *key, const char *value,
		      struct err *err)
{
	const struct client_config_row *row;
	int index = client_config_find(key);
	char *trimmed;
	size_t len;
	int rc;

	if (index < 0) {
		if (!config_is_foreign(key))
			config_warn_unknown(key);
		return 0;
	}
	row = &client_config_rows[index];
	if (!(row->roles & cfg->role) && !(row->roles & R_A))
		return 0;
	while (*value == ' ' || *value == '\t')
		value++;
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	trimmed = xstrndup(value, len);
	rc = config_validate(row, trimmed, err);
	if (rc < 0) {
		free(trimmed);
		return rc;
	}
	if (row->effect == EFFECT_WARN)
		say_warn("%s has no effect in kavka", row->name);
	free(cfg->values[index]);
	cfg->values[index] = trimmed;
	return 0;
}

int client_config_set_pair(struct client_config *cfg, const char *pair, struct err *err)
{
	const char *equals = strchr(pair, '=');
	char *key;
	int rc;

	if (!equals || equals == pair)
		return err_set(err, E_USAGE, "'%s': expected KEY=VALUE", pair);
	key = xstrndup(pair, (size_t)(equals - pair));
	rc = client_config_set(cfg, key, equals + 1, err);
	free(key);
	return rc;
}

int client_config_load(struct client_config *cfg, const struct props *props, struct err *err)
{
	for (size_t i = 0; i < props->count; i++) {
		int rc = client_config_set(cfg, props->items[i].key, props->items[i].value, err);

		if (rc < 0)
			return rc;
	}
	return 0;
}

int client_config_read(struct client_config *cfg, const char *path, struct err *err)
{
	struct props props;
	int rc;

	props_init(&props);
	rc = props_read(&props, path, err);
	if (rc == 0) {
		rc = client_config_load(cfg, &props, err);
		if (rc < 0)
			err_add(err, rc, "%s", path);
	}
	props_fini(&props);
	return rc;
}

/* ---- Reading --------------------------------------------------------------------------------- */

enum client_role client_config_role(const struct client_config *cfg)
{
	return cfg->role;
}

bool client_config_is_set(const struct client_config *cfg, enum client_config_key key)
{
	return cfg->values[key] != NULL;
}

const char *client_config_str(const struct client_config *cfg, enum client_config_key key)
{
	const char *value = cfg->values[key] ? cfg->values[key] : client_config_rows[key].preset;

	return value && (*value || cfg->values[key]) ? value : NULL;
}

int64_t client_config_int(const struct client_config *cfg, enum client_config_key key)
{
	const char *value = client_config_str(cfg, key);
	int64_t number = 0;

	assert(client_config_rows[key].type == CLIENT_CONFIG_INT);
	if (value)
		(void)config_parse_int(value, &number);
	return number;
}

bool client_config_bool(const struct client_config *cfg, enum client_config_key key)
{
	const char *value = client_config_str(cfg, key);

	assert(client_config_rows[key].type == CLIENT_CONFIG_BOOL);
	return value && strcasecmp(value, "true") == 0;
}

double client_config_double(const struct client_config *cfg, enum client_config_key key)
{
	const char *value = client_config_str(cfg, key);

	assert(client_config_rows[key].type == CLIENT_CONFIG_DOUBLE);
	return value ? strtod(value, NULL) : 0.0;
}

/* ---- Relations ------------------------------------------------------------------------------- */

static void config_put(struct client_config *cfg, enum client_config_key key, const char *value)
{
	free(cfg->values[key]);
	cfg->values[key] = xstrdup(value);
}

static void config_put_int(struct client_config *cfg, enum client_config_key key, int64_t number)
{
	free(cfg->values[key]);
	cfg->values[key] = xasprintf("%lld", (long long)number);
}

static int config_check_idempotence(struct client_config *cfg, struct err *err)
{
	const char *acks = client_config_str(cfg, CC_ACKS);
	bool is_wanted = client_config_is_set(cfg, CC_ENABLE_IDEMPOTENCE);
	const char *why = NULL;

	if (!client_config_bool(cfg, CC_ENABLE_IDEMPOTENCE)) {
		if (client_config_str(cfg, CC_TRANSACTIONAL_ID))
			return err_set(err, E_INVALID,
				       "transactional.id needs enable.idempotence=true");
		return 0;
	}
	if (client_config_int(cfg, CC_RETRIES) == 0)
		why = "retries=0";
	else if (strcasecmp(acks, "all") != 0 && strcmp(acks, "-1") != 0)
		why = "acks other than all";
	else if (client_config_int(cfg, CC_MAX_IN_FLIGHT) > 5)
		why = "max.in.flight.requests.per.connection above 5";
	if (!why)
		return 0;
	if (is_wanted || client_config_str(cfg, CC_TRANSACTIONAL_ID))
		return err_set(err, E_INVALID, "enable.idempotence=true does not go with %s", why);
	config_put(cfg, CC_ENABLE_IDEMPOTENCE, "false");
	return 0;
}

static int config_check_producer(struct client_config *cfg, struct err *err)
{
	int64_t delivery = client_config_int(cfg, CC_DELIVERY_TIMEOUT_MS);
	int64_t linger = client_config_int(cfg, CC_LINGER_MS);
	int64_t request = client_config_int(cfg, CC_REQUEST_TIMEOUT_MS);

	if (linger > INT32_MAX)
		linger = INT32_MAX;
	if (delivery < linger + request) {
		if (client_config_is_set(cfg, CC_DELIVERY_TIMEOUT_MS))
			return err_set(err, E_INVALID,
				       "delivery.timeout.ms=%lld: must be at least linger.ms + "
				       "request.timeout.ms = %lld",
				       (long long)delivery, (long long)(linger + request));
		config_put_int(cfg, CC_DELIVERY_TIMEOUT_MS, MIN(linger + request, INT32_MAX));
	}
	return config_check_idempotence(cfg, err);
}

static int config_check_reset(struct client_config *cfg, struct err *err)
{
	const char *reset = client_config_str(cfg, CC_AUTO_OFFSET_RESET);

	if (!reset ||
	    (strcasecmp(reset, "earliest") != 0 && strcasecmp(reset, "latest") != 0 &&
	     strcasecmp(reset, "none") != 0 && strncasecmp(reset, "by_duration:P", 13) != 0))
		return err_set(err, E_INVALID,
			       "auto.offset.reset=%s: must be earliest, latest, none or "
			       "by_duration:PnDTnHnMn.nS",
			       reset ? reset : "");
	return 0;
}

static int config_check_consumer(struct client_config *cfg, struct err *err)
{
	bool has_group = client_config_str(cfg, CC_GROUP_ID) != NULL;

	if (!has_group) {
		if (client_config_is_set(cfg, CC_ENABLE_AUTO_COMMIT) &&
		    client_config_bool(cfg, CC_ENABLE_AUTO_COMMIT))
			return err_set(err, E_INVALID, "enable.auto.commit=true needs a group.id");
		config_put(cfg, CC_ENABLE_AUTO_COMMIT, "false");
	} else if (!*client_config_str(cfg, CC_GROUP_ID)) {
		return err_set(err, E_INVALID, "group.id is empty");
	}
	if (has_group && client_config_int(cfg, CC_HEARTBEAT_INTERVAL_MS) >=
				 client_config_int(cfg, CC_SESSION_TIMEOUT_MS))
		return err_set(err, E_INVALID,
			       "heartbeat.interval.ms must be less than session.timeout.ms");
	return config_check_reset(cfg, err);
}

static int config_check_security(struct client_config *cfg, struct err *err)
{
	const char *protocol = client_config_str(cfg, CC_SECURITY_PROTOCOL);
	const char *mechanism = client_config_str(cfg, CC_SASL_MECHANISM);

	if (strncasecmp(protocol, "SASL", 4) != 0)
		return 0;
	if (!mechanism || !*mechanism)
		return err_set(err, E_INVALID, "security.protocol=%s needs sasl.mechanism",
			       protocol);
	if (strcmp(mechanism, "PLAIN") != 0 && strcmp(mechanism, "SCRAM-SHA-256") != 0 &&
	    strcmp(mechanism, "SCRAM-SHA-512") != 0)
		return err_set(err, E_INVALID,
			       "sasl.mechanism=%s is not supported (PLAIN, SCRAM-SHA-256, "
			       "SCRAM-SHA-512 are)",
			       mechanism);
	if (!client_config_str(cfg, CC_SASL_JAAS_CONFIG))
		return err_set(err, E_INVALID, "security.protocol=%s needs sasl.jaas.config",
			       protocol);
	return 0;
}

int client_config_check(struct client_config *cfg, struct err *err)
{
	int rc;

	if (cfg->is_checked)
		return 0;
	if (client_config_is_set(cfg, CC_RECONNECT_BACKOFF_MS) &&
	    !client_config_is_set(cfg, CC_RECONNECT_BACKOFF_MAX_MS))
		config_put_int(cfg, CC_RECONNECT_BACKOFF_MAX_MS,
			       client_config_int(cfg, CC_RECONNECT_BACKOFF_MS));
	rc = config_check_security(cfg, err);
	if (rc == 0 && cfg->role == CLIENT_PRODUCER)
		rc = config_check_producer(cfg, err);
	if (rc == 0 && cfg->role == CLIENT_CONSUMER)
		rc = config_check_consumer(cfg, err);
	if (rc == 0)
		cfg->is_checked = true;
	return rc;
}
