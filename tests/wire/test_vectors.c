/* If this fails, kavka and other implementations of the protocol no longer understand each other.
 * The vectors come from Apache's classes and from a Go client (tests/wire/README.md). */
#include "base/limits.h"
#include "base/mem.h"
#include "wire/api.h"
#include "wire/codec.h"
#include "wire/json.h"
#include "wire/record_frame.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct vector {
	const char *file;
	int line;
	const struct message_desc *message;
	int16_t version;
	uint8_t *bytes;		/* a heap block of exactly `len`, so that sanitizers see its end */
	size_t len;
	const char *json;	/* NULL: the peer gave none */
};

static int vector_count;

static void vector_fail(const struct vector *v, const char *what, const char *detail)
{
	fail_msg("%s:%d: %s v%d: %s: %s", v->file, v->line, v->message->name, v->version, what,
		 detail);
}

static uint8_t *hex_decode(const char *hex, size_t *len)
{
	uint8_t *bytes;

	*len = strcmp(hex, "-") == 0 ? 0 : strlen(hex) / 2;
	bytes = xmalloc(*len);
	for (size_t i = 0; i < *len; i++) {
		unsigned value = 0;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
		bytes[i] = (uint8_t)value;
	}
	return bytes;
}

static void check_bytes(const struct vector *v, const void *msg, const char *from)
{
	struct err err = {0};
	struct out out;
	size_t size = 0;

	out_init(&out, MESSAGE_BYTES_MAX);
	if (message_encode(v->message, v->version, msg, &out, NULL, &err) < 0)
		vector_fail(v, from, err.text);
	if (out.len != v->len || (v->len && memcmp(out.data, v->bytes, v->len) != 0))
		vector_fail(v, from, "other bytes than the peer's");
	assert_int_equal(message_size(v->message, v->version, msg, &size, &err), 0);
	assert_int_equal(size, v->len);
	out_fini(&out);
}

static bool has_records(const struct wire_struct *s)
{
	for (size_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];

		if (f->type == WIRE_RECORDS || (f->type == WIRE_STRUCT && has_records(f->child)))
			return true;
	}
	return false;
}

static void check_json(const struct vector *v, struct arena *arena, const void *msg)
{
	struct err err = {0};
	json_error_t where;
	json_t *wanted = json_loads(v->json, JSON_ALLOW_NUL, &where);
	json_t *got = message_to_json(v->message, v->version, msg, 0, &err);
	void *again = arena_alloc(arena, v->message->body->size);

	if (!wanted)
		vector_fail(v, "the peer's JSON", where.text);
	if (!got)
		vector_fail(v, "as JSON", err.text);
	if (!json_equal(wanted, got))
		vector_fail(v, "other JSON", json_dumps(got, JSON_COMPACT));
	if (!has_records(v->message->body)) {
		if (message_from_json(v->message, v->version, wanted, arena, again, &err) < 0)
			vector_fail(v, "from JSON", err.text);
		if (!message_equal(v->message, v->version, msg, again))
			vector_fail(v, "from JSON", "another message");
		check_bytes(v, again, "from JSON");
	}
	json_decref(wanted);
	json_decref(got);
}

static void check_cuts(const struct vector *v)
{
	struct arena arena;

	arena_init(&arena);
	for (size_t len = 0; len < v->len; len++) {
		uint8_t *bytes = xmemdup(v->bytes, len);
		void *msg = arena_alloc(&arena, v->message->body->size);
		size_t used;
		int rc = message_decode(v->message, v->version, (struct slice){NULL, bytes, len},
					&used, &arena, msg, NULL);

		if (rc != E_SHORT)
			vector_fail(v, "cut", err_text(rc));
		free(bytes);
		arena_reset(&arena);
	}
	arena_fini(&arena);
}

static void check_vector(const struct vector *v)
{
	struct err err = {0};
	struct arena arena;
	void *msg;

	arena_init(&arena);
	msg = arena_alloc(&arena, v->message->body->size);
	if (message_decode(v->message, v->version, (struct slice){NULL, v->bytes, v->len}, NULL,
			   &arena, msg, &err) < 0)
		vector_fail(v, "decode", err.text);
	check_bytes(v, msg, "encode");
	if (v->json)
		check_json(v, &arena, msg);
	assert_true(message_equal(v->message, -1, msg, message_copy(v->message, &arena, msg)));
	check_cuts(v);
	arena_fini(&arena);
	vector_count++;
}

/* A line: message, version, bytes in hex, and perhaps JSON. */
static void check_line(const char *file, int number, char *line)
{
	struct vector v = {.file = file, .line = number};
	char *name, *version, *hex;

	line[strcspn(line, "\n")] = '\0';
	name = strsep(&line, " ");
	version = strsep(&line, " ");
	hex = strsep(&line, " ");
	assert_non_null(hex);
	v.message = message_by_name(str_of(name));
	if (!v.message)
		fail_msg("%s:%d: no message %s", file, number, name);
	v.version = (int16_t)strtol(version, NULL, 10);
	v.bytes = hex_decode(hex, &v.len);
	v.json = line;
	check_vector(&v);
	free(v.bytes);
}

static void check_file(const char *path)
{
	FILE *file = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;

	assert_non_null(file);
	for (int number = 1; getline(&line, &cap, file) > 0; number++)
		check_line(path, number, line);
	free(line);
	fclose(file);
}

static void test_vectors(void **state)
{
	const char *folder = TESTS_DIR "/wire/vectors";
	DIR *dir = opendir(folder);
	struct dirent *entry;

	(void)state;
	assert_non_null(dir);
	while ((entry = readdir(dir))) {
		char path[4096];
		size_t len = strlen(entry->d_name);

		if (len < 5 || strcmp(entry->d_name + len - 4, ".txt") != 0)
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		check_file(path);
	}
	closedir(dir);
	assert_in_range(vector_count, 1500, 1000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
