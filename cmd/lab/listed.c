/* The profile of a lab: `kavka topics --list` shall find it without being told where it is. */
#include "cmd/connect.h"
#include "cmd/lab/lab_int.h"
#include "cmd/profile.h"

#include "base/props.h"

#include <stdlib.h>
#include <string.h>

/* What the profile says now; NULL: there is none. */
static const char *listed_servers(const struct lab *lab, const struct profiles *p, const char *name)
{
	const char *servers = NULL;
	struct props props;

	if (!profiles_has(p, name))
		return NULL;
	props_init(&props);
	if (profiles_read(p, name, &props, NULL) == 0)
		servers = props_get(&props, "bootstrap.servers");
	servers = arena_strdup(lab->arena, servers ? servers : "");
	props_fini(&props);
	return servers;
}

static int listed_write(struct lab *lab, struct profiles *p, struct err *err)
{
	const char *current = profiles_current(p);
	int rc;

	if (!current || strcmp(current, lab->name) != 0)
		lab->profile_before = current ? arena_strdup(lab->arena, current) : NULL;
	rc = profiles_set(p, lab->name, "bootstrap.servers", lab_bootstrap(lab), err);
	if (rc == 0)
		rc = profiles_use(p, lab->name, err);
	if (rc == 0)
		rc = profiles_save(p, err);
	lab->profile = lab->name;
	return rc < 0 ? rc : lab_save(lab, err);
}

int listed_add(struct run *run, struct lab *lab, struct err *err)
{
	const char *variable = getenv(BOOTSTRAP_VARIABLE), *other = getenv(PROFILE_VARIABLE);
	struct profiles *p;
	int rc = profiles_open(&p, err);

	if (rc < 0)
		return rc;
	if (!lab->profile && profiles_has(p, lab->name))
		output_note(run,
			    "there is a profile %s already, which stays as it is: commands need "
			    "-b %s",
			    lab->name, lab_bootstrap(lab));
	else
		rc = listed_write(lab, p, err);
	profiles_free(p);
	if (rc == 0 && variable && *variable)
		output_note(run, BOOTSTRAP_VARIABLE " is set: commands ask %s, not the lab",
			    variable);
	else if (rc == 0 && other && *other && strcmp(other, lab->name) != 0)
		output_note(run,
			    PROFILE_VARIABLE " is set: commands ask the cluster of %s, not the lab",
			    other);
	return rc;
}

int listed_remove(struct lab *lab, struct err *err)
{
	const char *before = lab->profile_before, *servers;
	struct profiles *p;
	bool is_current;
	int rc;

	if (!lab->profile)
		return 0;
	rc = profiles_open(&p, err);
	if (rc < 0)
		return rc;
	servers = listed_servers(lab, p, lab->profile);
	if (servers && strcmp(servers, lab_bootstrap(lab)) == 0) {
		const char *current = profiles_current(p);

		is_current = current && strcmp(current, lab->profile) == 0;
		rc = profiles_remove(p, lab->profile, err);
		if (rc == 0 && is_current && before && profiles_has(p, before))
			rc = profiles_use(p, before, err);
		if (rc == 0)
			rc = profiles_save(p, err);
	}
	profiles_free(p);
	lab->profile = lab->profile_before = NULL;
	return rc < 0 ? rc : lab_save(lab, err);
}
