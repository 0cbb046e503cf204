#include "replica/isr.h"

#include "base/fault.h"

#include <string.h>

static bool list_has(const int32_t *ids, unsigned count, int32_t id)
{
	for (unsigned i = 0; i < count; i++)
		if (ids[i] == id)
			return true;
	return false;
}

void isr_init(struct isr *s, int32_t self)
{
	*s = (struct isr){.self = self};
}

/* The follower as it was, or a new one. */
static struct follower isr_keep_follower(const struct isr *old, int32_t id)
{
	for (unsigned i = 0; i < old->follower_count; i++)
		if (old->followers[i].id == id)
			return old->followers[i];
	return (struct follower){
		.id = id, .log_end_offset = -1, .log_start_offset = -1, .broker_epoch = -1};
}

static void isr_restart_follower(struct isr *s, struct follower *f, bool newly_leader,
				 int64_t now_ms)
{
	bool is_member = isr_is_member(s, f->id);

	if (newly_leader) {
		*f = (struct follower){.id = f->id,
				       .log_end_offset = -1,
				       .log_start_offset = -1,
				       .broker_epoch = -1};
	} else {
		f->last_fetch_ms = is_member ? now_ms : 0;
		f->session_fetch_ms = NULL;
	}
	f->last_fetch_leader_end_offset = 0;
	f->last_caught_up_ms = is_member ? now_ms : 0;
}

void isr_set(struct isr *s, const int32_t *replicas, unsigned replica_count, const int32_t *members,
	     unsigned member_count, bool new_epoch, bool newly_leader, int64_t now_ms)
{
	struct isr old = *s;

	assert(replica_count <= REPLICAS_MAX);
	assert(member_count <= REPLICAS_MAX);
	isr_init(s, old.self);
	memcpy(s->replicas, replicas, replica_count * sizeof(*replicas));
	s->replica_count = replica_count;
	memcpy(s->members, members, member_count * sizeof(*members));
	s->member_count = member_count;
	for (unsigned i = 0; i < replica_count; i++) {
		struct follower *f;

		if (replicas[i] == s->self)
			continue;
		f = &s->followers[s->follower_count++];
		*f = isr_keep_follower(&old, replicas[i]);
		if (new_epoch)
			isr_restart_follower(s, f, newly_leader, now_ms);
	}
	isr_check(s);
}

bool isr_is_replica(const struct isr *s, int32_t id)
{
	return list_has(s->replicas, s->replica_count, id);
}

bool isr_is_member(const struct isr *s, int32_t id)
{
	return list_has(s->members, s->member_count, id);
}

bool isr_is_maximal_member(const struct isr *s, int32_t id)
{
	return isr_is_member(s, id) ||
	       (s->pending == ISR_EXPANDING && list_has(s->proposed, s->proposed_count, id));
}

unsigned isr_maximal_count(const struct isr *s)
{
	return s->pending == ISR_EXPANDING ? s->proposed_count : s->member_count;
}

struct follower *isr_follower(struct isr *s, int32_t id)
{
	for (unsigned i = 0; i < s->follower_count; i++)
		if (s->followers[i].id == id)
			return &s->followers[i];
	return NULL;
}

void isr_fetched(struct isr *s, struct follower *f, int64_t fetch_offset, int64_t log_start_offset,
		 int64_t leader_end_offset, int64_t broker_epoch, int64_t now_ms)
{
	assert(f >= s->followers && f < s->followers + s->follower_count);
	isr_unsettle(f);
	/* Caught up now, or (having all we had when it fetched before) at that time. */
	if (fetch_offset >= leader_end_offset)
		f->last_caught_up_ms = MAX(f->last_caught_up_ms, now_ms);
	else if (fetch_offset >= f->last_fetch_leader_end_offset)
		f->last_caught_up_ms = MAX(f->last_caught_up_ms, f->last_fetch_ms);
	f->log_end_offset = fetch_offset;
	f->log_start_offset = log_start_offset;
	f->last_fetch_leader_end_offset = leader_end_offset;
	f->last_fetch_ms = now_ms;
	f->broker_epoch = broker_epoch;
}

bool isr_settle(const struct isr *s, struct follower *f, int64_t leader_end_offset,
		int64_t high_watermark, const int64_t *session_fetch_ms)
{
	if (s->pending != ISR_COMMITTED || !isr_is_member(s, f->id) || f->is_barred ||
	    f->log_end_offset != leader_end_offset || high_watermark != leader_end_offset)
		return false;
	isr_unsettle(f);
	f->session_fetch_ms = session_fetch_ms;
	return true;
}

