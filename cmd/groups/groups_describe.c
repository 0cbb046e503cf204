/* groups --describe. */
#include "cmd/groups/groups_int.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "base/near.h"
#include "wire/errors.h"

/* A group that is not there: under our own name told with the nearest one. */
static void describe_none(struct groups *g, struct str id, struct err *err)
{
	struct group_view *all;
	struct err ignored = {0};
	size_t count = 0;
	struct near near;

	if (g->run->is_apache || err->kafka_error != KERR_GROUP_ID_NOT_FOUND)
		return;
	near_init(&near, str_dup(g->arena, id).data);
	if (groups_list(g, NULL, &all, &count, &ignored) < 0)
		count = 0;
	for (size_t i = 0; i < count; i++)
		near_offer(&near, all[i].id.data);
	err_set(err, E_KAFKA, "there is no group '%.*s'%s%s%s", STR(id),
		near.best ? "; did you mean " : " (kavka groups --list tells which there are)",
		near.best ? near.best : "", near.best ? "?" : "");
	err->kafka_error = KERR_GROUP_ID_NOT_FOUND;
}

static int describe_read(struct groups *g, struct str id, struct group_view *view, struct err *err)
{
	bool needs_offsets =
		g->format != OUTPUT_TEXT || (!g->args->members && !opt_given(g->run, "state"));
	int rc = groups_read(g, id, view, err);

	if (rc == 0 && needs_offsets)
		rc = groups_read_offsets(g, view, err);
	if (rc < 0)
		describe_none(g, id, err);
	return rc;
}

static void describe_text(struct groups *g, const struct group_view *view, int *code)
{
	if (!groups_print_status(view)) {
		*code = EXIT_NOT_FOUND;
		return;
	}
	if (g->args->members)
		groups_print_members(g->arena, view, g->args->verbose);
	else if (opt_given(g->run, "state"))
		groups_print_state(g->arena, view, g->args->verbose);
	else
		groups_print_offsets(g->arena, view, g->args->verbose);
}

static void describe_print(struct groups *g, const struct group_view *views, size_t count,
			   int *code)
{
	enum groups_table which = g->args->members             ? GROUPS_TABLE_MEMBERS
				  : opt_given(g->run, "state") ? GROUPS_TABLE_STATE
							       : GROUPS_TABLE_OFFSETS;

	if (g->format == OUTPUT_TABLE) {
		groups_print_table(g->arena, views, (unsigned)count, which);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		if (g->format == OUTPUT_JSON)
			groups_print_json(&views[i]);
		else
			describe_text(g, &views[i], code);
	}
}

/* Apache's tool reads all groups before it prints any: one that is not there is all that it tells.
 * Under our own name the others are described, and the exit code tells. */
int groups_run_describe(struct groups *g, int *code, struct err *err)
{
	struct group_view *views;
	size_t count, kept = 0;
	struct str *names;
	int rc = groups_names(g, &names, &count, err);

	if (rc < 0)
		return rc;
	views = arena_array(g->arena, count + 1, sizeof(*views));
	for (size_t i = 0; i < count; i++) {
		struct err why = {0};

		rc = describe_read(g, names[i], &views[kept], &why);
		if (rc == 0) {
			kept++;
			continue;
		}
		if (g->run->is_apache || count == 1 || rc != E_KAFKA) {
			*err = why;
			return rc;
		}
		print_error("%s: %s\n", g->run->name, err_message(&why));
		*code = help_exit_code(g->run, &why);
	}
	describe_print(g, views, kept, code);
	if (*code != EXIT_OK && kept > 0 && kept < count)
		*code = EXIT_PARTIAL;
	return 0;
}
