/* offsets: where partitions begin and end, or are at a time (kafka-get-offsets). */
#include "cmd/connect.h"
#include "cmd/filter.h"
#include "cmd/json_out.h"
#include "cmd/kafka_error.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "cmd/time_text.h"

#include "base/mem.h"
#include "client/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int offsets_run(struct run *run, void *args);
static int offsets_refuse(const struct run *run, const struct err *err);

struct offsets_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *topic, *partitions, *topic_partitions, *time, *ignored;
	bool exclude_internal, count;
};

#define AT(field) offsetof(struct offsets_args, field)

static const struct opt offsets_opts[] = {
	OPTS_CLUSTER,
	OPTS_OUTPUT,
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .complete = COMPLETE_TOPIC,
	 .help = "The topics, as patterns separated by commas; all of them without it."},
	{"partitions", OPT_STRING, AT(partitions), .arg = "partition ids",
	 .help = "Only these partitions, separated by commas."},
	{"topic-partitions", OPT_STRING, AT(topic_partitions),
	 .arg = "topic1:1,topic2:0-3,topic3,topic4:5-,topic5:-3",
	 .help = "Topics with partitions: one, a range without its end, or all."},
	{"time", OPT_STRING, AT(time), .arg = "timestamp", .value = "latest",
	 .help = "Milliseconds since 1970, or one of latest, earliest, max-timestamp, "
		 "earliest-local, "
		 "latest-tiered, which are -1 to -5, and earliest-pending-upload, which is -6."},
	{"offsets", OPT_STRING, AT(ignored), .arg = "count", .flags = OPT_OLD,
	 .help = "Ignored: there has been one offset of a time since segments have time indexes."},
	{"exclude-internal-topics", OPT_FLAG, AT(exclude_internal),
	 .help = "Leave out internal topics."},
	{"count", OPT_FLAG, AT(count), .flags = OPT_OWN,
	 .help = "Show the first offset, the end, and how many offsets lie between them."},
	OPT_END,
};

const struct command cmd_offsets = {
	.name = "offsets",
	.alias = "kafka-get-offsets",
	.dialect = JOPT,
	.summary = "show offsets of partitions",
	.intro = "An interactive shell for getting topic-partition offsets.",
	.opts = offsets_opts,
	.args_size = sizeof(struct offsets_args),
	.run = offsets_run,
	.refuse = offsets_refuse,
};

/* ---- What is asked for -------------------------------------------------------------------- */

struct rule {
	struct filter *topics; /* NULL: all */
	int64_t first, end;    /* partitions first <= p < end */
};

struct wanted {
	struct rule *rules; /* any of them */
	unsigned rule_count;
	int32_t *partitions; /* NULL: all */
	unsigned partition_count;
	int64_t time;
};

/* Apache's names and numbers; under our own name also a date with a time. */
static int parse_time(const struct run *run, const char *text, int64_t *time, struct err *err)
{
	static const char *const names[] = {"latest",        "earliest",
					    "max-timestamp", "earliest-local",
					    "latest-tiered", "earliest-pending-upload"};
	char *end;

	for (unsigned i = 0; i < ARRAY_LEN(names); i++) {
		if (strcmp(text, names[i]) == 0) {
			*time = -1 - (int64_t)i;
			return 0;
		}
	}
	errno = 0;
	*time = strtoll(text, &end, 10);
	if (end != text && *end == '\0' && errno == 0)
		return 0;
	if (!run->is_apache && strchr(text, 'T'))
		return time_parse(text, time, err);
	return err_set(
		err, E_USAGE,
		"Malformed time argument %s. Please use -1 or latest / -2 or "
		"earliest / -3 or max-timestamp / -4 or earliest-local / -5 or latest-tiered / "
		"-6 or earliest-pending-upload, or a specified long format timestamp",
		text);
}

