/* Commands and their option tables: the one place where a command's options are written down.
 *
 * A command is one `struct command`: its names, its table of options and its function. The table is
 * read by the parser (opt.c), the help texts (help.c), the manual (man.c) and the completions
 * (complete.c). main.c lists the commands; frame.c finds the one that was called, by
 * `kavka NAME ...` or through a link with Apache's name, parses its options into a struct of the
 * command's own and runs it.
 *
 * Under Apache's name (`run->is_apache`) a command speaks as Apache's tool does: same texts, same
 * streams, same exit codes. Under kavka's name it says errors in one line on stderr and its exit
 * code tells what went wrong. */
#ifndef KAVKA_CMD_COMMAND_H
#define KAVKA_CMD_COMMAND_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>

/* Two families of argument parsers in Apache's tools. */
enum dialect {
	JOPT,     /* --opt VALUE, --opt=VALUE, -opt VALUE, -o VALUE; no abbreviations */
	ARGPARSE, /* --opt VALUE, --opt=VALUE, -o VALUE, -oVALUE; unique prefixes of long names */
};

enum opt_type {
	OPT_FLAG,	/* bool */
	OPT_STRING,	/* const char * */
	OPT_OPTIONAL,	/* const char *, NULL if given without a value (see opt_given) */
	OPT_INT,	/* int64_t within min..max */
	OPT_LIST,	/* struct opt_list: may be repeated */
	OPT_GONE,	/* of old releases: refused, `help` says what to use instead */
	OPT_TYPE_COUNT,
};

/* What the TAB key offers for the argument. */
enum complete {
	COMPLETE_NONE,
	COMPLETE_FILE,
	COMPLETE_TOPIC,		/* asks the cluster */
	COMPLETE_GROUP,		/* asks the cluster */
	COMPLETE_PROFILE,
	COMPLETE_LAB,
	COMPLETE_NODE,		/* of the lab */
	COMPLETE_CONFIG,	/* of what the line is about: topic, broker, group */
	COMPLETE_CLIENT_CONFIG,
	COMPLETE_REQUEST,	/* of the protocol: "Metadata" */
	COMPLETE_WORDS,		/* of the row's `words` */
};

struct opt_list {
	const char **items;
	unsigned count;
};

enum opt_flag {
	OPT_REQUIRED = 1,	/* argparse dialect: checked by the parser */
	OPT_OLD = 2,		/* accepted, but not shown: a spelling of old releases */
	OPT_OWN = 4,		/* kavka's own: Apache's tool has none */
};

struct opt {
	const char *name;		/* long name without dashes; NULL ends a table */
	enum opt_type type;
	size_t at;			/* offset of the field in the command's struct */
	const char *arg;		/* names the argument in help: "topic"; NULL for flags */
	const char *help;		/* one sentence */
	const char *value;		/* default, as it would be typed; NULL: none */
	int64_t min, max;		/* OPT_INT */
	const char *words;		/* COMPLETE_WORDS: separated by blanks */
	const char *old;		/* old spellings of the name, separated by blanks */
	const char *needs;		/* given only together with one of these (blanks) */
	enum complete complete;
	unsigned flags;			/* enum opt_flag */
	char brief;			/* one-letter name, 0: none */
};

#define OPT_END {0}

struct run;

struct command {
	const char *name;		/* as in `kavka NAME` */
	const char *alias;		/* Apache's name of it, NULL: none */
	const char *also;		/* a subcommand's other names, separated by blanks */
	enum dialect dialect;
	const char *summary;		/* one line, lower case */
	const char *intro;		/* Apache's sentence above the help */
	const char *intro_bare; /* the same when there is no argument at all, if it differs */
	const char *words; /* what stands behind the options in usage, NULL: no words */
	enum complete complete_words;
	const struct opt *opts;
	size_t args_size;
	const struct command *const *subs;	/* NULL-terminated subcommands; then run is NULL */
	int (*run)(struct run *run, void *args);	/* returns the exit code */
	/* Under Apache's name: tells what the parser refused and returns the exit code, where
	 * Apache's tool does it in a way of its own. NULL: help_usage(). */
	int (*refuse)(const struct run *run, const struct err *err);
};

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,	/* no broker answered */
	EXIT_DENIED = 4,	/* authentication or authorization */
	EXIT_NOT_FOUND = 5,
	EXIT_TIMED_OUT = 6,
	EXIT_PARTIAL = 7,	/* done for some, failed for others */
};

