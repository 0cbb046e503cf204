/* Configs must be read as Kafka's clients read them, and refused with what would be right. */
#include "client/config.h"

#include "base/say.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void defaults_are_kafkas(void **state)
{
	struct client_config *cfg = client_config_new(CLIENT_PRODUCER);

	(void)state;
	assert_int_equal(client_config_int(cfg, CC_BATCH_SIZE), 16384);
	assert_int_equal(client_config_int(cfg, CC_LINGER_MS), 5);
	assert_string_equal(client_config_str(cfg, CC_ACKS), "all");
	assert_true(client_config_bool(cfg, CC_ENABLE_IDEMPOTENCE));
	assert_null(client_config_str(cfg, CC_BOOTSTRAP_SERVERS));
	assert_null(client_config_str(cfg, CC_CLIENT_ID));
	assert_false(client_config_is_set(cfg, CC_ACKS));
	client_config_free(cfg);
}

static void bad_values_name_what_is_right(void **state)
{
	static const char *const bad[][3] = {
		{"acks", "2", "acks=2: must be one of all|-1|0|1"},
		{"batch.size", "-1", "batch.size=-1: must be a number of at least 0"},
		{"batch.size", "x", "batch.size=x: must be a number of at least 0"},
		{"compression.zstd.level", "23",
		 "compression.zstd.level=23: must be a number from -131072 to 22"},
		{"enable.idempotence", "yes", "enable.idempotence=yes: must be true or false"},
	};
	struct client_config *cfg = client_config_new(CLIENT_PRODUCER);
	struct err err;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		memset(&err, 0, sizeof(err));
		assert_int_equal(client_config_set(cfg, bad[i][0], bad[i][1], &err), E_INVALID);
		assert_string_equal(err.text, bad[i][2]);
	}
	assert_int_equal(client_config_set_pair(cfg, "nothing", &err), E_USAGE);
	client_config_free(cfg);
}

