/* down, reset. */
#include "cmd/lab/lab_int.h"

#include "base/env.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OPEN_DIRS_MAX 16

/* Whether it was up. */
static int down_do(struct lab *lab, bool *was_up, struct err *err)
{
	int rc = ask(lab, NULL, err, "down");

	*was_up = rc == 0;
	if (rc < 0 && rc != E_NOT_FOUND)
		return rc;
	return listed_remove(lab, err);
}

int lab_down_run(struct run *run, void *args)
{
	struct lab lab;
	struct err err = {0};
	bool was_up = false;
	int rc = lab_open(&lab, &run->arena, args, &err);

	if (rc == 0)
		rc = down_do(&lab, &was_up, &err);
	if (rc == 0)
		output_say(was_up ? "the lab %s is down, its data stay in %s\n"
				  : "the lab %s was down already, its data are in %s\n",
			   lab.name, lab.dir);
	return lab_end(run, rc, &err);
}

/* ---- reset -------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path) < 0 ? errno : 0;
}

static int remove_tree(const char *path, struct err *err)
{
	int rc = nftw(path, remove_entry, OPEN_DIRS_MAX, FTW_DEPTH | FTW_PHYS);

	if (rc == 0 || (rc < 0 && errno == ENOENT))
		return 0;
	return err_sys(err, rc > 0 ? -rc : -errno, "%s", path);
}

int lab_remove_node(const struct lab *lab, int id, struct err *err)
{
	return remove_tree(arena_printf(lab->arena, "%s/node-%d", lab->dir, id), err);
}

int lab_remove(const struct lab *lab, struct err *err)
{
	static const char *const files[] = {"network.properties", "agent.sock", "agent.log",
					    "agent.lock",         "up.lock",    "lab.properties"};
	int rc = 0;

	for (unsigned i = 0; i < lab->node_count && rc == 0; i++)
		rc = lab_remove_node(lab, lab->nodes[i].id, err);
	for (unsigned i = 0; i < ARRAY_LEN(files) && rc == 0; i++)
		if (unlink(lab_path(lab, files[i])) < 0 && errno != ENOENT)
			rc = err_sys(err, -errno, "%s", lab_path(lab, files[i]));
	if (rc == 0)
		(void)rmdir(lab->dir);
	return rc;
}

int lab_reset_run(struct run *run, void *args)
{
	struct lab lab;
	struct err err = {0};
	bool was_up;
	int rc = lab_open(&lab, &run->arena, args, &err);

	if (rc == 0)
		rc = down_do(&lab, &was_up, &err);
	if (rc == 0)
		rc = lab_remove(&lab, &err);
	if (rc == 0)
		output_say("the lab %s and its data are gone\n", lab.name);
	return lab_end(run, rc, &err);
}
