/* The arguments of `storage format`: voters, features, SCRAM credentials. */
#include "base/mem.h"
#include "metadata/features.h"
#include "metadata/storage_int.h"
#include "wire/base64.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#define SCRAM_ITERATIONS_DEFAULT 4096
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 16384
#define SCRAM_SALT_BYTES 16

static const struct listener *controller_listener(const struct config *config)
{
	size_t count;
	const char *const *names = config_list(config, CONFIG_CONTROLLER_LISTENER_NAMES, &count);

	return count ? config_listener(config, names[0]) : NULL;
}

/* ---- Voters ---------------------------------------------------------------------------------- */

static int add_voter(struct format_plan *p, const struct config *config, int32_t id, struct uuid dir,
		     struct str host, uint16_t port)
{
	struct voters_record_voter *grown =
		WIRE_ARRAY(&p->arena, voters_record_voter, p->voters.voters_count + 1);
	size_t count;
	const char *const *names = config_list(config, CONFIG_CONTROLLER_LISTENER_NAMES, &count);
	struct voters_record_voter *v;

	if (p->voters.voters_count)
		memcpy(grown, p->voters.voters,
		       (size_t)p->voters.voters_count * sizeof(*grown));
	p->voters.voters = grown;
	v = &grown[p->voters.voters_count++];
	v->voter_id = id;
	v->voter_directory_id = dir;
	v->endpoints = WIRE_ARRAY(&p->arena, voters_record_endpoint, 1);
	v->endpoints_count = 1;
	v->endpoints[0].name = str_dup(&p->arena, str_of(count ? names[0] : "CONTROLLER"));
	v->endpoints[0].host = str_dup(&p->arena, host);
	v->endpoints[0].port = port;
	v->kraft_version_feature.min_supported_version = 0;
	v->kraft_version_feature.max_supported_version = 1;
	p->own_voter = NULL;
	for (int32_t i = 0; i < p->voters.voters_count; i++)
		if (grown[i].voter_id == config_node_id(config))
			p->own_voter = &grown[i];
	return 0;
}

int format_standalone(struct format_plan *p, const struct config *config, struct err *err)
{
	const struct listener *l = controller_listener(config);
	struct uuid id;
	uint8_t random[16];

	if (!l)
		return err_set(err, E_INVALID, "controller.listener.names: no such listener");
	do
		p->env->ops->random(p->env, random, sizeof(random));
	while (!uuid_from_random(&id, random));
	return add_voter(p, config, config_node_id(config), id,
			 str_of(l->host[0] ? l->host : "localhost"), (uint16_t)l->port);
}

/* id@host:port:dirId */
static int parse_voter(struct format_plan *p, const struct config *config, const char *text,
		       struct err *err)
{
	char host[256], dir[64];
	unsigned port;
	int id, used = 0;
	struct uuid dir_id;

	if ((sscanf(text, "%d@[%255[^]]]:%u:%63s%n", &id, host, &port, dir, &used) != 4 &&
	     sscanf(text, "%d@%255[^:]:%u:%63s%n", &id, host, &port, dir, &used) != 4) ||
	    text[used] || id < 0)
		return err_set(err, E_INVALID,
			       "Failed to parse dynamic voter string %s: expected "
			       "id@host:port:directoryId",
			       text);
	if (port == 0 || port > 65535)
		return err_set(err, E_INVALID, "Invalid port %u in dynamic voter string", port);
	if (uuid_parse(&dir_id, str_of(dir)) < 0)
		return err_set(err, E_INVALID, "Failed to parse directory ID in dynamic voter string %s",
			       text);
	for (int32_t i = 0; i < p->voters.voters_count; i++)
		if (p->voters.voters[i].voter_id == id)
			return err_set(err, E_INVALID, "Duplicate voter id %d", id);
	return add_voter(p, config, id, dir_id, str_of(host), (uint16_t)port);
}

int format_parse_voters(struct format_plan *p, const struct config *config, const char *text,
			struct err *err)
{
	int rc = 0;

	while (*text && rc == 0) {
		size_t len = strcspn(text, ",");

		rc = parse_voter(p, config, arena_strndup(&p->arena, text, len), err);
		text += len + (text[len] == ',');
	}
	if (rc == 0 && p->voters.voters_count == 0)
		return err_set(err, E_INVALID, "No voters given.");
	return rc;
}

