/* `kavka verify consume` (kafka-verifiable-consumer): what a member of a group gets, does and is
 * told. */
#include "cmd/connect.h"
#include "cmd/kafka_error.h"
#include "cmd/notice.h"
#include "cmd/perf/perf_int.h"
#include "cmd/print.h"
#include "cmd/signals.h"
#include "cmd/verify/verify_int.h"

#include "client/consumer.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* Of one poll, as Java's consumer has it. */
#define POLL_RECORDS_MAX 500
#define POLL_PARTITIONS_MAX 500

static int consume_run(struct run *run, void *data);

struct consume_args {
	struct cluster_args cluster;
	const char *topic, *group_id, *group_protocol, *group_remote_assignor, *group_instance_id;
	const char *reset_policy, *assignment_strategy, *old_config;
	int64_t max_messages, session_timeout_ms;
	bool is_verbose, enable_autocommit;
};

#define AT(field) offsetof(struct consume_args, field)

static const struct opt consume_opts[] = {
	OPTS_CLUSTER,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .flags = OPT_REQUIRED,
	 .complete = COMPLETE_TOPIC, .help = "Consume records of this topic."},
	{"group-id", OPT_STRING, AT(group_id), .arg = "group", .flags = OPT_REQUIRED,
	 .complete = COMPLETE_GROUP, .help = "The group to be a member of."},
	{"group-protocol", OPT_STRING, AT(group_protocol), .arg = "protocol", .value = "classic",
	 .complete = COMPLETE_WORDS, .words = "classic consumer",
	 .help = "The protocol between the group's members and its coordinator."},
	{"group-remote-assignor", OPT_STRING, AT(group_remote_assignor), .arg = "name",
	 .help = "Who assigns partitions with the protocol consumer."},
	{"group-instance-id", OPT_STRING, AT(group_instance_id), .arg = "id",
	 .help = "Be a static member of this name."},
	{"max-messages", OPT_INT, AT(max_messages), .arg = "count", .value = "-1", .min = INT32_MIN,
	 .max = INT32_MAX,
	 .help = "Consume so many records; -1: until the process is told to stop."},
	{"session-timeout", OPT_INT, AT(session_timeout_ms), .arg = "ms", .min = 0,
	 .max = INT32_MAX, .help = "The session timeout of the member, with the protocol classic."},
	{"verbose", OPT_FLAG, AT(is_verbose), .help = "Tell each record."},
	{"enable-autocommit", OPT_FLAG, AT(enable_autocommit),
	 .help = "Leave commits to the consumer, instead of one behind each poll."},
	{"reset-policy", OPT_STRING, AT(reset_policy), .arg = "policy", .value = "earliest",
	 .complete = COMPLETE_WORDS, .words = "earliest latest none",
	 .help = "Where to begin when the group has no offset."},
	{"assignment-strategy", OPT_STRING, AT(assignment_strategy), .arg = "class",
	 .value = "org.apache.kafka.clients.consumer.RangeAssignor",
	 .help = "How the group's members share partitions, with the protocol classic."},
	{"consumer.config", OPT_STRING, AT(old_config), .arg = "config file", .flags = OPT_OLD,
	 .complete = COMPLETE_FILE, .help = "An old name of --command-config."},
	OPT_END,
};

const struct command cmd_verify_consume = {
	.name = "consume",
	.alias = "kafka-verifiable-consumer",
	.dialect = ARGPARSE,
	.summary = "consume as a group's member and tell what happens",
	.intro = "This tool consumes messages from a specific topic and emits consumer events "
		 "(e.g. group rebalances, received messages, and offsets committed) as JSON "
		 "objects to STDOUT.",
	.opts = consume_opts,
	.args_size = sizeof(struct consume_args),
	.run = consume_run,
	.refuse = perf_refuse,
};

struct summary {
	int32_t partition;
	int64_t count, first_offset, last_offset;
};

struct consuming {
	struct run *run;
	const struct consume_args *args;
	struct connection connection;
	struct consumer *consumer;
	struct signals signals;
	int64_t consumed_count;
	/* of one round of polls */
	struct summary summaries[POLL_PARTITIONS_MAX];
	size_t summary_count;
	int64_t polled_count;
};

/* ---- The group ---------------------------------------------------------------------------------
 */

