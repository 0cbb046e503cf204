/* `kavka verify`: producing and consuming with each step told as JSON, for tests of clusters
 * (kafka-verifiable-producer, kafka-verifiable-consumer). */
#include "cmd/verify/verify_int.h"
#include "cmd/print.h"

#include "base/clock.h"

struct verify_args {
	char none;
};

static const struct opt verify_opts[] = {OPT_END};

static const struct command *const verify_subs[] = {&cmd_verify_produce, &cmd_verify_consume, NULL};

const struct command cmd_verify = {
	.name = "verify",
	.summary = "produce or consume, and tell each step as JSON",
	.opts = verify_opts,
	.args_size = sizeof(struct verify_args),
	.subs = verify_subs,
};

void event_open(struct json_out *j, const char *name)
{
	*j = (struct json_out){0};
	json_out_open(j, NULL, '{');
	json_out_int(j, "timestamp", clock_wall_ms());
	json_out_text(j, "name", name);
}

void event_close(struct json_out *j)
{
	json_out_close(j, '}');
	print_byte('\n');
	print_flush();
}

void event(const char *name)
{
	struct json_out j;

	event_open(&j, name);
	event_close(&j);
}
