/* `kavka perf`: how fast records go into a cluster (kafka-producer-perf-test) and come out of it
 * (kafka-consumer-perf-test). */
#include "cmd/perf/perf_int.h"
#include "cmd/json_out.h"
#include "cmd/print.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct perf_args {
	char none;
};

static const struct opt perf_opts[] = {OPT_END};

static const struct command *const perf_subs[] = {&cmd_perf_produce, &cmd_perf_consume, NULL};

const struct command cmd_perf = {
	.name = "perf",
	.summary = "measure how fast records are produced or consumed",
	.opts = perf_opts,
	.args_size = sizeof(struct perf_args),
	.subs = perf_subs,
};

const char *perf_number(char text[PERF_NUMBER_MAX], double value, int digits)
{
	if (isnan(value))
		return "NaN";
	if (isinf(value))
		return value < 0 ? "-Infinity" : "Infinity";
	snprintf(text, PERF_NUMBER_MAX, "%.*f", digits, value);
	return text;
}

void perf_print_metrics(const struct perf_metric *metrics, size_t count, const char *client_id,
			bool is_json)
{
	char number[PERF_NUMBER_MAX];
	size_t width = 0;

	if (is_json) {
		struct json_out j = {0};

		json_out_open(&j, NULL, '{');
		json_out_text(&j, "type", "metrics");
		for (size_t i = 0; i < count; i++)
			json_out_double(&j, metrics[i].name, metrics[i].value);
		json_out_close(&j, '}');
		print_byte('\n');
		return;
	}
	for (size_t i = 0; i < count; i++)
		width = MAX(width,
			    strlen(metrics[i].name) + strlen(":{client-id=}") + strlen(client_id));
	print_text("\n%-*s   Value\n", (int)width, "Metric Name");
	for (size_t i = 0; i < count; i++) {
		int len = (int)(strlen(metrics[i].name) + strlen(":{client-id=}") +
				strlen(client_id));

		print_text("%s:{client-id=%s}%*s : %s\n", metrics[i].name, client_id,
			   (int)width - len, "", perf_number(number, metrics[i].value, 3));
	}
}

int perf_refuse(const struct run *run, const struct err *err)
{
	struct out text;

	out_init(&text, 1 << 20);
	help_write(&text, run->command, true, 80);
	print_error("%.*s%s: error: %s\n", (int)strcspn((const char *)text.data, "\n") + 1,
		    (const char *)text.data, run->name, err_message(err));
	out_fini(&text);
	return EXIT_FAILED;
}

static int perf_property(struct client_config *config, const char *pair, struct err *err)
{
	const char *equals = strchr(pair, '=');

	if (!equals || equals == pair || equals[1] == '\0' || strchr(equals + 1, '='))
		return err_set(err, E_INVALID, "Invalid property: %s", pair);
	return client_config_set_pair(config, pair, err);
}

int perf_properties(const struct run *run, struct client_config *config,
		    const struct opt_list *properties, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < properties->count; i++)
		rc = perf_property(config, properties->items[i], err);
	if (rc == 0 && run->word_count > 0 && properties->count == 0)
		return err_set(err, E_USAGE, "unrecognized arguments: '%s'", run->words[0]);
	for (unsigned i = 0; rc == 0 && i < run->word_count; i++)
		rc = perf_property(config, run->words[i], err);
	return rc;
}