static void tell_partitions(const char *name, const struct position *partitions, size_t count)
{
	struct json_out j;

	event_open(&j, name);
	json_out_open(&j, "partitions", '[');
	for (size_t i = 0; i < count; i++) {
		json_out_open(&j, NULL, '{');
		json_out_str(&j, "topic", partitions[i].topic);
		json_out_int(&j, "partition", partitions[i].partition);
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	event_close(&j);
}

static void consume_assigned(void *ctx, const struct position *partitions, size_t count)
{
	(void)ctx;
	tell_partitions("partitions_assigned", partitions, count);
}

static void consume_revoked(void *ctx, const struct position *partitions, size_t count)
{
	(void)ctx;
	tell_partitions("partitions_revoked", partitions, count);
}

/* ---- Records -----------------------------------------------------------------------------------
 */

static bool is_finished(const struct consuming *c)
{
	return c->args->max_messages >= 0 && c->consumed_count >= c->args->max_messages;
}

static struct str slice_str(struct slice s)
{
	return (struct str){(const char *)s.data, s.len};
}

static void tell_record(const struct consumer_batch *batch, const struct record *r)
{
	struct json_out j;

	event_open(&j, "record_data");
	json_out_str(&j, "key", slice_str(r->key));
	json_out_str(&j, "value", slice_str(r->value));
	json_out_str(&j, "topic", batch->topic);
	json_out_int(&j, "partition", batch->partition);
	json_out_int(&j, "offset", r->offset);
	event_close(&j);
}

/* The batch goes into the round's summary, as far as the limit allows. */
static void consume_batch(struct consuming *c, const struct consumer_batch *batch)
{
	int64_t max = c->args->max_messages;
	size_t count = batch->count;
	struct summary *s = NULL;

	c->polled_count += (int64_t)count;
	if (max >= 0)
		count = (size_t)MIN((int64_t)count, max - c->consumed_count);
	if (count == 0)
		return;
	for (size_t i = 0; i < c->summary_count && !s; i++) {
		if (c->summaries[i].partition == batch->partition)
			s = &c->summaries[i];
	}
	if (!s) {
		s = &c->summaries[c->summary_count++];
		*s = (struct summary){.partition = batch->partition,
				      .first_offset = batch->records[0].offset};
	}
	s->count += (int64_t)count;
	s->last_offset = batch->records[count - 1].offset;
	c->consumed_count += (int64_t)count;
	for (size_t i = 0; c->args->is_verbose && i < count; i++)
		tell_record(batch, &batch->records[i]);
}

static void tell_consumed(const struct consuming *c)
{
	struct json_out j;

	event_open(&j, "records_consumed");
	json_out_int(&j, "count", c->polled_count);
	json_out_open(&j, "partitions", '[');
	for (size_t i = 0; i < c->summary_count; i++) {
		const struct summary *s = &c->summaries[i];

		json_out_open(&j, NULL, '{');
		json_out_text(&j, "topic", c->args->topic);
		json_out_int(&j, "partition", s->partition);
		json_out_int(&j, "count", s->count);
		json_out_int(&j, "minOffset", s->first_offset);
		json_out_int(&j, "maxOffset", s->last_offset);
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	event_close(&j);
}

static void consume_commit(struct consuming *c)
{
	struct position positions[POLL_PARTITIONS_MAX];
	struct err err = {0};
	struct json_out j;
	int rc;

	for (size_t i = 0; i < c->summary_count; i++)
		positions[i] = (struct position){.topic = str_of(c->args->topic),
						 .partition = c->summaries[i].partition,
						 .offset = c->summaries[i].last_offset + 1,
						 .leader_epoch = -1};
	rc = consumer_commit_positions(c->consumer, positions, c->summary_count, &err);
	if (rc == E_INTERRUPTED) /* told to stop meanwhile: once more, it is not waited for */
		rc = consumer_commit_positions(c->consumer, positions, c->summary_count, &err);
	event_open(&j, "offsets_committed");
	json_out_open(&j, "offsets", '[');
	for (size_t i = 0; i < c->summary_count; i++) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "topic", c->args->topic);
		json_out_int(&j, "partition", positions[i].partition);
		json_out_int(&j, "offset", positions[i].offset);
		json_out_close(&j, '}');
	}
	json_out_close(&j, ']');
	if (rc < 0)
		json_out_text(&j, "error", err_message(&err));
	json_out_bool(&j, "success", rc == 0);
	event_close(&j);
}

/* One poll of Java's consumer: what has arrived of all partitions. 0 or an error. */
static int consume_round(struct consuming *c, struct err *err)
{
	struct consumer_batch batch;
	int rc = consumer_poll(c->consumer, -1, &batch, err);

	c->polled_count = 0;
	c->summary_count = 0;
	while (rc > 0) {
		consume_batch(c, &batch);
		if (is_finished(c) || c->polled_count >= POLL_RECORDS_MAX ||
		    c->summary_count == POLL_PARTITIONS_MAX)
			break;
		rc = consumer_poll(c->consumer, 0, &batch, err);
	}
	if (c->polled_count > 0) {
		tell_consumed(c);
		if (!c->args->enable_autocommit)
			consume_commit(c);
	}
	return rc < 0 ? rc : 0;
}

/* ---- The run -----------------------------------------------------------------------------------
 */

static int consume_config(const struct run *run, const struct consume_args *args,
			  struct client_config *config, struct err *err)
{
	bool is_classic = strcasecmp(args->group_protocol, "consumer") != 0;
	char number[24];
	int rc;

