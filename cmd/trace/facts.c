/* What a frame is about, by the names of its fields: no API needs code of its own. */
#include "cmd/trace/trace_int.h"
#include "cmd/utf8.h"

#include "wire/batch.h"
#include "wire/errors.h"

#include <limits.h>
#include <string.h>

char *facts_plain(char *text)
{
	bool is_utf8 = utf8_is_valid(str_of(text));

	for (char *at = text; *at; at++) {
		unsigned char c = (unsigned char)*at;

		if (c < 0x20 || c == 0x7f || (c >= 0x80 && !is_utf8))
			*at = '?';
	}
	return text;
}

void facts_init(struct facts *f)
{
	*f = (struct facts){.acks = INT_MIN, .partition = -1};
	arena_init(&f->arena);
}

void facts_fini(struct facts *f)
{
	arena_fini(&f->arena);
}

static bool name_is(const struct wire_field *f, const char *name)
{
	return strcmp(f->name, name) == 0;
}

static void facts_topic(struct facts *f, struct trace *t, const char *name)
{
	if (t->topic_filter && filter_matches(t->topic_filter, str_of(name)))
		f->topic_wanted = true;
	f->partition = -1;
	for (unsigned i = 0; i < MIN(f->topic_count, (unsigned)FACTS_TOPICS_MAX); i++) {
		if (strcmp(f->topics[i], name) == 0)
			return;
	}
	if (f->topic_count < FACTS_TOPICS_MAX)
		f->topics[f->topic_count] = name;
	f->topic_count++;
}

/* The field whose element we are in. */
static const struct wire_field *parent_of(const struct wire_scan *s)
{
	return s->depth > 1 ? s->levels[s->depth - 2].field : NULL;
}

static bool is_in_topics(const struct wire_scan *s)
{
	const struct wire_field *parent = parent_of(s);

	return parent && (strstr(parent->name, "Topic") || name_is(parent, "Responses"));
}

static void facts_text(struct facts *f, struct trace *t, const struct wire_scan *s,
		       const struct scan_item *item)
{
	const struct wire_field *field = item->field;
	const char *text;

	if (item->is_null || item->text.len == 0)
		return;
	text = facts_plain(arena_strndup(&f->arena, item->text.data, item->text.len));
	if (name_is(field, "TopicName") || name_is(field, "TopicNames") ||
	    name_is(field, "SubscribedTopicNames") ||
	    ((name_is(field, "Name") || name_is(field, "Topic")) && is_in_topics(s)))
		facts_topic(f, t, text);
	else if (name_is(field, "GroupId") || name_is(field, "GroupIds") ||
		 name_is(field, "Groups") || name_is(field, "GroupsNames"))
		f->group = f->group ? f->group : text;
	else if (name_is(field, "TransactionalId") || name_is(field, "TransactionalIds"))
		f->txn = f->txn ? f->txn : text;
	else if (name_is(field, "Key") || name_is(field, "CoordinatorKeys") ||
		 name_is(field, "Mechanism"))
		f->key = f->key ? f->key : text;
	else if (name_is(field, "ResourceName"))
		f->resource = f->resource ? f->resource : text;
}

static void facts_error(struct facts *f, int16_t code)
{
	if (f->error_count++)
		return;
	f->error = code;
	if (f->topic_count == 0 || f->topic_count > FACTS_TOPICS_MAX)
		return;
	f->error_where = f->partition < 0
				 ? f->topics[f->topic_count - 1]
				 : arena_printf(&f->arena, "%s-%d", f->topics[f->topic_count - 1],
						f->partition);
}

static void facts_number(struct facts *f, const struct scan_item *item)
{
	const struct wire_field *field = item->field;
	size_t len = strlen(field->name);

	if (field->type == WIRE_INT16 && name_is(field, "Acks"))
		f->acks = (int)item->number;
	else if (field->type == WIRE_INT16 && len >= 9 &&
		 strcmp(field->name + len - 9, "ErrorCode") == 0 && item->number != 0)
		facts_error(f, (int16_t)item->number);
	else if (field->type == WIRE_INT32 &&
		 (name_is(field, "PartitionIndex") || name_is(field, "Index") ||
		  name_is(field, "Partition") || name_is(field, "Partitions") ||
		  name_is(field, "PartitionIndexes"))) {
		f->partition = (int32_t)item->number;
		f->partition_count++;
	}
}

static void facts_records(struct facts *f, const struct scan_item *item, const uint8_t *content)
{
	size_t left = item->content_len;
	struct batch b;

	f->record_bytes += (int64_t)item->content_len;
	if (!content && item->content_len > 0)
		f->record_count = -1;
	while (content && f->record_count >= 0 && batch_next(&b, &content, &left) > 0)
		f->record_count += b.record_count;
}

void facts_item(struct facts *f, struct trace *t, const struct api *api, const struct wire_scan *s,
		const struct scan_item *item, const uint8_t *content)
{
	struct uuid id;

	(void)api;
	if (!item->field)
		return;
	if (item->kind == SCAN_CONTENT && item->field->type == WIRE_RECORDS)
		facts_records(f, item, content);
	if (item->kind != SCAN_VALUE)
		return;
	if (item->field->type == WIRE_STRING) {
		facts_text(f, t, s, item);
	} else if (item->field->type == WIRE_UUID) {
		memcpy(&id, item->bytes, sizeof(id));
		/* With a name beside it, the name says it. */
		if (!uuid_is_zero(id) &&
		    (name_is(item->field, "TopicId") || name_is(item->field, "TopicIds")))
			facts_topic(f, t, topic_id_name(t, id, &f->arena));
	} else {
		facts_number(f, item);
	}
}
