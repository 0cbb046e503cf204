/* The option parser: one pass over argv, driven by the command's table. Its token rules are those
 * of the parsers that Apache's tools use: jopt-simple 5 and argparse4j 0.7. */
#include "cmd/command.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/near.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct opt opt_frame_rows[] = {
	{"help", .type = OPT_FLAG, .brief = 'h', .help = "Print this help and exit."},
	{"version", .type = OPT_FLAG, .help = "Print the version and exit."},
	OPT_END,
};

struct parse {
	struct run *run;
	const struct command *command;
	char *args;		/* the command's struct */
	char **argv;
	int argc, at;
	unsigned word_cap;
};

static int opt_count(const struct opt *rows)
{
	int count = 0;

	while (rows[count].name)
		count++;
	return count;
}

bool word_in(const char *list, const char *name, size_t len)
{
	while (list && *list) {
		size_t word_len = strcspn(list, " ");

		if (word_len == len && memcmp(list, name, len) == 0)
			return true;
		list += word_len;
		list += strspn(list, " ");
	}
	return false;
}

static const struct opt *opt_find(const struct opt *rows, const char *name, size_t len)
{
	for (const struct opt *o = rows; o->name; o++) {
		if (strlen(o->name) == len && memcmp(o->name, name, len) == 0)
			return o;
		if (word_in(o->old, name, len))
			return o;
	}
	return NULL;
}

static const struct opt *opt_find_brief(const struct opt *rows, char letter)
{
	for (const struct opt *o = rows; o->name; o++) {
		if (o->brief == letter)
			return o;
	}
	return NULL;
}

/* argparse: a prefix that fits exactly one long name. */
static const struct opt *opt_find_prefix(const struct opt *rows, const char *name, size_t len)
{
	const struct opt *found = NULL;

	for (const struct opt *o = rows; o->name; o++) {
		if (strncmp(o->name, name, len) != 0)
			continue;
		if (found)
			return NULL;
		found = o;
	}
	return found;
}

static const struct opt *parse_find(const struct parse *p, const char *name, size_t len)
{
	const struct opt *o = opt_find(p->command->opts, name, len);

	if (!o && p->command->dialect == ARGPARSE && len > 0)
		o = opt_find_prefix(p->command->opts, name, len);
	if (!o)
		o = opt_find(opt_frame_rows, name, len);
	return o;
}

bool opt_has(const struct command *c, const char *name)
{
	return opt_find(c->opts, name, strlen(name)) != NULL;
}

static bool opt_takes_value(const struct opt *o)
{
	return o->type != OPT_FLAG && o->type != OPT_GONE;
}

/* "; did you mean --topic lecture?", or "" if nothing is near. */
static const char *parse_near(const struct parse *p, const char *name)
{
	const struct opt *glued = NULL, *begun = NULL;
	struct arena *a = &p->run->arena;
	size_t name_len = strlen(name);
	struct near near;

	near_init(&near, name);
	for (const struct opt *o = p->command->opts; o->name; o++) {
		size_t len = strlen(o->name);

		if (o->type == OPT_GONE || (o->flags & OPT_OLD))
			continue;
		if (opt_takes_value(o) && name_len > len + 1 && memcmp(name, o->name, len) == 0 &&
		    (name[len] == '-' || name[len] == '.' || name[len] == ':') &&
		    (!glued || len > strlen(glued->name)))
			glued = o;
		if (name_len >= 3 && strncmp(o->name, name, name_len) == 0 && !begun)
			begun = o;
		near_offer(&near, o->name);
	}
	if (near.best && near.best_distance <= 2)
		return arena_printf(a, "; did you mean --%s?", near.best);
	if (glued)
		return arena_printf(a, "; did you mean --%s %s?", glued->name,
				    name + strlen(glued->name) + 1);
	if (begun)
		return arena_printf(a, "; did you mean --%s?", begun->name);
	if (near.best)
		return arena_printf(a, "; did you mean --%s?", near.best);
	return "";
}

