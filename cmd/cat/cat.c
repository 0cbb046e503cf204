/* `kavka cat`: the records of partition directories, with no broker. */
#include "cmd/cat/cat_int.h"
#include "cmd/connect.h"
#include "cmd/consumer/template.h"
#include "cmd/print.h"
#include "cmd/time_text.h"

#include "base/env.h"
#include "base/mem.h"
#include "base/props.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHECKPOINT_BYTES_MAX ((size_t)64 << 20)

static int cat_run(struct run *run, void *data);

#define AT(field) offsetof(struct cat_args, field)

static const struct opt cat_opts[] = {
	{"topic", OPT_LIST, AT(topics), .arg = "topic", .brief = 't',
	 .help = "Of a log directory print only this topic; may be repeated."},
	{"partition", OPT_INT, AT(partition), .arg = "partition", .brief = 'p', .value = "-1",
	 .min = -1, .max = INT32_MAX, .help = "Print only this partition."},
	{"offset", OPT_STRING, AT(offset), .arg = "offset", .brief = 'o',
	 .complete = COMPLETE_WORDS, .words = "beginning end",
	 .help = "Where to begin: an offset, beginning, -N before the end, or @TIME "
		 "(milliseconds, or 2026-08-01T12:00:00)."},
	{"until", OPT_STRING, AT(until), .arg = "offset", .complete = COMPLETE_WORDS,
	 .words = "end", .help = "Stop before this place, in the forms of --offset."},
	{"max-messages", OPT_INT, AT(max_messages), .arg = "count", .brief = 'c', .value = "-1",
	 .min = -1, .max = INT64_MAX, .help = "Stop after so many records."},
	{"isolation-level", OPT_STRING, AT(isolation_level), .arg = "isolation_level",
	 .complete = COMPLETE_WORDS, .words = "read_uncommitted read_committed",
	 .value = "read_uncommitted",
	 .help = "read_committed leaves out records of open and aborted transactions."},
	{"output", OPT_STRING, AT(form), .arg = "form", .complete = COMPLETE_WORDS,
	 .words = "text json hex base64 hexdump none",
	 .help = "How to print records, as kavka consumer does: text, json (one object a line), "
		 "hex, base64, hexdump, none."},
	{"json", OPT_FLAG, AT(json), .brief = 'J',
	 .help = "Print one JSON object a line: short for --output json."},
	{"format", OPT_STRING, AT(format), .arg = "format", .brief = 'f',
	 .help = "Print records by a template, as kavka consumer has it: %s value, %k key, %o "
		 "offset and so on."},
	{"grep", OPT_STRING, AT(grep), .arg = "regex",
	 .help = "Print only records in whose value this regular expression (PCRE2) is found."},
	{"grep-key", OPT_STRING, AT(grep_key), .arg = "regex",
	 .help = "Print only records in whose key this regular expression is found."},
	OPTS_FORMATS,
	OPTS_REGISTRY,
	{"formatter", OPT_STRING, AT(formatter), .arg = "class",
	 .help = "The class that prints records, as kavka consumer has it."},
	{"formatter-property", OPT_LIST, AT(formatter_properties), .arg = "prop", .old = "property",
	 .help = "A property of the formatter, key=value, as print.key=true; may be repeated."},
	{"key-deserializer", OPT_STRING, AT(key_deserializer), .arg = "deserializer for key",
	 .help = "The class that makes text of keys."},
	{"value-deserializer", OPT_STRING, AT(value_deserializer), .arg = "deserializer for values",
	 .help = "The class that makes text of values."},
	OPT_END,
};

const struct command cmd_cat = {
	.name = "cat",
	.dialect = JOPT,
	.summary = "print the records of a partition directory, without a broker",
	.words = "directory ...",
	.complete_words = COMPLETE_FILE,
	.opts = cat_opts,
	.args_size = sizeof(struct cat_args),
	.run = cat_run,
};

/* ---- Places -----------------------------------------------------------------------------------
 */

static int place_parse(struct cat_place *out, const char *text, const char *option, struct err *err)
{
	const char *digits;
	char *end;

	*out = (struct cat_place){.kind = PLACE_NONE};
	if (!text || strcmp(text, "beginning") == 0 || strcmp(text, "earliest") == 0)
		return 0;
	if (strcmp(text, "end") == 0 || strcmp(text, "latest") == 0) {
		out->kind = PLACE_BEFORE_END;
		return 0;
	}
	digits = text + (text[0] == '-' || text[0] == '@');
	errno = 0;
	out->value = strtoll(digits, &end, 10);
	out->kind = text[0] == '-' ? PLACE_BEFORE_END : text[0] == '@' ? PLACE_TIME : PLACE_OFFSET;
	if (*digits >= '0' && *digits <= '9' && *end == '\0' && errno == 0)
		return 0;
	if (text[0] == '@' && time_parse(digits, &out->value, NULL) == 0)
		return 0;
	return err_set(err, E_USAGE, "--%s: '%s' is no offset, beginning, end, -N or @TIME", option,
		       text);
}

