/* Changes of the voters (KIP-853): AddRaftVoter, RemoveRaftVoter, UpdateRaftVoter. One at a time,
 * and by one voter, so that a majority before and a majority after have a node in common. The new
 * set counts from the moment it is in the log, agreed or not. */
#include "base/fault.h"
#include "base/mem.h"
#include "base/say.h"
#include "raft/raft_int.h"

#include <inttypes.h>

#define SAY_PLACE "broker/raft"
#define KRAFT_VERSION_FEATURE "kraft.version"
/* An observer that has not been at the log's end for so long is no voter yet. */
#define CAUGHT_UP_MS (3600 * 1000)

/* ---- Answers --------------------------------------------------------------------------------- */

static void answer_update(struct raft *r, struct raft_inbound *in, enum kafka_error error)
{
	struct update_raft_voter_response *m = WIRE_NEW(in->arena, update_raft_voter_response);
	struct str host;
	uint16_t port;

	m->error_code = (int16_t)error;
	m->current_leader.leader_id = raft_leader_id(r);
	m->current_leader.leader_epoch = r->state.leader_epoch;
	if (raft_leader_address(r, in->listener, &host, &port)) {
		m->current_leader.host = host;
		m->current_leader.port = port;
	}
	in->answer(in, m);
}

static void answer(struct raft *r, struct raft_inbound *in, enum kafka_error error,
		   const char *text)
{
	struct add_raft_voter_response *add;
	struct remove_raft_voter_response *removed;

	switch (in->api) {
	case API_ADD_RAFT_VOTER:
		add = WIRE_NEW(in->arena, add_raft_voter_response);
		add->error_code = (int16_t)error;
		add->error_message = text ? str_of(text) : STR_NULL;
		in->answer(in, add);
		break;
	case API_REMOVE_RAFT_VOTER:
		removed = WIRE_NEW(in->arena, remove_raft_voter_response);
		removed->error_code = (int16_t)error;
		removed->error_message = text ? str_of(text) : STR_NULL;
		in->answer(in, removed);
		break;
	default:
		assert(in->api == API_UPDATE_RAFT_VOTER);
		answer_update(r, in, error);
		break;
	}
}

void raft_refuse_change(struct raft *r, struct raft_inbound *in, enum kafka_error error)
{
	answer(r, in, error, kafka_error_name(error));
}

/* The change under way is over. */
static void change_end(struct raft *r, enum kafka_error error, const char *text)
{
	struct raft_change *c = &r->change;
	struct raft_inbound *in = c->in;

	arena_fini(&c->arena);
	*c = (struct raft_change){0};
	if (in)
		answer(r, in, error, text);
}

void raft_drop_change(struct raft *r, enum kafka_error error)
{
	if (r->change.api)
		change_end(r, error, kafka_error_name(error));
}

void raft_forget_change(struct raft *r, const struct raft_inbound *in)
{
	if (r->change.in == in)
		r->change.in = NULL;
}

/* ---- Checks ---------------------------------------------------------------------------------- */

const struct voters_record_voter *raft_voter_find(const struct raft *r, int32_t node_id)
{
	for (int32_t i = 0; i < r->voters->voters_count; i++) {
		if (r->voters->voters[i].voter_id == node_id)
			return &r->voters->voters[i];
	}
	return NULL;
}

/* May a change begin? NONE, or why not with a text. */
static enum kafka_error check_begin(const struct raft *r, const struct raft_inbound *in,
				    struct str cluster_id, const char **text)
{
	*text = NULL;
	if (!str_is_null(cluster_id) && !str_is_null(r->cluster_id) &&
	    !str_eq(cluster_id, r->cluster_id))
		return KERR_INCONSISTENT_CLUSTER_ID;
	if (r->role != RAFT_LEADER)
		return KERR_NOT_LEADER_OR_FOLLOWER;
	*text = "another change of the voters is under way, or the leader has just begun";
	if (r->change.api || r->high_watermark < 0 ||
	    (r->voters_offset >= r->high_watermark && !FAULT(two_changes)))
		return KERR_REQUEST_TIMED_OUT;
	*text = "the quorum's kraft.version is 0: its voters are those of the configuration";
	if (r->kraft_version < 1 && in->api != API_UPDATE_RAFT_VOTER)
		return KERR_UNSUPPORTED_VERSION;
	*text = NULL;
	return KERR_NONE;
}