static int parse_unknown(const struct parse *p, const char *name, struct err *err)
{
	const char *near = parse_near(p, name);

	p->run->is_advised = *near != '\0';
	if (!p->run->is_apache)
		return err_set(err, E_USAGE, "unknown option --%s%s", name, near);
	if (p->command->dialect == ARGPARSE)
		return err_set(err, E_USAGE, "unrecognized arguments: '--%s'%s", name, near);
	return err_set(err, E_USAGE, "%s is not a recognized option%s", name, near);
}

static int parse_missing(const struct parse *p, const struct opt *o, struct err *err)
{
	if (!p->run->is_apache)
		return err_set(err, E_USAGE, "--%s needs a value: --%s %s", o->name, o->name,
			       o->arg ? o->arg : "VALUE");
	if (p->command->dialect == ARGPARSE)
		return err_set(err, E_USAGE, "argument --%s/-%c: expected one argument", o->name,
			       o->brief ? o->brief : '-');
	return err_set(err, E_USAGE, "Option %s requires an argument", o->name);
}

static int parse_int(const struct parse *p, const struct opt *o, const char *text, int64_t *out,
		     struct err *err)
{
	bool is_apache = p->run->is_apache;
	char *end;
	long long v;

	errno = 0;
	v = strtoll(text, &end, 10);
	if (*text == '\0' || *end != '\0' || errno || strspn(text, " \t\n") > 0) {
		if (is_apache && p->command->dialect == JOPT)
			return err_set(err, E_USAGE, "Cannot parse argument '%s' of option %s",
				       text, o->name);
		return err_set(err, E_USAGE, "--%s: '%s' is not a whole number", o->name, text);
	}
	if (v < o->min || v > o->max) {
		if (is_apache && (v > INT32_MAX || v < INT32_MIN))
			return err_set(err, E_USAGE, "Cannot parse argument '%s' of option %s",
				       text, o->name);
		if (!is_apache)
			return err_set(err, E_USAGE, "--%s: %lld is not in %lld..%lld", o->name, v,
				       (long long)o->min, (long long)o->max);
		/* Apache's tools leave ranges to the broker or to checks of their own. */
	}
	*out = v;
	return 0;
}

static int parse_store(struct parse *p, const struct opt *o, const char *value, struct err *err)
{
	char *field = p->args + o->at;

	switch (o->type) {
	case OPT_FLAG:
		memcpy(field, &(bool){true}, sizeof(bool));
		return 0;
	case OPT_STRING:
	case OPT_OPTIONAL:
		memcpy(field, &value, sizeof(value));
		return 0;
	case OPT_INT: {
		int64_t number = 0;
		int rc = parse_int(p, o, value, &number, err);

		if (rc == 0)
			memcpy(field, &number, sizeof(number));
		p->run->is_bad_value |= rc < 0;
		return rc;
	}
	case OPT_LIST: {
		struct opt_list list;
		const char **items;

		memcpy(&list, field, sizeof(list));
		items = arena_array(&p->run->arena, list.count + 1, sizeof(*items));
		if (list.count > 0)
			memcpy(items, list.items, list.count * sizeof(*items));
		items[list.count] = value;
		list = (struct opt_list){items, list.count + 1};
		memcpy(field, &list, sizeof(list));
		return 0;
	}
	case OPT_GONE:
		p->run->is_advised = true;
		break;
	case OPT_TYPE_COUNT:
		break;
	}
	return err_set(err, E_USAGE,
		       p->run->is_apache ? "%s is not a recognized option; %s" : "--%s is gone: %s",
		       o->name, o->help);
}

