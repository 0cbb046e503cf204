/* Completion. The shell's part is a few fixed lines (completions/): at TAB time it runs
 * `kavka complete -- WORDS`, the words of the command line up to the cursor, the last one
 * unfinished (perhaps empty). The answer is one candidate a line, a TAB and a description behind it
 * where there is one; behind one that ends in '=' comes no blank. ":files" alone asks the shell for
 * file names. Topics and groups come from the
 * cluster, with a short limit of time and without any complaint. */
#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/lab/offered.h"
#include "cmd/print.h"

#include "base/buf.h"
#include "config/config.h"
#include "wire/api.h"

#include <string.h>

static int complete_run(struct run *run, void *args);

static const struct opt complete_opts[] = {OPT_END};

const struct command cmd_complete = {
	.name = "complete", .summary = "answer a shell's TAB key", .words = "-- word ...",
	.opts = complete_opts, .args_size = 1, .run = complete_run,
};

struct completion {
	struct run *run;
	const char *prefix;	/* the unfinished word */
	const char *glued;	/* "--topic=" in front of it, or "" */
	const char *option;	/* whose value it is, or "" */
};

static void complete_offer(void *ctx, const char *word, const char *text)
{
	struct completion *c = ctx;

	if (strncmp(word, c->prefix, strlen(c->prefix)) != 0)
		return;
	if (text && *text)
		print_text("%s%s\t%s\n", c->glued, word, text);
	else
		print_text("%s%s\n", c->glued, word);
}

static void complete_words(struct completion *c, const char *words)
{
	while (*words) {
		size_t len = strcspn(words, " ");

		complete_offer(c, arena_strndup(&c->run->arena, words, len), NULL);
		words += len;
		words += strspn(words, " ");
	}
}

static void complete_options(struct completion *c, const struct opt *rows)
{
	for (const struct opt *o = rows; o->name; o++) {
		if (o->type != OPT_GONE && !(o->flags & OPT_OLD))
			complete_offer(c, arena_printf(&c->run->arena, "--%s", o->name), o->help);
	}
}

/* The value given to an option earlier on the line, by its name or its letter (0: none). NULL:
 * none. */
static const char *complete_given(const struct run *run, const char *name, char brief)
{
	size_t len = strlen(name);

	for (unsigned i = 0; i + 1 < run->word_count; i++) {
		const char *word = run->words[i];

		if (brief && word[0] == '-' && word[1] == brief && i + 2 < run->word_count)
			return word[2] == '\0' ? run->words[i + 1] : word + 2 + (word[2] == '=');
		if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, len) != 0)
			continue;
		if (word[2 + len] == '=')
			return word + 3 + len;
		if (word[2 + len] == '\0' && i + 2 < run->word_count)
			return run->words[i + 1];
	}
	return NULL;
}

static void complete_from_cluster(struct completion *c, enum complete what)
{
	struct cluster_args args = {
		.bootstrap_server = complete_given(c->run, "bootstrap-server", 'b'),
		.command_config = complete_given(c->run, "command-config", 0),
		.profile = complete_given(c->run, "profile", 0),
	};

	connect_complete(what, &args, complete_offer, c);
}

static void complete_from_lab(struct completion *c, enum complete what)
{
	const char *name = complete_given(c->run, "name", 0);
	const char *dir = complete_given(c->run, "dir", 0);

	if (what == COMPLETE_LAB)
		offered_labs(&c->run->arena, complete_offer, c);
	else
		offered_nodes(&c->run->arena, name, dir, complete_offer, c);
}

/* A key that may come now: "KEY=" where a value follows. */
static void complete_key(struct completion *c, const char *key, const char *text)
{
	bool is_deleted = strcmp(c->option, "delete-config") == 0;

	complete_offer(c, is_deleted ? key : arena_printf(&c->run->arena, "%s=", key), text);
}

static enum config_resource complete_resource(const struct completion *c)
{
	const char *type = complete_given(c->run, "entity-type", 0);

	if (complete_given(c->run, "broker", 0) || (type && strcmp(type, "brokers") == 0))
		return CONFIG_RESOURCE_BROKER;
	if (complete_given(c->run, "group", 0) || (type && strcmp(type, "groups") == 0))
		return CONFIG_RESOURCE_GROUP;
	return CONFIG_RESOURCE_TOPIC;
}

/* In a list with commas, the word that is typed is the last one. */
static void complete_after_comma(struct completion *c)
{
	const char *comma = strrchr(c->prefix, ',');

	if (!comma)
		return;
	c->glued = arena_printf(&c->run->arena, "%s%.*s", c->glued, (int)(comma + 1 - c->prefix),
				c->prefix);
	c->prefix = comma + 1;
}

/* Names of configs; in a list with commas the one that is typed. */
static void complete_configs(struct completion *c)
{
	const struct config_def *defs;
	size_t count;

	complete_after_comma(c);
	defs = config_defs(complete_resource(c), &count);
	for (size_t i = 0; i < count; i++)
		if (!(defs[i].flags & CONFIG_INTERNAL))
			complete_key(c, defs[i].name, defs[i].doc);
}

static void complete_client_configs(struct completion *c)
{
	for (int i = 0; i < CC_COUNT; i++)
		if (client_config_rows[i].effect == EFFECT_FULL)
			complete_key(c, client_config_rows[i].name,
				     client_config_rows[i].doc);
}