static int parse_partitions(struct arena *a, const char *text, struct wanted *w, struct err *err)
{
	w->partitions = arena_array(a, strlen(text) + 1, sizeof(*w->partitions));
	for (const char *p = text; *p;) {
		char *end;
		long id = strtol(p, &end, 10);

		if (end == p || (*end && *end != ',') || id < 0 || id > INT32_MAX)
			return err_set(err, E_USAGE,
				       "--partitions expects a comma separated list of "
				       "numeric partition ids, but received: %s",
				       text);
		w->partitions[w->partition_count++] = (int32_t)id;
		p = *end ? end + 1 : end;
	}
	return 0;
}

/* "", "3", "1-4", "1-", "-4" */
static bool parse_range(const char *text, struct rule *r)
{
	const char *digits = "0123456789";
	size_t first = strspn(text, digits), last;

	r->first = 0;
	r->end = INT64_MAX;
	if (*text == '\0')
		return true;
	if (first > 0)
		r->first = strtoll(text, NULL, 10);
	if (text[first] == '\0') {
		r->end = r->first + 1;
		return true;
	}
	if (text[first] != '-')
		return false;
	last = strspn(text + first + 1, digits);
	if (last > 0)
		r->end = strtoll(text + first + 1, NULL, 10);
	return text[first + 1 + last] == '\0';
}

static int parse_rules(struct arena *a, const char *text, bool is_apache, struct wanted *w,
		       struct err *err)
{
	char *copy = arena_strdup(a, text);
	size_t max = 1;

	for (const char *p = text; *p; p++)
		max += *p == ',';
	w->rules = arena_array(a, max, sizeof(*w->rules));
	for (char *part = copy, *next; part; part = next) {
		struct rule *r = &w->rules[w->rule_count];
		char *colon;

		next = strchr(part, ',');
		if (next)
			*next++ = '\0';
		colon = strchr(part, ':');
		if (colon)
			*colon++ = '\0';
		if (!parse_range(colon ? colon : "", r))
			return err_set(err, E_USAGE, "%sInvalid rule specification: %s%s%s",
				       is_apache ? "org.apache.kafka.tools.TerseException: " : "",
				       part, colon ? ":" : "", colon ? colon : "");
		w->rule_count++;
		if (*part) {
			r->topics = filter_new(part, err);
			if (!r->topics)
				return E_USAGE;
		}
	}
	return 0;
}

static int wanted_parse(const struct run *run, const struct offsets_args *args, struct wanted *w,
			struct err *err)
{
	struct arena *a = (struct arena *)&run->arena;
	int rc;

	if (args->topic_partitions && (args->topic || args->partitions))
		return err_set(err, E_USAGE,
			       "--topic-partitions cannot be used with --topic or --partitions");
	rc = parse_time(run, args->time, &w->time, err);
	if (rc == 0 && args->partitions)
		rc = parse_partitions(a, args->partitions, w, err);
	if (rc < 0 || args->topic_partitions)
		return rc < 0 ? rc : parse_rules(a, args->topic_partitions, run->is_apache, w, err);
	w->rules = arena_array(a, 1, sizeof(*w->rules));
	w->rules[0].end = INT64_MAX;
	w->rule_count = 1;
	if (args->topic) {
		w->rules[0].topics = filter_new(args->topic, err);
		if (!w->rules[0].topics)
			return E_USAGE;
	}
	return 0;
}

static void wanted_fini(struct wanted *w)
{
	for (unsigned i = 0; i < w->rule_count; i++)
		filter_free(w->rules[i].topics);
}

static bool wanted_has(const struct wanted *w, struct str topic, int32_t partition)
{
	bool found = false;

	for (unsigned i = 0; i < w->rule_count && !found; i++)
		found = partition >= w->rules[i].first && partition < w->rules[i].end &&
			(!w->rules[i].topics || filter_matches(w->rules[i].topics, topic));
	if (!found || !w->partitions)
		return found;
	for (unsigned i = 0; i < w->partition_count; i++) {
		if (w->partitions[i] == partition)
			return true;
	}
	return false;
}

/* ---- The answer --------------------------------------------------------------------------- */