/* What is written to stderr while `set` runs. */
static void capture(char *text, size_t size, struct client_config *cfg, const char *key)
{
	int saved = dup(2), fds[2];
	ssize_t n;

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	dup2(fds[1], 2);
	assert_int_equal(client_config_set(cfg, key, "1", NULL), 0);
	dup2(saved, 2);
	close(saved);
	close(fds[1]);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void unknown_keys_are_named_with_the_near_miss(void **state)
{
	struct client_config *cfg = client_config_new(CLIENT_PRODUCER);
	char text[512];

	(void)state;
	capture(text, sizeof(text), cfg, "bacth.size");
	assert_non_null(strstr(text, "unknown config 'bacth.size' is ignored "
				     "(did you mean 'batch.size'?)"));
	capture(text, sizeof(text), cfg, "interceptor.classes");
	assert_non_null(strstr(text, "interceptor.classes has no effect"));
	/* A consumer's key in a producer's file, and keys only Java has. */
	capture(text, sizeof(text), cfg, "max.poll.records");
	assert_string_equal(text, "");
	capture(text, sizeof(text), cfg, "key.serializer");
	assert_string_equal(text, "");
	client_config_free(cfg);
}

static int check(enum client_role role, const char *pairs, struct client_config **out,
		 struct err *err)
{
	struct client_config *cfg = client_config_new(role);
	char copy[512], *at = copy, *pair;
	int rc;

	snprintf(copy, sizeof(copy), "%s", pairs);
	while ((pair = strsep(&at, " ")))
		if (*pair)
			assert_int_equal(client_config_set_pair(cfg, pair, err), 0);
	rc = client_config_check(cfg, err);
	if (out)
		*out = cfg;
	else
		client_config_free(cfg);
	return rc;
}

static void idempotence_follows_from_other_keys(void **state)
{
	struct client_config *cfg;
	struct err err = {0};

	(void)state;
	assert_int_equal(check(CLIENT_PRODUCER, "acks=1", &cfg, &err), 0);
	assert_false(client_config_bool(cfg, CC_ENABLE_IDEMPOTENCE));
	client_config_free(cfg);
	assert_int_equal(check(CLIENT_PRODUCER, "acks=-1 retries=3", &cfg, &err), 0);
	assert_true(client_config_bool(cfg, CC_ENABLE_IDEMPOTENCE));
	client_config_free(cfg);
	assert_int_equal(check(CLIENT_PRODUCER, "acks=0 enable.idempotence=true", NULL, &err),
			 E_INVALID);
	assert_string_equal(err.text,
			    "enable.idempotence=true does not go with acks other than all");
	assert_int_equal(check(CLIENT_PRODUCER,
			       "max.in.flight.requests.per.connection=6 enable.idempotence=true",
			       NULL, &err),
			 E_INVALID);
}

static void timeouts_must_fit_together(void **state)
{
	struct client_config *cfg;
	struct err err = {0};

	(void)state;
	assert_int_equal(check(CLIENT_PRODUCER, "delivery.timeout.ms=1000", NULL, &err), E_INVALID);
	assert_int_equal(check(CLIENT_PRODUCER, "request.timeout.ms=200000", &cfg, &err), 0);
	assert_int_equal(client_config_int(cfg, CC_DELIVERY_TIMEOUT_MS), 200005);
	client_config_free(cfg);
	assert_int_equal(check(CLIENT_CONSUMER, "group.id=g session.timeout.ms=3000", NULL, &err),
			 E_INVALID);
	assert_int_equal(check(CLIENT_ADMIN, "reconnect.backoff.ms=5000", &cfg, &err), 0);
	assert_int_equal(client_config_int(cfg, CC_RECONNECT_BACKOFF_MAX_MS), 5000);
	client_config_free(cfg);
}

static void consumers_without_a_group_do_not_commit(void **state)
{
	struct client_config *cfg;
	struct err err = {0};

	(void)state;
	assert_int_equal(check(CLIENT_CONSUMER, "", &cfg, &err), 0);
	assert_false(client_config_bool(cfg, CC_ENABLE_AUTO_COMMIT));
	client_config_free(cfg);
	assert_int_equal(check(CLIENT_CONSUMER, "enable.auto.commit=true", NULL, &err), E_INVALID);
	assert_int_equal(check(CLIENT_CONSUMER, "auto.offset.reset=sometimes", NULL, &err),
			 E_INVALID);
	assert_int_equal(check(CLIENT_CONSUMER, "auto.offset.reset=by_duration:PT1H", NULL, &err),
			 0);
}

static void sasl_needs_a_mechanism_we_have_and_a_login(void **state)
{
	struct err err = {0};

	(void)state;
	assert_int_equal(check(CLIENT_ADMIN, "security.protocol=sasl_plaintext", NULL, &err),
			 E_INVALID);
	assert_non_null(strstr(err.text, "GSSAPI is not supported"));
	assert_int_equal(
		check(CLIENT_ADMIN, "security.protocol=SASL_SSL sasl.mechanism=PLAIN", NULL, &err),
		E_INVALID);
	assert_non_null(strstr(err.text, "sasl.jaas.config"));
}

static void the_table_is_sound(void **state)
{
	(void)state;
	for (int i = 0; i < CC_COUNT; i++) {
		const struct client_config_row *row = &client_config_rows[i];

		assert_non_null(row->name);
		assert_true(row->doc && row->doc[strlen(row->doc) - 1] == '.');
		assert_int_equal(client_config_find(row->name), i);
		if (row->type == CLIENT_CONFIG_INT)
			assert_true(row->min < row->max);
		if (row->type == CLIENT_CONFIG_CHOICE)
			assert_non_null(row->choices);
		if (row->preset && *row->preset) {
			struct client_config *cfg = client_config_new(CLIENT_PRODUCER);

			/* Every default is a valid value. */
			if (row->roles & CLIENT_PRODUCER && row->effect != EFFECT_WARN)
				assert_int_equal(
					client_config_set(cfg, row->name, row->preset, NULL), 0);
			client_config_free(cfg);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_kafkas),
		cmocka_unit_test(bad_values_name_what_is_right),
		cmocka_unit_test(unknown_keys_are_named_with_the_near_miss),
		cmocka_unit_test(idempotence_follows_from_other_keys),
		cmocka_unit_test(timeouts_must_fit_together),
		cmocka_unit_test(consumers_without_a_group_do_not_commit),
		cmocka_unit_test(sasl_needs_a_mechanism_we_have_and_a_login),
		cmocka_unit_test(the_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
