/* Help texts of commands, and error lines. */
#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/print.h"

#include "base/buf.h"
#include "base/mem.h"
#include "wire/errors.h"

#include <string.h>

#define HELP_INDENT 2
#define HELP_HEAD_MAX 34	/* longer option names get a line of their own */

const char *help_opt_head(struct arena *a, const struct opt *o)
{
	const char *brief = o->brief ? arena_printf(a, "-%c, ", o->brief) : "";

	if (!o->arg)
		return arena_printf(a, "%s--%s", brief, o->name);
	if (o->type == OPT_OPTIONAL)
		return arena_printf(a, "%s--%s [<%s>]", brief, o->name, o->arg);
	return arena_printf(a, "%s--%s <%s>", brief, o->name, o->arg);
}

/* Writes `text` in lines from column `at` to `width`; the first line starts where we are. */
static void help_wrap(struct out *out, const char *text, unsigned at, unsigned width)
{
	unsigned column = at;
	bool first = true;

	while (*text) {
		unsigned len = (unsigned)strcspn(text, " ");

		if (!first && column + 1 + len > width) {
			out_printf(out, "\n%*s", (int)at, "");
			column = at;
			first = true;
		}
		if (!first) {
			out_byte(out, ' ');
			column++;
		}
		out_bytes(out, text, len);
		column += len;
		first = false;
		text += len;
		text += strspn(text, " ");
	}
	out_byte(out, '\n');
}

static void help_write_row(struct out *out, const struct opt *o, unsigned head_width,
			   unsigned width)
{
	unsigned at = HELP_INDENT + head_width + 2;
	struct arena a;
	const char *head, *text = o->help;

	arena_init(&a);
	head = help_opt_head(&a, o);
	out_printf(out, "%*s%s", HELP_INDENT, "", head);
	if (strlen(head) > head_width)
		out_printf(out, "\n%*s", (int)at, "");
	else
		out_printf(out, "%*s", (int)(head_width + 2 - strlen(head)), "");
	if (o->value && o->type != OPT_OPTIONAL)
		text = arena_printf(&a, "%s (default: %s)", text, o->value);
	help_wrap(out, text, at, width);
	arena_fini(&a);
}

static bool help_shows(const struct opt *o)
{
	return o->type != OPT_GONE && !(o->flags & OPT_OLD);
}

/* Rows in the order of their names, as Apache's help has them. */
static void help_write_rows(struct out *out, const struct command *c, unsigned width)
{
	const struct opt *last = NULL;
	unsigned head_width = 0;
	struct arena a;

	arena_init(&a);
	for (const struct opt *o = c->opts; o->name; o++) {
		unsigned len =
			help_shows(o) ? (unsigned)strlen(help_opt_head(&a, o)) : 0;

		if (len <= HELP_HEAD_MAX)
			head_width = MAX(head_width, len);
	}
	arena_fini(&a);
	head_width = MAX(head_width, (unsigned)strlen("-h, --help"));
	for (;;) {
		const struct opt *next = NULL;

		for (const struct opt *o = c->opts; o->name; o++) {
			if (help_shows(o) && (!last || strcmp(o->name, last->name) > 0) &&
			    (!next || strcmp(o->name, next->name) < 0))
				next = o;
		}
		if (!next)
			break;
		help_write_row(out, next, head_width, width);
		last = next;
	}
	for (const struct opt *o = opt_frame_rows; o->name; o++) {
		if (!opt_has(c, o->name))
			help_write_row(out, o, head_width, width);
	}
}

void help_write_as(struct out *out, const char *name, const struct command *c, unsigned width)
{
	out_printf(out, "Usage: %s%s [options]%s%s\n\n", name, c->subs ? " <subcommand>" : "",
		   c->words ? " " : "", c->words ? c->words : "");
	for (unsigned i = 0; c->subs && c->subs[i]; i++) {
		const struct command *sub = c->subs[i];

		out_printf(out, "%s%s%s%s: %s\n", i ? "\n" : "", sub->name, sub->words ? " " : "",
			   sub->words ? sub->words : "", sub->summary);
		help_write_rows(out, sub, width);
	}
	if (!c->subs)
		help_write_rows(out, c, width);
}

void help_write(struct out *out, const struct command *c, bool is_apache, unsigned width)
{
	struct arena a;

	arena_init(&a);
	help_write_as(out, is_apache && c->alias ? c->alias : arena_printf(&a, "kavka %s", c->name),
		      c, width);
	arena_fini(&a);
}

/* ---- Errors ------------------------------------------------------------------------------- */

/* Is it the server that Apache's tools insist on? */
static bool help_lacks_server(const struct run *run, const struct err *err)
{
	return strstr(err->text, "bootstrap") && !connect_has_server(run);
}

int help_usage(const struct run *run, const struct err *err)
{
	struct out text;

	if (!run->is_apache) {
		print_error("%s: %s (see kavka help %s)\n", run->name, err_message(err),
			    run->name + strlen("kavka "));
		return EXIT_USAGE;
	}
	if (help_lacks_server(run, err)) {
		print_error("%.*s; write --bootstrap-server localhost:9092, or set %s\n",
			    (int)strcspn(err->text, "\n"), err->text, BOOTSTRAP_VARIABLE);
		return EXIT_FAILED;
	}
	print_error("%s\n", err_message(err));
	if (run->is_advised)
		return EXIT_FAILED;	/* the help would bury the advice */
	out_init(&text, 1 << 20);
	help_write_as(&text, run->name, run->command, 80);
	print_error_bytes(text.data, text.len);
	out_fini(&text);
	return EXIT_FAILED;
}

static int help_kafka_exit_code(int kafka_error)
{
	switch (kafka_error) {
	case KERR_UNKNOWN_TOPIC_OR_PARTITION:
	case KERR_UNKNOWN_TOPIC_ID:
	case KERR_GROUP_ID_NOT_FOUND:
	case KERR_RESOURCE_NOT_FOUND:
	case KERR_BROKER_ID_NOT_REGISTERED:
		return EXIT_NOT_FOUND;
	case KERR_TOPIC_AUTHORIZATION_FAILED:
	case KERR_GROUP_AUTHORIZATION_FAILED:
	case KERR_CLUSTER_AUTHORIZATION_FAILED:
	case KERR_SASL_AUTHENTICATION_FAILED:
		return EXIT_DENIED;
	case KERR_REQUEST_TIMED_OUT:
		return EXIT_TIMED_OUT;
	default:
		return EXIT_FAILED;
	}
}

int help_exit_code(const struct run *run, const struct err *err)
{
	if (err->code == 0)
		return EXIT_OK;
	if (run->is_apache)
		return EXIT_FAILED;
	switch (err->code) {
	case E_USAGE:
		return EXIT_USAGE;
	case E_UNREACHABLE:
		return EXIT_UNREACHABLE;
	case E_AUTH:
		return EXIT_DENIED;
	case E_NOT_FOUND:
		return EXIT_NOT_FOUND;
	case E_TIMEOUT:
		return EXIT_TIMED_OUT;
	case E_KAFKA:
		return help_kafka_exit_code(err->kafka_error);
	default:
		return EXIT_FAILED;
	}
}

int help_failure(const struct run *run, const struct err *err)
{
	print_error("%s: %s\n", run->name, err_message(err));
	return help_exit_code(run, err);
}