/* Requests of the protocol; in a list with commas the one that is typed. */
static void complete_requests(struct completion *c)
{
	complete_after_comma(c);
	for (size_t i = 0; i < wire_api_count; i++)
		complete_offer(c, wire_apis[i].name, NULL);
}

static void complete_value(struct completion *c, enum complete what, const char *words)
{
	switch (what) {
	case COMPLETE_FILE: print_text(":files\n"); break;
	case COMPLETE_WORDS: complete_words(c, words); break;
	case COMPLETE_TOPIC:
	case COMPLETE_GROUP:
	case COMPLETE_PROFILE: complete_from_cluster(c, what); break;
	case COMPLETE_LAB:
	case COMPLETE_NODE: complete_from_lab(c, what); break;
	case COMPLETE_CONFIG: complete_configs(c); break;
	case COMPLETE_CLIENT_CONFIG: complete_client_configs(c); break;
	case COMPLETE_REQUEST: complete_requests(c); break;
	case COMPLETE_NONE: break;
	}
}

static const struct opt *complete_find(const struct command *command, const char *word, size_t len)
{
	size_t dashes = strspn(word, "-");

	if (dashes == 0 || dashes > 2 || dashes >= len)
		return NULL;
	for (const struct opt *o = command->opts; o->name; o++) {
		if (strlen(o->name) == len - dashes &&
		    memcmp(o->name, word + dashes, len - dashes) == 0)
			return o;
		if (o->brief && dashes == 1 && len == 2 && word[1] == o->brief)
			return o;
	}
	return NULL;
}

static void complete_table(struct completion *c, const struct command *const *table)
{
	for (unsigned i = 0; table[i]; i++)
		if (table[i] != &cmd_complete)
			complete_offer(c, table[i]->name, table[i]->summary);
}

/* A word that belongs to no option. */
static void complete_word(struct completion *c, const struct command *command)
{
	const struct run *run = c->run;
	const struct command *named;

	if (command->subs) {
		complete_table(c, command->subs);
	} else if (command == &cmd_help) {
		named = run->word_count > 3 ? command_find(run->words[2]) : NULL;
		if (!named || named->subs)
			complete_table(c, named ? named->subs : commands);
	} else if (command->complete_words == COMPLETE_PROFILE && run->word_count > 4 &&
		   strstr(command->words, "key=value")) {
		complete_client_configs(c);
	} else if (command->complete_words != COMPLETE_NONE) {
		complete_value(c, command->complete_words, NULL);
	} else {
		complete_options(c, command->opts);
	}
}

static void complete_line(struct completion *c, const struct command *command)
{
	const struct run *run = c->run;
	const char *before = run->word_count > 1 ? run->words[run->word_count - 2] : "";
	const char *word = c->prefix;
	size_t equals = strcspn(word, "=");
	const struct opt *o;

	o = complete_find(command, before, strlen(before));
	if (o && o->arg && !(o->type == OPT_OPTIONAL && word[0] == '-')) {
		c->option = o->name;
		complete_value(c, o->complete, o->words);
		return;
	}
	if (word[0] == '-' && word[equals] == '=') {
		o = complete_find(command, word, equals);
		c->option = o ? o->name : "";
		c->glued = arena_strndup(&c->run->arena, word, equals + 1);
		c->prefix = word + equals + 1;
		if (o && o->arg)
			complete_value(c, o->complete, o->words);
		return;
	}
	if (word[0] == '-') {
		complete_options(c, command->opts);
		complete_options(c, opt_frame_rows);
		return;
	}
	complete_word(c, command);
}

static int complete_run(struct run *run, void *args)
{
	struct completion c = {.run = run, .glued = "", .prefix = "", .option = ""};
	const char *slash = run->word_count > 0 ? strrchr(run->words[0], '/') : NULL;
	const struct command *command;
	unsigned at = 1;

	(void)args;
	if (run->word_count == 0)
		return EXIT_OK;
	c.prefix = run->words[run->word_count - 1];
	command = command_find_alias(slash ? slash + 1 : run->words[0]);
	if (!command) {
		if (run->word_count <= 2) {
			complete_table(&c, commands);
			return EXIT_OK;
		}
		command = command_find(run->words[1]);
		if (!command)
			command = command_find_alias(run->words[1]);
		at = 2;
	}
	if (command && command->subs && at + 1 < run->word_count) {
		const struct command *sub = command_find_sub(command, run->words[at]);

		command = sub ? sub : command;
	}
	if (command)
		complete_line(&c, command);
	return EXIT_OK;
}

static void complete_write_aliases(struct out *out, const struct command *const *table)
{
	for (unsigned i = 0; table && table[i]; i++) {
		if (table[i]->alias)
			out_printf(out, " %s %s.sh", table[i]->alias, table[i]->alias);
		complete_write_aliases(out, table[i]->subs);
	}
}

bool complete_write(struct out *out, const char *shell)
{
	bool is_fish = strcmp(shell, "fish") == 0;

	if (!is_fish && strcmp(shell, "bash") != 0 && strcmp(shell, "zsh") != 0)
		return false;
	out_text(out, "kavka");
	complete_write_aliases(out, commands);
	return true;
}
