/* profile: clusters by name (kaf's config, rpk's profile). */
#include "cmd/profile.h"
#include "cmd/connect.h"
#include "cmd/json_out.h"
#include "cmd/output.h"
#include "cmd/print.h"

#include "base/near.h"

#include <stdlib.h>
#include <string.h>

struct profile_args {
	struct output_args output;
	const char *bootstrap_server, *from;
	bool use, secrets;
};

#define AT(field) offsetof(struct profile_args, field)

static int profile_list(struct run *run, void *args);
static int profile_show(struct run *run, void *args);
static int profile_add(struct run *run, void *args);
static int profile_set(struct run *run, void *args);
static int profile_use(struct run *run, void *args);
static int profile_current(struct run *run, void *args);
static int profile_remove(struct run *run, void *args);

static const struct opt output_opts[] = {OPTS_OUTPUT, OPT_END};

static const struct opt quiet_opts[] = {
	{"quiet", OPT_FLAG, AT(output.quiet), .help = "Print data and errors only."},
	OPT_END,
};

static const struct opt show_opts[] = {
	OPTS_OUTPUT,
	{"secrets", OPT_FLAG, AT(secrets), .help = "Print passwords too."},
	OPT_END,
};

#define OPT_SERVER \
	{"bootstrap-server", OPT_STRING, AT(bootstrap_server), .arg = "servers", .brief = 'b', \
	 .help = "The brokers to begin with: host:port, separated by commas."}, \
	{"from", OPT_STRING, AT(from), .arg = "config file", .complete = COMPLETE_FILE, \
	 .help = "A properties file whose configs are put into the profile."}, \
	{"quiet", OPT_FLAG, AT(output.quiet), .help = "Print data and errors only."}

static const struct opt add_opts[] = {
	OPT_SERVER,
	{"use", OPT_FLAG, AT(use), .help = "Make it the current profile."},
	OPT_END,
};

static const struct opt set_opts[] = {OPT_SERVER, OPT_END};

#define PROFILE_SUB(id, text, usage, rows, others) \
	static const struct command profile_##id##_command = { \
		.name = #id, .also = others, .summary = text, .words = usage, \
		.complete_words = COMPLETE_PROFILE, .opts = rows, \
		.args_size = sizeof(struct profile_args), .run = profile_##id, \
	}

PROFILE_SUB(list, "show all profiles", NULL, output_opts, "ls");
PROFILE_SUB(show, "show what is in one", "[name]", show_opts, "print describe cat");
PROFILE_SUB(add, "make one", "name [key=value ...]", add_opts, "create new");
PROFILE_SUB(set, "change keys of one; key= takes the key away", "name key=value ...", set_opts,
	    NULL);
PROFILE_SUB(use, "make one the current profile", "name", quiet_opts, "select switch");
PROFILE_SUB(current, "print the name of the current profile", NULL, quiet_opts, NULL);
PROFILE_SUB(remove, "remove profiles", "name ...", quiet_opts, "delete rm");

static const struct command *const profile_subs[] = {
	&profile_list_command, &profile_show_command,	 &profile_add_command,
	&profile_set_command,  &profile_use_command,	 &profile_current_command,
	&profile_remove_command, NULL,
};

static const struct opt profile_opts[] = {OPT_END};

const struct command cmd_profile = {
	.name = "profile", .summary = "name clusters with their addresses and credentials",
	.opts = profile_opts, .args_size = sizeof(struct profile_args), .subs = profile_subs,
};

/* ---- Helpers ------------------------------------------------------------------------------ */

static int profile_words(const struct run *run, unsigned min, unsigned max, struct err *err)
{
	if (run->word_count < min)
		return err_set(err, E_USAGE, "say: %s %s", run->name, run->command->words);
	if (run->word_count > max)
		return err_set(err, E_USAGE, "'%s' is one word too many", run->words[max]);
	return 0;
}

/* Opens the file, does `change` to it and saves it. */
static int profile_change(struct run *run, const struct profile_args *args,
			  int (*change)(struct run *run, const struct profile_args *args,
					struct profiles *p, struct err *err))
{
	struct profiles *p;
	struct err err = {0};
	int rc = profiles_open(&p, &err);

	if (rc == 0) {
		rc = change(run, args, p, &err);
		if (rc == 0)
			rc = profiles_save(p, &err);
		profiles_free(p);
	}
	if (rc == E_USAGE)
		return help_usage(run, &err);
	return rc < 0 ? help_failure(run, &err) : EXIT_OK;
}

static bool key_is_registry(const char *key)
{
	return strncmp(key, "schema.registry.", 16) == 0 || strncmp(key, "basic.auth.", 11) == 0;
}

