/* SCRAM credentials of users. The salted password is made here: the password itself never leaves
 * the process, and is in no message. */
#include "cmd/configs/configs_int.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/env.h"
#include "base/mem.h"
#include "base/rng.h"
#include "client/admin.h"
#include "net/sasl.h"

#include <stdlib.h>
#include <string.h>

#define ITERATIONS_MIN 4096
#define ITERATIONS_MAX 16384 /* what brokers take */
#define SALT_BYTES 24
#define PASSWORD_FILE_BYTES_MAX 65536

static const char *const mechanisms[] = {NULL, "SCRAM-SHA-256", "SCRAM-SHA-512"};

static int8_t mechanism_find(struct str name)
{
	for (unsigned i = 1; i < ARRAY_LEN(mechanisms); i++) {
		if (str_is(name, mechanisms[i]))
			return (int8_t)i;
	}
	return 0;
}

bool scram_is_mechanism(struct str name)
{
	return mechanism_find(name) != 0;
}

static const char *mechanism_name(int8_t mechanism)
{
	return mechanism > 0 && (size_t)mechanism < ARRAY_LEN(mechanisms) ? mechanisms[mechanism]
									  : "UNKNOWN";
}

/* ---- Describe ----------------------------------------------------------------------------- */

static int credential_cmp(const void *a, const void *b)
{
	const struct describe_user_scram_credentials_response_credential_info *x = a, *y = b;

	return x->mechanism - y->mechanism;
}

static void scram_print_json(const struct describe_user_scram_credentials_response_result *r)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "entityType", "user");
	json_out_str(&j, "entityName", r->user);
	json_out_open(&j, "scramCredentials", '[');
	for (int32_t i = 0; i < r->credential_infos_count; i++) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "mechanism", mechanism_name(r->credential_infos[i].mechanism));
		json_out_int(&j, "iterations", r->credential_infos[i].iterations);
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	json_out_close(&j, '}');
	print_byte('\n');
}

static void scram_print(struct configs *c,
			const struct describe_user_scram_credentials_response_result *r)
{
	char exception[EXCEPTION_TEXT_MAX];

	if (r->error_code != KERR_NONE) {
		struct str why = str_is_null(r->error_message)
					 ? str_of(kafka_error_sentence(r->error_code))
					 : r->error_message;

		print_text("Error retrieving SCRAM credential configs for user-principal '%.*s': "
			   "ExecutionException: %s: %.*s\n",
			   STR(r->user), kafka_exception(r->error_code, exception), STR(why));
		return;
	}
	/* brokers answer in no order */
	qsort(r->credential_infos, (size_t)MAX(r->credential_infos_count, 0),
	      sizeof(*r->credential_infos), credential_cmp);
	if (c->format == OUTPUT_JSON) {
		scram_print_json(r);
		return;
	}
	if (c->format == OUTPUT_TEXT)
		print_text("SCRAM credential configs for user-principal '%.*s' are ", STR(r->user));
	for (int32_t i = 0; i < r->credential_infos_count; i++) {
		const char *name = mechanism_name(r->credential_infos[i].mechanism);
		int iterations = r->credential_infos[i].iterations;

		if (c->format == OUTPUT_TEXT)
			print_text("%s%s=iterations=%d", i ? ", " : "", name, iterations);
		else
			grid_add(&c->grid, "user", str_dup(c->arena, r->user).data, name,
				 arena_printf(c->arena, "iterations=%d", iterations), "-");
	}
	if (c->format == OUTPUT_TEXT)
		print_byte('\n');
}

int scram_describe(struct configs *c, struct err *err)
{
	struct describe_user_scram_credentials_request *request =
		WIRE_NEW(c->arena, describe_user_scram_credentials_request);
	struct describe_user_scram_credentials_response *response;
	int rc;

	request->users_count = -1; /* all */
	if (c->entities.name_count > 0) {
		request->users =
			WIRE_ARRAY(c->arena, describe_user_scram_credentials_request_user_name, 1);
		request->users_count = 1;
		request->users[0].name = c->entities.names[0];
	}
	rc = client_call(c->client, TO_ANY, API_DESCRIBE_USER_SCRAM_CREDENTIALS, request, c->arena,
			 (void **)&response, NULL, err);
	if (rc == E_UNSUPPORTED && !c->run->is_apache)
		return 0; /* a cluster without SCRAM: no credentials */
	if (rc < 0)
		return rc;
	if (response->error_code != KERR_NONE)
		return kafka_error_set(err, response->error_code, response->error_message);
	for (int32_t i = 0; i < response->results_count; i++) {
		if (response->results[i].error_code != KERR_RESOURCE_NOT_FOUND)
			scram_print(c, &response->results[i]);
	}
	return 0;
}

/* ---- Alter -------------------------------------------------------------------------------- */

