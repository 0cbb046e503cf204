#include "metadata/scram_arg.h"

#include "wire/base64.h"
#include "wire/codec.h"

#include "base/openssl.h"

#include <stdlib.h>

#define SALT_BYTES 16

enum scram_mechanism { SCRAM_SHA_256 = 1, SCRAM_SHA_512 = 2 };

struct scram_parts {
	const char *name, *password, *iterations, *salt, *salted_password;
};

/* "[key=value,key="value"]" into the parts. */
static int scram_split(struct arena *arena, const char *text, struct scram_parts *parts,
		       struct err *err)
{
	static const struct {
		const char *key;
		size_t at;
	} keys[] = {
		{"name", offsetof(struct scram_parts, name)},
		{"password", offsetof(struct scram_parts, password)},
		{"iterations", offsetof(struct scram_parts, iterations)},
		{"salt", offsetof(struct scram_parts, salt)},
		{"saltedpassword", offsetof(struct scram_parts, salted_password)},
	};
	size_t len = strlen(text);
	char *copy, *save = NULL;

	if (len < 2 || text[0] != '[' || text[len - 1] != ']')
		return err_set(err, E_INVALID, "Expected string to be [name=...,password=...]: %s",
			       text);
	copy = arena_strndup(arena, text + 1, len - 2);
	for (char *pair = strtok_r(copy, ",", &save); pair; pair = strtok_r(NULL, ",", &save)) {
		char *equals = strchr(pair, '=');
		size_t i = 0, value_len;

		if (equals)
			*equals = '\0';
		while (i < ARRAY_LEN(keys) && strcmp(keys[i].key, pair) != 0)
			i++;
		if (!equals || i == ARRAY_LEN(keys))
			return err_set(err, E_INVALID, "Unknown SCRAM key '%s'", pair);
		value_len = strlen(++equals);
		if (value_len >= 2 && equals[0] == '"' && equals[value_len - 1] == '"') {
			equals[value_len - 1] = '\0';
			equals++;
		}
		*(const char **)(void *)((char *)parts + keys[i].at) = equals;
	}
	return 0;
}

static int scram_bytes(struct arena *arena, const char *what, const char *text, struct slice *out,
		       struct err *err)
{
	if (base64_decode(arena, str_of(text), out) < 0)
		return err_set(err, E_INVALID, "Failed to decode given %s: %s", what, text);
	return 0;
}

static struct slice scram_hmac(struct arena *arena, const EVP_MD *md, struct slice key,
			       const char *text)
{
	uint8_t *result = arena_alloc(arena, EVP_MAX_MD_SIZE);
	unsigned len = 0;

	HMAC(md, key.data, (int)key.len, (const uint8_t *)text, strlen(text), result, &len);
	return (struct slice){NULL, result, len};
}

static struct slice scram_hash(struct arena *arena, const EVP_MD *md, struct slice data)
{
	uint8_t *result = arena_alloc(arena, EVP_MAX_MD_SIZE);
	unsigned len = 0;
	int ok = EVP_Digest(data.data, data.len, result, &len, md, NULL);

	assert(ok == 1);
	return (struct slice){NULL, result, len};
}

static int scram_check(const struct scram_parts *parts, int8_t mechanism, int32_t *iterations,
		       struct err *err)
{
	const char *name = mechanism == SCRAM_SHA_256 ? "SCRAM_SHA_256" : "SCRAM_SHA_512";
	char *end;
	long n;