/* One option with its value (NULL: none behind '='). */
static int parse_option(struct parse *p, const struct opt *o, const char *value, struct err *err)
{
	struct run *run = p->run;

	if (o == &opt_frame_rows[0] || o == &opt_frame_rows[1]) {
		run->wants_help |= o == &opt_frame_rows[0];
		run->wants_version |= o == &opt_frame_rows[1];
		return 0;
	}
	if (opt_takes_value(o) && !value) {
		const char *next = p->at < p->argc ? p->argv[p->at] : NULL;

		if (o->type == OPT_OPTIONAL) {
			/* A token that is an option itself is not its value. */
			bool is_option = next && next[0] == '-' && next[1] != '\0' &&
				parse_find(p, next + strspn(next, "-"),
					   strcspn(next + strspn(next, "-"), "="));
			if (next && !is_option)
				value = p->argv[p->at++];
		} else if (!next) {
			return parse_missing(p, o, err);
		} else {
			value = p->argv[p->at++];
		}
	}
	run->given[o - p->command->opts]++;
	if (run->given[o - p->command->opts] > 1 && o->type != OPT_FLAG && o->type != OPT_LIST) {
		run->is_bad_value = true;
		return run->is_apache
			? err_set(err, E_USAGE, "Found multiple arguments for option %s, but you "
				  "asked for only one", o->name)
			: err_set(err, E_USAGE, "--%s is given twice", o->name);
	}
	return parse_store(p, o, value, err);
}

/* -c VALUE, -cVALUE, -c=VALUE, -g. Returns false if no such letter is declared. */
static bool parse_brief(struct parse *p, const char *token, int *rc, struct err *err)
{
	const struct opt *o = opt_find_brief(p->command->opts, token[1]);
	const char *rest = token + 2;

	if (!o && !(p->run->is_apache && p->command->dialect == JOPT))
		o = opt_find_brief(opt_frame_rows, token[1]);
	if (!o)
		return false;
	if (!opt_takes_value(o) && *rest)
		return false;
	*rc = parse_option(p, o, *rest ? (*rest == '=' ? rest + 1 : rest) : NULL, err);
	return true;
}

/* Apache's tools pass over words that belong to nothing; "topics list" is a mistake to be told. */
static int parse_stray(const struct parse *p, struct err *err)
{
	const struct run *run = p->run;
	struct near options;

	if (run->is_apache || run->word_count == 0 || p->command->words || !p->command->run)
		return 0;
	near_init(&options, run->words[0]);
	for (const struct opt *o = p->command->opts; o->name; o++)
		if (o->type != OPT_GONE && !(o->flags & OPT_OLD))
			near_offer(&options, o->name);
	if (options.best)
		return err_set(err, E_USAGE, "'%s' belongs to no option; did you mean --%s?",
			       run->words[0], options.best);
	return err_set(err, E_USAGE, "'%s' belongs to no option", run->words[0]);
}

static void parse_word(struct parse *p, const char *word)
{
	struct run *run = p->run;

	if (run->word_count == p->word_cap) {
		unsigned cap = p->word_cap ? p->word_cap * 2 : 8;
		const char **words = arena_array(&run->arena, cap, sizeof(*words));

		if (run->word_count > 0)
			memcpy(words, run->words, run->word_count * sizeof(*words));
		run->words = words;
		p->word_cap = cap;
	}
	run->words[run->word_count++] = word;
}

