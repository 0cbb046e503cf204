/* Features of a cluster: metadata.version and its companions, what levels there are, and which
 * versions of records and requests follow from them.
 *
 * The newest level is that of Apache Kafka 4.4, the newest release: a data directory made here
 * opens there. Source: server-common/.../common/{MetadataVersion,Feature}.java */
#ifndef KAVKA_BROKER_METADATA_FEATURES_H
#define KAVKA_BROKER_METADATA_FEATURES_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

#define METADATA_VERSION_FEATURE "metadata.version"
#define KRAFT_VERSION_FEATURE "kraft.version"
#define ELR_VERSION_FEATURE "eligible.leader.replicas.version"

/* Levels that something depends on. */
enum metadata_version {
	METADATA_3_3_IV3 = 7, /* the oldest */
	METADATA_3_4_IV0 = 8,
	METADATA_3_5_IV2 = 11,
	METADATA_3_5_IV0 = 9,
	METADATA_3_5_IV1 = 10,
	METADATA_3_6_IV0 = 12,
	METADATA_3_6_IV1 = 13,
	METADATA_3_7_IV0 = 15,
	METADATA_3_7_IV2 = 17,
	METADATA_3_7_IV4 = 19,
	METADATA_3_9_IV0 = 21,
	METADATA_4_0_IV0 = 22,
	METADATA_4_0_IV1 = 23,
	METADATA_4_0_IV2 = 24,
	METADATA_4_0_IV3 = 25,
	METADATA_4_1_IV0 = 26,
	METADATA_4_1_IV1 = 27,
	METADATA_4_2_IV0 = 28,
	METADATA_4_2_IV1 = 29,
	METADATA_4_3_IV0 = 30,
	METADATA_4_4_IV0 = 31,
	METADATA_4_4_IV1 = 32,
	METADATA_4_4_IV2 = 33,
	METADATA_VERSION_MIN = METADATA_3_3_IV3,
	METADATA_VERSION_MAX = METADATA_4_4_IV2,
	METADATA_VERSION_DEFAULT = METADATA_VERSION_MAX,
};

/* "4.4-IV2", or NULL for a level that does not exist. */
const char *metadata_version_name(int level);
/* The level of "4.4-IV2", "4.4" (its last) or "4.4.1"; -1 if there is none. */
int metadata_version_by_name(struct str name);
/* Going below this level loses metadata: blocks a safe downgrade. */
bool metadata_version_changed(int level);

struct feature {
	const char *name;
	int16_t min, max; /* levels that this program supports */
};

/* All of them, metadata.version and kraft.version first, the others sorted by name. */
extern const struct feature features[];
extern const size_t feature_count;
const struct feature *feature_find(struct str name); /* NULL if unknown */
/* The level that goes with a metadata.version by default; kraft.version: its newest. */
int16_t feature_default_level(const struct feature *f, int metadata_version);
/* Does `level` of the feature need something that `metadata_version` lacks? 0 or E_INVALID. */
MUST_USE int feature_check_depends(const struct feature *f, int16_t level, int metadata_version,
				   struct err *err);

/* ---- Versions of records --------------------------------------------------------------------- */

int16_t register_broker_record_version(int metadata_version);
int16_t partition_record_version(int metadata_version); /* also of changes */
static inline bool metadata_has_directories(int metadata_version)
{
	return metadata_version >= METADATA_3_7_IV2;
}
static inline bool metadata_has_cordoned_dirs(int metadata_version)
{
	return metadata_version >= METADATA_4_3_IV0;
}
static inline bool metadata_has_elr(int metadata_version)
{
	return metadata_version >= METADATA_4_0_IV1;
}
static inline bool metadata_has_transactions(int metadata_version)
{
	return metadata_version >= METADATA_3_6_IV1;
}

#endif
