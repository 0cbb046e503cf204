#include "raft/quorum_state.h"

#include "wire/codec.h"
#include "wire/json.h"

#include <errno.h>
#include <stdlib.h>

#define QUORUM_STATE_BYTES_MAX (1024 * 1024)

static int quorum_state_parse(const char *text, size_t len, struct quorum_state *out,
			      struct err *err)
{
	struct quorum_state_data data;
	json_error_t where;
	json_t *json = json_loadb(text, len, 0, &where);
	struct arena arena;
	json_int_t version;
	int rc;

	if (!json)
		return err_set(err, E_MALFORMED, "line %d: %s", where.line, where.text);
	version = json_integer_value(json_object_get(json, "data_version"));
	if (version < 0 || version > 1) {
		json_decref(json);
		return err_set(err, E_MALFORMED, "data_version %lld is not known",
			       (long long)version);
	}
	arena_init(&arena);
	rc = message_from_json(&quorum_state_data_desc, (int16_t)version, json, &arena, &data, err);
	if (rc == 0)
		*out = (struct quorum_state){
			.leader_epoch = data.leader_epoch < 0 ? 0 : data.leader_epoch,
			.leader_id = data.leader_id,
			.voted_id = data.voted_id,
			.voted_directory_id = data.voted_directory_id,
		};
	arena_fini(&arena);
	json_decref(json);
	return rc < 0 ? E_MALFORMED : 0;
}

int quorum_state_read(struct env *env, const char *path, struct quorum_state *out, struct err *err)
{
	char *text;
	size_t len;
	int rc = env_read_file(env, path, QUORUM_STATE_BYTES_MAX, &text, &len);

	*out = QUORUM_STATE_NONE;
	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	rc = quorum_state_parse(text, len, out, err);
	free(text);
	return rc < 0 ? err_add(err, rc, "%s", path) : 0;
}

int quorum_state_write(struct env *env, const char *path, const struct quorum_state *state,
		       int16_t kraft_version, const struct voters_record *voters, struct err *err)
{
	char dir[UUID_TEXT_LEN + 1];
	struct out out;
	int rc;

	out_init(&out, QUORUM_STATE_BYTES_MAX);
	if (kraft_version > 0) {
		out_printf(&out,
			   "{\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
			   "\"votedDirectoryId\":\"%s\",\"data_version\":1}",
			   state->leader_id, state->leader_epoch, state->voted_id,
			   uuid_format(state->voted_directory_id, dir));
	} else {
		out_printf(&out,
			   "{\"clusterId\":\"\",\"leaderId\":%d,\"leaderEpoch\":%d,\"votedId\":%d,"
			   "\"appliedOffset\":0,\"currentVoters\":[",
			   state->leader_id, state->leader_epoch, state->voted_id);
		for (int32_t i = 0; voters && i < voters->voters_count; i++)
			out_printf(&out, "%s{\"voterId\":%d}", i ? "," : "",
				   voters->voters[i].voter_id);
		out_text(&out, "],\"data_version\":0}");
	}
	rc = out.failed ? E_TOO_LARGE : env_write_file(env, path, out.data, out.len);
	out_fini(&out);
	return rc < 0 ? err_sys(err, rc, "cannot write %s", path) : 0;
}
