/* kavka top: a cluster as it lives: brokers, topics, groups, and what happens to them. */
#include "cmd/top/top_int.h"

#include "cmd/print.h"

#include <stdlib.h>
#include <string.h>

#define AT(field) offsetof(struct top_args, field)

static int top_run(struct run *run, void *data);

static const struct opt top_opts[] = {
	OPTS_CLUSTER,
	OPTS_OUTPUT,
	{"once", OPT_FLAG, AT(once),
	 .help = "Print the cluster as it is, as text or JSON, and end; with --interval after a "
		 "second look that tells the rates."},
	{"interval", OPT_STRING, AT(interval), .arg = "seconds", .brief = 'i',
	 .help = "The time from one sample to the next (default: 2)."},
	{"samples", OPT_INT, AT(samples), .arg = "count", .brief = 'n', .min = 1, .max = INT32_MAX,
	 .help = "End after so many samples."},
	{"topic", OPT_STRING, AT(topic), .arg = "topic", .brief = 't', .complete = COMPLETE_TOPIC,
	 .help = "Begin with the partitions of this topic, or print them too."},
	{"internal", OPT_FLAG, AT(internal),
	 .help = "Show internal topics also when nothing is wrong with them."},
	{"ascii", OPT_FLAG, AT(ascii), .help = "Draw bars and sparklines with ASCII characters."},
	OPT_END,
};

const struct command cmd_top = {
	.name = "top",
	.summary = "watch a cluster live: brokers, topics, groups and what happens",
	.opts = top_opts,
	.args_size = sizeof(struct top_args),
	.run = top_run,
};

static int top_interval(const struct top_args *args, int64_t *ms, struct err *err)
{
	double seconds;
	char *end;

	*ms = TOP_INTERVAL_MS;
	if (!args->interval)
		return 0;
	seconds = strtod(args->interval, &end);
	if (end == args->interval || *end ||
	    !(seconds * 1000 >= TOP_INTERVAL_MS_MIN && seconds <= TOP_INTERVAL_S_MAX))
		return err_set(err, E_USAGE, "--interval: '%s' is no number of seconds from 0.1",
			       args->interval);
	*ms = (int64_t)(seconds * 1000);
	return 0;
}

static int top_check(struct top *t, struct err *err)
{
	int rc = output_format(&t->args->output, &t->format, err);

	if (rc == 0)
		rc = top_interval(t->args, &t->interval_ms, err);
	if (rc == 0)
		rc = opt_conflict(t->run, "once", "samples", err);
	t->sample_max = t->args->once ? 1 : (uint64_t)t->args->samples;
	return rc;
}

static bool top_is_live(const struct top *t)
{
	const char *terminal = getenv("TERM");

	return print_to_terminal() && terminal && strcmp(terminal, "dumb") != 0 && !t->args->once &&
	       !opt_given(t->run, "output") && t->format != OUTPUT_JSON;
}

static int top_run(struct run *run, void *data)
{
	struct top t = {.run = run, .args = data};
	struct connection connection = {0};
	struct err err = {0};
	int code = EXIT_OK, rc;

	if (top_check(&t, &err) < 0)
		return help_usage(run, &err);
	rc = connect_admin(&connection, &t.args->cluster, &err);
	if (rc == 0) {
		t.client = connection.client;
		if (top_is_live(&t))
			rc = top_live(&t, &code, &err);
		else
			rc = top_stream(&t, &code, &err);
	}
	connect_close(&connection);
	return rc < 0 ? help_failure(run, &err) : code;
}