static bool key_is_secret(const char *key)
{
	int index = client_config_find(key);

	return index >= 0 ? client_config_rows[index].type == CLIENT_CONFIG_PASSWORD
			  : strstr(key, "password") || strstr(key, "basic.auth.user.info") ||
			     strstr(key, "secret") || strstr(key, "token");
}

/* A mistyped key would be without effect, and nobody would notice. */
static int key_check(const char *key, const char *value, struct err *err)
{
	struct client_config *config;
	struct near near;
	int rc;

	if (key_is_registry(key))
		return 0;
	if (client_config_find(key) < 0) {
		near_init(&near, key);
		for (int i = 0; i < CC_COUNT; i++)
			near_offer(&near, client_config_rows[i].name);
		if (near.best)
			return err_set(err, E_INVALID, "unknown config '%s'; did you mean %s?", key,
				       near.best);
		return err_set(err, E_INVALID, "unknown config '%s'", key);
	}
	config = client_config_new(CLIENT_ADMIN | CLIENT_PRODUCER | CLIENT_CONSUMER);
	rc = client_config_set(config, key, value, err);
	client_config_free(config);
	return rc;
}

/* What the options and the words behind the name say, put into the profile. */
static int profile_fill(struct run *run, const struct profile_args *args, struct profiles *p,
			struct err *err)
{
	struct props props;
	int rc = 0;

	props_init(&props);
	if (args->from)
		rc = props_read(&props, args->from, err);
	for (unsigned i = 1; rc == 0 && i < run->word_count; i++)
		rc = props_set_pair(&props, run->words[i], err);
	if (args->bootstrap_server)
		props_set(&props, "bootstrap.servers", args->bootstrap_server);
	for (size_t i = 0; rc == 0 && i < props.count; i++) {
		const char *key = props.items[i].key, *value = props.items[i].value;

		rc = *value ? key_check(key, value, err) : 0;
		if (rc == 0)
			rc = profiles_set(p, run->words[0], key, *value ? value : NULL, err);
	}
	props_fini(&props);
	return rc;
}

/* ---- Changing ----------------------------------------------------------------------------- */

static int add_change(struct run *run, const struct profile_args *args, struct profiles *p,
		      struct err *err)
{
	const char *name = run->words[0];
	bool is_first = !profiles_name(p, 0);
	int rc;

	if (profiles_has(p, name))
		return err_set(err, E_EXISTS,
			       "there is a profile '%s' already (kavka profile set changes it)",
			       name);
	/* Made also when nothing is said of it. */
	rc = profiles_set(p, name, "bootstrap.servers", BOOTSTRAP_DEFAULT, err);
	if (rc == 0)
		rc = profile_fill(run, args, p, err);
	if (rc == 0 && (args->use || is_first))
		rc = profiles_use(p, name, err);
	if (rc == 0)
		output_say("Added profile %s%s.\n", name,
			   args->use || is_first ? ", the current one now" : "");
	return rc;
}

static int profile_add(struct run *run, void *args)
{
	struct err err = {0};

	if (profile_words(run, 1, UINT32_MAX, &err) < 0)
		return help_usage(run, &err);
	return profile_change(run, args, add_change);
}

static int set_change(struct run *run, const struct profile_args *args, struct profiles *p,
		      struct err *err)
{
	struct props before;
	int rc;

	/* Only to tell when there is none. */
	props_init(&before);
	rc = profiles_read(p, run->words[0], &before, err);
	props_fini(&before);
	if (rc == 0 && run->word_count < 2 && !args->from && !args->bootstrap_server)
		return profile_words(run, 2, UINT32_MAX, err);
	return rc < 0 ? rc : profile_fill(run, args, p, err);
}

static int profile_set(struct run *run, void *args)
{
	struct err err = {0};

	if (profile_words(run, 1, UINT32_MAX, &err) < 0)
		return help_usage(run, &err);
	return profile_change(run, args, set_change);
}

static int use_change(struct run *run, const struct profile_args *args, struct profiles *p,
		      struct err *err)
{
	(void)args;
	return profiles_use(p, run->words[0], err);
}

static int profile_use(struct run *run, void *args)
{
	struct err err = {0};

	if (profile_words(run, 1, 1, &err) < 0)
		return help_usage(run, &err);
	return profile_change(run, args, use_change);
}

static int remove_change(struct run *run, const struct profile_args *args, struct profiles *p,
			 struct err *err)
{
	int rc = 0;

	(void)args;
	for (unsigned i = 0; rc == 0 && i < run->word_count; i++)
		rc = profiles_remove(p, run->words[i], err);
	return rc;
}

