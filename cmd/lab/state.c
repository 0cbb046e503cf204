/* Where labs are kept, and the file of one. */
#include "cmd/lab/lab_int.h"

#include "base/env.h"
#include "base/near.h"
#include "base/props.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STATE_FILE "lab.properties"
#define STATE_BYTES_MAX (1 << 20)
#define NAME_LEN_MAX 64

/* ---- Places ------------------------------------------------------------------------------- */

const char *lab_home(struct arena *arena)
{
	const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

	/* A relative path is to be passed over, says the XDG specification. */
	if (state && state[0] == '/')
		return arena_printf(arena, "%s/kavka/labs", state);
	return home && *home ? arena_printf(arena, "%s/.local/state/kavka/labs", home) : NULL;
}

int lab_make_dir(const char *path, struct err *err)
{
	struct arena a;
	char *copy;
	int rc = 0;

	arena_init(&a);
	copy = arena_strdup(&a, path);
	for (char *p = copy + 1; rc == 0; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, 0777) < 0 && errno != EEXIST)
			rc = err_sys(err, -errno, "%s", copy);
		*p = was;
		if (was == '\0')
			break;
	}
	arena_fini(&a);
	return rc;
}

static int name_check(const char *name, struct err *err)
{
	size_t len = strlen(name);

	if (len == 0 || len > NAME_LEN_MAX || name[0] == '.' ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")])
		return err_set(err, E_USAGE,
			       "--name %s: a name has letters, digits, '.', '_' and '-'", name);
	return 0;
}

const char *lab_absolute(struct arena *arena, const char *dir)
{
	char *here, *path;

	if (dir[0] == '/')
		return dir;
	here = getcwd(NULL, 0);
	path = arena_printf(arena, "%s/%s", here ? here : "", dir);
	free(here);
	return path;
}

int lab_locate(struct lab *lab, struct arena *arena, const struct lab_args *args, struct err *err)
{
	const char *home = lab_home(arena);
	int rc = args->name ? name_check(args->name, err) : 0;

	*lab = (struct lab){.arena = arena, .name = args->name ? args->name : LAB_NAME_DEFAULT};
	if (rc < 0)
		return rc;
	if (args->dir)
		lab->dir = lab_absolute(arena, args->dir);
	else if (home)
		lab->dir = arena_printf(arena, "%s/%s", home, lab->name);
	else
		return err_set(err, E_USAGE, "neither HOME nor XDG_STATE_HOME is set: say --dir");
	return 0;
}

const char *lab_path(const struct lab *lab, const char *name)
{
	return arena_printf(lab->arena, "%s/%s", lab->dir, name);
}

const char *lab_node_path(const struct lab *lab, int id, const char *name)
{
	return arena_printf(lab->arena, "%s/node-%d/%s", lab->dir, id, name);
}

bool lab_exists(const struct lab *lab)
{
	return access(lab_path(lab, STATE_FILE), F_OK) == 0;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void lab_every(struct arena *arena, void (*each)(void *ctx, struct lab *lab), void *ctx)
{
	const char *home = lab_home(arena), **names = NULL;
	size_t count = 0, cap = 0;
	struct dirent *entry;
	DIR *d = home ? opendir(home) : NULL;

	while (d && (entry = readdir(d))) {
		if (entry->d_name[0] == '.')
			continue;
		if (count == cap) {
			const char **more = arena_array(arena, cap * 2 + 8, sizeof(*more));

			if (count > 0)
				memcpy(more, names, count * sizeof(*names));
			names = more;
			cap = cap * 2 + 8;
		}
		names[count++] = arena_strdup(arena, entry->d_name);
	}
	if (d)
		closedir(d);
	if (count > 0)
		qsort(names, count, sizeof(*names), name_compare);
	for (size_t i = 0; i < count; i++) {
		struct lab lab = {.arena = arena,
				  .name = names[i],
				  .dir = arena_printf(arena, "%s/%s", home, names[i])};

		if (lab_exists(&lab))
			each(ctx, &lab);
	}
}

/* ---- Small questions ---------------------------------------------------------------------- */

const struct lab_node *lab_node(const struct lab *lab, int id)
{
	for (unsigned i = 0; i < lab->node_count; i++)
		if (lab->nodes[i].id == id)
			return &lab->nodes[i];
	return NULL;
}

uint64_t lab_node_mask(const struct lab *lab)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < lab->node_count; i++)
		mask |= END_BIT(lab->nodes[i].id);
	return mask;
}

