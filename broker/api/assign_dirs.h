/* Telling the controller in which log directory a replica is, when that is not what the metadata
 * says: one AssignReplicasToDirs for all that a shard chooses in one turn, sent again after a while
 * if the controller could not take it.
 * Source: server/AssignmentsManager.java */
#ifndef KAVKA_BROKER_API_ASSIGN_DIRS_H
#define KAVKA_BROKER_API_ASSIGN_DIRS_H

struct dir_batch;
struct partition;
struct shard;

/* The controller is to hear of partition_wanted_dir(p). On p's shard, also in the middle of an
 * image being applied. */
void assign_dirs_note(struct shard *s, const struct partition *p);
/* What has not been sent: NULL is fine. */
void assign_dirs_free(struct dir_batch *batch);

#endif
