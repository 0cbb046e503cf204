/* The manual's option lists, as mdoc(7). */
#include "cmd/command.h"

#include "base/buf.h"

#include <string.h>

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

static void man_row(struct out *out, const struct opt *o, enum dialect dialect)
{
	out_text(out, ".It");
	if (dialect == ARGPARSE && o->brief)
		out_printf(out, " Fl %c ,", o->brief);
	out_printf(out, " Fl -%s", o->name);
	if (o->arg && o->type == OPT_OPTIONAL)
		out_printf(out, " Op Ar %s", o->arg);
	else if (o->arg)
		out_printf(out, " Ar %s", o->arg);
	out_byte(out, '\n');
	man_text(out, o->help);
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
	if (o->flags & OPT_OWN)
		out_text(out, "Apache's tool does not have this option.\n");
}

static void man_rows(struct out *out, const struct command *c)
{
	out_text(out, ".Bl -tag -width Ds\n");
	for (const struct opt *o = c->opts; o->name; o++) {
		if (o->type != OPT_GONE && !(o->flags & OPT_OLD))
			man_row(out, o, c->dialect);
	}
	for (const struct opt *o = opt_frame_rows; o->name; o++)
		man_row(out, o, c->dialect);
	out_text(out, ".El\n");
}

void man_write_options(struct out *out, const struct command *c)
{
	for (unsigned i = 0; c->subs && c->subs[i]; i++) {
		out_printf(out, ".Ss %s\n", c->subs[i]->name);
		man_rows(out, c->subs[i]);
	}
	if (!c->subs)
		man_rows(out, c);
}
