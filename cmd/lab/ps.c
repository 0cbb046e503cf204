/* ps, list: how a lab is. */
#include "cmd/json_out.h"
#include "cmd/lab/lab_int.h"
#include "cmd/print.h"

#include "base/clock.h"

#include <string.h>

/* A node that is asked and does not answer at once is busy, or waits for others. */
#define ANSWER_MS 300

static const char *ids_plain(struct arena *arena, uint64_t mask)
{
	const char *text = "";

	for (int id = 0; id < LAB_ENDS_MAX; id++) {
		if (!(mask & END_BIT(id)))
			continue;
		text = id == END_CLIENTS
			       ? arena_printf(arena, "%s%sclients", text, *text ? " " : "")
			       : arena_printf(arena, "%s%s%d", text, *text ? " " : "", id);
	}
	return text;
}

static const char *state_text(struct arena *arena, const struct node_status *n)
{
	if (n->state == NODE_DIED && n->code < 0)
		return arena_printf(arena, "died (%s)", strsignal(-n->code));
	if (n->state == NODE_DIED)
		return arena_printf(arena, "died (exit %d)", n->code);
	return node_state_names[n->state];
}

static enum tone state_tone(enum node_state state)
{
	static const enum tone tones[NODE_STATE_COUNT] = {[NODE_STOPPED] = TONE_DIM,
							  [NODE_RUNNING] = TONE_GREEN,
							  [NODE_PAUSED] = TONE_YELLOW,
							  [NODE_KILLED] = TONE_RED,
							  [NODE_DIED] = TONE_RED};

	return tones[state];
}

static const char *network_text(const struct lab *lab, const struct lab_status *s, int id)
{
	uint64_t others = cuts_of(&s->cuts, id);
	int64_t delay_ms = s->nodes[id].delay_ms;
	const char *text = "";

	if (others)
		text = arena_printf(lab->arena, "cut off from %s", ids_plain(lab->arena, others));
	if (delay_ms > 0)
		text = arena_printf(lab->arena, "%s%s+%lld ms", text, others ? ", " : "",
				    (long long)delay_ms);
	return *text ? text : NULL;
}

static void ps_json_ids(struct json_out *j, const char *key, uint64_t mask)
{
	json_out_open(j, key, '[');
	for (int id = 1; id < LAB_ENDS_MAX; id++)
		if (mask & END_BIT(id))
			json_out_int(j, NULL, id);
	json_out_close(j, ']');
}

static void ps_json(const struct lab *lab, const struct lab_status *s, const struct lab_node *node,
		    const struct node_view *view)
{
	const struct node_status *n = &s->nodes[node->id];
	int port = node->doors[node->is_broker ? DOOR_CLIENT : DOOR_CONTROLLER].port;
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_text(&j, "lab", lab->name);
	json_out_int(&j, "node", node->id);
	json_out_text(&j, "state", node_state_names[n->state]);
	if (n->state == NODE_DIED)
		json_out_int(&j, n->code < 0 ? "signal" : "exitStatus",
			     n->code < 0 ? -n->code : n->code);
	if (n->pid > 0)
		json_out_int(&j, "pid", n->pid);
	else
		json_out_null(&j, "pid");
	json_out_text(&j, "address", arena_printf(lab->arena, LAB_HOST ":%d", port));
	json_out_text(&j, "roles", lab_roles(node));
	json_out_text(&j, "rack", node->rack);
	json_out_text(&j, "apache", node->apache);
	json_out_bool(&j, "leader", view->is_leader);
	if (view->has_answered && node->is_broker)
		ps_json_ids(&j, "sees", view->brokers);
	else
		json_out_null(&j, "sees");
	ps_json_ids(&j, "cutOffFrom", cuts_of(&s->cuts, node->id));
	json_out_int(&j, "delayMs", n->delay_ms);
	json_out_int(&j, "sinceMs", n->since_ms);
	json_out_text(&j, "directory", arena_printf(lab->arena, "%s/node-%d", lab->dir, node->id));
	json_out_close(&j, '}');
	print_byte('\n');
}

