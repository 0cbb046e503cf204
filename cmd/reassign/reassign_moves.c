/* Replicas that move from one directory of their broker to another. */
#include "cmd/kafka_error.h"
#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

#include "base/clock.h"

#include <string.h>

#define MOVES_RETRY_MS 100

struct moving {
	struct reassign *r;
	struct replica_move *moves;
	size_t count;
	bool *is_done;
	size_t left_count;
};

static struct alter_replica_log_dirs_request *moves_request(struct moving *m, int32_t broker)
{
	struct arena *a = m->r->arena;
	struct alter_replica_log_dirs_request *request =
		WIRE_NEW(a, alter_replica_log_dirs_request);

	request->dirs =
		WIRE_ARRAY(a, alter_replica_log_dirs_request_alter_replica_log_dir, m->count);
	for (size_t i = 0; i < m->count; i++) {
		struct alter_replica_log_dirs_request_alter_replica_log_dir *dir;

		if (m->is_done[i] || m->moves[i].broker != broker)
			continue;
		/* A directory may be named more than once. */
		dir = &request->dirs[request->dirs_count++];
		dir->path = str_of(m->moves[i].dir);
		dir->topics = WIRE_ARRAY(
			a, alter_replica_log_dirs_request_alter_replica_log_dir_topic, 1);
		dir->topics_count = 1;
		dir->topics[0].name = m->moves[i].topic;
		dir->topics[0].partitions =
			arena_memdup(a, &m->moves[i].partition, sizeof(int32_t));
		dir->topics[0].partitions_count = 1;
	}
	return request;
}

static int16_t moves_error(const struct alter_replica_log_dirs_response *response,
			   const struct replica_move *move)
{
	for (int32_t t = 0; t < response->results_count; t++) {
		if (!str_eq(response->results[t].topic_name, move->topic))
			continue;
		for (int32_t i = 0; i < response->results[t].partitions_count; i++)
			if (response->results[t].partitions[i].partition_index == move->partition)
				return response->results[t].partitions[i].error_code;
	}
	return KERR_UNKNOWN_SERVER_ERROR;
}

static int move_refuse(struct moving *m, const struct replica_move *move, int rc,
		       const struct err *why, struct err *err)
{
	const char *text = arena_strdup(m->r->arena, err_message(why));
	int code = why->kafka_error;

	if (m->r->run->is_apache)
		return err_set(err, E_INVALID, "Failed to alter dir for %.*s-%d-%d",
			       STR(move->topic), move->partition, move->broker);
	rc = err_set(err, rc, "%.*s-%d on broker %d to %s: %s", STR(move->topic), move->partition,
		     move->broker, move->dir, text);
	err->kafka_error = code;
	return rc;
}

static void move_say(struct moving *m, size_t at)
{
	const struct replica_move *move = &m->moves[at];

	m->is_done[at] = true;
	m->left_count--;
	if (m->r->format == OUTPUT_TEXT)
		output_say("Successfully started moving log directory to %s for replica "
			   "%.*s-%d with broker %d \n",
			   move->dir, STR(move->topic), move->partition, move->broker);
	else
		row_print(m->r, &(struct row){.topic = move->topic,
					      .partition = move->partition,
					      .broker = move->broker,
					      .state = "started",
					      .dir_wanted = move->dir});
}

/* What a broker answered, for each of its replicas. One that it does not have yet is left. */
static int moves_answer(struct moving *m, const struct call *call, struct err *err)
{
	for (size_t i = 0; i < m->count; i++) {
		struct err why = call->err;
		int rc = call->rc;
		int16_t code;

		if (m->is_done[i] || m->moves[i].broker != call->target.node_id)
			continue;
		code = rc < 0 ? KERR_NONE : moves_error(call->response, &m->moves[i]);
		if (code == KERR_REPLICA_NOT_AVAILABLE)
			continue;
		if (code != KERR_NONE)
			rc = kafka_error_set(&why, code, STR_NULL);
		if (rc < 0)
			return move_refuse(m, &m->moves[i], rc, &why, err);
		move_say(m, i);
	}
	return 0;
}

static int moves_try(struct moving *m, struct ids brokers, struct err *err)
{
	size_t count = (size_t)brokers.count;
	struct call *calls = arena_array(m->r->arena, count + 1, sizeof(*calls));
	int rc;

	for (size_t i = 0; i < count; i++)
		calls[i] = (struct call){.target = TO_NODE(brokers.items[i]),
					 .api_key = API_ALTER_REPLICA_LOG_DIRS,
					 .request = moves_request(m, brokers.items[i])};
	rc = client_call_all(m->r->client, calls, count, err);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			rc = moves_answer(m, &calls[i], err);
		call_fini(&calls[i]);
	}
	return rc;
}

static int moves_late(struct moving *m, struct err *err)
{
	const char *text = NULL;

	for (size_t i = 0; i < m->count; i++)
		if (!m->is_done[i])
			text = arena_printf(m->r->arena, "%s%s%.*s-%d-%d", text ? text : "",
					    text ? "," : "", STR(m->moves[i].topic),
					    m->moves[i].partition, m->moves[i].broker);
	m->r->is_terse = true;
	return err_set(err, m->r->run->is_apache ? E_INVALID : E_TIMEOUT,
		       "%simed out before log directory move%s could be started for: %s",
		       m->r->run->is_apache ? "T" : "t", m->left_count == 1 ? "" : "s", text);
}

static bool moves_never(void *ctx)
{
	(void)ctx;
	return false;
}

int moves_start(struct reassign *r, struct replica_move *moves, size_t count, struct err *err)
{
	struct moving m = {.r = r, .moves = moves, .count = count, .left_count = count};
	int64_t end_ms = clock_mono_ms() + r->args->timeout_ms;

	m.is_done = arena_array(r->arena, count + 1, sizeof(*m.is_done));
	for (;;) {
		struct ids brokers = {arena_array(r->arena, count + 1, sizeof(int32_t)), 0};
		int rc;

		for (size_t i = 0; i < count; i++)
			if (!m.is_done[i])
				ids_add(&brokers, moves[i].broker);
		rc = moves_try(&m, brokers, err);
		if (rc < 0 || m.left_count == 0)
			return rc;
		if (clock_mono_ms() >= end_ms)
			return moves_late(&m, err);
		rc = client_wait(r->client, moves_never, NULL, MOVES_RETRY_MS);
		if (rc < 0 && rc != E_TIMEOUT)
			return err_set(err, rc, "%s", err_text(rc));
	}
}