bool lab_has_quorum(const struct lab *lab, const struct node_status *nodes)
{
	unsigned all = 0, running = 0;

	for (unsigned i = 0; i < lab->node_count; i++) {
		if (!lab->nodes[i].is_controller)
			continue;
		all++;
		running += nodes[lab->nodes[i].id].state == NODE_RUNNING;
	}
	return running > all / 2;
}

const char *lab_bootstrap(const struct lab *lab)
{
	const char *text = "";

	for (unsigned i = 0; i < lab->node_count; i++)
		if (lab->nodes[i].is_broker)
			text = arena_printf(lab->arena, "%s%s" LAB_HOST ":%d", text,
					    *text ? "," : "",
					    lab->nodes[i].doors[DOOR_CLIENT].port);
	return text;
}

const char *lab_roles(const struct lab_node *node)
{
	if (node->is_broker && node->is_controller)
		return "broker,controller";
	return node->is_broker ? "broker" : "controller";
}

const char *lab_ids(struct arena *arena, uint64_t mask)
{
	const char *text = "";

	for (int id = 1; id < LAB_ENDS_MAX; id++) {
		if (!(mask & END_BIT(id)))
			continue;
		mask &= ~END_BIT(id);
		text = arena_printf(arena, "%s%s%d", text, !*text ? "" : mask ? ", " : " and ", id);
	}
	return text;
}

int lab_words(const struct run *run, const struct lab *lab, uint64_t if_none, uint64_t *out,
	      struct err *err)
{
	*out = run->word_count == 0 ? if_none : 0;
	for (unsigned i = 0; i < run->word_count; i++) {
		int rc = ends_parse(out, run->words[i], lab_node_mask(lab), err);

		if (rc < 0)
			return rc;
	}
	if (*out == 0)
		return err_set(err, E_USAGE, "which node: one of %s, or all?",
			       lab_ids(lab->arena, lab_node_mask(lab)));
	return 0;
}

/* ---- The file ----------------------------------------------------------------------------- */

static const char *const door_names[DOOR_COUNT] = {
	[DOOR_CLIENT] = "client", [DOOR_INTERNAL] = "internal", [DOOR_CONTROLLER] = "controller"};

static const char *state_get(const struct lab *lab, const struct props *p, int id, const char *key)
{
	const char *value = props_get(p, arena_printf(lab->arena, "node.%d.%s", id, key));

	return value ? arena_strdup(lab->arena, value) : NULL;
}

static bool port_parse(const char **text, int *out)
{
	char *end;
	long port = strtol(*text, &end, 10);

	if (end == *text || port < 1 || port > 65535)
		return false;
	*out = (int)port;
	*text = end;
	return true;
}

/* "9092", or "9092:20001" if it is another one behind the door. */
static int door_parse(struct lab_door *door, const char *text, struct err *err)
{
	const char *at = text;
	bool is_well = port_parse(&at, &door->port);

	door->node_port = door->port;
	if (is_well && *at == ':') {
		at++;
		is_well = port_parse(&at, &door->node_port);
	}
	if (!is_well || *at)
		return err_set(err, E_MALFORMED, "'%s' is no port", text);
	return 0;
}

static int node_load(struct lab *lab, const struct props *p, int id, struct err *err)
{
	struct lab_node *node = &lab->nodes[lab->node_count++];
	const char *roles = state_get(lab, p, id, "roles");

	*node = (struct lab_node){.id = id,
				  .rack = state_get(lab, p, id, "rack"),
				  .apache = state_get(lab, p, id, "apache")};
	node->is_broker = roles && strstr(roles, "broker");
	node->is_controller = roles && strstr(roles, "controller");
	for (int d = 0; d < DOOR_COUNT; d++) {
		const char *text = state_get(lab, p, id, door_names[d]);
		int rc = text ? door_parse(&node->doors[d], text, err) : 0;

		if (rc < 0)
			return rc;
	}
	if (!roles || (node->is_broker && !node->doors[DOOR_CLIENT].port) ||
	    (node->is_controller && !node->doors[DOOR_CONTROLLER].port))
		return err_set(err, E_MALFORMED, "node %d is incomplete", id);
	return 0;
}

