/* What a node tells the leader of itself: that its entry among the voters is not true any more
 * (UpdateRaftVoter), and that it wants to be one (AddRaftVoter). And what the leader makes of it
 * under kraft.version 0: it keeps in mind who said what, until an upgrade writes it down. */
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/raft"

/* ---- Telling --------------------------------------------------------------------------------- */

/* Does the voters' entry of this node say what is true? Under kraft.version 0 there is no entry to
 * look at: the leader is told once. */
static bool own_entry_is_true(const struct raft *r)
{
	if (r->kraft_version == 0)
		return r->has_told;
	for (int32_t i = 0; i < r->voters->voters_count; i++) {
		if (raft_is_self(r, &r->voters->voters[i]))
			return raft_endpoint_is_current(r, &r->voters->voters[i]);
	}
	return true;
}

static void send_update(struct raft *r)
{
	struct update_raft_voter_request *m = WIRE_NEW(&r->scratch, update_raft_voter_request);

	m->cluster_id = r->cluster_id;
	m->current_leader_epoch = r->state.leader_epoch;
	m->voter_id = r->options.node_id;
	m->voter_directory_id = r->options.directory_id;
	m->listeners = WIRE_ARRAY(&r->scratch, update_raft_voter_request_listener, 1);
	m->listeners_count = 1;
	m->listeners[0].name = r->endpoint_name;
	m->listeners[0].host = r->endpoint_host;
	m->listeners[0].port = (uint16_t)r->options.endpoint.port;
	m->kraft_version_feature.max_supported_version = KRAFT_VERSION_MAX;
	raft_link_send(r, &r->leader, API_UPDATE_RAFT_VOTER, m);
}

static void send_add(struct raft *r)
{
	struct add_raft_voter_request *m = WIRE_NEW(&r->scratch, add_raft_voter_request);

	m->cluster_id = r->cluster_id;
	m->timeout_ms = (int32_t)r->options.request_timeout_ms;
	m->voter_id = r->options.node_id;
	m->voter_directory_id = r->options.directory_id;
	m->listeners = WIRE_ARRAY(&r->scratch, add_raft_voter_request_listener, 1);
	m->listeners_count = 1;
	m->listeners[0].name = r->endpoint_name;
	m->listeners[0].host = r->endpoint_host;
	m->listeners[0].port = (uint16_t)r->options.endpoint.port;
	/* this node is one of those who must agree: it cannot fetch while it waits for that */
	m->ack_when_committed = false;
	raft_link_send(r, &r->leader, API_ADD_RAFT_VOTER, m);
}

/* The node was formatted anew: what it was before can never vote again. */
static void send_remove(struct raft *r, struct uuid directory_id)
{
	struct remove_raft_voter_request *m = WIRE_NEW(&r->scratch, remove_raft_voter_request);

	m->cluster_id = r->cluster_id;
	m->voter_id = r->options.node_id;
	m->voter_directory_id = directory_id;
	raft_link_send(r, &r->leader, API_REMOVE_RAFT_VOTER, m);
}

/* The leader takes in only whom it has seen at the end of its log. */
static bool may_join(const struct raft *r)
{
	return r->options.auto_join && r->kraft_version > 0 && r->has_fetched &&
	       r->high_watermark >= 0 && r->high_watermark == log_end_offset(r->log);
}

bool raft_send_update(struct raft *r)
{
	const struct voters_record_voter *voter = raft_voter_find(r, r->options.node_id);
	int64_t now_us = raft_now_us(r);

	if (str_is_null(r->endpoint_host) || now_us < r->update_us)
		return false;
	if (r->is_voter ? own_entry_is_true(r) : !may_join(r))
		return false;
	r->update_us = now_us + r->options.fetch_timeout_ms * 2000;
	if (r->is_voter)
		send_update(r);
	else if (voter)
		send_remove(r, voter->voter_directory_id);
	else
		send_add(r);
	return true;
}

/* The leader does not find the time for it now. */
static void ask_again_soon(struct raft *r)
{
	r->update_us = raft_now_us(r) + r->options.fetch_timeout_ms * 250;
}

void raft_on_update_response(struct raft *r, const struct update_raft_voter_response *m)
{
	/* an older leader has no use for it */
	r->has_told =
		!m || m->error_code == KERR_NONE || m->error_code == KERR_UNSUPPORTED_VERSION;
	if (m && m->error_code == KERR_REQUEST_TIMED_OUT)
		ask_again_soon(r);
	else if (!r->has_told)
		say_info("epoch %d: the leader does not take this voter's endpoint: %s",
			 r->state.leader_epoch, kafka_error_name(m->error_code));
}

