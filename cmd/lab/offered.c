#include "cmd/lab/offered.h"
#include "cmd/lab/lab_int.h"

struct offering {
	void (*offer)(void *ctx, const char *word, const char *text);
	void *ctx;
};

static void offer_lab(void *ctx, struct lab *lab)
{
	struct offering *o = ctx;

	o->offer(o->ctx, lab->name, lab->dir);
}

void offered_labs(struct arena *arena, void (*offer)(void *ctx, const char *word, const char *text),
		  void *ctx)
{
	struct offering o = {.offer = offer, .ctx = ctx};

	lab_every(arena, offer_lab, &o);
}

void offered_nodes(struct arena *arena, const char *name, const char *dir,
		   void (*offer)(void *ctx, const char *word, const char *text), void *ctx)
{
	struct lab_args args = {.name = name, .dir = dir};
	struct lab_status status;
	struct lab lab;

	if (lab_open(&lab, arena, &args, NULL) < 0 || ask_status(&lab, &status, NULL) < 0)
		return;
	for (unsigned i = 0; i < lab.node_count; i++)
		offer(ctx, arena_printf(arena, "%d", lab.nodes[i].id),
		      node_state_names[status.nodes[lab.nodes[i].id].state]);
	offer(ctx, "all", NULL);
}