static void change_begin(struct raft *r, struct raft_inbound *in)
{
	r->change = (struct raft_change){
		.in = in,
		.api = in->api,
		.offset = -1,
		.deadline_us = raft_now_us(r) + r->options.request_timeout_ms * 1000,
	};
	arena_init(&r->change.arena);
}

/* The voter as it shall be, with room for so many endpoints. */
static void change_begin_voter(struct raft_change *c, int32_t node_id, struct uuid directory_id,
			       int32_t endpoint_count)
{
	WIRE_INIT(voters_record_voter, &c->voter);
	c->voter.voter_id = node_id;
	c->voter.voter_directory_id = directory_id;
	c->voter.endpoints = WIRE_ARRAY(&c->arena, voters_record_endpoint, endpoint_count);
}

static void change_add_endpoint(struct raft_change *c, struct str name, struct str host,
				uint16_t port)
{
	struct voters_record_endpoint *e = &c->voter.endpoints[c->voter.endpoints_count++];

	e->name = str_dup(&c->arena, name);
	e->host = str_dup(&c->arena, host);
	e->port = port;
}

/* Asks the voter itself whether it is there and what it supports. */
static void change_probe(struct raft *r)
{
	struct raft_change *c = &r->change;
	struct api_versions_request *m = WIRE_NEW(&r->scratch, api_versions_request);

	c->probe = (struct raft_link){.node_id = c->voter.voter_id};
	for (int32_t i = 0; i < c->voter.endpoints_count; i++) {
		if (!str_eq(c->voter.endpoints[i].name, r->endpoint_name))
			continue;
		c->probe.host = c->voter.endpoints[i].host;
		c->probe.port = c->voter.endpoints[i].port;
	}
	if (str_is_null(c->probe.host)) {
		change_end(r, KERR_INVALID_REQUEST,
			   "the voter has no endpoint for the controllers' listener");
		return;
	}
	m->client_software_name = STR_LIT("kavka");
	m->client_software_version = STR_LIT(KAVKA_VERSION);
	raft_link_send(r, &c->probe, API_API_VERSIONS, m);
}

/* ---- Adding ---------------------------------------------------------------------------------- */

void raft_on_add_voter(struct raft *r, struct raft_inbound *in)
{
	const struct add_raft_voter_request *m = in->body;
	const char *text;
	enum kafka_error error = check_begin(r, in, m->cluster_id, &text);
	struct raft_change *c = &r->change;

	if (error == KERR_NONE && raft_voter_find(r, m->voter_id)) {
		error = KERR_DUPLICATE_VOTER;
		text = "the node is a voter already";
	}
	if (error == KERR_NONE && (m->voter_id < 0 || uuid_is_zero(m->voter_directory_id))) {
		error = KERR_INVALID_REQUEST;
		text = "a voter has an id and a directory id";
	}
	if (error != KERR_NONE) {
		answer(r, in, error, text);
		return;
	}
	change_begin(r, in);
	c->ack_when_agreed = m->ack_when_committed;
	change_begin_voter(c, m->voter_id, m->voter_directory_id, m->listeners_count);
	for (int32_t i = 0; i < m->listeners_count; i++)
		change_add_endpoint(c, m->listeners[i].name, m->listeners[i].host,
				    m->listeners[i].port);
	change_probe(r);
}

static bool observer_is_caught_up(const struct raft *r, int32_t node_id, struct uuid directory_id)
{
	for (size_t i = 0; i < r->observer_count; i++) {
		const struct raft_observer *o = &r->observers[i];

		if (o->node_id == node_id && uuid_eq(o->directory_id, directory_id))
			return o->last_caught_up_ms >= 0 &&
			       env_wall_ms(r->options.env) - o->last_fetch_ms < CAUGHT_UP_MS;
	}
	return false;
}