/* By the text topic-partition, so that t-10 comes before t-2, as Apache's tool sorts. */
static int offsets_cmp(const void *a, const void *b)
{
	const struct position *x = a, *y = b;
	char x_text[16], y_text[16];
	int order = str_cmp(x->topic, y->topic);

	if (order != 0)
		return order;
	snprintf(x_text, sizeof(x_text), "%d", x->partition);
	snprintf(y_text, sizeof(y_text), "%d", y->partition);
	return strcmp(x_text, y_text);
}

/* What is printed of one partition. */
struct offset_row {
	const struct position *at;
	int64_t timestamp;  /* of the record found, -1: none was asked for */
	int64_t first, end; /* --count */
};

struct offsets {
	struct run *run;
	const struct offsets_args *args;
	enum output_format format;
	struct client *client;
	struct grid grid;
};

static void offsets_print_json(const struct offsets *o, const struct offset_row *row)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", row->at->topic);
	json_out_int(&j, "partition", row->at->partition);
	if (o->args->count) {
		json_out_int(&j, "firstOffset", row->first);
		json_out_int(&j, "endOffset", row->end);
		json_out_int(&j, "count", row->end - row->first);
	} else {
		json_out_int(&j, "offset", row->at->offset);
		if (row->timestamp >= 0)
			json_out_int(&j, "timestamp", row->timestamp);
		else
			json_out_null(&j, "timestamp");
	}
	json_out_close(&j, '}');
	print_byte('\n');
}

static void offsets_print(struct offsets *o, const struct offset_row *row)
{
	struct str topic = row->at->topic;
	int32_t partition = row->at->partition;
	const char *name;

	if (o->format == OUTPUT_JSON) {
		offsets_print_json(o, row);
		return;
	}
	if (o->format == OUTPUT_TEXT && o->args->count) {
		print_text("%.*s:%d:%" PRId64 ":%" PRId64 ":%" PRId64 "\n", STR(topic), partition,
			   row->first, row->end, row->end - row->first);
		return;
	}
	if (o->format == OUTPUT_TEXT) {
		print_text("%.*s:%d:%" PRId64 "\n", STR(topic), partition, row->at->offset);
		return;
	}
	name = str_dup(&o->run->arena, topic).data;
	if (o->args->count)
		grid_add(&o->grid, name, grid_int(&o->grid, partition),
			 grid_int(&o->grid, row->first), grid_int(&o->grid, row->end),
			 grid_int(&o->grid, row->end - row->first));
	else
		grid_add(&o->grid, name, grid_int(&o->grid, partition),
			 grid_int(&o->grid, row->at->offset),
			 row->timestamp >= 0 ? grid_int(&o->grid, row->timestamp) : NULL);
}

static void offsets_skip(const struct offsets *o, const struct position *p)
{
	char text[EXCEPTION_TEXT_MAX];

	if (o->run->is_apache)
		print_error("Skip getting offsets for topic-partition %.*s-%d due to error: %s: "
			    "%s\n",
			    STR(p->topic), p->partition, kafka_exception(p->error, text),
			    kafka_error_sentence(p->error));
	else
		print_error("%s: %.*s-%d: %s\n", o->run->name, STR(p->topic), p->partition,
			    kafka_error_text(p->error));
}

/* The partitions of the cluster that are wanted, in print order. */
static int offsets_select(struct offsets *o, const struct wanted *w, struct position **out,
			  size_t *out_count, struct err *err)
{
	struct metadata_response *metadata;
	struct position *items;
	size_t count = 0, max = 0;
	int rc = admin_metadata(o->client, NULL, 0, &o->run->arena, &metadata, err);

	for (int32_t t = 0; rc == 0 && t < metadata->topics_count; t++)
		max += (size_t)metadata->topics[t].partitions_count;
	if (rc < 0)
		return rc;
	items = arena_array(&o->run->arena, max + 1, sizeof(*items));
	for (int32_t t = 0; t < metadata->topics_count; t++) {
		const struct metadata_response_topic *topic = &metadata->topics[t];

		if (o->args->exclude_internal &&
		    (topic->is_internal || filter_is_internal(topic->name)))
			continue;
		for (int32_t p = 0; p < topic->partitions_count; p++) {
			int32_t index = topic->partitions[p].partition_index;

			if (wanted_has(w, topic->name, index))
				items[count++] = (struct position){.topic = topic->name,
								   .partition = index,
								   .offset = w->time,
								   .leader_epoch = -1};
		}
	}
	qsort(items, count, sizeof(*items), offsets_cmp);
	*out = items;
	*out_count = count;
	return count ? 0
		     : err_set(err, E_NOT_FOUND,
			       "Could not match any topic-partitions with "
			       "the specified filters");
}

