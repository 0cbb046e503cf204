/* What a leader answered, and what becomes of the follower's log. */
#include "base/fault.h"
#include "base/say.h"
#include "replica/fetcher.h"
#include "wire/codec.h"

#include <inttypes.h>

/* A log end offset in DivergingEpoch that the leader does not know. */
#define END_OFFSET_UNKNOWN (-1)

/* ---- Failures -------------------------------------------------------------------------------- */

static void follow_fail(struct partition *p, const char *why)
{
	say_error("%.*s-%d: not fetched from broker %d until it has another leader epoch: %s",
		  STR(p->topic), p->index, p->leader_id, why);
	p->follow.state = FOLLOW_FAILED;
}

/* A call of the log failed. */
static void follow_log_failed(struct partition *p, int rc, const struct err *err)
{
	switch (partition_log_error(p, rc, err)) {
	case KERR_OFFSET_OUT_OF_RANGE:
		follow_fail(p, "the leader's offsets do not follow ours");
		break;
	default: /* damaged on its way, a full disk; a dead disk ends all this anyway */
		if (p->follow.fetcher)
			follow_delay(p);
	}
}

/* ---- Cutting --------------------------------------------------------------------------------- */

/* Cuts the log, and what a move to another directory has copied of it. */
static int follow_truncate(struct partition *p, int64_t offset, struct err *err)
{
	int rc;

	if (offset < log_high_watermark(p->log))
		say_warn("%.*s-%d: truncating to offset %" PRId64
			 ", below the high watermark %" PRId64,
			 STR(p->topic), p->index, offset, log_high_watermark(p->log));
	rc = log_truncate_to(p->log, offset, err);
	if (rc == 0 && p->future && log_end_offset(p->future) > log_end_offset(p->log))
		rc = log_truncate_to(p->future, log_end_offset(p->log), err);
	return rc;
}

/* Epoch and end say up to where the leader's history of at most our last epoch goes. Where ours
 * parts from it is the lower of both ends, if we know the same epoch; else a step back is made, and
 * the next request asks again with an older epoch. */
static void follow_diverged(struct partition *p, int32_t leader_epoch, int64_t leader_end_offset)
{
	int64_t end_offset = log_end_offset(p->log), own_end_offset, to;
	int32_t last_epoch = log_latest_epoch(p->log), own_epoch;
	struct err err = {0};
	int rc;

	log_epoch_end(p->log, leader_epoch, &own_epoch, &own_end_offset);
	if (leader_end_offset == END_OFFSET_UNKNOWN)
		to = p->follow.asked_offset;
	else if (leader_epoch < 0 || own_end_offset < 0)
		to = MIN(leader_end_offset, end_offset);
	else if (own_epoch == leader_epoch)
		to = MIN(MIN(own_end_offset, leader_end_offset), end_offset);
	else
		to = MIN(own_end_offset, end_offset);
	if (to < end_offset)
		say_info("%.*s-%d: diverges from broker %d: its epoch %d ends at %" PRId64
			 ", ours ends at %" PRId64 "; cut at %" PRId64,
			 STR(p->topic), p->index, p->leader_id, leader_epoch, leader_end_offset,
			 end_offset, to);
	rc = follow_truncate(p, to, &err);
	if (rc < 0)
		follow_log_failed(p, rc, &err);
	else if (log_end_offset(p->log) == end_offset && log_latest_epoch(p->log) == last_epoch)
		follow_delay(p); /* the same question would get the same answer */
	partition_wake(p);
}

/* ---- Appending ------------------------------------------------------------------------------- */

/* What is committed stays committed: a new leader may know less of it for a while. */
static void follow_marks(struct partition *p, const struct fetch_response_partition_data *in)
{
	int64_t high_watermark = MAX(in->high_watermark, log_high_watermark(p->log));
	struct err err = {0};
	int rc = 0;

	if (log_set_high_watermark(p->log, high_watermark))
		partition_wake(p);
	p->follow.lag = MAX(in->high_watermark - log_end_offset(p->log), 0);
	if (in->log_start_offset > log_start_offset(p->log)) {
		rc = log_follow_start(
			p->log, FAULT(follower_deletes_all) ? high_watermark : in->log_start_offset,
			&err);
		p->tick_at_ms = 0;
		partition_wake(p);
	}
	if (rc < 0)
		follow_log_failed(p, rc, &err);
}

static int follow_append(struct partition *p, struct slice records, int64_t *appended_bytes)
{
	struct log_append_info info;
	struct err err = {0};
	int rc = log_append_follower(p->log, (uint8_t *)(uintptr_t)records.data, records.len,
				     p->leader_epoch, &info, &err);

	*appended_bytes = rc == 0 ? (int64_t)info.written_bytes : 0;
	if (rc < 0) {
		follow_log_failed(p, rc, &err);
		return rc;
	}
	/* Records of a leader epoch that we have not heard of: the metadata comes first. */
	if (info.first_offset < 0)
		follow_delay(p);
	return 0;
}

static void follow_took(struct partition *p, const struct fetch_response_partition_data *in)
{
	struct replica_set *set = p->set;
	int64_t bytes = 0;

	if (in->records.len > 0 && follow_append(p, in->records, &bytes) < 0)
		return;
	if (in->records.len == 0 || bytes > 0)
		p->follow.failure_count = 0;
	follow_marks(p, in);
	set->fetched_bytes += (uint64_t)bytes;
	if (p->is_follower_throttled && bytes > 0)
		throttle_pay(&set->throttles->follower, bytes,
			     config_i64(set->config, CONFIG_FOLLOWER_REPLICATION_THROTTLED_RATE),
			     env_mono_us(set->options.env));
}