/* ---- Features -------------------------------------------------------------------------------- */

static const char *supported(struct arena *a)
{
	const char *text = "";

	for (size_t i = 1; i < feature_count; i++)
		text = arena_printf(a, "%s%s%s", text, *text ? ", " : "", features[i].name);
	return text;
}

int format_parse_feature(struct format_plan *p, const char *text, bool is_dynamic_flag,
			 struct err *err)
{
	const char *equals = strchr(text, '=');
	struct str name = {text, equals ? (size_t)(equals - text) : 0};
	char *end = NULL;
	long level = equals ? strtol(equals + 1, &end, 10) : 0;

	if (!equals || !equals[1] || *end)
		return err_set(err, E_INVALID,
			       "Invalid feature format: %s. Expected format: 'feature=version' (e.g. "
			       "'group.version=1')",
			       text);
	if (str_is(name, METADATA_VERSION_FEATURE))
		return err_set(err, E_INVALID,
			       "Use --release-version instead of --feature metadata.version=%ld to avoid "
			       "ambiguity.",
			       level);
	for (size_t i = 1; i < feature_count; i++) {
		if (!str_is(name, features[i].name))
			continue;
		if (level < features[i].min || level > features[i].max)
			return err_set(err, E_INVALID,
				       "Feature level %ld is not supported for feature %s", level,
				       features[i].name);
		p->levels[i] = (int16_t)level;
		if (!str_is(name, KRAFT_VERSION_FEATURE))
			return 0;
		if (level == 0 && is_dynamic_flag)
			return err_set(err, E_INVALID,
				       "Cannot set kraft.version to 0 if controller.quorum.voters is "
				       "empty and one of the flags --standalone, --initial-controllers, "
				       "or --no-initial-controllers is used. For dynamic controllers "
				       "support, try removing the --feature flag for kraft.version.");
		if (level == 1 && !p->is_dynamic)
			return err_set(err, E_INVALID,
				       "Cannot set kraft.version to 1 if controller.quorum.voters is "
				       "set.");
		return 0;
	}
	return err_set(err, E_INVALID, "Unsupported feature: %.*s. Supported features are: %s",
		       STR(name), supported(&p->arena));
}

/* ---- SCRAM ----------------------------------------------------------------------------------- */

/* The value of `key` in "key=value,key="quoted",..."; NULL if it is not there. */
static const char *argument(struct arena *a, const char *text, const char *key)
{
	size_t len = strlen(key);

	while (*text) {
		const char *equals = strchr(text, '='), *end;

		if (!equals)
			return NULL;
		if (equals[1] == '"')
			end = strchr(equals + 2, '"');
		else
			end = strchr(equals + 1, ',');
		if (!end)
			end = text + strlen(text);
		if ((size_t)(equals - text) == len && strncmp(text, key, len) == 0) {
			const char *from = equals + 1 + (equals[1] == '"');

			return arena_strndup(a, from, (size_t)(end - from));
		}
		text = strchr(end, ',');
		if (!text)
			return NULL;
		text++;
	}
	return NULL;
}

static int scram_bytes(struct arena *a, const char *text, struct slice *out, struct err *err)
{
	if (base64_decode(a, str_of(text), out) < 0)
		return err_set(err, E_INVALID, "Failed to decode base64 '%s'", text);
	return 0;
}

static int scram_salted(struct format_plan *p, const EVP_MD *md, const char *args,
			struct user_scram_credential_record *r, struct slice *salted, struct err *err)
{
	const char *password = argument(&p->arena, args, "password");
	const char *given = argument(&p->arena, args, "saltedpassword");
	const char *salt = argument(&p->arena, args, "salt");
	size_t size = (size_t)EVP_MD_get_size(md);
	uint8_t *bytes = arena_alloc(&p->arena, size);
	int rc = 0;

