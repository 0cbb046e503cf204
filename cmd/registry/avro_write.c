/* JSON into Avro binary, along the schema. */
#include "cmd/registry/avro.h"

#include "cmd/utf8.h"

#include "base/near.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Unions are tried branch by branch, those within them too: this ends what never would. */
#define WRITE_TRIES_MAX 1000000

struct writer {
	struct out *out;
	bool is_preset; /* defaults name no branches */
	unsigned depth, tries;
	struct err *err;
};

static int write_value(struct writer *w, const struct avro_type *t, const json_t *json);

/* ---- Messages ----------------------------------------------------------------------------- */

static const char *json_word(const json_t *json)
{
	static const char *const words[] = {
		[JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array",  [JSON_STRING] = "a string",
		[JSON_INTEGER] = "a number", [JSON_REAL] = "a fraction", [JSON_TRUE] = "true",
		[JSON_FALSE] = "false",      [JSON_NULL] = "null"};

	return json ? words[json_typeof(json)] : "nothing";
}

static int write_bad(struct writer *w, const struct avro_type *t, const json_t *json)
{
	return err_set(w->err, E_MALFORMED, "wants %s%s, has %s",
		       t->kind == AVRO_RECORD  ? "record "
		       : t->kind == AVRO_ENUM  ? "enum "
		       : t->kind == AVRO_FIXED ? "fixed "
					       : "",
		       t->name, json_word(json));
}

/* ---- Scalars ------------------------------------------------------------------------------ */

static void write_long(struct writer *w, int64_t v)
{
	uint64_t bits = ((uint64_t)v << 1) ^ (uint64_t)(v >> 63);

	for (; bits >= 0x80; bits >>= 7)
		out_byte(w->out, (uint8_t)(bits | 0x80));
	out_byte(w->out, (uint8_t)bits);
}

static int write_integer(struct writer *w, const struct avro_type *t, const json_t *json)
{
	int64_t v = json_integer_value(json);

	if (!json_is_integer(json))
		return write_bad(w, t, json);
	if (t->kind == AVRO_INT && (v < INT32_MIN || v > INT32_MAX))
		return err_set(w->err, E_MALFORMED, "%" PRId64 " is too large for int", v);
	write_long(w, v);
	return 0;
}

static bool real_of(const json_t *json, double *out)
{
	static const struct {
		const char *text;
		double value;
	} words[] = {{"NaN", NAN},
		     {"Infinity", INFINITY},
		     {"INF", INFINITY},
		     {"-Infinity", -INFINITY},
		     {"-INF", -INFINITY}};

	if (json_is_number(json)) {
		*out = json_number_value(json);
		return true;
	}
	for (unsigned i = 0; json_is_string(json) && i < ARRAY_LEN(words); i++) {
		*out = words[i].value;
		if (strcmp(json_string_value(json), words[i].text) == 0)
			return true;
	}
	return false;
}

static int write_real(struct writer *w, const struct avro_type *t, const json_t *json)
{
	bool is_float = t->kind == AVRO_FLOAT;
	uint64_t bits = 0;
	double v;

	if (!real_of(json, &v))
		return write_bad(w, t, json);
	if (is_float) {
		float narrow = (float)v;
		uint32_t bits32;

		if (isfinite(v) && !isfinite(narrow))
			return err_set(w->err, E_MALFORMED, "%g is too large for float", v);
		memcpy(&bits32, &narrow, sizeof(bits32));
		bits = bits32;
	} else {
		memcpy(&bits, &v, sizeof(bits));
	}
	for (unsigned i = 0; i < (is_float ? 4 : 8); i++)
		out_byte(w->out, (uint8_t)(bits >> (8 * i)));
	return 0;
}

static int write_string(struct writer *w, const struct avro_type *t, const json_t *json)
{
	size_t len = json_string_length(json);

	if (!json_is_string(json))
		return write_bad(w, t, json);
	write_long(w, (int64_t)len);
	out_bytes(w->out, json_string_value(json), len);
	return 0;
}

/* A character is the byte of its number. */
static int write_blob(struct writer *w, const struct avro_type *t, const json_t *json)
{
	const uint8_t *p = (const uint8_t *)json_string_value(json);
	size_t len = json_string_length(json), count = 0;

	if (!p)
		return write_bad(w, t, json);
	for (size_t i = 0; i < len; i++) {
		if (p[i] > 0xc3)
			return err_set(w->err, E_MALFORMED,
				       "wants %s: characters from \\u0000 to \\u00ff", t->name);
		count += (p[i] & 0xc0) != 0x80;
	}
	if (t->kind == AVRO_FIXED && count != t->count)
		return err_set(w->err, E_MALFORMED, "wants the %zu bytes of %s, has %zu", t->count,
			       t->name, count);
	if (t->kind == AVRO_BYTES)
		write_long(w, (int64_t)count);
	for (size_t i = 0; i < len; i++) {
		if (p[i] < 0x80) {
			out_byte(w->out, p[i]);
		} else {
			out_byte(w->out, (uint8_t)(p[i] << 6 | (p[i + 1] & 0x3f)));
			i++;
		}
	}
	return 0;
}

static int write_enum(struct writer *w, const struct avro_type *t, const json_t *json)
{
	const char *symbol = json_string_value(json);
	struct near near;

	if (!symbol)
		return write_bad(w, t, json);
	near_init(&near, symbol);
	for (size_t i = 0; i < t->count; i++) {
		if (strcmp(t->symbols[i], symbol) == 0) {
			write_long(w, (int64_t)i);
			return 0;
		}
		near_offer(&near, t->symbols[i]);
	}
	if (near.best)
		return err_set(w->err, E_MALFORMED, "'%s' is no symbol of %s; did you mean %s?",
			       symbol, t->name, near.best);
	return err_set(w->err, E_MALFORMED, "'%s' is no symbol of %s", symbol, t->name);
}

/* ---- What holds others -------------------------------------------------------------------- */

/* A key that is no field is a mistake, not something to drop in silence. */
static int write_check_keys(struct writer *w, const struct avro_type *t, const json_t *json)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)json, key, value)
	{
		struct near near;
		size_t i = 0;

		while (i < t->count && strcmp(t->fields[i].name, key) != 0)
			i++;
		if (i < t->count)
			continue;
		near_init(&near, key);
		for (i = 0; i < t->count; i++)
			near_offer(&near, t->fields[i].name);
		return err_set(w->err, E_MALFORMED, "%s has no field %s%s%s%s", t->name, key,
			       near.best ? "; did you mean " : "", near.best ? near.best : "",
			       near.best ? "?" : "");
	}
	return 0;
}