/* ---- Directories -------------------------------------------------------------------------------
 */

struct cat_dirs {
	struct cat_partition *items;
	size_t count, cap;
};

/* "TOPIC-N", and what a broker makes of it that is to be removed: "TOPIC-N.ID-delete". */
static bool partition_name(struct arena *a, const char *path, bool is_exact,
			   struct cat_partition *out)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dash, *dot;
	char *end;
	long number;

	*out = (struct cat_partition){.path = path};
	dash = strrchr(name, '-');
	if (!is_exact && dash && dash > name &&
	    (strcmp(dash, "-delete") == 0 || strcmp(dash, "-stray") == 0 ||
	     strcmp(dash, "-future") == 0)) {
		dot = strrchr(name, '.');
		name = dot && dot < dash ? arena_strndup(a, name, (size_t)(dot - name)) : name;
		dash = strrchr(name, '-');
	}
	if (!dash || dash == name || dash[1] < '0' || dash[1] > '9')
		return false;
	number = strtol(dash + 1, &end, 10);
	if (*end != '\0' || number > INT32_MAX)
		return false;
	out->topic = arena_strndup(a, name, (size_t)(dash - name));
	out->number = (int32_t)number;
	return true;
}

static bool is_wanted(const struct cat *c, const struct cat_partition *p)
{
	const struct opt_list *topics = &c->args->topics;

	if (c->args->partition >= 0 && c->args->partition != p->number)
		return false;
	for (unsigned i = 0; i < topics->count; i++) {
		if (strcmp(topics->items[i], p->topic) == 0)
			return true;
	}
	return topics->count == 0;
}

/* DeleteRecords leaves the records where they are until their segment goes; the checkpoint of the
 * log directory tells where the partition begins. */
static int64_t log_start_offset(struct arena *a, const struct cat_partition *p)
{
	const char *slash = strrchr(p->path, '/');
	const char *path = arena_printf(a, "%.*s/log-start-offset-checkpoint",
					slash ? (int)(slash - p->path) : 1, slash ? p->path : ".");
	const char *wanted = arena_printf(a, "%s %d ", p->topic, p->number);
	struct env env;
	int64_t offset = 0;
	char *data;
	size_t len;

	env_posix_init(&env);
	if (env_read_file(&env, path, CHECKPOINT_BYTES_MAX, &data, &len) < 0)
		return 0;
	for (const char *line = data; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, wanted, strlen(wanted)) == 0)
			offset = strtoll(line + strlen(wanted), NULL, 10);
		if (*line == '\0')
			break;
	}
	free(data);
	return offset;
}

static void dirs_add(struct cat *c, struct cat_dirs *dirs, const struct cat_partition *p)
{
	if (!is_wanted(c, p))
		return;
	dirs->items = grow_array(dirs->items, dirs->count, &dirs->cap, sizeof(*dirs->items));
	dirs->items[dirs->count] = *p;
	dirs->items[dirs->count].log_start = log_start_offset(&c->run->arena, p);
	dirs->count++;
}

static int partition_order(const void *a, const void *b)
{
	const struct cat_partition *x = a, *y = b;
	int order = strcmp(x->topic, y->topic);

	return order ? order : (x->number > y->number) - (x->number < y->number);
}

static bool has_segment(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		size_t len = strlen(entry->d_name);

		found = len == 24 && strcmp(entry->d_name + 20, ".log") == 0;
	}
	if (dir)
		closedir(dir);
	return found;
}