/* Returns the exit code, or an error. */
static int offsets_get(struct offsets *o, const struct wanted *w, struct err *err)
{
	static const char *const titles[] = {"TOPIC", ">PARTITION", ">OFFSET", ">TIMESTAMP"};
	static const char *const count_titles[] = {"TOPIC", ">PARTITION", ">FIRST", ">END",
						   ">COUNT"};
	struct arena *a = &o->run->arena;
	struct position *items = NULL, *firsts = NULL;
	int64_t *times;
	size_t count = 0;
	int rc = offsets_select(o, w, &items, &count, err), code = EXIT_OK;

	if (rc < 0)
		return rc;
	times = arena_array(a, count, sizeof(*times));
	if (o->args->count) {
		firsts = arena_array(a, count, sizeof(*firsts));
		for (size_t i = 0; i < count; i++) {
			firsts[i] = items[i];
			firsts[i].offset = OFFSET_BEGINNING;
			items[i].offset = OFFSET_END;
		}
		rc = admin_offsets(o->client, firsts, count, false, NULL, err);
	}
	if (rc == 0)
		rc = admin_offsets(o->client, items, count, false, times, err);
	if (o->args->count)
		grid_init(&o->grid, a, count_titles, ARRAY_LEN(count_titles));
	else
		grid_init(&o->grid, a, titles, ARRAY_LEN(titles));
	for (size_t i = 0; rc == 0 && i < count; i++) {
		struct offset_row row = {
			.at = &items[i], .timestamp = times[i], .end = items[i].offset};

		if (items[i].error != 0) {
			offsets_skip(o, &items[i]);
			code = EXIT_PARTIAL;
			continue;
		}
		row.first = firsts ? firsts[i].offset : 0;
		if (items[i].offset >= 0)
			offsets_print(o, &row);
	}
	if (o->format == OUTPUT_TABLE && rc == 0)
		grid_print(&o->grid);
	return rc < 0 ? rc : o->run->is_apache ? EXIT_OK : code;
}

static int offsets_refuse(const struct run *run, const struct err *err)
{
	(void)run;
	print_error("Error occurred: %s\n", err_message(err));
	return EXIT_FAILED;
}

static int offsets_failure(const struct run *run, const struct err *err)
{
	if (run->is_apache)
		return offsets_refuse(run, err);
	return err->code == E_USAGE ? help_usage(run, err) : help_failure(run, err);
}

static int offsets_run(struct run *run, void *data)
{
	struct offsets_args *args = data;
	struct offsets o = {.run = run, .args = args};
	struct connection connection;
	struct wanted wanted = {0};
	struct err err = {0};
	int rc = output_format(&args->output, &o.format, &err);

	if (rc == 0 && args->count)
		rc = opt_conflict(run, "count", "time", &err);
	if (rc == 0 && !connect_has_server(run))
		rc = opt_require(run, "bootstrap-server", &err);
	if (rc == 0 && args->cluster.bootstrap_server)
		rc = connect_check_bootstrap(args->cluster.bootstrap_server, &err);
	if (rc < 0)
		return help_usage(run, &err);
	rc = wanted_parse(run, args, &wanted, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc == 0) {
		o.client = connection.client;
		rc = offsets_get(&o, &wanted, &err);
		connect_close(&connection);
	}
	wanted_fini(&wanted);
	return rc < 0 ? offsets_failure(run, &err) : rc;
}
