/* What was done or found, as JSON or as a table. */
#include "cmd/print.h"
#include "cmd/reassign/reassign_int.h"

void row_init(struct reassign *r)
{
	static const char *const titles[] = {"TOPIC", ">PARTITION", ">BROKER", "STATE",
					     "NOW",   "WANTED",     "ERROR"};

	grid_init(&r->grid, r->arena, titles, ARRAY_LEN(titles));
}

static void json_ids(struct json_out *j, const char *key, struct ids ids)
{
	if (!ids.items) {
		json_out_null(j, key);
		return;
	}
	json_out_open(j, key, '[');
	for (int32_t i = 0; i < ids.count; i++)
		json_out_int(j, NULL, ids.items[i]);
	json_out_close(j, ']');
}

static void row_json(const struct row *row)
{
	struct json_out j = {0};

	json_out_open(&j, NULL, '{');
	json_out_str(&j, "topic", row->topic);
	json_out_int(&j, "partition", row->partition);
	if (row->broker >= 0)
		json_out_int(&j, "broker", row->broker);
	json_out_text(&j, "state", row->state);
	if (row->broker >= 0) {
		json_out_text(&j, "logDir", row->dir_now);
		json_out_text(&j, "targetLogDir", row->dir_wanted);
	} else {
		json_ids(&j, "replicas", row->now);
		json_ids(&j, "targetReplicas", row->wanted);
	}
	json_out_text(&j, "error", row->error);
	json_out_close(&j, '}');
	print_byte('\n');
}

void row_print(struct reassign *r, const struct row *row)
{
	bool is_replica = row->broker >= 0;

	if (r->format == OUTPUT_JSON)
		row_json(row);
	if (r->format != OUTPUT_TABLE)
		return;
	grid_add(&r->grid, str_dup(r->arena, row->topic).data, grid_int(&r->grid, row->partition),
		 is_replica ? grid_int(&r->grid, row->broker) : NULL, row->state,
		 is_replica       ? row->dir_now
		 : row->now.count ? ids_text(r->arena, row->now)
				  : NULL,
		 is_replica          ? row->dir_wanted
		 : row->wanted.count ? ids_text(r->arena, row->wanted)
				     : NULL,
		 row->error);
	if (row->error)
		grid_tone(&r->grid, 3, TONE_RED);
}

void row_end(struct reassign *r)
{
	if (r->format == OUTPUT_TABLE)
		grid_print(&r->grid);
}
