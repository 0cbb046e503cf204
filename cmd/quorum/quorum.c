/* quorum: the controllers that hold the cluster's metadata (kafka-metadata-quorum). */
#include "cmd/quorum/quorum_int.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/clock.h"
#include "client/client.h"

#include <string.h>

static int quorum_describe_run(struct run *run, void *args);

#define AT(field) offsetof(struct quorum_args, field)
#define OPTS_QUORUM OPTS_CLUSTER_EITHER(0, 0), OPTS_OUTPUT

static const struct opt quorum_opts[] = {OPTS_QUORUM, OPT_END};
static const struct opt describe_opts[] = {
	OPTS_QUORUM,
	{"status", OPT_FLAG, AT(status), .help = "Show the quorum in short."},
	{"replication", OPT_FLAG, AT(replication),
	 .help = "Show how far each node has come with the metadata."},
	{"human-readable", OPT_FLAG, AT(human_readable),
	 .help = "Show times as how long ago they are."},
	OPT_END,
};
static const struct opt add_opts[] = {
	OPTS_QUORUM,
	{"dry-run", OPT_FLAG, AT(dry_run), .help = "Tell what would be done, and do not do it."},
	OPT_END,
};
static const struct opt remove_opts[] = {
	OPTS_QUORUM,
	{"controller-id", OPT_INT, AT(controller_id), .arg = "id", .brief = 'i', .min = 0,
	 .max = INT32_MAX, .flags = OPT_REQUIRED, .help = "The controller."},
	{"controller-directory-id", OPT_STRING, AT(directory_id), .arg = "id", .brief = 'd',
	 .flags = OPT_REQUIRED, .help = "The id of its metadata directory."},
	{"dry-run", OPT_FLAG, AT(dry_run), .help = "Tell what would be done, and do not do it."},
	OPT_END,
};

static const struct command quorum_describe_command = {
	.name = "describe",
	.dialect = ARGPARSE,
	.summary = "show the leader, the voters and how far they are",
	.opts = describe_opts,
	.args_size = sizeof(struct quorum_args),
	.run = quorum_describe_run,
	.refuse = argparse_refuse,
};
static const struct command quorum_add_command = {
	.name = "add-controller",
	.dialect = ARGPARSE,
	.summary = "make a controller a voter; --command-config is its properties file",
	.opts = add_opts,
	.args_size = sizeof(struct quorum_args),
	.run = quorum_add_run,
	.refuse = argparse_refuse,
};
static const struct command quorum_remove_command = {
	.name = "remove-controller",
	.dialect = ARGPARSE,
	.summary = "take a controller out of the voters",
	.opts = remove_opts,
	.args_size = sizeof(struct quorum_args),
	.run = quorum_remove_run,
	.refuse = argparse_refuse,
};

static const struct command *const quorum_subs[] = {
	&quorum_describe_command,
	&quorum_add_command,
	&quorum_remove_command,
	NULL,
};

const struct command cmd_quorum = {
	.name = "quorum",
	.alias = "kafka-metadata-quorum",
	.dialect = ARGPARSE,
	.summary = "show and change the controllers that hold the metadata",
	.opts = quorum_opts,
	.args_size = sizeof(struct quorum_args),
	.subs = quorum_subs,
	.refuse = argparse_refuse,
};

int quorum_check(const struct run *run, const struct quorum_args *args, enum output_format *format,
		 struct err *err)
{
	int rc = output_format(&args->output, format, err);

	return rc < 0 ? rc : argparse_server(run, &args->cluster, err);
}

/* ---- Asking ------------------------------------------------------------------------------- */

struct quorum {
	struct run *run;
	struct str cluster_id;
	const struct describe_quorum_response *response;
	const struct describe_quorum_response_partition_data *partition;
	const struct describe_quorum_response_replica_state *leader;
	enum output_format format;
	bool is_human;
	int64_t now_ms;
};