/* ---- Fetch ----------------------------------------------------------------------------------- */

static void follow_answered(struct partition *p, const struct fetch_response_partition_data *in)
{
	switch (in->error_code) {
	case KERR_NONE:
		if (in->diverging_epoch.epoch >= 0)
			follow_diverged(p, in->diverging_epoch.epoch,
					in->diverging_epoch.end_offset);
		else
			follow_took(p, in);
		return;
	case KERR_OFFSET_OUT_OF_RANGE: p->follow.state = FOLLOW_ASKS_END; return;
	case KERR_FENCED_LEADER_EPOCH:
		say_info("%.*s-%d: broker %d has a newer leader epoch than %d", STR(p->topic),
			 p->index, p->leader_id, p->leader_epoch);
		p->follow.state = FOLLOW_FAILED;
		return;
	default: break;
	}
	if (p->follow.failure_count > 3)
		say_debug("%.*s-%d: broker %d answers %s", STR(p->topic), p->index, p->leader_id,
			  kafka_error_name(in->error_code));
	follow_delay(p);
}

/* The partition that an answer is about, if it is as it was when it was asked for. */
static struct partition *follow_of_answer(struct fetcher *f, struct uuid topic_id, int32_t index)
{
	struct partition *p = replica_set_find(f->set, topic_id, index);
	const struct follow *w = p ? &p->follow : NULL;

	if (!p || w->fetcher != f || !p->log || p->role != PARTITION_FOLLOWER ||
	    w->asked_leader_epoch != p->leader_epoch || w->asked_offset != log_end_offset(p->log))
		return NULL;
	return p;
}

bool fetcher_take_fetch(struct fetcher *f, const struct fetch_response *response)
{
	if (response->error_code != KERR_NONE) {
		say_debug("broker %d ends the fetch session: %s", f->leader_id,
			  kafka_error_name(response->error_code));
		fetcher_end_session(f, response->error_code == KERR_FETCH_SESSION_ID_NOT_FOUND);
		return false;
	}
	if (f->session_epoch == 0)
		f->session_id = response->session_id;
	f->session_epoch = f->session_id == 0              ? 0
			   : f->session_epoch == INT32_MAX ? 1
							   : f->session_epoch + 1;
	for (int32_t i = 0; i < response->responses_count; i++) {
		const struct fetch_response_fetchable_topic_response *topic =
			&response->responses[i];

		for (int32_t j = 0; j < topic->partitions_count; j++) {
			struct partition *p = follow_of_answer(
				f, topic->topic_id, topic->partitions[j].partition_index);

			if (!p || !p->follow.is_asked || p->follow.state != FOLLOW_FETCHES)
				continue;
			follow_touch(p);
			follow_answered(p, &topic->partitions[j]);
		}
	}
	if (f->session_epoch == 0)
		fetcher_end_session(f, true);
	return true;
}

/* ---- ListOffsets ----------------------------------------------------------------------------- */

static void follow_learns_end(struct partition *p, int64_t leader_end_offset)
{
	int64_t end_offset = log_end_offset(p->log);
	struct err err = {0};
	int rc;

	if (leader_end_offset >= end_offset) {
		p->follow.state = FOLLOW_ASKS_START;
		return;
	}
	say_warn("%.*s-%d: the leader's log ends at %" PRId64 ", ours at %" PRId64 ": cut",
		 STR(p->topic), p->index, leader_end_offset, end_offset);
	p->follow.state = FOLLOW_FETCHES;
	rc = follow_truncate(p, leader_end_offset, &err);
	if (rc < 0)
		follow_log_failed(p, rc, &err);
}

static void follow_learns_start(struct partition *p, int64_t leader_start_offset)
{
	struct err err = {0};
	int rc;

	p->follow.state = FOLLOW_FETCHES;
	if (leader_start_offset <= log_end_offset(p->log)) {
		follow_delay(p); /* in range by now, or never: no haste */
		return;
	}
	say_warn("%.*s-%d: the leader's log begins at %" PRId64 ", after the end of ours",
		 STR(p->topic), p->index, leader_start_offset);
	rc = log_truncate_fully(p->log, leader_start_offset, &err);
	if (rc < 0)
		follow_log_failed(p, rc, &err);
	partition_wake(p);
}

void fetcher_take_list_offsets(struct fetcher *f, const struct list_offsets_response *response)
{
	for (int32_t i = 0; i < response->topics_count; i++) {
		const struct list_offsets_response_topic_response *topic = &response->topics[i];
		struct partition *named = NULL, *p;

		for (int32_t j = 0; j < topic->partitions_count; j++) {
			const struct list_offsets_response_partition_response *in =
				&topic->partitions[j];

			named = replica_set_find_name(f->set, topic->name, in->partition_index);
			p = named ? follow_of_answer(f, named->topic_id, named->index) : NULL;
			if (!p)
				continue;
			follow_touch(p);
			if (in->error_code != KERR_NONE || in->offset < 0)
				follow_delay(p);
			else if (p->follow.state == FOLLOW_ASKS_END)
				follow_learns_end(p, in->offset);
			else if (p->follow.state == FOLLOW_ASKS_START)
				follow_learns_start(p, in->offset);
		}
	}
}
