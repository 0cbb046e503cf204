/* kavka help: what commands there are, the options of one, and what is made from the tables. */
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/buf.h"
#include "base/env.h"
#include "base/mem.h"
#include "base/near.h"

#include <stdlib.h>
#include <string.h>

#define HELP_TEMPLATE_BYTES_MAX (1 << 20)

/* What people come for, and the commands for it. A command that is in none stands below them. */
static const struct {
	const char *title, *names;
} overview_groups[] = {
	{"Records", "producer consumer cat"},
	{"Topics and their partitions", "topics offsets delete-records configs reassign log-dirs "
	 "elect replicas"},
	{"Groups and transactions", "groups share-groups streams-groups transactions"},
	{"The cluster", "api-versions cluster quorum features acls users tokens client-metrics "
	 "registry"},
	{"Servers", "broker storage lab"},
	{"Finding out", "top doctor trace api dump perf verify"},
	{"This program", "profile help"},
};

static void overview_row(struct out *out, const struct command *c, int width)
{
	const char *before = " (";

	out_printf(out, "  %s%s%s%*s  %s", tone_on(TONE_BOLD), c->name, tone_off(),
		   width - (int)strlen(c->name), "", c->summary);
	if (c->alias) {
		out_printf(out, "%s%s", before, c->alias);
		before = ", ";
	}
	for (unsigned i = 0; c->subs && c->subs[i]; i++) {
		if (!c->subs[i]->alias)
			continue;
		out_printf(out, "%s%s", before, c->subs[i]->alias);
		before = ", ";
	}
	out_text(out, *before == ',' ? ")\n" : "\n");
}

static bool overview_has(const char *name)
{
	for (unsigned g = 0; g < ARRAY_LEN(overview_groups); g++)
		if (word_in(overview_groups[g].names, name, strlen(name)))
			return true;
	return false;
}

/* The title, and below it the commands that are there; nothing if none is. `names` NULL: those of
 * no group. */
static void overview_group(struct out *out, const char *title, const char *names, int width)
{
	bool is_begun = false;

	for (unsigned i = 0; commands[i]; i++) {
		const char *name = commands[i]->name;

		/* It answers shells, not people. */
		if (commands[i] == &cmd_complete ||
		    (names ? !word_in(names, name, strlen(name)) : overview_has(name)))
			continue;
		if (!is_begun)
			out_printf(out, "\n%s:\n", title);
		is_begun = true;
		overview_row(out, commands[i], width);
	}
}

void help_write_overview(struct out *out)
{
	unsigned width = 0;

	for (unsigned i = 0; commands[i]; i++)
		width = MAX(width, (unsigned)strlen(commands[i]->name));
	out_text(out, "kavka: Apache Kafka's tools and broker in one program\n\n"
		 "Usage: kavka <command> [options]\n");
	for (unsigned g = 0; g < ARRAY_LEN(overview_groups); g++)
		overview_group(out, overview_groups[g].title, overview_groups[g].names, (int)width);
	overview_group(out, "More", NULL, (int)width);
	out_text(out, "\nkavka help <command> shows the options of one, `man kavka-<command>` "
		 "its manual.\nThe server is -b (--bootstrap-server), else "
		 "$KAVKA_BOOTSTRAP_SERVERS, else the current\n"
		 "profile (kavka profile), else localhost:9092.\n");
}

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
		     const struct out *text, bool is_man)
{
	struct out filled;
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
	out_init(&filled, 4 * HELP_TEMPLATE_BYTES_MAX);
	at = data;
	for (;;) {
		const char *found = strstr(at, mark);

		if (!found)
			break;
		out_bytes(&filled, at, (size_t)(found - at));
		out_bytes(&filled, text->data, text->len);
		at = found + strlen(mark);
	}
	out_text(&filled, at);
	if (is_man)
		man_print(&filled);
	else
		print_bytes(filled.data, filled.len);
	out_fini(&filled);
	free(data);
	return EXIT_OK;
}

static int help_unknown(struct run *run, const char *what, const char *name,
			const struct command *const *table)
{
	struct err err = {0};
	struct near near;

	near_init(&near, name);
	for (unsigned i = 0; table[i]; i++)
		near_offer(&near, table[i]->name);
	if (near.best)
		err_set(&err, E_USAGE, "there is no %s '%s'; did you mean %s?", what, name,
			near.best);
	else
		err_set(&err, E_USAGE, "there is no %s '%s'", what, name);
	return help_usage(run, &err);
}

/* `kavka help`, `kavka help COMMAND`, `kavka help COMMAND SUBCOMMAND`. */
static int help_show(struct run *run, struct out *text)
{
	const char *name = run->word_count > 0 ? run->words[0] : NULL;
	const struct command *c, *sub;
	const char *full;

	if (!name) {
		help_write_overview(text);
		print_bytes(text->data, text->len);
		return EXIT_OK;
	}
	c = command_find(name);
	full = arena_printf(&run->arena, "kavka %s", name);
	if (!c) {
		c = command_find_alias(name);
		full = c ? c->alias : NULL;
	}
	if (!c)
		return help_unknown(run, "command", name, commands);
	if (run->word_count > 1 && c->subs) {
		sub = command_find_sub(c, run->words[1]);
		if (!sub)
			return help_unknown(run, "subcommand", run->words[1], c->subs);
		full = arena_printf(&run->arena, "%s %s", full, sub->name);
		c = sub;
	}
	help_write_as(text, full, c, 80);
	print_bytes(text->data, text->len);
	return EXIT_OK;
}

static int help_run(struct run *run, void *data)
{
	struct help_args *args = data;
	const struct command *c;
	struct err err = {0};
	struct out text;
	int code;

	out_init(&text, 1 << 20);
	if (args->completion) {
		if (complete_write(&text, args->completion)) {
			code = help_fill(run, args->template, "@COMMANDS@", &text, false);
		} else {
			err_set(&err, E_USAGE, "'%s' is no shell: bash, zsh or fish",
				args->completion);
			code = help_usage(run, &err);
		}
	} else if (args->man_commands) {
		man_write_commands(&text);
		code = help_fill(run, args->template, "@COMMANDS@\n", &text, true);
	} else if (args->man_configs) {
		man_write_configs(&text);
		code = help_fill(run, args->template, "@CONFIGS@\n", &text, true);
	} else if (args->man) {
		c = command_find(args->man);
		if (c) {
			man_write_options(&text, c);
			code = help_fill(run, args->template, "@OPTIONS@\n", &text, true);
		} else {
			code = help_unknown(run, "command", args->man, commands);
		}
	} else {
		code = help_show(run, &text);
	}
	out_fini(&text);
	return code;
}

const struct command cmd_help = {
	.name = "help", .summary = "show the commands, or the options of one",
	.words = "[command [subcommand]]", .opts = help_opts, .args_size = sizeof(struct help_args),
	.run = help_run,
};
