/* Telling the controller in which log directory a replica of this node lies, when the node chose it
 * (several directories, or a replica that moved). What is chosen in one turn goes as one operation.
 * Source: server/.../AssignmentsManager.java */
#ifndef KAVKA_BROKER_API_ASSIGN_DIRS_H
#define KAVKA_BROKER_API_ASSIGN_DIRS_H

struct partition;
struct shard;

/* The shard's own thread, also in the middle of an image being applied. */
void assign_dirs_note(struct shard *s, const struct partition *p);

#endif
