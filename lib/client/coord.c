/* Coordinators of groups and transactional ids: looked up once, kept until one says that it is not
 * the one. */
#define SAY_PLACE "client/coord"
#include "client/client_int.h"

#include "base/mem.h"
#include "base/say.h"

static void coord_done(struct call *call);

static struct coordinator *coord_find(const struct client *c, enum target_kind kind,
				      struct str name)
{
	char small[256];
	char *key = name.len + 1 <= sizeof(small) ? small : xmalloc(name.len + 1);
	struct map_node *node;

	key[0] = kind == TARGET_GROUP ? 'g' : 't';
	memcpy(key + 1, name.data, name.len);
	node = map_get(&c->coordinators, key, name.len + 1);
	if (key != small)
		free(key);
	return node ? CONTAINER_OF(node, struct coordinator, map_node) : NULL;
}

static struct coordinator *coord_make(struct client *c, enum target_kind kind, struct str name)
{
	struct coordinator *co = xcalloc(1, sizeof(*co));

	co->client = c;
	co->node_id = -1;
	co->key_len = name.len + 1;
	co->key = xmalloc(co->key_len);
	co->key[0] = kind == TARGET_GROUP ? 'g' : 't';
	memcpy(co->key + 1, name.data, name.len);
	arena_init(&co->arena);
	map_put(&c->coordinators, &co->map_node, co->key, co->key_len);
	return co;
}

void coord_fini(struct client *c)
{
	struct coordinator *co;

	MAP_FOREACH(&c->coordinators, co, struct coordinator, map_node)
	{
		client_timer_stop(c, &co->backoff);
		if (co->is_asking)
			client_cancel(&co->call);
		map_remove(&c->coordinators, &co->map_node);
		arena_fini(&co->arena);
		free(co->key);
		free(co);
	}
}

static enum target_kind coord_kind(const struct coordinator *co)
{
	return co->key[0] == 'g' ? TARGET_GROUP : TARGET_TXN;
}

static struct str coord_name(const struct coordinator *co)
{
	return (struct str){co->key + 1, co->key_len - 1};
}

/* Version 4 asks for several keys at once. */
static void coord_prepare(struct call *call, int16_t version)
{
	struct coordinator *co = call->owner;
	struct find_coordinator_request *r;

	arena_reset(&co->arena);
	r = WIRE_NEW(&co->arena, find_coordinator_request);
	r->key_type = coord_kind(co) == TARGET_GROUP ? 0 : 1;
	if (version >= 4) {
		r->coordinator_keys = arena_array(&co->arena, 1, sizeof(struct str));
		r->coordinator_keys[0] = coord_name(co);
		r->coordinator_keys_count = 1;
	} else {
		r->key = coord_name(co);
	}
	call->request = r;
}

struct node *coord_node(struct client *c, enum target_kind kind, struct str key)
{
	struct coordinator *co = coord_find(c, kind, key);
	struct node *n;

	if (!co)
		co = coord_make(c, kind, key);
	n = co->node_id >= 0 ? meta_node(c, co->node_id) : NULL;
	if (n || co->is_asking)
		return n;
	if (co->node_id >= 0) {
		/* Known, but metadata has no address of it (any more). */
		co->node_id = -1;
		client_refresh(c);
	}
	co->call = (struct call){
		.target = TO_ANY,
		.api_key = API_FIND_COORDINATOR,
		.version_min = kind == TARGET_TXN ? 1 : 0,
		.timeout_ms = -1,
		.prepare = coord_prepare,
		.done = coord_done,
		.owner = co,
	};
	co->is_asking = true;
	client_request(c, &co->call);
	return NULL;
}

/* What the answer says, whichever version it has. */
static int coord_answer(const struct call *call, int32_t *node_id, struct str *host, int32_t *port,
			struct str *message)
{
	const struct find_coordinator_response *r = call->response;

	if (call->version < 4) {
		*node_id = r->node_id;
		*host = r->host;
		*port = r->port;
		*message = r->error_message;
		return r->error_code;
	}
	if (r->coordinators_count < 1)
		return KERR_COORDINATOR_NOT_AVAILABLE;
	*node_id = r->coordinators[0].node_id;
	*host = r->coordinators[0].host;
	*port = r->coordinators[0].port;
	*message = r->coordinators[0].error_message;
	return r->coordinators[0].error_code;
}

static void coord_again(struct client_timer *t);

static void coord_done(struct call *call)
{
	struct coordinator *co = call->owner;
	struct client *c = co->client;
	struct str host = STR_NULL, message = STR_NULL;
	struct err err = {0};
	int32_t node_id = -1, port = 0;
	int code;

	co->is_asking = false;
	if (call->rc < 0) {
		err = call->err;
		call_fini(call);
		call_fail_target(c, coord_kind(co), coord_name(co), err.code, &err);
		return;
	}
	code = coord_answer(call, &node_id, &host, &port, &message);
	if (!code) {
		co->node_id = node_id;
		co->attempt_count = 0;
		/* Its address may be news. */
		if (!meta_node(c, node_id) && host.len) {
			struct node *n = node_new(c, node_id, host, port, STR_NULL);

			map_put(&c->nodes, &n->map_node, &n->id, sizeof(n->id));
			list_push_back(&c->node_list, &n->list_node);
		}
		call_fini(call);
		call_route_all(c);
		return;
	}
	err_set(&err, E_KAFKA, "looking for the coordinator of %.*s: %s", STR(coord_name(co)),
		kafka_error_text(code));
	if (message.len)
		err_set(&err, E_KAFKA, "looking for the coordinator of %.*s: %.*s",
			STR(coord_name(co)), STR(message));
	err.kafka_error = code;
	call_fini(call);
	if (!kafka_error_is_retriable(code)) {
		call_fail_target(c, coord_kind(co), coord_name(co), E_KAFKA, &err);
		return;
	}
	/* Asked again in a while; is_asking keeps others from doing so. */
	co->is_asking = true;
	co->attempt_count++;
	co->call.err = err;
	co->backoff.fire = coord_again;
	client_timer_start(c, &co->backoff, client_backoff_ms(c, co->attempt_count));
}

static void coord_again(struct client_timer *t)
{
	struct coordinator *co = CONTAINER_OF(t, struct coordinator, backoff);

	co->is_asking = false;
	call_route_all(co->client);
}

void client_forget_coordinator(struct client *c, enum target_kind kind, struct str key)
{
	struct coordinator *co = coord_find(c, kind, key);

	if (co)
		co->node_id = -1;
}

int32_t client_coordinator(const struct client *c, enum target_kind kind, struct str key)
{
	struct coordinator *co = coord_find(c, kind, key);

	return co ? co->node_id : -1;
}
