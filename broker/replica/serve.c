/* What a leader gives to whom: throttled followers, consumers that had better ask somebody else. */
#include "replica/replica_int.h"

/* ---- Throttles ------------------------------------------------------------------------------- */

bool partition_holds_follower(const struct partition *p, int32_t id)
{
	struct replica_set *set = p->set;

	return p->is_leader_throttled && !isr_is_member(&p->isr, id) &&
	       throttle_wait_us(&set->throttles->leader, env_mono_us(set->options.env)) > 0;
}

void replica_set_served(struct replica_set *set, size_t bytes, bool is_throttled)
{
	set->served_bytes += bytes;
	if (is_throttled && bytes > 0)
		throttle_pay(&set->throttles->leader, (int64_t)bytes,
			     config_i64(set->config, CONFIG_LEADER_REPLICATION_THROTTLED_RATE),
			     env_mono_us(set->options.env));
}

/* ---- Reading from followers ------------------------------------------------------------------ */

static bool broker_is_in_rack(const struct replica_set *set, int32_t id, struct str rack)
{
	const struct image_broker *broker = image_broker(set->image, id);

	return broker && !str_is_null(broker->rack) && str_eq(broker->rack, rack);
}

/* The one that has most; of equals, who was caught up last, then the higher id. */
static bool follower_is_better(const struct follower *f, const struct follower *than)
{
	if (!than || f->log_end_offset != than->log_end_offset)
		return !than || f->log_end_offset > than->log_end_offset;
	if (follower_caught_up_ms(f) != follower_caught_up_ms(than))
		return follower_caught_up_ms(f) > follower_caught_up_ms(than);
	return f->id > than->id;
}

bool replica_set_sends_on(const struct replica_set *set, struct str rack)
{
	static const char rack_aware[] = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
	const char *selector = config_str(set->config, CONFIG_REPLICA_SELECTOR_CLASS);

	return rack.len > 0 && selector && strcmp(selector, rack_aware) == 0 &&
	       !broker_is_in_rack(set, set->options.node_id, rack);
}

int32_t partition_preferred_replica(const struct partition *p, struct str rack, int64_t offset)
{
	const struct replica_set *set = p->set;
	const struct follower *best = NULL;

	if (!replica_set_sends_on(set, rack))
		return -1;
	for (unsigned i = 0; i < p->isr.follower_count; i++) {
		const struct follower *f = &p->isr.followers[i];

		if (isr_is_member(&p->isr, f->id) && f->log_end_offset >= offset &&
		    f->log_start_offset >= 0 && f->log_start_offset <= offset &&
		    broker_is_in_rack(set, f->id, rack) && follower_is_better(f, best))
			best = f;
	}
	return best ? best->id : -1;
}