int quorum_partition(struct run *run, struct client *c, const struct cluster_args *args,
		     const struct describe_quorum_response **out, struct err *err)
{
	struct arena *a = &run->arena;
	struct describe_quorum_request *request = WIRE_NEW(a, describe_quorum_request);
	const struct describe_quorum_response_partition_data *partition;
	struct describe_quorum_response *response;
	int rc;

	request->topics = WIRE_ARRAY(a, describe_quorum_request_topic_data, 1);
	request->topics_count = 1;
	request->topics[0].topic_name = str_of("__cluster_metadata");
	request->topics[0].partitions = WIRE_ARRAY(a, describe_quorum_request_partition_data, 1);
	request->topics[0].partitions_count = 1;
	rc = client_call(c, argparse_target(args), API_DESCRIBE_QUORUM, request, a,
			 (void **)&response, NULL, err);
	if (rc < 0)
		return rc;
	if (response->error_code != KERR_NONE)
		return kafka_error_set(err, response->error_code, response->error_message);
	if (response->topics_count != 1 || response->topics[0].partitions_count != 1)
		return err_set(err, E_MALFORMED, "the answer is not about one quorum");
	partition = &response->topics[0].partitions[0];
	if (partition->error_code != KERR_NONE)
		return kafka_error_set(err, partition->error_code, partition->error_message);
	*out = response;
	return 0;
}

static int quorum_ask(struct quorum *q, struct client *c, const struct cluster_args *args,
		      struct err *err)
{
	int rc = quorum_partition(q->run, c, args, &q->response, err);

	if (rc < 0)
		return rc;
	q->partition = &q->response->topics[0].partitions[0];
	for (int32_t i = 0; i < q->partition->current_voters_count; i++)
		if (q->partition->current_voters[i].replica_id == q->partition->leader_id)
			q->leader = &q->partition->current_voters[i];
	return q->leader ? 0 : err_set(err, E_NOT_FOUND, "there is no leader among the voters now");
}

/* ---- Status ------------------------------------------------------------------------------- */

static const struct describe_quorum_response_node *quorum_node(const struct quorum *q, int32_t id)
{
	for (int32_t i = 0; i < q->response->nodes_count; i++)
		if (q->response->nodes[i].node_id == id)
			return &q->response->nodes[i];
	return NULL;
}

static void status_endpoints(const struct quorum *q,
			     const struct describe_quorum_response_replica_state *r)
{
	const struct describe_quorum_response_node *node = quorum_node(q, r->replica_id);

	if (!node || node->listeners_count <= 0)
		return;
	print_text(", \"endpoints\": [");
	for (int32_t i = 0; i < node->listeners_count; i++)
		print_text("%s\"%.*s://%.*s:%d\"", i ? ", " : "", STR(node->listeners[i].name),
			   STR(node->listeners[i].host), node->listeners[i].port);
	print_text("]");
}

static void status_replicas(const struct quorum *q, const char *title,
			    const struct describe_quorum_response_replica_state *r, int32_t count)
{
	char id[UUID_TEXT_LEN + 1];

	print_text("%-24s[", title);
	for (int32_t i = 0; i < count; i++) {
		print_text("%s{\"id\": %d", i ? ", " : "", r[i].replica_id);
		if (!uuid_is_zero(r[i].replica_directory_id))
			print_text(", \"directoryId\": \"%s\"",
				   uuid_format(r[i].replica_directory_id, id));
		status_endpoints(q, &r[i]);
		print_text("}");
	}
	print_text("]\n");
}

static void status_json_replicas(const struct quorum *q, struct json_out *j, const char *key,
				 const struct describe_quorum_response_replica_state *r,
				 int32_t count)
{
	char id[UUID_TEXT_LEN + 1];

	json_out_open(j, key, '[');
	for (int32_t i = 0; i < count; i++) {
		const struct describe_quorum_response_node *node = quorum_node(q, r[i].replica_id);
		bool has_id = !uuid_is_zero(r[i].replica_directory_id);

		json_out_open(j, NULL, '{');
		json_out_int(j, "id", r[i].replica_id);
		json_out_text(j, "directoryId",
			      has_id ? uuid_format(r[i].replica_directory_id, id) : NULL);
		json_out_open(j, "endpoints", '[');
		for (int32_t n = 0; node && n < node->listeners_count; n++)
			json_out_text(j, NULL,
				      arena_printf(&q->run->arena, "%.*s://%.*s:%d",
						   STR(node->listeners[n].name),
						   STR(node->listeners[n].host),
						   node->listeners[n].port));
		json_out_close(j, ']');
		json_out_close(j, '}');
	}
	json_out_close(j, ']');
}

/* The voter that is farthest behind; the leader if none is. */
static const struct describe_quorum_response_replica_state *status_last(const struct quorum *q)
{
	const struct describe_quorum_response_replica_state *last = q->leader;

	for (int32_t i = 0; i < q->partition->current_voters_count; i++)
		if (q->partition->current_voters[i].log_end_offset < last->log_end_offset)
			last = &q->partition->current_voters[i];
	return last;
}