/* One run of one command. Everything allocated during it lives in the arena. */
struct run {
	const struct command *command;
	const char *name;		/* "kavka topics" or "kafka-topics": how errors begin */
	bool is_apache;			/* called by Apache's name */
	struct arena arena;
	int argc;
	char **argv;			/* as given, behind the command's name */
	const char **words;		/* arguments that belong to no option */
	unsigned word_count;
	unsigned *given;		/* how often each row of the table was given */
	bool wants_help, wants_version;
	bool is_advised;		/* the error says what to write instead */
	bool is_bad_value;		/* the error is in a value, not in an option's name */
};

/* All commands, NULL-terminated; set by frame_main. */
extern const struct command *const *commands;

/* Finds the command that argv names, parses, runs. Returns the process's exit code. */
int frame_main(const struct command *const *table, int argc, char **argv);

/* By name ("topics"), or by Apache's name with or without ".sh", which may be a subcommand's; NULL
 * if there is none. */
const struct command *command_find(const char *name);
const struct command *command_find_alias(const char *name);
const struct command *command_find_sub(const struct command *command, const char *name);

/* ---- opt.c ------------------------------------------------------------------------------- */

/* Parses `argv` (without the command's name) into `args`, which has command->args_size bytes.
 * Returns 0 or E_USAGE with the message in the words of the dialect (is_apache) or of kavka. */
MUST_USE int opt_parse(struct run *run, int argc, char **argv, void *args, struct err *err);

/* Was this option of the table given? The name must be in the table. */
bool opt_given(const struct run *run, const char *name);
/* How many of these (separated by blanks) were given. */
unsigned opt_given_count(const struct run *run, const char *names);

/* Is `name` (of `len` bytes) one of the words in `list`, which are separated by blanks? */
bool word_in(const char *list, const char *name, size_t len);

/* Checks between options. Return 0 or E_USAGE with the message. */
MUST_USE int opt_require(const struct run *run, const char *name, struct err *err);
MUST_USE int opt_conflict(const struct run *run, const char *name, const char *others,
			  struct err *err);

/* Test builds: the first bad row of a command's table (duplicate name, range without numbers, help
 * missing ...), 0 or E_INVALID. */
MUST_USE int opt_check(const struct command *command, struct err *err);

/* Rows that every command has: --help, --version; unless its table has that name. */
extern const struct opt opt_frame_rows[];
bool opt_has(const struct command *command, const char *name);

/* ---- help.c, overview.c ------------------------------------------------------------------- */

struct out;

/* Prints what is wrong with the command line: under Apache's name the message and the help text on
 * stderr, under kavka's one line. Returns the exit code. */
int help_usage(const struct run *run, const struct err *err);

/* Prints the failure of a run: "kavka topics: MESSAGE" on stderr. Returns the exit code for it. */
int help_failure(const struct run *run, const struct err *err);

/* The exit code for an error of the world, under the name that was called. */
int help_exit_code(const struct run *run, const struct err *err);

/* The help text of a command, in columns of a terminal `width` wide. */
void help_write(struct out *out, const struct command *command, bool is_apache, unsigned width);
/* The same, of a command called `name`: "kavka storage format". */
void help_write_as(struct out *out, const char *name, const struct command *command,
		   unsigned width);
/* `kavka help`: what commands there are. */
void help_write_overview(struct out *out);
/* The option's name in help: "-b, --bootstrap-server <server>". */
const char *help_opt_head(struct arena *a, const struct opt *opt);

/* ---- man.c, complete.c -------------------------------------------------------------------- */

/* The options of a command as mdoc(7) text, for @OPTIONS@ in man/kavka-NAME.1.in. */
void man_write_options(struct out *out, const struct command *command);
/* The list of commands, and the configs of brokers and topics (@COMMANDS@, @CONFIGS@). */
void man_write_commands(struct out *out);
void man_write_configs(struct out *out);
/* Prints a page, its lines of text no longer than mandoc(1) wants them. */
void man_print(const struct out *page);
/* The fixed part of a completion file with the words of all tables put in, for one of
 * "bash", "zsh", "fish"; returns false for another shell. */
bool complete_write(struct out *out, const char *shell);

extern const struct command cmd_help, cmd_complete;

#endif
