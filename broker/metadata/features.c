#include "metadata/features.h"

#include <string.h>

static const struct {
	const char *release, *name;
	bool changed;
} versions[] = {
	[7] = {"3.3", "3.3-IV3", true},   [8] = {"3.4", "3.4-IV0", true},
	[9] = {"3.5", "3.5-IV0", false},  [10] = {"3.5", "3.5-IV1", false},
	[11] = {"3.5", "3.5-IV2", true},  [12] = {"3.6", "3.6-IV0", false},
	[13] = {"3.6", "3.6-IV1", true},  [14] = {"3.6", "3.6-IV2", true},
	[15] = {"3.7", "3.7-IV0", true},  [16] = {"3.7", "3.7-IV1", false},
	[17] = {"3.7", "3.7-IV2", true},  [18] = {"3.7", "3.7-IV3", false},
	[19] = {"3.7", "3.7-IV4", false}, [20] = {"3.8", "3.8-IV0", false},
	[21] = {"3.9", "3.9-IV0", false}, [22] = {"4.0", "4.0-IV0", false},
	[23] = {"4.0", "4.0-IV1", true},  [24] = {"4.0", "4.0-IV2", false},
	[25] = {"4.0", "4.0-IV3", false}, [26] = {"4.1", "4.1-IV0", false},
	[27] = {"4.1", "4.1-IV1", false}, [28] = {"4.2", "4.2-IV0", false},
	[29] = {"4.2", "4.2-IV1", false}, [30] = {"4.3", "4.3-IV0", true},
	[31] = {"4.4", "4.4-IV0", false}, [32] = {"4.4", "4.4-IV1", true},
	[33] = {"4.4", "4.4-IV2", true},
};

_Static_assert(ARRAY_LEN(versions) == METADATA_VERSION_MAX + 1, "the table ends with the newest");

const char *metadata_version_name(int level)
{
	if (level < METADATA_VERSION_MIN || level > METADATA_VERSION_MAX)
		return NULL;
	return versions[level].name;
}

int metadata_version_by_name(struct str name)
{
	struct str release = name;
	const char *dot;

	for (int level = METADATA_VERSION_MAX; level >= METADATA_VERSION_MIN; level--)
		if (str_is(name, versions[level].name))
			return level;
	/* "4.4.1" is of release "4.4" */
	dot = name.len ? memchr(name.data, '.', name.len) : NULL;
	if (!dot)
		return -1;
	dot = memchr(dot + 1, '.', (size_t)(name.data + name.len - dot - 1));
	if (dot)
		release.len = (size_t)(dot - name.data);
	for (int level = METADATA_VERSION_MAX; level >= METADATA_VERSION_MIN; level--)
		if (str_is(release, versions[level].release))
			return level;
	return -1;
}

bool metadata_version_changed(int level)
{
	return versions[level].changed;
}

const struct feature features[] = {
	{METADATA_VERSION_FEATURE, METADATA_VERSION_MIN, METADATA_VERSION_MAX},
	{KRAFT_VERSION_FEATURE, 0, 1},
	{ELR_VERSION_FEATURE, 0, 1},
	{"group.version", 0, 1},
	{"share.version", 0, 2},
	{"streams.version", 0, 1},
	{"transaction.version", 0, 2},
};
const size_t feature_count = ARRAY_LEN(features);

const struct feature *feature_find(struct str name)
{
	for (size_t i = 0; i < feature_count; i++)
		if (str_is(name, features[i].name))
			return &features[i];
	return NULL;
}

/* From which metadata.version on a level is the default. */
static const struct {
	const char *name;
	int16_t level;
	int16_t since;
} defaults[] = {
	{ELR_VERSION_FEATURE, 1, METADATA_4_1_IV0}, {"group.version", 1, METADATA_4_0_IV0},
	{"share.version", 1, METADATA_4_2_IV0},     {"share.version", 2, METADATA_4_4_IV0},
	{"streams.version", 1, METADATA_4_2_IV1},   {"transaction.version", 2, METADATA_4_0_IV2},
};

int16_t feature_default_level(const struct feature *f, int metadata_version)
{
	int16_t level = 0;

	if (strcmp(f->name, METADATA_VERSION_FEATURE) == 0)
		return (int16_t)metadata_version;
	if (strcmp(f->name, KRAFT_VERSION_FEATURE) == 0)
		return f->max;
	for (size_t i = 0; i < ARRAY_LEN(defaults); i++)
		if (strcmp(defaults[i].name, f->name) == 0 && metadata_version >= defaults[i].since)
			level = defaults[i].level;
	return level;
}

int feature_check_depends(const struct feature *f, int16_t level, int metadata_version,
			  struct err *err)
{
	if (strcmp(f->name, ELR_VERSION_FEATURE) == 0 && level > 0 &&
	    !metadata_has_elr(metadata_version))
		return err_set(err, E_INVALID,
			       "%s could not be set to %d because it depends on "
			       "metadata.version level %d",
			       f->name, level, METADATA_4_0_IV1);
	return 0;
}

int16_t register_broker_record_version(int metadata_version)
{
	if (metadata_version >= METADATA_4_3_IV0)
		return 4;
	if (metadata_version >= METADATA_3_7_IV2)
		return 3;
	return metadata_version >= METADATA_3_4_IV0 ? 2 : 1;
}

int16_t partition_record_version(int metadata_version)
{
	if (metadata_version >= METADATA_4_0_IV1)
		return 2;
	return metadata_version >= METADATA_3_7_IV2 ? 1 : 0;
}