static int state_read(struct lab *lab, const struct props *p, struct err *err)
{
	const char *nodes = props_get(p, "nodes"), *id = props_get(p, "cluster.id");
	const char *name = props_get(p, "name"), *value;

	if (!nodes || !id || !name)
		return err_set(err, E_MALFORMED, "it has no nodes, no cluster.id or no name");
	lab->name = arena_strdup(lab->arena, name);
	lab->cluster_id = arena_strdup(lab->arena, id);
	value = props_get(p, "profile");
	lab->profile = value ? arena_strdup(lab->arena, value) : NULL;
	value = props_get(p, "profile.before");
	lab->profile_before = value ? arena_strdup(lab->arena, value) : NULL;
	lab->configs = arena_array(lab->arena, p->count + 1, sizeof(*lab->configs));
	for (size_t i = 0; i < p->count; i++)
		if (strncmp(p->items[i].key, "config.", 7) == 0)
			lab->configs[lab->config_count++] = arena_printf(
				lab->arena, "%s=%s", p->items[i].key + 7, p->items[i].value);
	for (char *end; *nodes; nodes = *end ? end + 1 : end) {
		long number = strtol(nodes, &end, 10);
		int rc;

		if (end == nodes || (*end && *end != ',') || number < 1 || number >= LAB_ENDS_MAX ||
		    lab_node(lab, (int)number))
			return err_set(err, E_MALFORMED, "nodes: '%s'", nodes);
		rc = node_load(lab, p, (int)number, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static void offer_lab(void *ctx, struct lab *lab)
{
	near_offer(ctx, lab->name);
}

int lab_load(struct lab *lab, struct err *err)
{
	const char *path = lab_path(lab, STATE_FILE);
	struct props props;
	struct near near;
	int rc;

	if (!lab_exists(lab)) {
		near_init(&near, lab->name);
		lab_every(lab->arena, offer_lab, &near);
		if (near.best && strcmp(near.best, lab->name) != 0)
			return err_set(err, E_NOT_FOUND, "there is no lab '%s'; did you mean %s?",
				       lab->name, near.best);
		return err_set(err, E_NOT_FOUND, "there is no lab in %s (kavka lab up makes one)",
			       lab->dir);
	}
	lab->node_count = lab->config_count = 0;
	props_init(&props);
	rc = props_read(&props, path, err);
	if (rc == 0) {
		rc = state_read(lab, &props, err);
		if (rc < 0)
			err_add(err, rc, "%s", path);
	}
	props_fini(&props);
	return rc;
}

int lab_open(struct lab *lab, struct arena *arena, const struct lab_args *args, struct err *err)
{
	int rc = lab_locate(lab, arena, args, err);

	return rc < 0 ? rc : lab_load(lab, err);
}

static void node_save(const struct lab_node *node, struct out *text)
{
	out_printf(text, "node.%d.roles=%s\n", node->id, lab_roles(node));
	if (node->rack)
		out_printf(text, "node.%d.rack=%s\n", node->id, node->rack);
	if (node->apache) {
		out_printf(text, "node.%d.apache=", node->id);
		lab_write_value(text, node->apache);
	}
	for (int d = 0; d < DOOR_COUNT; d++) {
		const struct lab_door *door = &node->doors[d];

		if (!door->port)
			continue;
		out_printf(text, "node.%d.%s=%d", node->id, door_names[d], door->port);
		if (door->node_port != door->port)
			out_printf(text, ":%d", door->node_port);
		out_byte(text, '\n');
	}
}

void lab_write_value(struct out *text, const char *value)
{
	for (; *value; value++) {
		if (*value == '\\')
			out_byte(text, '\\');
		out_byte(text, (uint8_t)*value);
	}
	out_byte(text, '\n');
}

int lab_save(const struct lab *lab, struct err *err)
{
	const char *path = lab_path(lab, STATE_FILE);
	struct out text;
	struct env env;
	int rc;

	env_posix_init(&env);
	out_init(&text, STATE_BYTES_MAX);
	out_printf(&text,
		   "# A lab of `kavka lab`. Ports are those that others are told, and behind the\n"
		   "# colon where the node listens.\nname=%s\ncluster.id=%s\nnodes=",
		   lab->name, lab->cluster_id);
	for (unsigned i = 0; i < lab->node_count; i++)
		out_printf(&text, "%s%d", i ? "," : "", lab->nodes[i].id);
	out_byte(&text, '\n');
	for (unsigned i = 0; i < lab->node_count; i++)
		node_save(&lab->nodes[i], &text);
	for (unsigned i = 0; i < lab->config_count; i++) {
		out_text(&text, "config.");
		lab_write_value(&text, lab->configs[i]);
	}
	if (lab->profile)
		out_printf(&text, "profile=%s\n", lab->profile);
	if (lab->profile_before)
		out_printf(&text, "profile.before=%s\n", lab->profile_before);
	rc = text.failed ? E_TOO_LARGE : env_write_file(&env, path, text.data, text.len);
	out_fini(&text);
	return rc < 0 ? err_sys(err, rc, "%s", path) : 0;
}