	if (!password == !given)
		return err_set(err, E_INVALID,
			       "You must supply one of 'password' or 'saltedpassword' to add-scram");
	if (given && !salt)
		return err_set(err, E_INVALID,
			       "You must supply 'salt' with 'saltedpassword' to add-scram");
	if (salt) {
		rc = scram_bytes(&p->arena, salt, &r->salt, err);
	} else {
		uint8_t *random = arena_alloc(&p->arena, SCRAM_SALT_BYTES);

		p->env->ops->random(p->env, random, SCRAM_SALT_BYTES);
		r->salt = (struct slice){.data = random, .len = SCRAM_SALT_BYTES};
	}
	if (rc < 0)
		return rc;
	if (given)
		return scram_bytes(&p->arena, given, salted, err);
	if (PKCS5_PBKDF2_HMAC(password, (int)strlen(password), r->salt.data, (int)r->salt.len,
			      r->iterations, md, (int)size, bytes) != 1)
		return err_set(err, E_INVALID, "PBKDF2 failed");
	*salted = (struct slice){.data = bytes, .len = size};
	return 0;
}

static void scram_finish(struct format_plan *p, const EVP_MD *md, struct slice salted,
			 struct user_scram_credential_record *r)
{
	unsigned len = (unsigned)EVP_MD_get_size(md);
	uint8_t client[EVP_MAX_MD_SIZE];
	uint8_t *out = arena_alloc(&p->arena, 2 * (size_t)len);

	HMAC(md, salted.data, (int)salted.len, (const uint8_t *)"Client Key", 10, client, &len);
	EVP_Digest(client, len, out, NULL, md, NULL);
	HMAC(md, salted.data, (int)salted.len, (const uint8_t *)"Server Key", 10, out + len, &len);
	r->stored_key = (struct slice){.data = out, .len = len};
	r->server_key = (struct slice){.data = out + len, .len = len};
}

/* SCRAM-SHA-256=[name=alice,password=pw,iterations=8192] */
int format_parse_scram(struct format_plan *p, const char *text, struct err *err)
{
	struct user_scram_credential_record r;
	const char *equals = strchr(text, '='), *args, *value;
	const EVP_MD *md;
	struct slice salted;
	size_t len;
	int rc;

	WIRE_INIT(user_scram_credential_record, &r);
	if (!equals)
		return err_set(err, E_INVALID, "Failed to find equals sign in SCRAM argument '%s'",
			       text);
	r.mechanism = strncmp(text, "SCRAM-SHA-256=", 14) == 0	 ? 1
		      : strncmp(text, "SCRAM-SHA-512=", 14) == 0 ? 2 : 0;
	if (!r.mechanism)
		return err_set(err, E_INVALID, "The add-scram mechanism %.*s is not supported.",
			       (int)(equals - text), text);
	md = r.mechanism == 1 ? EVP_sha256() : EVP_sha512();
	len = strlen(equals + 1);
	if (len < 2 || equals[1] != '[' || equals[len] != ']')
		return err_set(err, E_INVALID,
			       "Expected configuration string to start with [ and end with ]: %s",
			       equals + 1);
	args = arena_strndup(&p->arena, equals + 2, len - 2);
	value = argument(&p->arena, args, "name");
	if (!value)
		return err_set(err, E_INVALID, "You must supply 'name' to add-scram");
	r.name = str_of(value);
	value = argument(&p->arena, args, "iterations");
	r.iterations = value ? (int32_t)strtol(value, NULL, 10) : SCRAM_ITERATIONS_DEFAULT;
	if (r.iterations < SCRAM_ITERATIONS_MIN || r.iterations > SCRAM_ITERATIONS_MAX)
		return err_set(err, E_INVALID,
			       "The 'iterations' value must be between %d and %d for add-scram",
			       SCRAM_ITERATIONS_MIN, SCRAM_ITERATIONS_MAX);
	rc = scram_salted(p, md, args, &r, &salted, err);
	if (rc < 0)
		return rc;
	scram_finish(p, md, salted, &r);
	if (p->scram_count == p->scram_cap) {
		struct user_scram_credential_record *grown;

		p->scram_cap = p->scram_cap ? p->scram_cap * 2 : 4;
		grown = arena_array(&p->arena, p->scram_cap, sizeof(*grown));
		if (p->scram_count)
			memcpy(grown, p->scram, p->scram_count * sizeof(*grown));
		p->scram = grown;
	}
	p->scram[p->scram_count++] = r;
	return 0;
}