static void ps_row(struct grid *g, const struct lab *lab, const struct lab_status *s,
		   const struct lab_node *node, const struct node_view *view)
{
	const struct node_status *n = &s->nodes[node->id];
	int port = node->doors[node->is_broker ? DOOR_CLIENT : DOOR_CONTROLLER].port;
	const char *sees = NULL;

	if (node->is_broker && view->has_answered)
		sees = view->brokers ? ids_plain(lab->arena, view->brokers) : "nobody";
	grid_add(g, grid_int(g, node->id), state_text(lab->arena, n),
		 n->pid > 0 ? grid_int(g, n->pid) : NULL,
		 arena_printf(lab->arena, LAB_HOST ":%d", port),
		 node->apache ? arena_printf(lab->arena, "%s (Apache)", lab_roles(node))
			      : lab_roles(node),
		 node->rack,
		 view->is_leader       ? "leader"
		 : node->is_controller ? "voter"
				       : "observer",
		 sees, network_text(lab, s, node->id));
	grid_tone(g, 1, state_tone(n->state));
	if (view->is_leader)
		grid_tone(g, 6, TONE_BOLD);
	grid_tone(g, 8, TONE_YELLOW);
}

static void ps_print(struct run *run, const struct lab *lab, const struct lab_status *s,
		     enum output_format format)
{
	static const char *const titles[] = {"NODE", "STATE",  "PID",  "ADDRESS", "ROLES",
					     "RACK", "QUORUM", "SEES", "NETWORK"};
	struct grid g;

	grid_init(&g, &run->arena, titles, ARRAY_LEN(titles));
	for (unsigned i = 0; i < lab->node_count; i++) {
		const struct lab_node *node = &lab->nodes[i];
		struct node_view view = {0};

		if (s->nodes[node->id].state == NODE_RUNNING)
			probe_node(node, ANSWER_MS, &view);
		if (format == OUTPUT_JSON)
			ps_json(lab, s, node, &view);
		else
			ps_row(&g, lab, s, node, &view);
	}
	if (format != OUTPUT_JSON)
		grid_print(&g);
}

int lab_ps_run(struct run *run, void *data)
{
	struct lab_args *args = data;
	struct lab_status status;
	enum output_format format;
	struct lab lab;
	struct err err = {0};
	int rc = output_format(&args->output, &format, &err);

	if (rc == 0)
		rc = lab_open(&lab, &run->arena, args, &err);
	if (rc == 0)
		rc = ask_status(&lab, &status, &err);
	if (rc == 0) {
		ps_print(run, &lab, &status, format);
		if (!status.is_up && format != OUTPUT_JSON)
			output_note(run, "the lab %s is not up (kavka lab up starts it)", lab.name);
	}
	return lab_end(run, rc, &err);
}

/* ---- list --------------------------------------------------------------------------------- */

struct listing {
	enum output_format format;
	struct grid grid;
};

static void list_one(void *ctx, struct lab *lab)
{
	struct listing *l = ctx;
	struct lab_status status;
	struct json_out j = {0};
	unsigned running = 0;

	if (lab_load(lab, NULL) < 0 || ask_status(lab, &status, NULL) < 0)
		return;
	for (unsigned i = 0; i < lab->node_count; i++)
		running += status.nodes[lab->nodes[i].id].pid > 0;
	if (l->format != OUTPUT_JSON) {
		grid_add(&l->grid, lab->name, status.is_up ? "up" : "down",
			 arena_printf(lab->arena, "%u of %u", running, lab->node_count),
			 lab_bootstrap(lab), lab->dir);
		grid_tone(&l->grid, 1, status.is_up ? TONE_GREEN : TONE_DIM);
		return;
	}
	json_out_open(&j, NULL, '{');
	json_out_text(&j, "lab", lab->name);
	json_out_bool(&j, "up", status.is_up);
	json_out_int(&j, "nodes", lab->node_count);
	json_out_int(&j, "running", running);
	json_out_text(&j, "bootstrapServers", lab_bootstrap(lab));
	json_out_text(&j, "directory", lab->dir);
	json_out_close(&j, '}');
	print_byte('\n');
}

int lab_list_run(struct run *run, void *data)
{
	static const char *const titles[] = {"LAB", "STATE", "RUNNING", "SERVERS", "DIRECTORY"};
	struct lab_args *args = data;
	struct listing l;
	struct err err = {0};
	int rc = output_format(&args->output, &l.format, &err);

	if (rc < 0)
		return lab_end(run, rc, &err);
	grid_init(&l.grid, &run->arena, titles, ARRAY_LEN(titles));
	lab_every(&run->arena, list_one, &l);
	if (l.format != OUTPUT_JSON && l.grid.row_count > 0)
		grid_print(&l.grid);
	else if (l.format != OUTPUT_JSON)
		output_note(run, "there are no labs yet (kavka lab up makes one)");
	return EXIT_OK;
}
