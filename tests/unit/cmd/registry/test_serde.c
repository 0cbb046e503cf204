/* Wrong here: keys and values are written with another schema than was asked for, the registry is
 * asked for each record, or what goes wrong there is not told. */
#include "unit/support.h"

#include "cmd/registry/schemas.h"
#include "cmd/registry/serde.h"

#include "base/clock.h"
#include "base/mem.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TOPIC STR_LIT("t")
#define USER \
	"{\"type\":\"record\",\"name\":\"lab.User\",\"fields\":[" \
	"{\"name\":\"name\",\"type\":\"string\"}]}"
#define START_MS 20000

static struct err err;
static pid_t server;
static char url[128];

/* ---- A registry --------------------------------------------------------------------------- */

static int server_start(void **state)
{
	char path[] = "/tmp/kavka-registry-XXXXXX";
	int64_t until = clock_mono_ms() + START_MS;
	int fd = mkstemp(path);
	ssize_t len = 0;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	server = fork();
	assert_true(server >= 0);
	if (server == 0) {
		execlp("python3", "python3", TESTS_DIR "/support/schema-registry", path, NULL);
		_exit(127);
	}
	/* The file has the address once the server listens. */
	while (len <= 0 && clock_mono_ms() < until) {
		fd = open(path, O_RDONLY);
		len = fd >= 0 ? read(fd, url, sizeof(url) - 1) : 0;
		close(fd);
		usleep(5000);
	}
	unlink(path);
	assert_true(len > 1);
	url[len - 1] = '\0';
	return 0;
}

static int server_stop(void **state)
{
	(void)state;
	if (server > 0) {
		kill(server, SIGKILL);
		waitpid(server, NULL, 0);
		server = 0;
	}
	return 0;
}

static struct serde *serde_of(struct registry_args args)
{
	struct serde *s;

	args.url = args.url ? args.url : url;
	err = (struct err){0};
	if (serde_new(&s, &args, NULL, NULL, &err) < 0)
		fail_msg("%s", err.text);
	return s;
}

static int encode(struct serde *s, const char *topic, const char *text, struct slice *out)
{
	err = (struct err){0};
	return serde_encode(s, SERDE_VALUE, str_of(topic), str_of(text), out, &err);
}

