/* Inside `registry`: its options, and one run of it. */
#ifndef KAVKA_CMD_REGISTRY_REGISTRY_INT_H
#define KAVKA_CMD_REGISTRY_REGISTRY_INT_H

#include "cmd/command.h"
#include "cmd/connect.h"
#include "cmd/output.h"
#include "cmd/registry/config.h"
#include "cmd/registry/schemas.h"
#include "cmd/registry/serde.h"

#define SESSION_ANSWERS_MAX 16

struct registry_command_args {
	struct registry_args registry;
	struct cluster_args cluster;
	struct output_args output;
	const char *type;
	struct opt_list references;
	bool deleted, permanent, global;
};

struct session {
	struct run *run;
	struct registry_command_args *args;
	enum output_format format;
	struct schemas *schemas;
	json_t *answers[SESSION_ANSWERS_MAX]; /* the last ones, freed at the end */
	unsigned answer_count;
};

/* Checks how many words there are, finds the registry. E_USAGE. */
MUST_USE int session_open(struct session *s, struct run *run, void *args, unsigned min,
			  unsigned max, struct err *err);
/* Tells what went wrong, if `rc` says so. Returns the exit code. */
int session_close(struct session *s, int rc, const struct err *err);
/* As http_ask(); the answer is borrowed for some more calls. */
MUST_USE int session_ask(struct session *s, const char *method, const char *path,
			 const json_t *body, json_t **out, struct err *err);
/* BEFORE, the name percent-encoded, BEHIND. */
const char *session_path(struct session *s, const char *before, const char *name,
			 const char *behind);

int registry_list(struct run *run, void *args);
int registry_versions(struct run *run, void *args);
int registry_show(struct run *run, void *args);
int registry_register(struct run *run, void *args);
int registry_check(struct run *run, void *args);
int registry_compatibility(struct run *run, void *args);
int registry_delete(struct run *run, void *args);

#endif