/* ---- Removing, updating ---------------------------------------------------------------------- */

/* Appends the voters as they shall be: they count at once. -errno, E_OFFLINE. */
static int append_voters(struct raft *r, const struct voters_record *voters, struct err *err)
{
	struct batch_options options = BATCH_OPTIONS_DEFAULT;
	struct batch_builder batch;
	int64_t last_offset;
	int rc;

	options.is_control = true;
	batch_builder_init(&batch, &options);
	rc = control_record_add(&batch, CONTROL_KRAFT_VOTERS, &voters_record_desc, voters,
				env_wall_ms(r->options.env), err);
	if (rc == 0)
		rc = raft_append_batch(r, &batch, &last_offset, err);
	batch_builder_fini(&batch);
	if (rc < 0)
		return rc;
	say_info("epoch %d: %d voters from offset %" PRId64 " on", r->state.leader_epoch,
		 voters->voters_count, last_offset);
	raft_set_voters(r, voters, last_offset);
	r->change.offset = last_offset;
	/* fewer voters may agree on more */
	raft_update_high_watermark(r);
	return 0;
}

/* The voters without the one of this id, and with room for one more. */
static struct voters_record *voters_without(struct raft *r, int32_t node_id)
{
	struct voters_record *voters = WIRE_NEW(&r->scratch, voters_record);
	size_t count = (size_t)r->voters->voters_count;

	voters->voters = WIRE_ARRAY(&r->scratch, voters_record_voter, count + 1);
	for (size_t i = 0; i < count; i++) {
		if (r->voters->voters[i].voter_id != node_id)
			voters->voters[voters->voters_count++] = r->voters->voters[i];
	}
	return voters;
}

void raft_on_remove_voter(struct raft *r, struct raft_inbound *in)
{
	const struct remove_raft_voter_request *m = in->body;
	const char *text;
	enum kafka_error error = check_begin(r, in, m->cluster_id, &text);
	const struct voters_record_voter *voter = raft_voter_find(r, m->voter_id);
	struct err err;
	int rc;

	if (error == KERR_NONE &&
	    (!voter || !uuid_eq(voter->voter_directory_id, m->voter_directory_id))) {
		error = KERR_VOTER_NOT_FOUND;
		text = "no voter has this id and directory id";
	} else if (error == KERR_NONE && r->voters->voters_count == 1) {
		error = KERR_VOTER_NOT_FOUND;
		text = "the last voter cannot be removed";
	}
	if (error != KERR_NONE) {
		answer(r, in, error, text);
		return;
	}
	change_begin(r, in);
	r->change.ack_when_agreed = true;
	rc = append_voters(r, voters_without(r, m->voter_id), &err);
	if (rc < 0) {
		change_end(r, KERR_UNKNOWN_SERVER_ERROR, NULL);
		raft_fail(r, rc, &err);
	}
}

void raft_on_update_voter(struct raft *r, struct raft_inbound *in)
{
	const struct update_raft_voter_request *m = in->body;
	const char *text;
	enum kafka_error error = check_begin(r, in, m->cluster_id, &text);
	const struct voters_record_voter *voter = raft_voter_find(r, m->voter_id);
	struct raft_change *c = &r->change;

	if (error == KERR_NONE && m->current_leader_epoch != r->state.leader_epoch)
		error = m->current_leader_epoch < r->state.leader_epoch ? KERR_FENCED_LEADER_EPOCH
									: KERR_UNKNOWN_LEADER_EPOCH;
	if (error == KERR_NONE && (m->voter_id < 0 || uuid_is_zero(m->voter_directory_id)))
		error = KERR_INVALID_REQUEST;
	/* static voters have no directories */
	if (error == KERR_NONE &&
	    (!voter || (r->kraft_version > 0 &&
			!uuid_eq(voter->voter_directory_id, m->voter_directory_id))))
		error = KERR_VOTER_NOT_FOUND;
	if (error != KERR_NONE) {
		answer(r, in, error, text);
		return;
	}
	change_begin(r, in);
	change_begin_voter(c, m->voter_id, m->voter_directory_id, m->listeners_count);
	c->voter.kraft_version_feature.min_supported_version =
		m->kraft_version_feature.min_supported_version;
	c->voter.kraft_version_feature.max_supported_version =
		m->kraft_version_feature.max_supported_version;
	for (int32_t i = 0; i < m->listeners_count; i++)
		change_add_endpoint(c, m->listeners[i].name, m->listeners[i].host,
				    m->listeners[i].port);
	change_probe(r);
}