void isr_unsettle(struct follower *f)
{
	if (!f->session_fetch_ms)
		return;
	f->last_fetch_ms = MAX(f->last_fetch_ms, *f->session_fetch_ms);
	f->last_caught_up_ms = MAX(f->last_caught_up_ms, *f->session_fetch_ms);
	f->session_fetch_ms = NULL;
}

int64_t follower_caught_up_ms(const struct follower *f)
{
	return f->session_fetch_ms ? MAX(f->last_caught_up_ms, *f->session_fetch_ms)
				   : f->last_caught_up_ms;
}

static bool follower_is_caught_up(const struct follower *f, int64_t leader_end_offset,
				  int64_t lag_max_ms, int64_t now_ms)
{
	return f->log_end_offset == leader_end_offset ||
	       now_ms - follower_caught_up_ms(f) <= lag_max_ms;
}

int64_t isr_high_watermark(const struct isr *s, int64_t current, int64_t leader_end_offset,
			   unsigned min_insync, int64_t lag_max_ms, int64_t now_ms)
{
	int64_t lowest = leader_end_offset;

	if (FAULT(high_watermark_of_leader))
		return leader_end_offset;
	if (s->member_count < min_insync)
		return current;
	for (unsigned i = 0; i < s->follower_count; i++) {
		const struct follower *f = &s->followers[i];
		bool joins = !f->is_barred && follower_caught_up_ms(f) > 0 &&
			     follower_is_caught_up(f, leader_end_offset, lag_max_ms, now_ms);

		if (isr_is_maximal_member(s, f->id) || joins)
			lowest = MIN(lowest, f->log_end_offset);
	}
	return MAX(current, lowest);
}

bool isr_should_expand(const struct isr *s, const struct follower *f, int64_t high_watermark,
		       int64_t epoch_start_offset)
{
	return s->pending == ISR_COMMITTED && !f->is_barred && !isr_is_member(s, f->id) &&
	       f->log_end_offset >= 0 &&
	       ((f->log_end_offset >= high_watermark && f->log_end_offset >= epoch_start_offset) ||
		FAULT(joins_behind)) &&
	       !FAULT(isr_never_grows);
}

unsigned isr_lagging(const struct isr *s, int64_t leader_end_offset, int64_t lag_max_ms,
		     int64_t now_ms, int32_t out[REPLICAS_MAX])
{
	unsigned count = 0;

	if (s->pending != ISR_COMMITTED)
		return 0;
	for (unsigned i = 0; i < s->follower_count; i++) {
		const struct follower *f = &s->followers[i];

		if (isr_is_member(s, f->id) &&
		    !follower_is_caught_up(f, leader_end_offset, lag_max_ms, now_ms))
			out[count++] = f->id;
	}
	return count;
}

void isr_expand(struct isr *s, int32_t id)
{
	assert(s->pending == ISR_COMMITTED);
	assert(!isr_is_member(s, id));
	assert(s->member_count < REPLICAS_MAX);
	memcpy(s->proposed, s->members, sizeof(s->members));
	s->proposed[s->member_count] = id;
	s->proposed_count = s->member_count + 1;
	s->pending = ISR_EXPANDING;
	isr_check(s);
}

void isr_shrink(struct isr *s, const int32_t *lagging, unsigned lagging_count)
{
	assert(s->pending == ISR_COMMITTED);
	s->proposed_count = 0;
	for (unsigned i = 0; i < s->member_count; i++)
		if (!list_has(lagging, lagging_count, s->members[i]))
			s->proposed[s->proposed_count++] = s->members[i];
	assert(s->proposed_count < s->member_count);
	s->pending = ISR_SHRINKING;
	if (FAULT(shrink_at_once)) {
		memcpy(s->members, s->proposed, sizeof(s->members));
		s->member_count = s->proposed_count;
	}
	isr_check(s);
}

void isr_revert(struct isr *s)
{
	s->pending = ISR_COMMITTED;
	s->proposed_count = 0;
}

void isr_check(const struct isr *s)
{
	assert(s->replica_count <= REPLICAS_MAX);
	assert(s->member_count <= REPLICAS_MAX);
	assert(s->follower_count <= s->replica_count);
	assert((s->pending == ISR_COMMITTED) == (s->proposed_count == 0));
	for (unsigned i = 0; i < s->follower_count; i++)
		assert(s->followers[i].id != s->self);
}