	snprintf(number, sizeof(number), "%" PRId64, args->session_timeout_ms);
	rc = client_config_set(config, "group.protocol", args->group_protocol, err);
	if (rc == 0 && args->group_remote_assignor && !is_classic)
		rc = client_config_set(config, "group.remote.assignor", args->group_remote_assignor,
				       err);
	if (rc == 0 && is_classic)
		rc = client_config_set(config, "partition.assignment.strategy",
				       args->assignment_strategy, err);
	if (rc == 0 && is_classic && opt_given(run, "session-timeout"))
		rc = client_config_set(config, "session.timeout.ms", number, err);
	if (rc == 0)
		rc = client_config_set(config, "group.id", args->group_id, err);
	if (rc == 0 && args->group_instance_id)
		rc = client_config_set(config, "group.instance.id", args->group_instance_id, err);
	if (rc == 0)
		rc = client_config_set(config, "enable.auto.commit",
				       args->enable_autocommit ? "true" : "false", err);
	if (rc == 0)
		rc = client_config_set(config, "auto.offset.reset", args->reset_policy, err);
	if (rc == 0 && args->cluster.bootstrap_server)
		rc = client_config_set(config, "bootstrap.servers", args->cluster.bootstrap_server,
				       err);
	return rc;
}

static int consume_check(const struct run *run, struct consume_args *args, struct err *err)
{
	if (!connect_has_server(run))
		return err_set(err, E_USAGE, "argument --bootstrap-server is required");
	if (args->old_config && args->cluster.command_config)
		return err_set(err, E_USAGE,
			       "Options --consumer.config and --command-config are "
			       "mutually exclusive.");
	if (args->old_config) {
		notice_old(run, "Option --consumer.config has been deprecated and will be removed "
				"in a future version. Use --command-config instead.");
		args->cluster.command_config = args->old_config;
	}
	return 0;
}

static int consume_open(struct consuming *c, struct err *err)
{
	struct consumer_options options = {.assigned = consume_assigned,
					   .revoked = consume_revoked,
					   .lost = consume_revoked,
					   .ctx = c,
					   .records_max = POLL_RECORDS_MAX};
	struct client_config *config = connect_config(&c->args->cluster, CLIENT_CONSUMER, err);
	int rc;

	if (!config)
		return err->code;
	rc = consume_config(c->run, c->args, config, err);
	if (rc < 0) {
		client_config_free(config);
		return rc;
	}
	rc = connect_open(&c->connection, config, "consumer-1", err);
	if (rc < 0)
		return rc;
	rc = consumer_new(&c->consumer, c->connection.client, &options, err);
	if (rc < 0)
		connect_close(&c->connection);
	return rc;
}

static void tell_error(const struct consuming *c, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, class);

	if (!c->run->is_apache) {
		help_failure(c->run, err);
		return;
	}
	notice_log("ERROR", "org.apache.kafka.tools.VerifiableConsumer",
		   "Error during processing, terminating consumer process: ");
	print_error("%s: %s\n", exception ? exception : "org.apache.kafka.common.KafkaException",
		    err_message(err));
}

static int consume_all(struct consuming *c)
{
	struct str topic = str_of(c->args->topic);
	struct err err = {0}, close_err = {0};
	int rc, code = EXIT_OK;

	event("startup_complete");
	rc = consumer_subscribe(c->consumer, &topic, 1, &err);
	while (rc == 0 && !is_finished(c) && !c->signals.caught && !print_failed())
		rc = consume_round(c, &err);
	if (rc < 0 && !c->signals.caught) {
		tell_error(c, &err);
		code = help_exit_code(c->run, &err);
	}
	if (c->signals.caught)
		event("shutdown_requested");
	rc = consumer_close(c->consumer, &close_err);
	if (rc < 0 && rc != E_INTERRUPTED && !c->run->is_apache && code == EXIT_OK)
		code = help_failure(c->run, &close_err);
	event("shutdown_complete");
	/* Apache's tool hears of its end also when that is its own. */
	if (!c->signals.caught)
		event("shutdown_requested");
	return signals_exit_code(&c->signals, c->run->is_apache ? EXIT_OK : code);
}

static int consume_run(struct run *run, void *data)
{
	struct consuming c = {.run = run, .args = data};
	struct err err = {0};
	int rc, code;

	rc = consume_check(run, data, &err);
	if (rc < 0)
		return run->is_apache ? perf_refuse(run, &err) : help_usage(run, &err);
	rc = consume_open(&c, &err);
	if (rc < 0)
		return help_failure(run, &err);
	signals_start(&c.signals, c.connection.client);
	code = consume_all(&c);
	signals_stop(&c.signals);
	consumer_free(c.consumer);
	connect_close(&c.connection);
	return code;
}