	if (!parts->name)
		return err_set(err, E_INVALID, "You must supply 'name' to add-scram");
	if (!parts->password == !parts->salted_password)
		return err_set(err, E_INVALID,
			       parts->password
				       ? "You must only supply one of 'password' or "
					 "'saltedpassword' to add-scram"
				       : "You must supply one of 'password' or 'saltedpassword' to "
					 "add-scram");
	if (parts->salted_password && !parts->salt)
		return err_set(err, E_INVALID,
			       "You must supply 'salt' with 'saltedpassword' to add-scram");
	n = parts->iterations ? strtol(parts->iterations, &end, 10) : SCRAM_ITERATIONS_MIN;
	if (parts->iterations && *end)
		return err_set(err, E_INVALID, "Failed to parse iterations count: %s",
			       parts->iterations);
	if (n < SCRAM_ITERATIONS_MIN)
		return err_set(err, E_INVALID,
			       "The 'iterations' value must be >= %d for add-scram using %s",
			       SCRAM_ITERATIONS_MIN, name);
	if (n > SCRAM_ITERATIONS_MAX)
		return err_set(err, E_INVALID,
			       "The 'iterations' value must be <= %d for add-scram using %s",
			       SCRAM_ITERATIONS_MAX, name);
	*iterations = (int32_t)n;
	return 0;
}

static int scram_mechanism(const char *text, const char *equals, const EVP_MD **md,
			   int8_t *mechanism, struct err *err)
{
	struct str name = {text, (size_t)(equals - text)};

	if (str_is(name, "SCRAM-SHA-256")) {
		*mechanism = SCRAM_SHA_256;
		*md = EVP_sha256();
	} else if (str_is(name, "SCRAM-SHA-512")) {
		*mechanism = SCRAM_SHA_512;
		*md = EVP_sha512();
	} else {
		return err_set(err, E_INVALID, "The add-scram mechanism %.*s is not supported.",
			       STR(name));
	}
	return 0;
}

static int scram_salted(struct env *env, struct arena *arena, const struct scram_parts *parts,
			const EVP_MD *md, struct user_scram_credential_record *out,
			struct slice *salted, struct err *err)
{
	uint8_t *salt, *key;
	int rc = 0;

	if (parts->salt) {
		rc = scram_bytes(arena, "salt", parts->salt, &out->salt, err);
	} else {
		salt = arena_alloc(arena, SALT_BYTES);
		env->ops->random(env, salt, SALT_BYTES);
		out->salt = (struct slice){NULL, salt, SALT_BYTES};
	}
	if (rc < 0 || parts->salted_password)
		return rc < 0 ? rc
			      : scram_bytes(arena, "saltedPassword", parts->salted_password, salted,
					    err);
	key = arena_alloc(arena, EVP_MAX_MD_SIZE);
	if (PKCS5_PBKDF2_HMAC(parts->password, (int)strlen(parts->password), out->salt.data,
			      (int)out->salt.len, out->iterations, md, EVP_MD_size(md), key) != 1)
		return err_set(err, E_INVALID, "the password could not be salted");
	*salted = (struct slice){NULL, key, (size_t)EVP_MD_size(md)};
	return 0;
}

int scram_arg_parse(struct env *env, struct arena *arena, const char *text,
		    struct user_scram_credential_record *out, struct err *err)
{
	const char *equals = strchr(text, '=');
	struct scram_parts parts = {0};
	struct slice salted = SLICE_NULL;
	const EVP_MD *md;
	int rc;

	WIRE_INIT(user_scram_credential_record, out);
	if (!equals)
		return err_set(err, E_INVALID, "Failed to find equals sign in SCRAM argument '%s'",
			       text);
	rc = scram_mechanism(text, equals, &md, &out->mechanism, err);
	if (rc == 0)
		rc = scram_split(arena, equals + 1, &parts, err);
	if (rc == 0)
		rc = scram_check(&parts, out->mechanism, &out->iterations, err);
	if (rc == 0)
		rc = scram_salted(env, arena, &parts, md, out, &salted, err);
	if (rc < 0)
		return rc;
	out->name = str_of(arena_strdup(arena, parts.name));
	out->stored_key = scram_hash(arena, md, scram_hmac(arena, md, salted, "Client Key"));
	out->server_key = scram_hmac(arena, md, salted, "Server Key");
	return 0;
}