static int write_record(struct writer *w, const struct avro_type *t, const json_t *json)
{
	int rc;

	if (!json_is_object(json))
		return write_bad(w, t, json);
	rc = write_check_keys(w, t, json);
	for (size_t i = 0; rc == 0 && i < t->count; i++) {
		const struct avro_field *field = &t->fields[i];
		const json_t *value = json_object_get(json, field->name);
		bool was_preset = w->is_preset;

		if (!value && !field->preset)
			return err_set(w->err, E_MALFORMED, "%s: field %s is missing", t->name,
				       field->name);
		w->is_preset |= !value;
		rc = write_value(w, field->type, value ? value : field->preset);
		w->is_preset = was_preset;
		if (rc < 0)
			err_add(w->err, rc, "%s", field->name);
	}
	return rc;
}

static int write_array(struct writer *w, const struct avro_type *t, const json_t *json)
{
	size_t count = json_array_size(json);
	int rc = 0;

	if (!json_is_array(json))
		return write_bad(w, t, json);
	if (count > 0)
		write_long(w, (int64_t)count);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = write_value(w, t->branches[0], json_array_get(json, i));
		if (rc < 0)
			err_add(w->err, rc, "[%zu]", i);
	}
	write_long(w, 0);
	return rc;
}

static int write_map(struct writer *w, const struct avro_type *t, const json_t *json)
{
	size_t count = json_object_size(json);
	const char *key;
	json_t *value;

	if (!json_is_object(json))
		return write_bad(w, t, json);
	if (count > 0)
		write_long(w, (int64_t)count);
	json_object_foreach((json_t *)json, key, value)
	{
		size_t len = strlen(key);
		int rc;

		write_long(w, (int64_t)len);
		out_bytes(w->out, key, len);
		rc = write_value(w, t->branches[0], value);
		if (rc < 0)
			return err_add(w->err, rc, "%s", key);
	}
	write_long(w, 0);
	return 0;
}

/* ---- Unions ------------------------------------------------------------------------------- */

static int write_branch(struct writer *w, const struct avro_type *t, size_t index,
			const json_t *json)
{
	write_long(w, (int64_t)index);
	return write_value(w, t->branches[index], json);
}

/* {"BRANCH":value}: by the full name, or by the last part of it if no other has the same. */
static int write_named(struct writer *w, const struct avro_type *t, const json_t *json,
		       bool *is_named)
{
	const char *key, *dot;
	size_t matches = 0, match = 0;
	json_t *value;

	*is_named = false;
	if (json_object_size(json) != 1)
		return 0;
	key = json_object_iter_key(json_object_iter((json_t *)json));
	value = json_object_get(json, key);
	for (size_t i = 0; i < t->count; i++) {
		dot = strrchr(t->branches[i]->name, '.');
		if (strcmp(t->branches[i]->name, key) == 0) {
			match = i;
			matches = 1;
			break;
		}
		if (dot && strcmp(dot + 1, key) == 0) {
			match = i;
			matches++;
		}
	}
	if (matches != 1)
		return 0;
	*is_named = true;
	return write_branch(w, t, match, value);
}