/* ---- Going on -------------------------------------------------------------------------------- */

/* What the voter itself says that it supports; NULL if it is well, else what is wrong. */
static const char *check_probe(struct raft *r, const struct api_versions_response *m)
{
	struct raft_change *c = &r->change;
	int16_t min = 0, max = 0;

	for (int32_t i = 0; i < m->supported_features_count; i++) {
		if (!str_is(m->supported_features[i].name, KRAFT_VERSION_FEATURE))
			continue;
		min = m->supported_features[i].min_version;
		max = m->supported_features[i].max_version;
	}
	if (min > r->kraft_version || max < r->kraft_version)
		return "the node does not support the quorum's kraft.version";
	if (c->api == API_UPDATE_RAFT_VOTER &&
	    (c->voter.kraft_version_feature.min_supported_version != min ||
	     c->voter.kraft_version_feature.max_supported_version != max))
		return "the node supports another range of kraft.version than the request says";
	c->voter.kraft_version_feature.min_supported_version = min;
	c->voter.kraft_version_feature.max_supported_version = max;
	return NULL;
}

int raft_on_probe(struct raft *r, const struct api_versions_response *m, struct err *err)
{
	struct raft_change *c = &r->change;
	const char *wrong = m ? check_probe(r, m) : NULL;
	struct voters_record *voters;
	int rc;

	if (!m) {
		change_end(r, KERR_REQUEST_TIMED_OUT, "the node cannot be reached");
		return 0;
	}
	if (wrong) {
		change_end(r, KERR_INVALID_REQUEST, wrong);
		return 0;
	}
	if (c->api == API_ADD_RAFT_VOTER &&
	    !observer_is_caught_up(r, c->voter.voter_id, c->voter.voter_directory_id)) {
		change_end(r, KERR_REQUEST_TIMED_OUT,
			   "the node has not fetched the metadata log up to its end yet");
		return 0;
	}
	if (r->kraft_version == 0) {
		raft_keep_told(r, &c->voter);
		change_end(r, KERR_NONE, NULL);
		return 0;
	}
	voters = voters_without(r, c->voter.voter_id);
	voters->voters[voters->voters_count++] = c->voter;
	rc = append_voters(r, voters, err);
	if (rc < 0)
		change_end(r, KERR_UNKNOWN_SERVER_ERROR, NULL);
	else if (!c->ack_when_agreed)
		change_end(r, KERR_NONE, NULL);
	return rc;
}

/* The next leader does not tell who is no voter: ask soon, but first say that the epoch is over. */
static int leave(struct raft *r, struct err *err)
{
	int rc = raft_move(r, RAFT_RESIGNED, r->state, err);

	if (rc == 0)
		r->deadline_us = raft_now_us(r) + r->options.retry_backoff_ms * 5000;
	return rc;
}

int raft_step_change(struct raft *r, struct err *err)
{
	struct raft_change *c = &r->change;

	if (c->api && c->offset >= 0 && r->high_watermark > c->offset)
		change_end(r, KERR_NONE, NULL);
	else if (c->api && raft_now_us(r) >= c->deadline_us)
		change_end(r, KERR_REQUEST_TIMED_OUT, "the change was not agreed in time");
	/* a leader that took itself out leads until the others have agreed */
	if (r->role == RAFT_LEADER && !r->is_voter && r->voters_offset < r->high_watermark) {
		say_info("epoch %d: this node is no voter any more: resigning",
			 r->state.leader_epoch);
		return leave(r, err);
	}
	return 0;
}