static void status_print(const struct quorum *q)
{
	const struct describe_quorum_response_partition_data *p = q->partition;
	const struct describe_quorum_response_replica_state *last = status_last(q);
	int64_t lag = q->leader->log_end_offset - last->log_end_offset, lag_ms = -1;
	struct json_out j = {0};

	if (last == q->leader)
		lag_ms = 0;
	else if (q->leader->last_caught_up_timestamp >= 0 && last->last_caught_up_timestamp >= 0)
		lag_ms = q->leader->last_caught_up_timestamp - last->last_caught_up_timestamp;
	if (q->format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "clusterId", q->cluster_id);
		json_out_int(&j, "leaderId", p->leader_id);
		json_out_int(&j, "leaderEpoch", p->leader_epoch);
		json_out_int(&j, "highWatermark", p->high_watermark);
		json_out_int(&j, "maxFollowerLag", lag);
		json_out_int(&j, "maxFollowerLagTimeMs", lag_ms);
		status_json_replicas(q, &j, "currentVoters", p->current_voters,
				     p->current_voters_count);
		status_json_replicas(q, &j, "currentObservers", p->observers, p->observers_count);
		json_out_close(&j, '}');
		print_byte('\n');
		return;
	}
	print_text("%-24s%.*s\n", "ClusterId:", STR(q->cluster_id));
	print_text("%-24s%d\n", "LeaderId:", p->leader_id);
	print_text("%-24s%d\n", "LeaderEpoch:", p->leader_epoch);
	print_text("%-24s%lld\n", "HighWatermark:", (long long)p->high_watermark);
	print_text("%-24s%lld\n", "MaxFollowerLag:", (long long)lag);
	print_text("%-24s%lld\n", "MaxFollowerLagTimeMs:", (long long)lag_ms);
	status_replicas(q, "CurrentVoters:", p->current_voters, p->current_voters_count);
	status_replicas(q, "CurrentObservers:", p->observers, p->observers_count);
}

/* ---- Replication -------------------------------------------------------------------------- */

#define REPLICATION_COLUMNS 7

struct replication {
	const struct quorum *q;
	struct grid grid;   /* table */
	const char **cells; /* text: rows of REPLICATION_COLUMNS, the first has the titles */
	size_t row_count;
};

static const char *replication_time(const struct quorum *q, int64_t ms)
{
	bool is_human = ms >= 0 && (q->is_human || q->format == OUTPUT_TABLE);

	if (is_human)
		return arena_printf(&q->run->arena, "%lld ms ago", (long long)(q->now_ms - ms));
	return arena_printf(&q->run->arena, "%lld", (long long)ms);
}

static void replication_json(const struct quorum *q,
			     const struct describe_quorum_response_replica_state *r,
			     const char *status)
{
	char id[UUID_TEXT_LEN + 1];
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_int(&j, "nodeId", r->replica_id);
	json_out_text(&j, "directoryId", uuid_format(r->replica_directory_id, id));
	json_out_int(&j, "logEndOffset", r->log_end_offset);
	json_out_int(&j, "lag", q->leader->log_end_offset - r->log_end_offset);
	json_out_int(&j, "lastFetchTimestamp", r->last_fetch_timestamp);
	json_out_int(&j, "lastCaughtUpTimestamp", r->last_caught_up_timestamp);
	json_out_text(&j, "status", status);
	json_out_close(&j, '}');
	print_byte('\n');
}

static void replication_row(struct replication *t,
			    const struct describe_quorum_response_replica_state *r,
			    const char *status)
{
	const struct quorum *q = t->q;
	struct arena *a = &q->run->arena;
	char id[UUID_TEXT_LEN + 1];
	const char *cells[REPLICATION_COLUMNS] = {
		arena_printf(a, "%d", r->replica_id),
		arena_strdup(a, uuid_format(r->replica_directory_id, id)),
		arena_printf(a, "%lld", (long long)r->log_end_offset),
		arena_printf(a, "%lld", (long long)(q->leader->log_end_offset - r->log_end_offset)),
		replication_time(q, r->last_fetch_timestamp),
		replication_time(q, r->last_caught_up_timestamp),
		status,
	};

	if (q->format == OUTPUT_JSON)
		replication_json(q, r, status);
	else if (q->format == OUTPUT_TABLE)
		grid_row(&t->grid, cells);
	else
		memcpy(t->cells + t->row_count++ * REPLICATION_COLUMNS, cells, sizeof(cells));
}

