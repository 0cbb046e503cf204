#include "cmd/consumer/json_format.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

static struct str slice_str(struct slice s)
{
	return (struct str){(const char *)s.data, s.len};
}

static void json_headers(struct json_out *j, const struct record *r)
{
	struct record_header header;
	const uint8_t *pos = NULL;

	json_out_open(j, "headers", '[');
	while (record_header_next(r, &pos, &header)) {
		json_out_open(j, NULL, '{');
		json_out_bytes(j, "key", header.key);
		json_out_bytes(j, "value", slice_str(header.value));
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

static void json_part(struct json_out *j, const char *name, const char *id_name, bool is_decoded,
		      const struct serde_text *text, struct slice bytes)
{
	if (!is_decoded) {
		json_out_bytes(j, name, slice_str(bytes));
		return;
	}
	if (text->is_json && !str_is_null(text->text))
		json_out_raw(j, name, text->text);
	else
		json_out_bytes(j, name, text->text);
	if (text->schema_id >= 0)
		json_out_int(j, id_name, text->schema_id);
}

int json_format(struct formatter *f, const struct record_view *v, struct err *err)
{
	struct json_out j = {.is_pretty = f->is_pretty};
	const struct record *r = v->record;
	struct serde_text key = {.schema_id = -1}, value = {.schema_id = -1};
	bool has_key = serde_has(f->serde, SERDE_KEY), has_value = serde_has(f->serde, SERDE_VALUE);
	int rc = 0;

	/* All that can fail comes first: a bad record prints nothing. */
	if (has_key)
		rc = serde_decode(f->serde, SERDE_KEY, r->key, &key, err);
	if (rc == 0 && has_value)
		rc = serde_decode(f->serde, SERDE_VALUE, r->value, &value, err);
	if (rc < 0)
		return rc;
	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", v->topic);
	json_out_int(&j, "partition", v->partition);
	json_out_int(&j, "offset", r->offset);
	json_out_int(&j, "timestamp", r->timestamp);
	json_out_text(&j, "timestampType", v->is_log_append_time ? "LogAppendTime" : "CreateTime");
	json_headers(&j, r);
	json_part(&j, "key", "keySchemaId", has_key, &key, r->key);
	json_part(&j, "value", "valueSchemaId", has_value, &value, r->value);
	json_out_close(&j, '}');
	print_byte('\n');
	return 0;
}