static void assert_decoded(struct serde *s, struct slice bytes, const char *wanted)
{
	struct serde_text text;

	err = (struct err){0};
	if (serde_decode(s, SERDE_VALUE, bytes, &text, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(text.text.len, strlen(wanted));
	assert_memory_equal(text.text.data, wanted, text.text.len);
	assert_true(text.is_json);
}

static void assert_said(const char *part)
{
	if (!strstr(err.text, part))
		fail_msg("'%s' does not say '%s'", err.text, part);
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void both_ways_and_cached(void **state)
{
	struct registry_args args = {.value_format = "avro"};
	struct serde *s, *reader = serde_of((struct registry_args){.value_format = "registry"});
	struct slice bytes, again;
	uint8_t kept[32];

	(void)state;
	args.value_schema = USER;
	s = serde_of(args);
	assert_true(serde_has(s, SERDE_VALUE) && !serde_has(s, SERDE_KEY));
	assert_int_equal(encode(s, "t", "{\"name\":\"A\"}", &bytes), 0);
	assert_int_equal(bytes.len, 7);
	memcpy(kept, bytes.data, bytes.len);
	again = (struct slice){.data = kept, .len = 7};
	assert_decoded(reader, again, "{\"name\":\"A\"}");
	/* Without the registry all goes on, with what is known. */
	kill(server, SIGSTOP);
	assert_int_equal(encode(s, "t", "{\"name\":\"A\"}", &bytes), 0);
	assert_memory_equal(bytes.data, kept, 7);
	assert_decoded(reader, again, "{\"name\":\"A\"}");
	kill(server, SIGCONT);
	/* null is null. */
	assert_int_equal(serde_encode(s, SERDE_VALUE, TOPIC, STR_NULL, &bytes, &err), 0);
	assert_null(bytes.data);
	serde_free(s);
	serde_free(reader);
}

static void which_schema(void **state)
{
	struct serde *s;
	struct slice bytes;

	(void)state;
	/* The newest of the subject, once there is one. */
	s = serde_of((struct registry_args){.value_format = "avro"});
	assert_int_equal(encode(s, "new", "{}", &bytes), E_NOT_FOUND);
	assert_said("--value-schema FILE registers one");
	assert_int_equal(encode(s, "new", "{}", &bytes), E_NOT_FOUND);
	serde_free(s);
	s = serde_of((struct registry_args){.value_format = "avro", .value_schema = "\"int\""});
	assert_int_equal(encode(s, "new", "5", &bytes), 0);
	serde_free(s);
	s = serde_of((struct registry_args){.value_format = "avro"});
	assert_int_equal(encode(s, "new", "5", &bytes), 0);
	assert_int_equal(encode(s, "other", "5", &bytes), E_NOT_FOUND);
	serde_free(s);
	/* By id; by another subject; by the record's name. */
	s = serde_of((struct registry_args){.value_format = "avro", .value_schema_id = 9999});
	assert_int_equal(encode(s, "t", "5", &bytes), E_NOT_FOUND);
	assert_said("Schema 9999 not found");
	serde_free(s);
	s = serde_of((struct registry_args){.value_format = "avro", .value_subject = "new-value"});
	assert_int_equal(encode(s, "other", "5", &bytes), 0);
	serde_free(s);
	s = serde_of((struct registry_args){
		.value_format = "avro", .value_schema = USER, .strategy = "TopicRecordName"});
	assert_int_equal(encode(s, "t", "{\"name\":\"\"}", &bytes), 0);
	serde_free(s);
	s = serde_of((struct registry_args){.value_format = "avro", .value_subject = "t-lab.User"});
	assert_int_equal(encode(s, "x", "{\"name\":\"\"}", &bytes), 0);
	serde_free(s);
}

static void wrong_usage(void **state)
{
	static const struct {
		struct registry_args args;
		const char *said;
	} cases[] = {
		{{.value_format = "avr"}, "did you mean avro?"},
		{{.value_format = "x y"}, "no format 'x y'"},
		{{.value_schema_id = 1}, "needs --value-format"},
		{{.value_format = "int", .value_schema_id = 1}, "has no schema"},
		{{.value_format = "avro", .value_schema_id = 1, .value_schema = "\"int\""},
		 "exclude each other"},
		{{.value_format = "avro", .value_schema = "/nonexistent"},
		 "value-schema /nonexistent: cannot be read"},
		{{.value_format = "registry", .value_schema = "\"int\""}, "say what it is"},
		{{.value_format = "avro", .value_schema = "{\"type\":\"rekord\"}"},
		 "--value-schema: no type 'rekord'"},
		{{.value_format = "json-schema", .value_schema = "{"}, "is no JSON"},
		{{.value_format = "avro", .strategy = "Name"}, "is none of TopicName"},
		{{.value_format = "avro", .url = "ftp://a"}, "is no address"},
		{{.value_format = "avro", .url = " , "}, "is empty"},
	};
	struct serde *s;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct registry_args args = cases[i].args;

		args.url = args.url ? args.url : url;
		err = (struct err){0};
		assert_int_equal(serde_new(&s, &args, NULL, NULL, &err), E_USAGE);
		assert_null(s);
		assert_said(cases[i].said);
	}
	unsetenv(REGISTRY_VARIABLE);
	assert_int_equal(
		serde_new(&s, &(struct registry_args){.value_format = "avro"}, NULL, NULL, &err),
		E_USAGE);
	assert_said(REGISTRY_VARIABLE);
	assert_int_equal(serde_new(&s, &(struct registry_args){0}, NULL, NULL, &err), 0);
	assert_null(s);
}

static void foreign_bytes(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
		const char *said;
	} cases[] = {
		{"", 0, "value: is empty"},
		{"{}", 2, "value: begins with 0x7b"},
		{"\0\0", 2, "value: ends within the schema id"},
		{"\0\x7f\xff\xff\xff", 5, "value: schema 2147483647: "},
		{"\0\xff\xff\xff\xff", 5, "value: schema -1: "},
	};
	struct serde *s = serde_of((struct registry_args){.value_format = "avro"});
	struct serde_text text;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct slice bytes = {.data = (const uint8_t *)cases[i].bytes, .len = cases[i].len};

		err = (struct err){0};
		assert_true(serde_decode(s, SERDE_VALUE, bytes, &text, &err) < 0);
		assert_said(cases[i].said);
	}
	serde_free(s);
}