/* The password of --password-file: its first line; "-" is stdin. */
static int scram_read_password(struct configs *c, const char **out, struct err *err)
{
	const char *path = c->args->password_file;
	struct env env;
	char *data, *copy;
	size_t len;
	int rc;

	env_posix_init(&env);
	rc = env_read_file(&env, strcmp(path, "-") == 0 ? "/dev/stdin" : path,
			   PASSWORD_FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	copy = arena_strndup(c->arena, data, len);
	free(data);
	copy[strcspn(copy, "\r\n")] = '\0';
	*out = copy;
	return *copy ? 0 : err_set(err, E_INVALID, "%s: the first line is no password", path);
}

/* "[iterations=N,]password=P" */
static int scram_parse(struct configs *c, const struct change *change, int8_t mechanism,
		       int32_t *iterations, const char **password, struct err *err)
{
	const char *text = arena_strndup(c->arena, change->value.data, change->value.len);
	long long given = -1;
	char name[16];

	snprintf(name, sizeof(name), "SCRAM_SHA_%s", mechanism == 1 ? "256" : "512");
	if (strncmp(text, "iterations=", 11) == 0) {
		char *end;

		given = strtoll(text + 11, &end, 10);
		if (*end == ',')
			text = end + 1;
		else if (*end == '\0' && c->args->password_file)
			text = end;
	}
	if (strncmp(text, "password=", 9) == 0)
		*password = text + 9;
	else if (*text || !c->args->password_file)
		return c->run->is_apache
			       ? err_set(err, E_INVALID, "Invalid credential property %s=%.*s",
					 name, STR(change->value))
			       : err_set(err, E_INVALID,
					 "%.*s: want [iterations=N,password=P], or [iterations=N] "
					 "with "
					 "--password-file",
					 STR(change->name));
	else if (scram_read_password(c, password, err) < 0)
		return err->code;
	*iterations = given == -1 ? ITERATIONS_MIN : (int32_t)MIN(given, INT32_MAX);
	if (given != -1 && given < ITERATIONS_MIN)
		return err_set(err, E_INVALID,
			       "Iterations %lld is less than the minimum %d required for %s", given,
			       ITERATIONS_MIN, mechanisms[mechanism]);
	if (given > ITERATIONS_MAX && !c->run->is_apache)
		return err_set(err, E_INVALID,
			       "iterations: %lld is above %d, the most that brokers "
			       "take",
			       given, ITERATIONS_MAX);
	return 0;
}

static int
scram_upsertion(struct configs *c, const struct change *change,
		struct alter_user_scram_credentials_request_scram_credential_upsertion *u,
		struct err *err)
{
	uint8_t *salt = arena_alloc(c->arena, SALT_BYTES);
	uint8_t *salted = arena_alloc(c->arena, SCRAM_DIGEST_MAX);
	const char *password = NULL;
	size_t len;
	int rc;

	u->name = c->entities.names[0];
	u->mechanism = mechanism_find(change->name);
	rc = scram_parse(c, change, u->mechanism, &u->iterations, &password, err);
	if (rc < 0)
		return rc;
	rng_system(salt, SALT_BYTES);
	u->salt = (struct slice){.data = salt, .len = SALT_BYTES};
	rc = scram_salted_password(mechanisms[u->mechanism], password, u->salt, u->iterations,
				   salted, &len, err);
	u->salted_password = (struct slice){.data = salted, .len = len};
	return rc;
}

static int scram_check(struct configs *c, const struct changes *changes, struct err *err)
{
	if (entities_have_default(&c->entities))
		return err_set(err, E_INVALID,
			       "The use of --entity-default or --user-defaults is "
			       "not allowed with User SCRAM Credentials using --bootstrap-server.");
	for (size_t i = 0; i < changes->count; i++) {
		if (!scram_is_mechanism(changes->items[i].name))
			return err_set(err, E_INVALID,
				       "Cannot alter both quota and SCRAM "
				       "credential configs simultaneously for 'users' using "
				       "--bootstrap-server.");
	}
	return 0;
}

/* These changes in one request. */
static int scram_send(struct configs *c, const struct change *changes, size_t count,
		      struct err *err)
{
	struct alter_user_scram_credentials_request *request =
		WIRE_NEW(c->arena, alter_user_scram_credentials_request);
	struct alter_user_scram_credentials_response *response;
	int rc = 0;

	request->deletions = WIRE_ARRAY(
		c->arena, alter_user_scram_credentials_request_scram_credential_deletion, count);
	request->upsertions = WIRE_ARRAY(
		c->arena, alter_user_scram_credentials_request_scram_credential_upsertion, count);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (changes[i].is_delete) {
			request->deletions[request->deletions_count].name = c->entities.names[0];
			request->deletions[request->deletions_count++].mechanism =
				mechanism_find(changes[i].name);
		} else {
			rc = scram_upsertion(c, &changes[i],
					     &request->upsertions[request->upsertions_count++],
					     err);
		}
	}
	if (rc == 0)
		rc = client_call(c->client, TO_CONTROLLER, API_ALTER_USER_SCRAM_CREDENTIALS,
				 request, c->arena, (void **)&response, NULL, err);
	for (int32_t i = 0; rc == 0 && i < response->results_count; i++) {
		if (response->results[i].error_code != KERR_NONE)
			rc = kafka_error_set(err, response->results[i].error_code,
					     response->results[i].error_message);
	}
	return rc;
}

/* Brokers refuse two mechanisms of one user in one request, which Apache's tool runs into. */
int scram_alter(struct configs *c, const struct changes *changes, struct err *err)
{
	int rc = scram_check(c, changes, err);

	if (rc == 0 && c->run->is_apache)
		return scram_send(c, changes->items, changes->count, err);
	for (size_t i = 0; rc == 0 && i < changes->count; i++)
		rc = scram_send(c, &changes->items[i], 1, err);
	return rc;
}
