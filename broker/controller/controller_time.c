/* What the active controller does by the clock: brokers that fell silent are fenced, leaderships go
 * back to where they belong, idle records are written. */
#include "base/say.h"
#include "controller/controller_int.h"

#define SAY_PLACE "broker/controller"

/* While brokers have sessions this looks at the clock so often, and to be so late is no accident.
 */
#define TICK_US_MAX (500 * 1000)
#define LATE_US (500 * 1000)

static void write_no_op(struct change *ch)
{
	struct no_op_record r;

	WIRE_INIT(no_op_record, &r);
	change_add(ch, &no_op_record_desc, 0, &r);
}

#define ELECTIONS_MAX 1000 /* at once */
#define MORE_TO_DO_US (10 * 1000)

static void balance(struct change *ch)
{
	struct controller *c = ch->c;

	if (partitions_balance(ch, ELECTIONS_MAX))
		c->next_balance_us = env_mono_us(c->env) + MORE_TO_DO_US;
}

static void elect_unclean(struct change *ch)
{
	struct controller *c = ch->c;

	if (partitions_elect_unclean(ch, ELECTIONS_MAX))
		c->next_unclean_us = env_mono_us(c->env) + MORE_TO_DO_US;
}

static bool is_alone(const struct controller *c)
{
	const struct image_broker *b = image_broker_next(delta_image(&c->tip), -1);

	if (raft_voters(c->raft)->voters_count > 1)
		return false;
	return !b || (b->id == c->options.node_id && image_broker_count(delta_image(&c->tip)) == 1);
}

/* Idle records tell other nodes that the controller lives. A node alone has none to tell, and each
 * is an fsync: written only when the config asks for them. */
static int64_t no_op_interval_us(const struct controller *c)
{
	if (is_alone(c) && config_source_of(c->config, CONFIG_METADATA_MAX_IDLE_INTERVAL_MS) ==
				   CONFIG_SOURCE_DEFAULT)
		return 0;
	return config_i64(c->config, CONFIG_METADATA_MAX_IDLE_INTERVAL_MS) * 1000;
}

static void controller_run(struct controller *c, void (*work)(struct change *ch))
{
	struct err err;

	if (controller_change(c, false, work, &err) < 0)
		say_error("periodic work failed: %s", err_message(&err));
}

/* The first time comes one period after taking over. */
static bool is_due(int64_t *next_us, int64_t now_us, int64_t period_us)
{
	if (*next_us == 0) {
		*next_us = now_us + period_us;
		return false;
	}
	if (now_us < *next_us)
		return false;
	*next_us = now_us + period_us;
	return true;
}

#define PERIOD_US(c, key, unit_us) (config_i64((c)->config, (key)) * (unit_us))

/* A node that was stopped for a while (SIGSTOP, a slow disk) finds heartbeats in its sockets that
 * came in time: brokers do not pay for its own silence. */
static void check_sessions(struct controller *c, int64_t now_us)
{
	int64_t silence_us = now_us - c->last_tick_us;

	if (c->last_tick_us && silence_us > TICK_US_MAX + LATE_US)
		brokers_excuse(c, silence_us - TICK_US_MAX);
	c->last_tick_us = now_us;
	if (now_us >= brokers_expiry_us(c))
		controller_run(c, brokers_fence_stale);
}

void controller_tick(struct controller *c)
{
	int64_t now_us = env_mono_us(c->env);
	int64_t no_op_us = no_op_interval_us(c);

	if (!controller_is_active(c))
		return;
	check_sessions(c, now_us);
	if (no_op_us > 0 && is_due(&c->next_no_op_us, now_us, no_op_us))
		controller_run(c, write_no_op);
	if (config_bool(c->config, CONFIG_AUTO_LEADER_REBALANCE_ENABLE) &&
	    is_due(&c->next_balance_us, now_us,
		   PERIOD_US(c, CONFIG_LEADER_IMBALANCE_CHECK_INTERVAL_SECONDS, 1000 * 1000)))
		controller_run(c, balance);
	if (is_due(&c->next_unclean_us, now_us,
		   PERIOD_US(c, CONFIG_UNCLEAN_LEADER_ELECTION_INTERVAL_MS, 1000)))
		controller_run(c, elect_unclean);
}

int64_t controller_deadline_us(struct controller *c)
{
	int64_t deadline = c->next_unclean_us, expiry_us;

	if (!c->is_active)
		return INT64_MAX;
	expiry_us = brokers_expiry_us(c);
	if (expiry_us != INT64_MAX)
		deadline = MIN(deadline, MIN(expiry_us, c->last_tick_us + TICK_US_MAX));
	if (no_op_interval_us(c) > 0)
		deadline = MIN(deadline, c->next_no_op_us);
	if (config_bool(c->config, CONFIG_AUTO_LEADER_REBALANCE_ENABLE))
		deadline = MIN(deadline, c->next_balance_us);
	return deadline;
}
