/* From argv to a running command. */
#include "cmd/command.h"
#include "cmd/old_names.h"
#include "cmd/output.h"
#include "cmd/print.h"
#include "cmd/version.h"

#include "base/mem.h"
#include "base/near.h"
#include "base/say.h"
#include "client/client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const struct command *const *commands;

const struct command *command_find(const char *name)
{
	for (unsigned i = 0; commands[i]; i++) {
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	}
	return NULL;
}

static const struct command *alias_in(const struct command *const *table, const char *name,
				      size_t len)
{
	for (unsigned i = 0; table && table[i]; i++) {
		const char *alias = table[i]->alias;
		const struct command *sub;

		if (alias && strlen(alias) == len && memcmp(alias, name, len) == 0)
			return table[i];
		sub = alias_in(table[i]->subs, name, len);
		if (sub)
			return sub;
	}
	return NULL;
}

const struct command *command_find_alias(const char *name)
{
	size_t len = strlen(name);

	if (len > 3 && strcmp(name + len - 3, ".sh") == 0)
		len -= 3;
	return alias_in(commands, name, len);
}

const struct command *command_find_sub(const struct command *command, const char *name)
{
	for (unsigned i = 0; command->subs && command->subs[i]; i++) {
		if (strcmp(command->subs[i]->name, name) == 0 ||
		    word_in(command->subs[i]->also, name, strlen(name)))
			return command->subs[i];
	}
	return NULL;
}

#ifdef KAVKA_SLOW_CHECKS
static void frame_check(void)
{
	struct err err = {0};

	for (unsigned i = 0; commands[i]; i++) {
		if (opt_check(commands[i], &err) < 0) {
			print_error("kavka: bad option table: %s\n", err.text);
			abort();
		}
	}
}
#endif

static int frame_unknown(const char *name)
{
	struct near near;

	near_init(&near, name);
	for (unsigned i = 0; commands[i]; i++)
		near_offer(&near, commands[i]->name);
	if (near.best)
		print_error("kavka: unknown command '%s'; did you mean %s?\n", name, near.best);
	else
		print_error("kavka: unknown command '%s' (kavka help lists them)\n", name);
	return EXIT_USAGE;
}

static void frame_unknown_sub(struct run *run, const char *name, struct err *err)
{
	struct near near;

	near_init(&near, name);
	for (unsigned i = 0; run->command->subs[i]; i++)
		near_offer(&near, run->command->subs[i]->name);
	run->is_advised = near.best != NULL;
	if (near.best)
		err_set(err, E_USAGE, "unknown subcommand '%s'; did you mean %s?", name, near.best);
	else
		err_set(err, E_USAGE, "unknown subcommand '%s'", name);
}

/* --help, and no arguments at all under Apache's name. */
static int frame_help(const struct run *run)
{
	bool to_stderr = run->is_apache && run->command->dialect == JOPT;
	const char *bare = run->wants_help ? NULL : run->command->intro_bare;
	const char *intro = bare ? bare : run->command->intro;
	struct out text;

	out_init(&text, 1 << 20);
	help_write_as(&text, run->name, run->command, 80);
	if (to_stderr) {
		if (intro)
			print_error("%s\n", intro);
		print_error_bytes(text.data, text.len);
	} else {
		print_bytes(text.data, text.len);
	}
	out_fini(&text);
	return to_stderr ? EXIT_FAILED : EXIT_OK;
}

/* --quiet, where a command has it. */
static void frame_quiet(const struct run *run)
{
	const struct opt *rows = run->command->opts;

	for (unsigned i = 0; rows[i].name; i++)
		if (strcmp(rows[i].name, "quiet") == 0 && rows[i].type == OPT_FLAG)
			output_set_quiet(run->given[i] > 0);
}

static int frame_refuse(const struct run *run, const struct err *err)
{
	if (run->is_apache && run->command->refuse)
		return run->command->refuse(run, err);
	return help_usage(run, err);
}

/* Where the subcommand stands: in front, or behind options that are those of all subcommands, where
 * the command has such in its own table. */
static int frame_sub_at(const struct command *command, int argc, char **argv)
{
	int at = 0;

	if (argc > 0 && argv[0][0] == '-' && command->opts[0].name)
		while (at < argc && !command_find_sub(command, argv[at]))
			at++;
	return at;
}

