/* groups --list. */
#include "cmd/groups/groups_int.h"

#include "base/mem.h"

#include <string.h>
#include <strings.h>

/* The next word of a list with commas, blanks around it dropped; false at the end. */
static bool word_next(const char **list, struct str *word)
{
	size_t len = strcspn(*list, ",");

	if (**list == '\0')
		return false;
	*word = (struct str){*list, len};
	*list += len;
	*list += **list == ',';
	while (word->len > 0 && *word->data == ' ') {
		word->data++;
		word->len--;
	}
	while (word->len > 0 && word->data[word->len - 1] == ' ')
		word->len--;
	return true;
}

static bool word_is(struct str a, struct str b)
{
	return a.len == b.len && strncasecmp(a.data, b.data, a.len) == 0;
}

bool groups_word_is_in(const char *list, struct str word)
{
	struct str next;

	while (word_next(&list, &next)) {
		if (word_is(next, word))
			return true;
	}
	return false;
}

/* Each word of the list must be one of `valid`, which has ", " between its words. */
static int check_words(const char *list, const char *kind, const char *valid, struct err *err)
{
	const char *rest = list;
	struct str word;

	while (word_next(&rest, &word)) {
		if (!groups_word_is_in(valid, word))
			return err_set(err, E_USAGE, "Invalid %s list '%s'. Valid %s are: %s", kind,
				       list, *kind == 's' ? "states" : "types", valid);
	}
	return 0;
}

int groups_run_list(struct groups *g, struct err *err)
{
	const struct groups_args *args = g->args;
	struct groups_list_columns columns = {.type = opt_given(g->run, "type"),
					      .state = opt_given(g->run, "state")};
	const char *states = args->state && *args->state ? args->state : NULL;
	const char *types = args->type && *args->type ? args->type : NULL;
	struct group_view *all;
	size_t count, kept = 0;
	int rc = 0;

	if (states)
		rc = check_words(states, "state",
				 "PreparingRebalance, CompletingRebalance, Stable, Dead, Empty, "
				 "Assigning, Reconciling",
				 err);
	if (rc == 0 && types)
		rc = check_words(types, "types",
				 g->run->is_apache ? "Classic, Consumer"
						   : "Classic, Consumer, Share, Streams",
				 err);
	if (rc == 0)
		rc = groups_list(g, types, &all, &count, err);
	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count; i++) {
		if (!states || groups_word_is_in(states, all[i].state))
			all[kept++] = all[i];
	}
	if (g->format == OUTPUT_JSON)
		groups_print_list_json(all, (unsigned)kept);
	else if (g->format == OUTPUT_TABLE)
		groups_print_list_table(g->arena, all, (unsigned)kept);
	else
		groups_print_list(g->arena, all, (unsigned)kept, columns);
	return 0;
}
