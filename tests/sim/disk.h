/* A model disk: files in memory that forget what was not synced when the power goes.
 *
 * A file has two contents: what a reader sees, and what is on the platter, which fsync brings up to
 * date. A directory has two lists of names in the same way; its changes become durable in their
 * order, all of one directory with its fsync_dir, and any number of them from the front on a crash.
 * A crash keeps of each unsynced file any of its changed sectors, as real disks do; one in three
 * keeps nothing that was not synced. A sector that was being written may come out with a bit that
 * is another one.
 *
 * Faults are asked of `fault` before each operation. After a failed fsync the file's pages count as
 * clean: the next fsync succeeds, and a crash may lose them all the same.
 *
 * Paths are whole ("/n1/__cluster_metadata-0/quorum-state"). */
#ifndef KAVKA_TESTS_SIM_DISK_H
#define KAVKA_TESTS_SIM_DISK_H

#include "base/env.h"
#include "base/rng.h"

struct sim_disk;

enum sim_fault { SIM_READ, SIM_WRITE, SIM_FSYNC };

struct sim_disk_options {
	struct rng *rng; /* borrowed: what a crash keeps */
	/* 0, or the -errno that the operation fails with. NULL: never. */
	int (*fault)(void *ctx, enum sim_fault what);
	void *ctx;
	uint32_t garbles; /* chances in a million that a torn sector is garbage */
};

struct sim_disk *sim_disk_new(const struct sim_disk_options *options);
void sim_disk_free(struct sim_disk *d);

/* The power goes: open files are closed, what is left is what a restart finds. Until
 * sim_disk_power_on() every operation fails with -EIO and changes nothing. */
void sim_disk_crash(struct sim_disk *d);
/* The process dies, the machine goes on: open files are closed, nothing is lost. */
void sim_disk_kill(struct sim_disk *d);
void sim_disk_power_on(struct sim_disk *d);
/* Everything is lost: an empty disk. */
void sim_disk_wipe(struct sim_disk *d);

/* Fills in the file operations; `get` finds the disk of an env. */
void sim_disk_ops(struct env_ops *ops, struct sim_disk *(*get)(struct env *env));

#endif