/* Does the value fit this branch? What was written is taken back. */
static bool write_fits(struct writer *w, const struct avro_type *t, size_t index,
		       const json_t *json)
{
	struct err *err = w->err;
	size_t len = w->out->len;
	int rc;

	w->err = NULL;
	rc = write_branch(w, t, index, json);
	w->err = err;
	w->out->len = len;
	return rc == 0;
}

static bool type_is_number(const struct avro_type *t)
{
	return t->kind >= AVRO_INT && t->kind <= AVRO_DOUBLE;
}

/* Of several numbers the first that holds the value; else more than one fit is a question. */
static int write_plain(struct writer *w, const struct avro_type *t, const json_t *json)
{
	size_t fits = SIZE_MAX, candidates = 0, candidate = 0;

	for (size_t i = 0; i < t->count; i++) {
		bool is_null = t->branches[i]->kind == AVRO_NULL;

		candidates += !is_null;
		candidate = is_null ? candidate : i;
		if (!write_fits(w, t, i, json))
			continue;
		if (w->is_preset)
			return write_branch(w, t, i, json);
		if (fits == SIZE_MAX)
			fits = i;
		else if (!type_is_number(t->branches[i]) || !type_is_number(t->branches[fits]))
			return err_set(w->err, E_MALFORMED,
				       "fits %s and %s: say which, {\"%s\":...}",
				       t->branches[fits]->name, t->branches[i]->name,
				       t->branches[fits]->name);
	}
	if (fits != SIZE_MAX)
		return write_branch(w, t, fits, json);
	if (candidates == 1)
		return write_branch(w, t, candidate, json); /* tells what is wrong */
	return err_set(w->err, E_MALFORMED, "has %s, which fits no branch of the union",
		       json_word(json));
}

static int write_union(struct writer *w, const struct avro_type *t, const json_t *json)
{
	size_t len = w->out->len;
	bool is_named = false;
	int rc;

	if (++w->tries > WRITE_TRIES_MAX)
		return err_set(w->err, E_MALFORMED,
			       "is too large to guess branches of unions: name them");
	rc = w->is_preset ? 0 : write_named(w, t, json, &is_named);
	if (is_named && rc == 0)
		return 0;
	if (is_named) {
		/* A record may have a field of that name: then it is meant as it stands. */
		struct err why = {0};
		struct err *err = w->err;
		int plain_rc;

		w->out->len = len;
		w->err = &why;
		plain_rc = write_plain(w, t, json);
		w->err = err;
		return plain_rc == 0 ? 0 : rc;
	}
	return write_plain(w, t, json);
}

/* ---- All ---------------------------------------------------------------------------------- */

static int write_any(struct writer *w, const struct avro_type *t, const json_t *json)
{
	switch (t->kind) {
	case AVRO_NULL: return json_is_null(json) ? 0 : write_bad(w, t, json);
	case AVRO_BOOLEAN:
		if (!json_is_boolean(json))
			return write_bad(w, t, json);
		out_byte(w->out, json_is_true(json));
		return 0;
	case AVRO_INT:
	case AVRO_LONG: return write_integer(w, t, json);
	case AVRO_FLOAT:
	case AVRO_DOUBLE: return write_real(w, t, json);
	case AVRO_STRING: return write_string(w, t, json);
	case AVRO_BYTES:
	case AVRO_FIXED: return write_blob(w, t, json);
	case AVRO_ENUM: return write_enum(w, t, json);
	case AVRO_RECORD: return write_record(w, t, json);
	case AVRO_ARRAY: return write_array(w, t, json);
	case AVRO_MAP: return write_map(w, t, json);
	case AVRO_UNION: return write_union(w, t, json);
	case AVRO_KIND_COUNT: break;
	}
	return err_set(w->err, E_INVALID, "%s is no type", t->name);
}

static int write_value(struct writer *w, const struct avro_type *t, const json_t *json)
{
	int rc;

	if (w->depth == AVRO_DEPTH_MAX)
		return err_set(w->err, E_MALFORMED, "is nested deeper than %d", AVRO_DEPTH_MAX);
	w->depth++;
	rc = write_any(w, t, json);
	w->depth--;
	return rc;
}

int avro_write(const struct avro_schema *s, struct str text, struct out *bytes, struct err *err)
{
	json_error_t why;
	struct writer w = {.out = bytes, .err = err};
	json_t *json = json_loadb(text.data, text.len,
				  JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &why);
	int rc;

	if (!json)
		return err_set(err, E_MALFORMED, "is no JSON: column %d: %s", why.column, why.text);
	rc = write_value(&w, s->root, json);
	json_decref(json);
	if (rc == 0 && bytes->failed)
		return err_set(err, E_TOO_LARGE, "is too large");
	return rc;
}