/* As Apache's tool: each column as wide as its widest cell, a TAB behind each cell. */
static void replication_text(const struct replication *t)
{
	int widths[REPLICATION_COLUMNS] = {0};

	for (size_t i = 0; i < t->row_count * REPLICATION_COLUMNS; i++)
		widths[i % REPLICATION_COLUMNS] =
			MAX(widths[i % REPLICATION_COLUMNS], (int)strlen(t->cells[i]));
	for (size_t i = 0; i < t->row_count * REPLICATION_COLUMNS; i++)
		print_text("%-*s\t%s", widths[i % REPLICATION_COLUMNS], t->cells[i],
			   (i + 1) % REPLICATION_COLUMNS ? "" : "\n");
}

static void replication_print(const struct quorum *q)
{
	static const char *const titles[REPLICATION_COLUMNS] = {
		"NodeId", "DirectoryId",        "LogEndOffset",
		"Lag",    "LastFetchTimestamp", "LastCaughtUpTimestamp",
		"Status"};
	static const char *const grid_titles[REPLICATION_COLUMNS] = {
		">NODE",       "DIRECTORY",  ">LOG-END-OFFSET", ">LAG",
		">LAST-FETCH", ">CAUGHT-UP", "STATUS"};
	const struct describe_quorum_response_partition_data *p = q->partition;
	struct replication t = {.q = q};
	size_t rows =
		1 + (size_t)MAX(p->current_voters_count, 0) + (size_t)MAX(p->observers_count, 0);

	grid_init(&t.grid, &q->run->arena, grid_titles, REPLICATION_COLUMNS);
	t.cells = arena_array(&q->run->arena, rows * REPLICATION_COLUMNS, sizeof(*t.cells));
	memcpy(t.cells, titles, sizeof(titles));
	t.row_count = 1;
	replication_row(&t, q->leader, "Leader");
	for (int32_t i = 0; i < p->current_voters_count; i++)
		if (&p->current_voters[i] != q->leader)
			replication_row(&t, &p->current_voters[i], "Follower");
	for (int32_t i = 0; i < p->observers_count; i++)
		replication_row(&t, &p->observers[i], "Observer");
	if (q->format == OUTPUT_TABLE)
		grid_print(&t.grid);
	else if (q->format == OUTPUT_TEXT)
		replication_text(&t);
}

/* ---- The run ------------------------------------------------------------------------------ */

static int describe_check(const struct run *run, struct quorum_args *args, struct err *err)
{
	if (args->status && args->replication)
		return err_set(err, E_INVALID,
			       "Only one of --status or --replication should be "
			       "specified with describe sub-command");
	if (!args->status && !args->replication && run->is_apache)
		return err_set(err, E_INVALID,
			       "One of --status or --replication must be specified "
			       "with describe sub-command");
	if (args->human_readable && !args->replication)
		return err_set(err, E_INVALID,
			       "The option --human-readable is only supported "
			       "along with --replication");
	return 0;
}

static int quorum_describe_run(struct run *run, void *data)
{
	struct quorum_args *args = data;
	struct quorum q = {.run = run, .is_human = args->human_readable};
	struct connection connection;
	struct err err = {0};
	int rc = quorum_check(run, args, &q.format, &err);

	if (rc < 0)
		return argparse_usage(run, &err);
	rc = describe_check(run, args, &err);
	if (rc < 0)
		return run->is_apache ? argparse_failure(run, &err) : help_usage(run, &err);
	/* A table is of nodes; the short form has one row only. */
	if (q.format == OUTPUT_TABLE && !args->status)
		args->replication = true;
	rc = connect_admin(&connection, &args->cluster, &err);
	if (rc < 0)
		return argparse_failure(run, &err);
	rc = quorum_ask(&q, connection.client, &args->cluster, &err);
	if (rc == 0 && !args->replication)
		rc = argparse_cluster_id(run, connection.client, &args->cluster, &q.cluster_id,
					 &err);
	q.now_ms = clock_wall_ms();
	if (rc == 0 && args->replication)
		replication_print(&q);
	else if (rc == 0)
		status_print(&q);
	connect_close(&connection);
	return rc < 0 ? argparse_failure(run, &err) : EXIT_OK;
}
