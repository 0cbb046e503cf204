#include "cmd/feature_levels.h"
#include "cmd/print.h"

#include "base/mem.h"
#include "metadata/features.h"

#include <stdlib.h>
#include <string.h>

int feature_levels_mapping(const char *release, struct err *err)
{
	int version = METADATA_VERSION_DEFAULT;

	if (release)
		version = metadata_version_by_name(str_of(release));
	if (version < 0)
		return err_set(err, E_INVALID,
			       "Unknown release version '%s'. Supported versions are: %s to %s",
			       release, metadata_version_name(METADATA_VERSION_MIN),
			       metadata_version_name(METADATA_VERSION_MAX));
	/* The release as it was asked for. */
	print_text("metadata.version=%d (%s)\n", version,
		   release ? release : metadata_version_name(version));
	for (size_t i = 0; i < feature_count; i++) {
		if (strcmp(features[i].name, METADATA_VERSION_FEATURE) != 0)
			print_text("%s=%d\n", features[i].name,
				   feature_default_level(&features[i], version));
	}
	return 0;
}

/* The first metadata.version that has all that the level needs. */
static int depends_print(const struct feature *f, int16_t level, struct err *err)
{
	int version = METADATA_VERSION_MIN;

	if (level < f->min || level > f->max)
		return err_set(err, E_INVALID, "Feature level %d is not supported for feature %s",
			       level, f->name);
	if (strcmp(f->name, METADATA_VERSION_FEATURE) == 0) {
		print_text("%s=%d (%s) has no dependencies.\n", f->name, level,
			   metadata_version_name(level));
		return 0;
	}
	while (version < METADATA_VERSION_MAX && feature_check_depends(f, level, version, NULL) < 0)
		version++;
	if (version == METADATA_VERSION_MIN)
		print_text("%s=%d has no dependencies.\n", f->name, level);
	else
		print_text("%s=%d requires:\n    metadata.version=%d (%s)\n", f->name, level,
			   version, metadata_version_name(version));
	return 0;
}

int feature_levels_depends(const char *text, struct err *err)
{
	const char *equals = strchr(text, '=');
	const struct feature *f;
	char *end;
	long level;

	level = equals ? strtol(equals + 1, &end, 10) : 0;
	if (!equals || end == equals + 1 || *end)
		return err_set(err, E_INVALID,
			       "Invalid feature format: %s. Expected format: "
			       "'feature=version' (e.g. 'group.version=1')",
			       text);
	f = feature_find((struct str){text, (size_t)(equals - text)});
	if (!f)
		return err_set(err, E_INVALID, "Unknown feature: %.*s", (int)(equals - text), text);
	if (strcmp(f->name, METADATA_VERSION_FEATURE) == 0 && (level < f->min || level > f->max))
		return err_set(err, E_INVALID, "Unknown metadata.version %ld", level);
	return depends_print(f, (int16_t)MAX(MIN(level, INT16_MAX), INT16_MIN), err);
}
