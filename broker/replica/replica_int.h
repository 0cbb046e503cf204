/* Inside broker/replica: what its files share. */
#ifndef KAVKA_BROKER_REPLICA_REPLICA_INT_H
#define KAVKA_BROKER_REPLICA_REPLICA_INT_H

#include "log/cleaner.h"
#include "metadata/image.h"
#include "replica/replica.h"

#define SAY_PLACE "broker/replica"

struct replica_dir {
	struct log_dir *log_dir;
	bool is_offline;
	bool is_reported; /* options.dir_failed was called, or came from elsewhere */
	int fail_rc;
	char *fail_text;
	unsigned partition_count; /* of this shard */
};

struct replica_set {
	struct replica_options options;
	const struct config *config; /* one reference */
	const struct image *image;   /* the last applied, one reference; NULL: none */
	struct log_pool *pool;
	struct replica_dir *dirs;
	unsigned dir_count;
	struct map partitions;    /* by topic id and index */
	struct map topic_ids;     /* names of topics that have a partition here */
	struct list_node list;    /* partition.link */
	struct list_node woken;   /* partition.woken: waiters want to be called */
	struct list_node opening; /* topics with partitions that are still to be opened */
	unsigned depth;           /* of calls that change partitions */
	bool is_waking;
	bool is_closed;
	struct cleaner *cleaner;
	int64_t clean_scan_at_ms;
	int64_t clean_paid_us; /* until then the cleaner has read and written enough */
	int64_t sweep_at_ms;
	int64_t isr_check_at_ms, ticked_at_ms;
	bool isr_check_waited; /* the next one was put off */
	int64_t no_space_said_ms;
	struct list_node fetchers; /* fetcher.h */
	struct replica_throttles *throttles, own_throttles;
	uint64_t fetched_bytes, served_bytes, isr_shrink_count, isr_expand_count; /* for metrics */
};

/* A topic with partitions in the set: name -> id. */
struct replica_topic {
	struct map_node node;
	struct uuid id;
	unsigned partition_count;
	char name[];
};

static inline int64_t replica_now_ms(const struct replica_set *set)
{
	return env_mono_us(set->options.env) / 1000;
}

/* Brackets around everything that changes partitions: at the last leave, failed directories are
 * dealt with and waiters called. */
void replica_set_enter(struct replica_set *set);
void replica_set_leave(struct replica_set *set);

/* partition.c */
struct partition *partition_new(struct replica_set *set, struct uuid topic_id, struct str topic,
				int32_t index);
void partition_free(struct partition *p);
void partition_wake(struct partition *p); /* its waiters are called at the last leave */
void partition_run_waiters(struct partition *p);
/* Every waiter leaves with `error`; fetch waiters as gone. */
void partition_drop_waiters(struct partition *p, enum kafka_error error);
/* No usable log any more; the log itself is freed later. */
void partition_set_offline(struct partition *p);
void partition_configure(struct partition *p, const struct image *image);
void partition_log_config(const struct partition *p, struct log_config *out);
void partition_set_metadata(struct partition *p, const struct image_partition *to);
/* The directory that the metadata names for this node's replica; DIRECTORY_UNASSIGNED: none. */
struct uuid partition_assigned_dir(const struct replica_set *set,
				   const struct image_partition *from);
void partition_advance(struct partition *p); /* the high watermark, if it may move */
/* Brokers were fenced, unfenced, registered: set->image has them. */
void partition_brokers_changed(struct partition *p);
/* Lagging replicas are proposed for leaving the ISR. */
void partition_check_isr(struct partition *p);
/* False: nothing is known (its disk failed). */
bool partition_report(const struct partition *p, struct replica_report *out);

/* move.c */
/* The milliseconds until it wants to be called again; -1: nothing (more) to move. */
int64_t partition_move_step(struct partition *p);
/* What was copied is discarded, and the controller hears again where the replica is. */
void partition_cancel_move(struct partition *p);
/* For the end of the process. What the controller may take for the replica stays as it is: the next
 * start may find nothing else. */
void partition_leave_move(struct partition *p);

/* apply.c: some of the partitions that are still to be opened, within the brackets. */
void replica_set_open_more(struct replica_set *set);
void replica_set_stop_opening(struct replica_set *set);

/* replica_set.c */
void replica_set_add(struct replica_set *set, struct partition *p);
void replica_set_remove(struct replica_set *set, struct partition *p);
/* log_options.failed */
void replica_set_log_failed(void *ctx, struct log *log, int rc, const char *text);

#endif