/* A schema that cannot be used, and one of another kind than was asked for. */
static void schemas_that_do_not_fit(void **state)
{
	struct serde *s = serde_of((struct registry_args){.value_format = "json-schema",
							  .value_schema = "{\"title\":\"T\"}"});
	struct slice bytes;
	struct serde_text text;

	(void)state;
	assert_int_equal(encode(s, "json", "{}", &bytes), 0);
	struct serde *reader = serde_of((struct registry_args){.value_format = "avro"});
	assert_int_equal(serde_decode(reader, SERDE_VALUE, bytes, &text, &err), E_MALFORMED);
	assert_said("is JSON: --value-format json-schema");
	serde_free(reader);
	serde_free(s);
	s = serde_of((struct registry_args){
		.value_format = "avro", .value_schema = "{\"type\":\"int\",\"doc\":\"invalid\"}"});
	assert_int_equal(encode(s, "bad", "{}", &bytes), E_INVALID);
	assert_said("(42201)");
	serde_free(s);
}

static void nobody_there(void **state)
{
	struct registry_args args = {.value_format = "avro"};
	char *both = xasprintf("http://127.0.0.1:1,%s", url);
	struct serde *s;
	struct slice bytes;

	(void)state;
	args.url = "http://127.0.0.1:1,127.0.0.1:2";
	s = serde_of(args);
	assert_int_equal(encode(s, "t", "{}", &bytes), E_UNREACHABLE);
	assert_said("http://127.0.0.1:1: connection refused");
	assert_said("http://127.0.0.1:2: connection refused");
	serde_free(s);
	args.url = both;
	args.value_schema = USER;
	s = serde_of(args);
	assert_int_equal(encode(s, "t", "{\"name\":\"\"}", &bytes), 0);
	serde_free(s);
	free(both);
	/* One that does not answer. */
	kill(server, SIGSTOP);
	args.url = url;
	args.timeout_ms = 100;
	s = serde_of(args);
	assert_int_equal(encode(s, "t", "{\"name\":\"\"}", &bytes), E_TIMEOUT);
	assert_said("no answer within 100 ms");
	kill(server, SIGCONT);
	serde_free(s);
}

/* A schema in a subject of its own, used by two others that are used together. */
static void references(void **state)
{
	static const char point[] = "{\"type\":\"fixed\",\"name\":\"a.P\",\"size\":1}";
	static const char line[] = "{\"type\":\"record\",\"name\":\"a.L\",\"fields\":["
				   "{\"name\":\"p\",\"type\":\"P\"}]}";
	static const char both[] = "{\"type\":\"record\",\"name\":\"b.B\",\"fields\":["
				   "{\"name\":\"l\",\"type\":\"a.L\"},"
				   "{\"name\":\"p\",\"type\":\"a.P\"}]}";
	struct http_config config = {.urls = url, .timeout_ms = 10000};
	json_t *to_point =
		json_pack("[{s:s,s:s,s:i}]", "name", "a.P", "subject", "p", "version", 1);
	json_t *to_both = json_pack("[{s:s,s:s,s:i},{s:s,s:s,s:i}]", "name", "a.L", "subject", "l",
				    "version", 1, "name", "a.P", "subject", "p", "version", 1);
	const struct schema *schema;
	const struct avro_schema *avro;
	struct schemas *r;

	(void)state;
	err = (struct err){0};
	assert_int_equal(schemas_new(&r, &config, &err), 0);
	assert_int_equal(schemas_register(r, "p", SCHEMA_AVRO, point, NULL, &schema, &err), 0);
	assert_int_equal(schemas_register(r, "l", SCHEMA_AVRO, line, to_point, &schema, &err), 0);
	assert_int_equal(schemas_avro(r, schema, &avro, &err), 0);
	assert_string_equal(avro_schema_name(avro), "a.L");
	assert_int_equal(schemas_register(r, "b", SCHEMA_AVRO, both, to_both, &schema, &err), 0);
	assert_int_equal(schemas_by_id(r, schema->id, &schema, &err), 0);
	assert_int_equal(schemas_avro(r, schema, &avro, &err), 0);
	assert_string_equal(avro_schema_name(avro), "b.B");
	json_decref(to_point);
	json_decref(to_both);
	schemas_free(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways_and_cached),
		cmocka_unit_test(which_schema),
		cmocka_unit_test(wrong_usage),
		cmocka_unit_test(foreign_bytes),
		cmocka_unit_test(schemas_that_do_not_fit),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(references),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, server_start, server_stop);
}
