/* The manual's option lists, as mdoc(7). */
#include "cmd/command.h"
#include "cmd/print.h"

#include "base/buf.h"
#include "config/config.h"

#include <string.h>

#define MAN_COLUMNS 78

/* Backslashes and leading dots and quotes mean something to roff. */
static void man_text(struct out *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '\\')
			out_text(out, "\\e");
		else if (*text == '-')
			out_text(out, "\\-");
		else
			out_byte(out, (uint8_t)*text);
	}
}

/* Each sentence begins a line of its own. */
static void man_sentences(struct out *out, const char *text)
{
	struct arena a;

	arena_init(&a);
	for (;;) {
		const char *end = strstr(text, ". ");

		while (end && !(end[2] >= 'A' && end[2] <= 'Z'))
			end = strstr(end + 1, ". ");
		if (!end)
			break;
		man_text(out, arena_strndup(&a, text, (size_t)(end - text) + 1));
		out_byte(out, '\n');
		text = end + 2;
	}
	man_text(out, text);
	arena_fini(&a);
}

static void man_row(struct out *out, const struct opt *o, bool has_apache)
{
	out_text(out, ".It");
	if (o->brief)
		out_printf(out, " Fl %c ,", o->brief);
	out_printf(out, " Fl -%s", o->name);
	if (o->arg && o->type == OPT_OPTIONAL)
		out_printf(out, " Op Ar %s", o->arg);
	else if (o->arg)
		out_printf(out, " Ar %s", o->arg);
	out_byte(out, '\n');
	man_sentences(out, o->help);
	out_byte(out, '\n');
	if (o->words) {
		out_text(out, "One of: ");
		man_text(out, o->words);
		out_text(out, ".\n");
	}
	if (o->value && o->type != OPT_OPTIONAL) {
		out_text(out, "The default is ");
		man_text(out, *o->value ? o->value : "empty");
		out_text(out, ".\n");
	}
	if (o->old) {
		out_text(out, "Old spelling:");
		for (const char *word = o->old; *word;) {
			size_t len = strcspn(word, " ");

			out_printf(out, " \\-\\-%.*s", (int)len, word);
			word += len;
			word += strspn(word, " ");
			out_text(out, *word ? "," : ".\n");
		}
	}
	if (o->flags & OPT_OWN && has_apache)
		out_text(out, "Apache's tool does not have this option.\n");
}

static void man_rows(struct out *out, const struct command *c, bool has_apache)
{
	out_text(out, ".Bl -tag -width Ds\n");
	for (const struct opt *o = c->opts; o->name; o++) {
		if (o->type != OPT_GONE && !(o->flags & OPT_OLD))
			man_row(out, o, has_apache);
	}
	for (const struct opt *o = opt_frame_rows; o->name; o++) {
		if (!opt_has(c, o->name))
			man_row(out, o, has_apache);
	}
	out_text(out, ".El\n");
}

void man_write_options(struct out *out, const struct command *c)
{
	for (unsigned i = 0; c->subs && c->subs[i]; i++) {
		out_printf(out, ".Ss %s\n", c->subs[i]->name);
		man_rows(out, c->subs[i], c->alias || c->subs[i]->alias);
	}
	if (!c->subs)
		man_rows(out, c, c->alias);
}

void man_write_commands(struct out *out)
{
	out_text(out, ".Bl -tag -width Ds\n");
	for (unsigned i = 0; commands[i]; i++) {
		const struct command *c = commands[i];

		out_printf(out, ".It Cm %s", c->name);
		out_text(out, "\n");
		man_text(out, c->summary);
		if (c->alias)
			out_printf(out, ",\nalso called\n.Nm %s", c->alias);
		for (unsigned sub = 0; c->subs && c->subs[sub]; sub++) {
			if (c->subs[sub]->alias)
				out_printf(out, "%s\n.Nm %s", sub ? " and" : ",\nalso called",
					   c->subs[sub]->alias);
		}
		out_byte(out, '\n');
	}
	out_text(out, ".El\n");
}

static void man_config(struct out *out, const struct config_def *def, struct arena *a)
{
	const char *valid = config_valid_text(def, a);

	out_printf(out, ".It Ic %s\n", def->name);
	man_text(out, def->doc);
	out_text(out, "\nType: ");
	man_text(out, config_type_name(def->type));
	if (def->flags & CONFIG_REQUIRED) {
		out_text(out, "; required");
	} else {
		out_text(out, "; default: ");
		man_text(out, !def->default_text ? "null"
			 : *def->default_text ? def->default_text : "empty");
	}
	if (valid && *valid) {
		out_text(out, "; valid: ");
		man_text(out, valid);
	}
	out_text(out, ".\n");
	if (def->flags & CONFIG_INERT)
		out_text(out, "It is accepted, but has no effect yet.\n");
}

/* Both tables, without what is internal. */
void man_write_configs(struct out *out)
{
	static const struct {
		enum config_resource resource;
		const char *title;
	} tables[] = {
		{CONFIG_RESOURCE_BROKER, "CONFIGS OF A BROKER"},
		{CONFIG_RESOURCE_TOPIC, "CONFIGS OF A TOPIC"},
		{CONFIG_RESOURCE_GROUP, "CONFIGS OF A GROUP"},
	};
	struct arena a;

	arena_init(&a);
	for (unsigned t = 0; t < ARRAY_LEN(tables); t++) {
		size_t count;
		const struct config_def *defs = config_defs(tables[t].resource, &count);

		out_printf(out, ".Sh %s\n.Bl -tag -width Ds\n", tables[t].title);
		for (size_t i = 0; i < count; i++) {
			if (!(defs[i].flags & CONFIG_INTERNAL))
				man_config(out, &defs[i], &a);
		}
		out_text(out, ".El\n");
	}
	arena_fini(&a);
}

/* A line of text, folded at blanks. No line begins with what would make it a request. */
static void man_fold(const char *line, size_t len)
{
	while (len > MAN_COLUMNS) {
		size_t at = MAN_COLUMNS;

		while (at > 0 && (line[at] != ' ' || line[at - 1] == ' '))
			at--;
		if (at == 0)
			break;
		print_bytes(line, at);
		print_byte('\n');
		while (at < len && line[at] == ' ')
			at++;
		line += at;
		len -= at;
		if (len > 0 && (*line == '.' || *line == '\''))
			print_text("\\&");
	}
	print_bytes(line, len);
	print_byte('\n');
}

void man_print(const struct out *page)
{
	const char *at = (const char *)page->data;
	size_t left = page->len;
	bool is_literal = false;

	while (left > 0) {
		const char *end = memchr(at, '\n', left);
		size_t len = end ? (size_t)(end - at) : left;

		if (strncmp(at, ".Bd -literal", 12) == 0)
			is_literal = true;
		else if (strncmp(at, ".Ed", 3) == 0)
			is_literal = false;
		if (is_literal || *at == '.') {
			print_bytes(at, len);
			print_byte('\n');
		} else {
			man_fold(at, len);
		}
		len += end != NULL;
		at += len;
		left -= len;
	}
}
