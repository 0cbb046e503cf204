/* Profiles: clusters by name, so that nobody types addresses and passwords twice. They are sections
 * of one file that people edit too, $XDG_CONFIG_HOME/kavka/config or ~/.config/kavka/config:
 *
 *	# a comment
 *	current = lab
 *
 *	[lab]
 *	bootstrap.servers = localhost:9092,localhost:9093
 *
 *	[production]
 *	bootstrap.servers = kafka1:9093
 *	security.protocol = SASL_SSL
 *	...
 *
 * A section holds client configs in the form of Java properties (base/props.h), as a file for
 * --command-config does, and settings of the schema registry (schema.registry.url). Above the first
 * section stands which profile is the current one. Changes keep comments and everything else as it
 * was written.
 *
 *	rc = profiles_open(&p, &err);
 *	rc = profiles_set(p, "lab", "bootstrap.servers", "localhost:9092", &err);
 *	rc = profiles_use(p, "lab", &err);
 *	rc = profiles_save(p, &err);
 *	profiles_free(p); */
#ifndef KAVKA_CMD_PROFILE_H
#define KAVKA_CMD_PROFILE_H

#include "base/err.h"
#include "base/props.h"

#define PROFILE_VARIABLE "KAVKA_PROFILE"
#define PROFILE_NAME_MAX 64

struct profiles;

/* Reads the file; without one there are no profiles. -errno, E_MALFORMED with path and line. */
MUST_USE int profiles_open(struct profiles **out, struct err *err);
void profiles_free(struct profiles *p);	/* NULL is fine */

/* Where the file is, or would be; borrowed until profiles_free(). */
const char *profiles_path(const struct profiles *p);
/* The names, in the order of the file: NULL behind the last. Borrowed until the next change. */
const char *profiles_name(const struct profiles *p, size_t index);
bool profiles_has(const struct profiles *p, const char *name);
/* The current one; NULL: none. It need not be there. */
const char *profiles_current(const struct profiles *p);
/* Adds the profile's keys to `out`. E_NOT_FOUND with the near miss, E_MALFORMED. */
MUST_USE int profiles_read(const struct profiles *p, const char *name, struct props *out,
			   struct err *err);

/* Sets one key; makes the profile if there is none. A NULL value takes the key away.
 * E_INVALID: a name or key that cannot be one. */
MUST_USE int profiles_set(struct profiles *p, const char *name, const char *key, const char *value,
			  struct err *err);
/* E_NOT_FOUND. If it was the current one, none is. */
MUST_USE int profiles_remove(struct profiles *p, const char *name, struct err *err);
/* Makes it the current one; NULL: none is. E_NOT_FOUND. */
MUST_USE int profiles_use(struct profiles *p, const char *name, struct err *err);
/* Writes the file, and its directory if need be, for the owner's eyes only. At every moment the
 * file is the old one or the new one. -errno. */
MUST_USE int profiles_save(struct profiles *p, struct err *err);

/* The whole of it: profile `name` has exactly the keys of `props` afterwards, and is the current
 * one if `use`. */
MUST_USE int profile_write(const char *name, const struct props *props, bool use, struct err *err);

#endif
