/* Help texts and error lines, printed from the option tables. */
#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/print.h"

#include "base/buf.h"
#include "base/env.h"
#include "base/mem.h"
#include "wire/errors.h"

#include <string.h>

#define HELP_INDENT 2
#define HELP_TEMPLATE_BYTES_MAX (1 << 20)
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

void help_write(struct out *out, const struct command *c, bool is_apache, unsigned width)
{
	const char *name = is_apache && c->alias ? c->alias : c->name;

	out_printf(out, "Usage: %s%s%s [options]%s%s\n\n", is_apache ? "" : "kavka ", name,
		   c->subs ? " <subcommand>" : "", c->words ? " " : "", c->words ? c->words : "");
	for (unsigned i = 0; c->subs && c->subs[i]; i++) {
		out_printf(out, "%s%s: %s\n", i ? "\n" : "", c->subs[i]->name, c->subs[i]->summary);
		help_write_rows(out, c->subs[i], width);
	}
	if (!c->subs)
		help_write_rows(out, c, width);
}

void help_write_overview(struct out *out)
{
	unsigned width = 0;

	for (unsigned i = 0; commands[i]; i++)
		width = MAX(width, (unsigned)strlen(commands[i]->name));
	out_text(out, "kavka: Apache Kafka's tools and broker in one program\n\n"
		 "Usage: kavka <command> [options]\n\n");
	for (unsigned i = 0; commands[i]; i++) {
		const struct command *c = commands[i];

		out_printf(out, "  %-*s  %s", (int)width, c->name, c->summary);
		if (c->alias)
			out_printf(out, " (%s)", c->alias);
		for (unsigned sub = 0; c->subs && c->subs[sub]; sub++) {
			if (c->subs[sub]->alias)
				out_printf(out, "%s%s", sub ? ", " : " (", c->subs[sub]->alias);
			if (c->subs[sub]->alias && !c->subs[sub + 1])
				out_byte(out, ')');
		}
		out_byte(out, '\n');
	}
	out_text(out, "\nkavka help <command> shows the options of one, `man kavka-<command>` "
		 "its manual.\nThe server is --bootstrap-server, or $KAVKA_BOOTSTRAP_SERVERS, or "
		 "localhost:9092.\n");
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
	help_write(&text, run->command, true, 80);
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

/* ---- kavka help --------------------------------------------------------------------------- */

struct help_args {
	const char *man, *completion, *template;
	bool man_commands, man_configs;
};

#define AT(field) offsetof(struct help_args, field)

static const struct opt help_opts[] = {
	{"man", OPT_STRING, AT(man), .arg = "command",
	 .help = "Print the options of a command as manual text."},
	{"man-commands", OPT_FLAG, AT(man_commands),
	 .help = "Print the list of commands as manual text."},
	{"man-configs", OPT_FLAG, AT(man_configs),
	 .help = "Print the configs of brokers and topics as manual text."},
	{"completion", OPT_STRING, AT(completion), .arg = "shell", .complete = COMPLETE_WORDS,
	 .words = "bash zsh fish", .help = "Print the names that a shell's completion registers."},
	{"template", OPT_STRING, AT(template), .arg = "file", .complete = COMPLETE_FILE,
	 .help = "Print this file with the generated text put in its place."},
	OPT_END,
};

/* Prints the template with `mark` replaced by `text`; no template: the text alone. */
static int help_fill(const struct run *run, const char *template, const char *mark,
		     const struct out *text)
{
	struct err err = {0};
	const char *at;
	struct env env;
	char *data;
	size_t len;
	int rc;

	if (!template) {
		print_bytes(text->data, text->len);
		return EXIT_OK;
	}
	env_posix_init(&env);
	rc = env_read_file(&env, template, HELP_TEMPLATE_BYTES_MAX, &data, &len);
	if (rc < 0) {
		err_sys(&err, rc, "%s", template);
		return help_failure(run, &err);
	}
	at = data;
	for (;;) {
		const char *found = strstr(at, mark);

		if (!found)
			break;
		print_bytes(at, (size_t)(found - at));
		print_bytes(text->data, text->len);
		at = found + strlen(mark);
	}
	print_text("%s", at);
	free(data);
	return EXIT_OK;
}

static int help_run(struct run *run, void *data)
{
	struct help_args *args = data;
	const char *name = args->man ? args->man : run->word_count > 0 ? run->words[0] : NULL;
	const struct command *c = name ? command_find(name) : NULL;
	struct err err = {0};
	struct out text;
	int code = EXIT_OK;

	out_init(&text, 1 << 20);
	if (name && !c)
		c = command_find_alias(name);
	if (args->completion) {
		if (complete_write(&text, args->completion)) {
			code = help_fill(run, args->template, "@COMMANDS@", &text);
		} else {
			err_set(&err, E_USAGE, "'%s' is no shell: bash, zsh or fish",
				args->completion);
			code = help_usage(run, &err);
		}
	} else if (args->man_commands) {
		man_write_commands(&text);
		code = help_fill(run, args->template, "@COMMANDS@\n", &text);
	} else if (args->man_configs) {
		man_write_configs(&text);
		code = help_fill(run, args->template, "@CONFIGS@\n", &text);
	} else if (name && !c) {
		err_set(&err, E_USAGE, "there is no command '%s'", name);
		code = help_usage(run, &err);
	} else if (args->man) {
		man_write_options(&text, c);
		code = help_fill(run, args->template, "@OPTIONS@\n", &text);
	} else {
		if (c)
			help_write(&text, c, c->alias && strcmp(name, c->name) != 0, 80);
		else
			help_write_overview(&text);
		print_bytes(text.data, text.len);
	}
	out_fini(&text);
	return code;
}

const struct command cmd_help = {
	.name = "help", .summary = "show the commands, or the options of one",
	.words = "[command]", .opts = help_opts, .args_size = sizeof(struct help_args),
	.run = help_run,
};
