#include "cmd/consumer/line_format.h"
#include "cmd/print.h"

#include <inttypes.h>
#include <stdio.h>

#define DUMP_WIDTH 16

static void line_bytes(const void *data, size_t len, bool is_base64)
{
	if (!data)
		print_byte('-');
	else if (is_base64)
		print_base64(data, len);
	else
		print_hex(data, len);
}

void line_format(const struct record_view *v, bool is_base64)
{
	const struct record *r = v->record;
	struct record_header header;
	const uint8_t *pos = NULL;
	bool first = true;

	line_bytes(r->key.data, r->key.len, is_base64);
	print_byte('\t');
	line_bytes(r->value.data, r->value.len, is_base64);
	print_byte('\t');
	while (record_header_next(r, &pos, &header)) {
		if (!first)
			print_byte(',');
		first = false;
		line_bytes(header.key.data ? header.key.data : "", header.key.len, is_base64);
		print_byte(':');
		line_bytes(header.value.data, header.value.len, is_base64);
	}
	print_byte('\t');
	print_int(r->timestamp);
	print_byte('\t');
	print_int(v->partition);
	print_byte('\n');
}

static void dump_bytes(const char *label, struct slice bytes)
{
	if (!bytes.data) {
		print_text("%s: null\n", label);
		return;
	}
	print_text("%s: %zu byte%s\n", label, bytes.len, bytes.len == 1 ? "" : "s");
	for (size_t at = 0; at < bytes.len; at += DUMP_WIDTH) {
		size_t count = MIN(bytes.len - at, (size_t)DUMP_WIDTH);

		print_text("  %08zx: ", at);
		for (size_t i = 0; i < DUMP_WIDTH; i++) {
			if (i < count)
				print_hex(bytes.data + at + i, 1);
			else
				print_bytes("  ", 2);
			if (i & 1)
				print_byte(' ');
		}
		print_byte(' ');
		for (size_t i = 0; i < count; i++) {
			uint8_t c = bytes.data[at + i];

			print_byte(c >= ' ' && c <= '~' ? (char)c : '.');
		}
		print_byte('\n');
	}
}

void hexdump_format(const struct record_view *v)
{
	const struct record *r = v->record;
	struct record_header header;
	const uint8_t *pos = NULL;

	print_text("%.*s-%d@%" PRId64, STR(v->topic), v->partition, r->offset);
	if (r->timestamp != NO_TIMESTAMP)
		print_text("  %s:%" PRId64, v->is_log_append_time ? "LogAppendTime" : "CreateTime",
			   r->timestamp);
	print_byte('\n');
	while (record_header_next(r, &pos, &header)) {
		char label[64];

		snprintf(label, sizeof(label), "header %.*s%s",
			 (int)MIN(header.key.len, (size_t)40),
			 header.key.len ? header.key.data : "", header.key.len > 40 ? "..." : "");
		dump_bytes(label, header.value);
	}
	dump_bytes("key", r->key);
	dump_bytes("value", r->value);
}