/* One word of the command line: a partition's directory, or one that has such. */
static int dirs_collect(struct cat *c, struct cat_dirs *dirs, const char *word, struct err *err)
{
	struct arena *a = &c->run->arena;
	size_t before = dirs->count, len = strlen(word);
	struct cat_partition p;
	struct dirent *entry;
	char real[PATH_MAX];
	DIR *dir;

	while (len > 1 && word[len - 1] == '/')
		len--;
	word = arena_strndup(a, word, len);
	/* The name counts, also of "." */
	if (realpath(word, real) && partition_name(a, arena_strdup(a, real), false, &p) &&
	    has_segment(word)) {
		dirs_add(c, dirs, &p);
		return 0;
	}
	dir = opendir(word);
	if (!dir)
		return err_sys(err, -errno, "%s", word);
	while ((entry = readdir(dir))) {
		if (partition_name(a, arena_printf(a, "%s/%s", word, entry->d_name), true, &p) &&
		    has_segment(p.path))
			dirs_add(c, dirs, &p);
	}
	closedir(dir);
	if (dirs->count == before)
		return err_set(err, E_NOT_FOUND,
			       c->args->topics.count > 0 || c->args->partition >= 0
				       ? "%s has no such partition (see kavka dump)"
				       : "%s is no partition's directory, and has none in it",
			       word);
	qsort(dirs->items + before, dirs->count - before, sizeof(*dirs->items), partition_order);
	return 0;
}

/* ---- The run -----------------------------------------------------------------------------------
 */

static int cat_formatter(struct cat *c, struct props *props, struct err *err)
{
	const struct cat_args *args = c->args;
	const char *form = args->json ? "json" : args->form;
	int rc = 0;

	for (unsigned i = 0; i < args->formatter_properties.count; i++) {
		rc = props_set_pair(props, args->formatter_properties.items[i], err);
		if (rc < 0)
			return err_add(err, rc, "--formatter-property");
	}
	if (args->key_deserializer)
		props_set(props, "key.deserializer", args->key_deserializer);
	if (args->value_deserializer)
		props_set(props, "value.deserializer", args->value_deserializer);
	if (form && strcmp(form, "text") == 0)
		form = NULL;
	rc = formatter_init(&c->formatter, form ? form : args->formatter, props, err);
	if (rc < 0)
		return err_set(err, E_USAGE,
			       form ? "--output: '%s' is none of its forms"
				    : "--formatter: there is no class '%s'",
			       form ? form : args->formatter);
	c->formatter.ends_lines = true;
	if (args->format) {
		c->formatter.template = template_new(args->format, err);
		if (!c->formatter.template)
			return err->code;
		c->formatter.kind = FORMAT_TEMPLATE;
	}
	if (args->grep) {
		c->grep = grep_new(args->grep, "grep", err);
		if (!c->grep)
			return err->code;
	}
	if (args->grep_key) {
		c->grep_key = grep_new(args->grep_key, "grep-key", err);
		if (!c->grep_key)
			return err->code;
	}
	return serde_new(&c->formatter.serde, &args->registry, &(struct cluster_args){0}, props,
			 err);
}

static int cat_check(struct cat *c, struct err *err)
{
	const char *level = c->args->isolation_level;
	int rc;

	if (c->run->word_count == 0)
		return err_set(err, E_USAGE,
			       "say which directory: kavka cat /var/lib/kavka/TOPIC-0");
	c->is_committed = strcmp(level, "read_committed") == 0;
	if (!c->is_committed && strcmp(level, "read_uncommitted") != 0)
		return err_set(err, E_USAGE,
			       "--isolation-level is read_uncommitted or read_committed");
	rc = place_parse(&c->from, c->args->offset, "offset", err);
	return rc < 0 ? rc : place_parse(&c->until, c->args->until, "until", err);
}

static int cat_all(struct cat *c)
{
	struct cat_dirs dirs = {0};
	struct err err = {0};
	int code = EXIT_OK;

	for (unsigned i = 0; i < c->run->word_count && code == EXIT_OK; i++) {
		if (dirs_collect(c, &dirs, c->run->words[i], &err) < 0)
			code = help_failure(c->run, &err);
	}
	for (size_t i = 0; i < dirs.count && code == EXIT_OK; i++) {
		if (c->left_count != 0 && !print_failed())
			cat_partition(c, &dirs.items[i]);
	}
	free(dirs.items);
	if (code == EXIT_OK && c->problem < 0)
		code = c->printed_count > 0 ? EXIT_PARTIAL : EXIT_FAILED;
	return code;
}

static int cat_run(struct run *run, void *data)
{
	struct cat c = {.run = run, .args = data};
	struct props props;
	struct err err = {0};
	int rc, code;

	rc = cat_check(&c, &err);
	if (rc < 0)
		return help_usage(run, &err);
	c.left_count = c.args->max_messages;
	props_init(&props);
	c.compressor = compressor_new();
	rc = cat_formatter(&c, &props, &err);
	code = rc < 0 ? help_usage(run, &err) : cat_all(&c);
	template_free(c.formatter.template);
	serde_free(c.formatter.serde);
	formatter_fini(&c.formatter);
	grep_free(c.grep);
	grep_free(c.grep_key);
	compressor_free(c.compressor);
	props_fini(&props);
	return code;
}
