/* Responses that tell where brokers are: their addresses become ours. */
#include "cmd/trace/trace_int.h"

#include "base/mem.h"
#include "wire/errors.h"
#include "wire/header.h"

#include <stdlib.h>
#include <string.h>

struct topic_name {
	struct map_node node;
	struct uuid id;
	char *name;
};

/* Those that hold addresses of brokers that a client connects to. */
static bool has_addresses(int16_t key)
{
	switch (key) {
	case API_METADATA:
	case API_FIND_COORDINATOR:
	case API_DESCRIBE_CLUSTER:
	case API_PRODUCE:
	case API_FETCH:
	case API_SHARE_FETCH:
	case API_SHARE_ACKNOWLEDGE: return true;
	default: return false;
	}
}

bool rewrite_wants(const struct api *api, int16_t version, size_t frame_len)
{
	(void)version;
	(void)frame_len;
	/* Of these two, addresses are a hint at the end that can be hidden as it passes. */
	return has_addresses(api->key) && api->key != API_FETCH && api->key != API_PRODUCE;
}

bool rewrite_hides(const struct api *api, const struct scan_item *item)
{
	return (api->key == API_FETCH || api->key == API_PRODUCE) && item->kind == SCAN_TAG &&
	       strcmp(item->field->name, "NodeEndpoints") == 0;
}

/* ---- Addresses ---------------------------------------------------------------------------- */

static const struct wire_field *field_named(const struct wire_struct *s, const char *name)
{
	for (uint16_t i = 0; i < s->field_count; i++) {
		if (strcmp(s->fields[i].name, name) == 0 && !(s->fields[i].flags & WIRE_ARRAY))
			return &s->fields[i];
	}
	return NULL;
}

/* The struct has Host, Port and an id: changes them. */
static bool change_address(struct trace *t, const struct wire_struct *s, void *ptr)
{
	const struct wire_field *host = field_named(s, "Host"), *port = field_named(s, "Port");
	const struct wire_field *id = field_named(s, "NodeId");
	struct err err = {0};
	struct str *name;
	int32_t *number;
	char *text;
	struct port *p;

	if (!id)
		id = field_named(s, "BrokerId");
	if (!host || !port || !id)
		return false;
	name = (struct str *)(void *)((char *)ptr + host->at);
	number = (int32_t *)(void *)((char *)ptr + port->at);
	if (name->len == 0 || *number <= 0)
		return false;
	text = xstrndup(name->data, name->len);
	p = port_open(t, text, *number, *(const int32_t *)wire_at(id, ptr), &err);
	free(text);
	if (!p) {
		show_note(t, NULL, "%s", err_message(&err));
		return false;
	}
	*name = str_of(t->advertise_host);
	*number = p->local_port;
	return true;
}

static bool change_struct(struct trace *t, const struct wire_struct *s, void *ptr)
{
	bool changed = change_address(t, s, ptr);

	for (uint16_t i = 0; i < s->field_count; i++) {
		const struct wire_field *f = &s->fields[i];
		char *items;

		if (f->type != WIRE_STRUCT || !(f->flags & WIRE_ARRAY))
			continue;
		memcpy(&items, (char *)ptr + f->at, sizeof(items));
		for (int32_t n = 0; n < wire_count(f, ptr); n++)
			changed |= change_struct(t, f->child, items + (size_t)n * f->child->size);
	}
	return changed;
}

/* A client must not choose versions whose addresses we could not change. */
static bool change_versions(struct api_versions_response *r)
{
	bool changed = false;

	for (int32_t i = 0; i < r->api_keys_count; i++) {
		struct api_versions_response_api_version *v = &r->api_keys[i];
		const struct api *api = api_by_key(v->api_key);

		if (!api || !has_addresses(v->api_key) || v->max_version <= api->max_version ||
		    v->min_version > api->max_version)
			continue;
		v->max_version = api->max_version;
		changed = true;
	}
	return changed;
}

/* ---- Names of topic ids ------------------------------------------------------------------- */

static void learn_topics(struct trace *t, const struct metadata_response *r)
{
	for (int32_t i = 0; i < r->topics_count; i++) {
		const struct metadata_response_topic *topic = &r->topics[i];
		struct topic_name *n;

		if (uuid_is_zero(topic->topic_id) || !topic->name.data ||
		    t->topic_ids.count >= TOPIC_IDS_MAX ||
		    map_get(&t->topic_ids, &topic->topic_id, sizeof(topic->topic_id)))
			continue;
		n = xcalloc(1, sizeof(*n));
		n->id = topic->topic_id;
		n->name = xstrndup(topic->name.data, topic->name.len);
		map_put(&t->topic_ids, &n->node, &n->id, sizeof(n->id));
	}
}

const char *topic_id_name(struct trace *t, struct uuid id, struct arena *arena)
{
	const struct map_node *node = map_get(&t->topic_ids, &id, sizeof(id));
	char text[UUID_TEXT_LEN + 1];

	if (node)
		return arena_strdup(arena, CONTAINER_OF(node, struct topic_name, node)->name);
	return arena_strdup(arena, uuid_format(id, text));
}

void topic_ids_free(struct trace *t)
{
	struct topic_name *n;

	MAP_FOREACH (&t->topic_ids, n, struct topic_name, node) {
		map_remove(&t->topic_ids, &n->node);
		free(n->name);
		free(n);
	}
	map_fini(&t->topic_ids);
}

/* ---- The whole ---------------------------------------------------------------------------- */

int rewrite_response(struct trace *t, const struct api *api, int16_t version, struct slice frame,
		     struct out *out, struct err *err)
{
	struct arena arena;
	bool changed = false;
	int32_t correlation_id;
	void *body;
	int rc;

	if (!has_addresses(api->key) && api->key != API_API_VERSIONS)
		return 0;
	arena_init(&arena);
	rc = response_decode(api, &version, frame, &arena, &correlation_id, &body, err);
	if (rc == 0 && api->key == API_API_VERSIONS)
		changed = change_versions(body);
	else if (rc == 0)
		changed = change_struct(t, api->response->body, body);
	if (rc == 0 && api->key == API_METADATA)
		learn_topics(t, body);
	if (changed)
		rc = response_encode(api, version, correlation_id, body, out, NULL, err);
	arena_fini(&arena);
	return rc < 0 ? rc : changed;
}