static int parse_token(struct parse *p, const char *token, struct err *err)
{
	const char *name = token + (token[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	const char *value = name[len] == '=' ? name + len + 1 : NULL;
	const struct opt *o = NULL;
	char *unknown;
	int rc;

	if (p->command->dialect == ARGPARSE && token[1] != '-' && parse_brief(p, token, &rc, err))
		return rc;
	/* jopt-simple takes one dash for a long name. */
	if (token[1] == '-' || p->command->dialect == JOPT)
		o = parse_find(p, name, len);
	if (o)
		return parse_option(p, o, value, err);
	if (token[1] != '-' && parse_brief(p, token, &rc, err))
		return rc;
	unknown = arena_strndup(&p->run->arena, name, len);
	rc = parse_unknown(p, unknown, err);
	if (token[1] != '-' && p->run->is_apache && p->command->dialect == JOPT &&
	    !p->run->is_advised)
		/* It goes on to read the letters one by one, and stops at the first. */
		rc = err_set(err, E_USAGE, "%c is not a recognized option", *name);
	return rc;
}

/* "[members]" may stand only beside one of its `needs`. */
static int parse_needs(const struct parse *p, struct err *err)
{
	const struct opt *opts = p->command->opts;
	struct out missing;
	int rc = 0;

	out_init(&missing, ERR_TEXT_MAX / 2);
	for (unsigned i = 0; opts[i].name; i++) {
		if (p->run->given[i] == 0 || !opts[i].needs ||
		    opt_given_count(p->run, opts[i].needs) > 0)
			continue;
		if (!p->run->is_apache && rc == 0)
			rc = err_set(err, E_USAGE, "--%s goes only with --%.*s", opts[i].name,
				     (int)strcspn(opts[i].needs, " "), opts[i].needs);
		if (missing.len > 0)
			out_text(&missing, ", ");
		out_text(&missing, opts[i].name);
	}
	if (p->run->is_apache && missing.len > 0)
		rc = err_set(err, E_USAGE,
			     "Option(s) [%.*s] are unavailable given other options on the command "
			     "line", (int)missing.len, (const char *)missing.data);
	out_fini(&missing);
	return rc;
}

static int parse_required(const struct parse *p, struct err *err)
{
	const struct opt *opts = p->command->opts;

	for (unsigned i = 0; opts[i].name; i++) {
		if (!(opts[i].flags & OPT_REQUIRED) || p->run->given[i] > 0)
			continue;
		if (p->run->is_apache && opts[i].brief)
			return err_set(err, E_USAGE, "argument --%s/-%c is required", opts[i].name,
				       opts[i].brief);
		return err_set(err, E_USAGE, "--%s is required", opts[i].name);
	}
	return 0;
}

static int parse_defaults(struct parse *p, struct err *err)
{
	for (const struct opt *o = p->command->opts; o->name; o++) {
		int rc = o->value && o->type != OPT_OPTIONAL ? parse_store(p, o, o->value, err) : 0;

		if (rc < 0)
			return rc;
	}
	return 0;
}

int opt_parse(struct run *run, int argc, char **argv, void *args, struct err *err)
{
	struct parse p = {.run = run, .command = run->command, .args = args, .argv = argv,
			  .argc = argc};
	int rc;

	run->given = arena_array(&run->arena, (size_t)opt_count(run->command->opts) + 1,
				 sizeof(*run->given));
	rc = parse_defaults(&p, err);
	while (rc == 0 && p.at < argc) {
		const char *token = argv[p.at++];

		if (strcmp(token, "--") == 0) {
			while (p.at < argc)
				parse_word(&p, argv[p.at++]);
		} else if (token[0] == '-' && token[1] != '\0') {
			rc = parse_token(&p, token, err);
		} else {
			parse_word(&p, token);
		}
	}
	if (rc == 0 && !run->wants_help && !run->wants_version) {
		rc = parse_needs(&p, err);
		if (rc == 0)
			rc = parse_required(&p, err);
		if (rc == 0)
			rc = parse_stray(&p, err);
	}
	return rc;
}

/* ---- Questions after parsing ------------------------------------------------------------- */

bool opt_given(const struct run *run, const char *name)
{
	const struct opt *opts = run->command->opts;
	const struct opt *o = opt_find(opts, name, strlen(name));

	assert(o);
	return run->given[o - opts] > 0;
}

unsigned opt_given_count(const struct run *run, const char *names)
{
	const struct opt *opts = run->command->opts;
	unsigned count = 0;

	while (*names) {
		size_t len = strcspn(names, " ");
		const struct opt *o = opt_find(opts, names, len);

		assert(o);
		count += run->given[o - opts] > 0;
		names += len;
		names += strspn(names, " ");
	}
	return count;
}

int opt_require(const struct run *run, const char *name, struct err *err)
{
	if (opt_given(run, name))
		return 0;
	if (run->is_apache)
		return err_set(err, E_USAGE, "Missing required argument \"[%s]\"", name);
	return err_set(err, E_USAGE, "--%s is missing", name);
}

int opt_conflict(const struct run *run, const char *name, const char *others, struct err *err)
{
	if (!opt_given(run, name))
		return 0;
	while (*others) {
		size_t len = strcspn(others, " ");
		const struct opt *o = opt_find(run->command->opts, others, len);

		assert(o);
		if (run->given[o - run->command->opts] > 0)
			return err_set(err, E_USAGE, run->is_apache
				       ? "Option \"[%s]\" can't be used with option \"[%s]\""
				       : "--%s cannot be used with --%s", name, o->name);
		others += len;
		others += strspn(others, " ");
	}
	return 0;
}

/* ---- The check of the tables -------------------------------------------------------------- */

static int opt_check_row(const struct command *c, const struct opt *o, struct err *err)
{
	if (o->type >= OPT_TYPE_COUNT)
		return err_set(err, E_INVALID, "%s --%s: no such type", c->name, o->name);
	if (!o->help || !o->help[0] || o->help[strlen(o->help) - 1] != '.')
		return err_set(err, E_INVALID, "%s --%s: help is no sentence", c->name, o->name);
	if (opt_takes_value(o) != (o->arg != NULL) && o->type != OPT_GONE)
		return err_set(err, E_INVALID, "%s --%s: argument and type differ", c->name,
			       o->name);
	if (o->type == OPT_INT && o->min >= o->max)
		return err_set(err, E_INVALID, "%s --%s: a range without numbers", c->name,
			       o->name);
	if ((o->complete == COMPLETE_WORDS) != (o->words != NULL))
		return err_set(err, E_INVALID, "%s --%s: words and completion differ", c->name,
			       o->name);
	if (o->type != OPT_GONE && o->at >= c->args_size)
		return err_set(err, E_INVALID, "%s --%s: field is outside of the struct", c->name,
			       o->name);
	if (o->name[0] == '-' || strchr(o->name, ' ') || strchr(o->name, '='))
		return err_set(err, E_INVALID, "%s '%s': bad name", c->name, o->name);
	/* `api` has a --version with a value, which cannot be meant for the frame's. */
	if (opt_find(opt_frame_rows, o->name, strlen(o->name)) && !opt_takes_value(o))
		return err_set(err, E_INVALID, "%s --%s: belongs to the frame", c->name, o->name);
	for (const struct opt *other = c->opts; other < o; other++) {
		if (strcmp(other->name, o->name) == 0 ||
		    word_in(other->old, o->name, strlen(o->name)) ||
		    word_in(o->old, other->name, strlen(other->name)))
			return err_set(err, E_INVALID, "%s --%s: twice", c->name, o->name);
		if (o->brief && other->brief == o->brief)
			return err_set(err, E_INVALID, "%s -%c: twice", c->name, o->brief);
	}
	return 0;
}

int opt_check(const struct command *c, struct err *err)
{
	if (!c->name || !c->summary || !c->opts || (!c->run && !c->subs))
		return err_set(err, E_INVALID, "%s: incomplete command", c->name ? c->name : "?");
	for (const struct opt *o = c->opts; o->name; o++) {
		int rc = opt_check_row(c, o, err);
		const char *needs = o->needs;

		if (rc < 0)
			return rc;
		while (needs && *needs) {
			size_t len = strcspn(needs, " ");

			if (!opt_find(c->opts, needs, len))
				return err_set(err, E_INVALID, "%s --%s: needs unknown options",
					       c->name, o->name);
			needs += len;
			needs += strspn(needs, " ");
		}
	}
	for (unsigned i = 0; c->subs && c->subs[i]; i++) {
		int rc = opt_check(c->subs[i], err);

		if (rc < 0)
			return rc;
	}
	return 0;
}
