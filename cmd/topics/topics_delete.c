/* topics --delete. */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/topics/topics_int.h"

#include "base/mem.h"
#include "client/admin.h"

#include <string.h>
#include <unistd.h>

#define NAMES_SHOWN_MAX 20 /* in the question */

struct delete_call {
	struct call call;
	struct delete_topics_request request;
	struct topic_names names;
	struct arena *arena;
};

/* Names moved into structs with version 6. */
static void delete_prepare(struct call *call, int16_t version)
{
	struct delete_call *d = CONTAINER_OF(call, struct delete_call, call);
	struct delete_topics_request *r = &d->request;

	WIRE_INIT(delete_topics_request, r);
	r->timeout_ms = 60000;
	if (version < 6) {
		r->topic_names = d->names.items;
		r->topic_names_count = (int32_t)d->names.count;
		return;
	}
	r->topics = WIRE_ARRAY(d->arena, delete_topics_request_delete_topic_state, d->names.count);
	r->topics_count = (int32_t)d->names.count;
	for (size_t i = 0; i < d->names.count; i++)
		r->topics[i].name = d->names.items[i];
}

/* A pattern hits what one did not think of: who types it is shown the names and asked. Scripts are
 * not (stdin is no terminal). */
static int delete_ask(struct topics *t, const struct topic_names *names, struct err *err)
{
	char answer[16] = "";
	ssize_t got;

	if (t->args->yes || t->run->is_apache || !isatty(STDIN_FILENO) || !isatty(STDERR_FILENO))
		return 0;
	print_error("%zu topic%s:\n", names->count, names->count == 1 ? "" : "s");
	for (size_t i = 0; i < names->count && i < NAMES_SHOWN_MAX; i++)
		print_error("  %.*s\n", STR(names->items[i]));
	if (names->count > NAMES_SHOWN_MAX)
		print_error("  and %zu more\n", names->count - NAMES_SHOWN_MAX);
	print_error("Delete with all records? [y/N] ");
	got = read(STDIN_FILENO, answer, sizeof(answer) - 1);
	if (got > 0 && (*answer == 'y' || *answer == 'Y'))
		return 0;
	return err_set(err, E_INTERRUPTED, "nothing was deleted");
}

static int result_cmp(const void *a, const void *b)
{
	const struct delete_topics_response_deletable_topic_result *x = a, *y = b;

	return str_cmp(x->name, y->name);
}

static void delete_take(struct topics *t, const struct delete_topics_response *response)
{
	/* brokers answer in no order */
	qsort(response->responses, (size_t)response->responses_count, sizeof(*response->responses),
	      result_cmp);
	for (int32_t i = 0; i < response->responses_count; i++) {
		const struct delete_topics_response_deletable_topic_result *topic =
			&response->responses[i];
		struct err why = {0};

		if (topic->error_code == KERR_NONE) {
			topics_done(
				t, topic->name,
				arena_printf(t->arena, "Deleted topic %.*s.\n", STR(topic->name)));
			continue;
		}
		kafka_error_set(&why, topic->error_code, topic->error_message);
		topics_failed(t, topic->name, &why);
	}
}

int topics_delete(struct topics *t, struct err *err)
{
	struct delete_call d = {.arena = t->arena};
	bool by_pattern = false;
	int rc = topics_match(t, &d.names, &by_pattern, err);

	if (rc < 0 || d.names.count == 0)
		return rc;
	for (size_t i = 0; t->args->dry_run && i < d.names.count; i++)
		topics_done(t, d.names.items[i],
			    arena_printf(t->arena, "Would delete topic %.*s.\n",
					 STR(d.names.items[i])));
	if (t->args->dry_run)
		return 0;
	if (by_pattern)
		rc = delete_ask(t, &d.names, err);
	if (rc < 0)
		return rc;
	d.call = (struct call){.target = TO_CONTROLLER,
			       .api_key = API_DELETE_TOPICS,
			       .request = &d.request,
			       .prepare = delete_prepare};
	rc = client_call_all(t->client, &d.call, 1, err);
	if (rc == 0 && d.call.rc < 0) {
		*err = d.call.err;
		rc = d.call.rc;
	}
	if (rc == 0)
		delete_take(t, d.call.response);
	if (rc == 0 && t->args->wait && t->failed_count == 0)
		rc = topics_wait(t, &d.names, true, TOPICS_WAIT_MS, err);
	call_fini(&d.call);
	return rc < 0 ? rc : topics_outcome(t, err);
}