static int profile_remove(struct run *run, void *args)
{
	struct err err = {0};

	if (profile_words(run, 1, UINT32_MAX, &err) < 0)
		return help_usage(run, &err);
	return profile_change(run, args, remove_change);
}

/* ---- Showing ------------------------------------------------------------------------------ */

/* The name that a command run now would use; NULL: none. */
static const char *profile_in_effect(const struct profiles *p)
{
	const char *variable = getenv(PROFILE_VARIABLE);

	return variable && *variable ? variable : profiles_current(p);
}

static const char *profile_servers(struct run *run, const struct profiles *p, const char *name)
{
	const char *servers = NULL;
	struct props props;

	props_init(&props);
	if (profiles_read(p, name, &props, NULL) == 0) {
		servers = props_get(&props, "bootstrap.servers");
		if (!servers)
			servers = props_get(&props, "bootstrap.controllers");
		servers = servers ? arena_strdup(&run->arena, servers) : NULL;
	}
	props_fini(&props);
	return servers;
}

static int profile_list(struct run *run, void *data)
{
	static const char *const titles[] = {"", "NAME", "SERVERS"};
	const struct profile_args *args = data;
	enum output_format format;
	struct profiles *p;
	struct err err = {0};
	const char *name, *current;
	struct grid g;

	if (output_format(&args->output, &format, &err) < 0)
		return help_usage(run, &err);
	if (profiles_open(&p, &err) < 0)
		return help_failure(run, &err);
	current = profile_in_effect(p);
	grid_init(&g, &run->arena, titles, ARRAY_LEN(titles));
	for (size_t i = 0; (name = profiles_name(p, i)); i++) {
		bool is_current = current && strcmp(name, current) == 0;
		const char *servers = profile_servers(run, p, name);
		struct json_out j = {0};

		grid_add(&g, is_current ? "*" : "", name, servers);
		if (is_current)
			grid_tone(&g, 1, TONE_GREEN);
		if (format != OUTPUT_JSON)
			continue;
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "name", name);
		json_out_bool(&j, "current", is_current);
		json_out_text(&j, "bootstrapServers", servers);
		json_out_close(&j, '}');
		print_byte('\n');
	}
	if (format != OUTPUT_JSON && g.row_count > 0)
		grid_print(&g);
	else if (g.row_count == 0)
		output_note(run, "%s has no profiles yet (kavka profile add makes one)",
			    profiles_path(p));
	profiles_free(p);
	return EXIT_OK;
}

static void show_print(const char *name, const struct props *props, bool secrets,
		       enum output_format format)
{
	struct json_out j = {0};

	if (format == OUTPUT_JSON) {
		json_out_open(&j, NULL, '{');
		json_out_text(&j, "name", name);
		json_out_open(&j, "configs", '{');
	}
	for (size_t i = 0; i < props->count; i++) {
		const char *key = props->items[i].key, *value = props->items[i].value;

		if (!secrets && key_is_secret(key))
			value = "[hidden]";
		if (format == OUTPUT_JSON)
			json_out_text(&j, key, value);
		else
			print_text("%s%s%s=%s\n", tone_on(TONE_CYAN), key, tone_off(), value);
	}
	if (format == OUTPUT_JSON) {
		json_out_close(&j, '}');
		json_out_close(&j, '}');
		print_byte('\n');
	}
}

static int profile_show(struct run *run, void *data)
{
	const struct profile_args *args = data;
	enum output_format format;
	struct profiles *p = NULL;
	struct props props;
	struct err err = {0};
	const char *name;
	int rc;

	if (output_format(&args->output, &format, &err) < 0 || profile_words(run, 0, 1, &err) < 0)
		return help_usage(run, &err);
	props_init(&props);
	rc = profiles_open(&p, &err);
	if (rc == 0) {
		name = run->word_count ? run->words[0] : profile_in_effect(p);
		rc = name ? profiles_read(p, name, &props, &err)
			  : err_set(&err, E_NOT_FOUND, "no profile is current: say which");
		if (rc == 0)
			show_print(name, &props, args->secrets, format);
	}
	profiles_free(p);
	props_fini(&props);
	return rc < 0 ? help_failure(run, &err) : EXIT_OK;
}

static int profile_current(struct run *run, void *args)
{
	struct profiles *p;
	struct err err = {0};
	const char *name;

	(void)args;
	if (profiles_open(&p, &err) < 0)
		return help_failure(run, &err);
	name = profile_in_effect(p);
	if (name)
		print_text("%s\n", name);
	else
		err_set(&err, E_NOT_FOUND, "no profile is current (kavka profile use NAME)");
	profiles_free(p);
	return name ? EXIT_OK : help_failure(run, &err);
}