static int frame_run(struct run *run, int argc, char **argv)
{
	struct err err = {0};
	void *args;

	if (run->command->subs) {
		int at = frame_sub_at(run->command, argc, argv);
		const struct command *sub =
			at < argc ? command_find_sub(run->command, argv[at]) : NULL;

		if (sub) {
			char **rest = arena_array(&run->arena, (size_t)argc, sizeof(*rest));

			memcpy(rest, argv, (size_t)at * sizeof(*rest));
			memcpy(rest + at, argv + at + 1, (size_t)(argc - at - 1) * sizeof(*rest));
			run->name = arena_printf(&run->arena, "%s %s", run->name, sub->name);
			run->command = sub;
			return frame_run(run, argc - 1, rest);
		}
		if (argc > 0 && argv[0][0] != '-') {
			frame_unknown_sub(run, argv[0], &err);
			return frame_refuse(run, &err);
		}
	}
	run->argc = argc;
	run->argv = argv;
	args = arena_zalloc(&run->arena, run->command->args_size + 1);
	if (opt_parse(run, argc, argv, args, &err) < 0)
		return frame_refuse(run, &err);
	if (run->wants_version) {
		print_text("%s\n", run->is_apache ? KAFKA_VERSION : "kavka " KAVKA_VERSION);
		return EXIT_OK;
	}
	if (!run->command->run && !run->wants_help) {
		err_set(&err, E_USAGE,
			run->is_apache ? "too few arguments" : "say which subcommand");
		return frame_refuse(run, &err);
	}
	if (run->wants_help || (run->is_apache && argc == 0 && run->command->intro) ||
	    !run->command->run)
		return frame_help(run);
	frame_quiet(run);
	return run->command->run(run, args);
}

/* Output that could not be written must not look like success. */
static int frame_end(struct run *run, int code)
{
	int rc = print_flush();

	if (client_has_left() && rc != -EPIPE)
		_exit(rc < 0 && code == EXIT_OK ? EXIT_FAILED : code);
	if (rc == -EPIPE) {
		/* The reader went away, as `head` does: end as any other filter would. */
		signal(SIGPIPE, SIG_DFL);
		raise(SIGPIPE);
	}
	if (rc < 0) {
		print_error("%s: stdout: %s\n", run->name, err_text(rc));
		return code == EXIT_OK ? EXIT_FAILED : code;
	}
	return code;
}

static int frame_start(const struct command *command, bool is_apache, const char *name, int argc,
		       char **argv)
{
	struct run run = {.command = command, .is_apache = is_apache};
	int code;

	arena_init(&run.arena);
	run.name = is_apache ? name : arena_printf(&run.arena, "kavka %s", command->name);
	code = frame_end(&run, frame_run(&run, argc, argv));
	arena_fini(&run.arena);
	return code;
}

int frame_main(const struct command *const *table, int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "kavka";
	const char *slash = strrchr(name, '/');
	const struct command *command;

	commands = table;
#ifdef KAVKA_SLOW_CHECKS
	frame_check();
#endif
	say_setup(&(struct say_options){.level = SAY_WARN, .plain = true});
	signal(SIGPIPE, SIG_IGN);	/* peers and readers that go away are write errors */
	name = slash ? slash + 1 : name;
	command = command_find_alias(name);
	if (command)
		return frame_start(command, true, command->alias, argc - 1, argv + 1);
	switch (old_name_find(name, argc > 1 ? argv[1] : NULL, &command)) {
	case OLD_NAME_COMMAND:
		return frame_start(command, true, command->alias, argc - 2, argv + 2);
	case OLD_NAME_TOLD:
		return EXIT_FAILED;
	case OLD_NAME_NONE:
		break;
	}
	name = argc > 1 ? argv[1] : "help";
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 ||
	    strcmp(name, "version") == 0) {
		print_text("kavka %s (speaks Kafka %s)\n", KAVKA_VERSION, KAFKA_VERSION);
		return print_flush() < 0 ? EXIT_FAILED : EXIT_OK;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		name = "help";
	command = command_find(name);
	if (command)
		return frame_start(command, false, NULL, argc - 2, argv + 2);
	command = command_find_alias(name);
	if (command)
		return frame_start(command, true, command->alias, argc - 2, argv + 2);
	return frame_unknown(name);
}
