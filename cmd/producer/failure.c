#include "cmd/producer/failure.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

#define CONFIG_EXCEPTION "org.apache.kafka.common.config.ConfigException"
#define KAFKA_EXCEPTION "org.apache.kafka.common.KafkaException"

/* Appends "a, b" for "a|b". */
static void out_choices(struct out *out, const char *choices)
{
	for (; *choices; choices++) {
		if (*choices == '|')
			out_text(out, ", ");
		else
			out_byte(out, (uint8_t)*choices);
	}
}

/* "acks=7: must be one of all|-1" -> "Invalid value 7 for configuration acks: String must be one
 * of: all, -1". Other texts stay. */
static void out_config(struct out *out, const char *text)
{
	static const char one_of[] = "must be one of ",
			  at_least[] = "must be a number of at least ";
	const char *equals = strchr(text, '='), *reason = equals ? strstr(equals, ": ") : NULL;

	if (!reason) {
		out_text(out, text);
		return;
	}
	out_printf(out, "Invalid value %.*s for configuration %.*s: ", (int)(reason - equals - 1),
		   equals + 1, (int)(equals - text), text);
	reason += 2;
	if (strncmp(reason, one_of, strlen(one_of)) == 0) {
		out_text(out, "String must be one of: ");
		out_choices(out, reason + strlen(one_of));
	} else if (strncmp(reason, at_least, strlen(at_least)) == 0) {
		out_printf(out, "Value must be at least %s", reason + strlen(at_least));
	} else {
		out_text(out, reason);
	}
}

/* "PATH: reason" -> PATH */
static int path_len(const char *text)
{
	const char *at = strstr(text, ": ");

	return at ? (int)(at - text) : (int)strlen(text);
}

static void out_exception(struct out *out, enum failure_stage stage, const struct err *err)
{
	char class[EXCEPTION_TEXT_MAX];
	const char *text = err_message(err), *exception;

	if (err->code == -ENOENT || err->code == -EACCES) {
		out_printf(out, "java.nio.file.%s: %.*s",
			   err->code == -ENOENT ? "NoSuchFileException" : "AccessDeniedException",
			   path_len(text), text);
		return;
	}
	if (stage == FAILURE_CONFIG && err->code == E_INVALID) {
		out_text(out, CONFIG_EXCEPTION ": ");
		out_config(out, text);
		return;
	}
	exception = stage == FAILURE_READER || err->code == E_MALFORMED ? NULL
									: err_exception(err, class);
	out_printf(out, "%s%s: %s",
		   stage == FAILURE_SYNC && exception ? "java.util.concurrent.ExecutionException: "
						      : "",
		   exception ? exception : KAFKA_EXCEPTION, text);
}

int failure_print(const struct run *run, enum failure_stage stage, const struct err *err)
{
	struct out out;

	if (err->code == E_USAGE)
		return help_usage(run, err);
	if (!run->is_apache)
		return help_failure(run, err);
	out_init(&out, 2 * ERR_TEXT_MAX);
	/* Of an option the message is all there is. */
	if (stage == FAILURE_OPTIONS)
		out_text(&out, err_message(err));
	else
		out_exception(&out, stage, err);
	out_byte(&out, '\n');
	print_error_bytes(out.data, out.len);
	out_fini(&out);
	return EXIT_FAILED;
}
