/* offsets: where partitions begin and end, or are at a time (kafka-get-offsets). */
#include "cmd/connect.h"
#include "cmd/filter.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "client/admin.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int offsets_run(struct run *run, void *args);

struct offsets_args {
	struct cluster_args cluster;
	const char *topic, *partitions, *topic_partitions, *time;
	bool exclude_internal, json;
};

#define AT(field) offsetof(struct offsets_args, field)

static const struct opt offsets_opts[] = {
	OPTS_CLUSTER,
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
	{"exclude-internal-topics", OPT_FLAG, AT(exclude_internal),
	 .help = "Leave out internal topics."},
	{"json", OPT_FLAG, AT(json), .flags = OPT_OWN, .help = "Print one JSON object a line."},
	OPT_END,
};

const struct command cmd_offsets = {
	.name = "offsets", .alias = "kafka-get-offsets", .dialect = JOPT,
	.summary = "show offsets of partitions",
	.intro = "An interactive shell for getting topic-partition offsets.",
	.opts = offsets_opts, .args_size = sizeof(struct offsets_args), .run = offsets_run,
};

/* ---- What is asked for -------------------------------------------------------------------- */

struct rule {
	struct filter *topics;		/* NULL: all */
	int64_t first, end;		/* partitions first <= p < end */
};

struct wanted {
	struct rule *rules;		/* any of them */
	unsigned rule_count;
	int32_t *partitions;		/* NULL: all */
	unsigned partition_count;
	int64_t time;
};

static int parse_time(const char *text, int64_t *time, struct err *err)
{
	static const char *const names[] = {"latest", "earliest", "max-timestamp", "earliest-local",
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

static int parse_rules(struct arena *a, const char *text, struct wanted *w, struct err *err)
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
			return err_set(err, E_USAGE, "Invalid rule specification: %s%s%s", part,
				       colon ? ":" : "", colon ? colon : "");
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
	rc = parse_time(args->time, &w->time, err);
	if (rc == 0 && args->partitions)
		rc = parse_partitions(a, args->partitions, w, err);
	if (rc < 0 || args->topic_partitions)
		return rc < 0 ? rc : parse_rules(a, args->topic_partitions, w, err);
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

static void offsets_print(const struct offsets_args *args, const struct position *p)
{
	struct json_out j = {0};

	if (!args->json) {
		print_text("%.*s:%d:%" PRId64 "\n", STR(p->topic), p->partition, p->offset);
		return;
	}
	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", p->topic);
	json_out_int(&j, "partition", p->partition);
	json_out_int(&j, "offset", p->offset);
	json_out_close(&j, '}');
	print_byte('\n');
}

static int offsets_get(struct run *run, const struct offsets_args *args, const struct wanted *w,
		       struct client *c, struct err *err)
{
	struct metadata_response *metadata;
	struct position *items;
	size_t count = 0, max = 0;
	int rc = admin_metadata(c, NULL, 0, &run->arena, &metadata, err);

	for (int32_t t = 0; rc == 0 && t < metadata->topics_count; t++)
		max += (size_t)metadata->topics[t].partitions_count;
	if (rc < 0)
		return rc;
	items = arena_array(&run->arena, max + 1, sizeof(*items));
	for (int32_t t = 0; t < metadata->topics_count; t++) {
		const struct metadata_response_topic *topic = &metadata->topics[t];

		if (args->exclude_internal &&
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
	if (count == 0)
		return err_set(err, E_NOT_FOUND,
			       "Could not match any topic-partitions with the specified filters");
	qsort(items, count, sizeof(*items), offsets_cmp);
	rc = admin_offsets(c, items, count, false, NULL, err);
	for (size_t i = 0; rc == 0 && i < count; i++) {
		if (items[i].error != 0)
			print_error("Skip getting offsets for topic-partition %.*s-%d due to "
				    "error: %s\n",
				    STR(items[i].topic), items[i].partition,
				    kafka_error_text(items[i].error));
		else if (items[i].offset >= 0)
			offsets_print(args, &items[i]);
	}
	return rc;
}

static int offsets_failure(const struct run *run, const struct err *err)
{
	if (!run->is_apache)
		return err->code == E_USAGE ? help_usage(run, err) : help_failure(run, err);
	print_error("Error occurred: %s\n", err_message(err));
	return EXIT_FAILED;
}

static int offsets_run(struct run *run, void *data)
{
	struct offsets_args *args = data;
	struct connection connection;
	struct wanted wanted = {0};
	struct err err = {0};
	int rc = 0;

	if (!connect_has_server(run))
		rc = opt_require(run, "bootstrap-server", &err);
	if (rc == 0 && args->cluster.bootstrap_server)
		rc = connect_check_bootstrap(args->cluster.bootstrap_server, &err);
	if (rc < 0)
		return help_usage(run, &err);
	rc = wanted_parse(run, args, &wanted, &err);
	if (rc == 0)
		rc = connect_admin(&connection, &args->cluster, &err);
	if (rc == 0) {
		rc = offsets_get(run, args, &wanted, connection.client, &err);
		connect_close(&connection);
	}
	wanted_fini(&wanted);
	return rc < 0 ? offsets_failure(run, &err) : EXIT_OK;
}