void raft_on_join_response(struct raft *r, enum api_key api, enum kafka_error error,
			   struct str text)
{
	if (error == KERR_NONE && api == API_REMOVE_RAFT_VOTER) {
		/* the next fetch brings the voters as they are now */
		r->update_us = 0;
		r->has_fetched = false;
	}
	if (error == KERR_REQUEST_TIMED_OUT)
		ask_again_soon(r);
	else if (error != KERR_NONE)
		say_info("epoch %d: this node is no voter yet: %s %.*s", r->state.leader_epoch,
			 kafka_error_name(error), STR(text));
}

/* ---- Being told ------------------------------------------------------------------------------ */

void raft_keep_told(struct raft *r, const struct voters_record_voter *voter)
{
	struct raft_peer *peer = raft_peer_find(r, voter->voter_id, voter->voter_directory_id);
	struct voters_record_voter *copy;

	if (!peer || (peer->told && wire_equal(&voters_record_voter_struct, 0, peer->told, voter)))
		return;
	copy = arena_zalloc(&r->told_arena, sizeof(*copy));
	wire_copy(&voters_record_voter_struct, &r->told_arena, copy, voter);
	peer->told = copy;
}

void raft_forget_told(struct raft *r)
{
	for (size_t i = 0; i < r->peer_count; i++)
		r->peers[i].told = NULL;
	arena_reset(&r->told_arena);
}

/* ---- kraft.version --------------------------------------------------------------------------- */

/* The voters with what each said of itself. E_AGAIN: one has not. */
static int told_voters(struct raft *r, struct voters_record *out, int16_t version, struct err *err)
{
	out->voters_count = r->voters->voters_count;
	out->voters = WIRE_ARRAY(&r->scratch, voters_record_voter, out->voters_count);
	for (int32_t i = 0; i < out->voters_count; i++) {
		const struct voters_record_voter *from = &r->voters->voters[i];
		struct voters_record_voter *to = &out->voters[i];
		const struct raft_peer *peer =
			raft_peer_find(r, from->voter_id, from->voter_directory_id);

		if (raft_is_self(r, from)) {
			to->voter_id = r->options.node_id;
			to->voter_directory_id = r->options.directory_id;
			raft_own_entry(r, &r->scratch, to);
		} else if (!peer || !peer->told) {
			return err_set(err, E_AGAIN,
				       "voter %d has not said yet what it supports",
				       from->voter_id);
		} else {
			*to = *peer->told;
		}
		if (to->kraft_version_feature.max_supported_version < version ||
		    to->kraft_version_feature.min_supported_version > version)
			return err_set(err, E_UNSUPPORTED, "voter %d supports versions %d to %d",
				       to->voter_id,
				       to->kraft_version_feature.min_supported_version,
				       to->kraft_version_feature.max_supported_version);
	}
	return 0;
}

static int append_upgrade(struct raft *r, const struct voters_record *voters, int16_t version,
			  struct err *err)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	int64_t now_ms = env_wall_ms(r->options.env);
	struct kraft_version_record record;
	struct batch_builder batch;
	int64_t last_offset;
	int rc;

	options.is_control = true;
	batch_builder_init(&batch, &options);
	WIRE_INIT(kraft_version_record, &record);
	record.kraft_version = version;
	rc = control_record_add(&batch, CONTROL_KRAFT_VERSION, &kraft_version_record_desc, &record,
				now_ms, err);
	if (rc == 0)
		rc = control_record_add(&batch, CONTROL_KRAFT_VOTERS, &voters_record_desc, voters,
					now_ms, err);
	if (rc == 0)
		rc = raft_append_batch(r, &batch, &last_offset, err);
	batch_builder_fini(&batch);
	if (rc < 0)
		return raft_fail(r, rc, err);
	r->kraft_version = version;
	r->kraft_version_offset = last_offset - 1;
	raft_set_voters(r, voters, last_offset);
	raft_update_high_watermark(r);
	say_info("epoch %d: kraft.version is %d from offset %" PRId64 " on", r->state.leader_epoch,
		 version, last_offset - 1);
	return 0;
}

int raft_upgrade(struct raft *r, int16_t version, bool only_check, struct err *err)
{
	struct voters_record voters;
	int rc = raft_failed(r, err);

	if (rc < 0)
		return rc;
	if (r->role != RAFT_LEADER)
		return err_set(err, E_CLOSED, "this node does not lead the quorum");
	if (version == r->kraft_version)
		return 0;
	if (version < r->kraft_version)
		return err_set(err, E_INVALID, "it can be upgraded only, from %d",
			       r->kraft_version);
	if (version > KRAFT_VERSION_MAX)
		return err_set(err, E_INVALID, "this node supports versions 0 to %d",
			       KRAFT_VERSION_MAX);
	if (r->change.api || r->high_watermark < 0)
		return err_set(err, E_AGAIN,
			       "a change of the voters is under way, or the leader has just begun");
	WIRE_INIT(voters_record, &voters);
	rc = told_voters(r, &voters, version, err);
	if (rc == 0 && !only_check)
		rc = append_upgrade(r, &voters, version, err);
	return rc;
}
