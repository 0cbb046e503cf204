/* partition, heal, slow: what happens to the network between nodes. */
#include "cmd/lab/lab_int.h"

#include <inttypes.h>
#include <string.h>

int lab_partition_run(struct run *run, void *args)
{
	const char *text = "";
	struct cuts cuts;
	struct lab lab;
	struct err err = {0};
	int rc = lab_open(&lab, &run->arena, args, &err);

	for (unsigned i = 0; i < run->word_count; i++)
		text = arena_printf(&run->arena, "%s%s%s", text, i ? " " : "", run->words[i]);
	if (rc == 0)
		rc = cuts_parse(&cuts, text, lab_node_mask(&lab), &err);
	if (rc == 0 && cuts.group_count == 0)
		rc = err_set(&err, E_USAGE,
			     "say who is cut off from whom: kavka lab partition 1 2,3");
	if (rc == 0)
		rc = ask(&lab, NULL, &err, "cut %s", cuts_text(&cuts, &run->arena));
	if (rc == 0)
		output_say("the network is cut: %s (kavka lab heal ends it)\n",
			   cuts_text(&cuts, &run->arena));
	return lab_end(run, rc, &err);
}

int lab_heal_run(struct run *run, void *args)
{
	struct lab lab;
	struct err err = {0};
	int rc = lab_open(&lab, &run->arena, args, &err);

	if (rc == 0 && run->word_count > 0)
		rc = err_set(&err, E_USAGE, "'%s' is one word too many: all is healed",
			     run->words[0]);
	if (rc == 0)
		rc = ask(&lab, NULL, &err, "heal");
	if (rc == 0)
		output_say("the network is whole again, and fast\n");
	return lab_end(run, rc, &err);
}

int lab_slow_run(struct run *run, void *args)
{
	uint64_t nodes = 0;
	int64_t delay_ms = 0;
	struct lab lab;
	struct err err = {0};
	unsigned last = run->word_count - 1;
	int rc = lab_open(&lab, &run->arena, args, &err);

	if (rc == 0 && run->word_count < 2)
		rc = err_set(&err, E_USAGE, "say: kavka lab slow 2 200ms");
	for (unsigned i = 0; rc == 0 && i < last; i++)
		rc = ends_parse(&nodes, run->words[i], lab_node_mask(&lab), &err);
	if (rc == 0)
		rc = delay_parse(&delay_ms, run->words[last], LAB_DELAY_MS_MAX, &err);
	for (int id = 1; rc == 0 && id < LAB_ENDS_MAX; id++)
		if (nodes & END_BIT(id))
			rc = ask(&lab, NULL, &err, "slow %d %" PRId64, id, delay_ms);
	if (rc == 0 && delay_ms > 0)
		output_say("what node %s sends or receives comes %" PRId64 " ms later\n",
			   lab_ids(&run->arena, nodes), delay_ms);
	else if (rc == 0)
		output_say("node %s is as fast as ever\n", lab_ids(&run->arena, nodes));
	return lab_end(run, rc, &err);
}
