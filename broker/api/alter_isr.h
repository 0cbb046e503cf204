/* Changes of in-sync replicas on their way to the controller (AlterPartition).
 *
 * A shard has one request under way; what its partitions propose meanwhile goes together with the
 * next one. Whatever cannot be decided (no controller, an answer that makes no sense) is asked
 * again after a moment, until the controller or newer metadata says what holds.
 * Source: server/.../DefaultAlterPartitionManager.java */
#ifndef KAVKA_BROKER_API_ALTER_ISR_H
#define KAVKA_BROKER_API_ALTER_ISR_H

struct alter_isr;
struct partition;
struct shard;

/* `p` of this shard has a change pending: replica_options.propose_isr. */
void alter_isr_note(struct shard *s, struct partition *p);
/* NULL is fine. An operation under way was answered before. */
void alter_isr_free(struct alter_isr *a);

#endif
