/* kavka: all commands in one binary. */
#include "cmd/command.h"

extern const struct command cmd_topics, cmd_producer, cmd_consumer, cmd_groups, cmd_broker,
	cmd_storage, cmd_configs, cmd_offsets, cmd_delete_records, cmd_api_versions,
	cmd_profile, cmd_api, cmd_doctor, cmd_trace;

extern const struct command cmd_dump, cmd_cat, cmd_perf, cmd_verify;
extern const struct command cmd_registry;
extern const struct command cmd_lab;
extern const struct command cmd_quorum, cmd_cluster, cmd_features;
extern const struct command cmd_log_dirs, cmd_elect, cmd_reassign;
extern const struct command cmd_top;
static const struct command *const table[] = {
	&cmd_topics,
	&cmd_producer,
	&cmd_consumer,
	&cmd_groups,
	&cmd_configs,
	&cmd_offsets,
	&cmd_delete_records,
	&cmd_reassign,
	&cmd_log_dirs,
	&cmd_elect,
	&cmd_api_versions,
	&cmd_cluster,
	&cmd_quorum,
	&cmd_features,
	&cmd_api,
	&cmd_trace,
	&cmd_doctor,
	&cmd_top,
	&cmd_dump,
	&cmd_cat,
	&cmd_perf,
	&cmd_verify,
	&cmd_broker,
	&cmd_storage,
	&cmd_lab,
	&cmd_registry,
	&cmd_profile,
	&cmd_help,
	&cmd_complete,
	NULL,
};

int main(int argc, char **argv)
{
	return frame_main(table, argc, argv);
}
