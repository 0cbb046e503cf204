#include "cmd/argparse.h"
#include "cmd/kafka_error.h"
#include "cmd/print.h"

#include "client/admin.h"

#include <stdio.h>
#include <string.h>

int argparse_refuse(const struct run *run, const struct err *err)
{
	struct out text;

	out_init(&text, 1 << 20);
	help_write_as(&text, run->name, run->command, 80);
	print_error("%.*s%.*s: error: %s\n", (int)strcspn((const char *)text.data, "\n") + 1,
		    (const char *)text.data, (int)strcspn(run->name, " "), run->name,
		    err_message(err));
	out_fini(&text);
	return EXIT_FAILED;
}

int argparse_usage(const struct run *run, const struct err *err)
{
	return run->is_apache ? argparse_refuse(run, err) : help_usage(run, err);
}

/* The option as Apache's messages name it: with its one-letter name, where there it has one. */
static const char *argparse_name(const struct run *run, const char *name, char text[64])
{
	bool has_brief = false;

	for (const struct opt *o = run->command->opts; o->name; o++)
		has_brief |= o->brief && strcmp(o->name, "bootstrap-controller") == 0;
	snprintf(text, 64, "--%s%s", name,
		 !has_brief                         ? ""
		 : strcmp(name, "bootstrap-server") ? "/-C"
						    : "/-b");
	return text;
}

int argparse_server(const struct run *run, const struct cluster_args *args, struct err *err)
{
	char server[64], controller[64];

	argparse_name(run, "bootstrap-server", server);
	argparse_name(run, "bootstrap-controller", controller);
	if (args->bootstrap_server && args->bootstrap_controller)
		return run->is_apache
			       ? err_set(err, E_USAGE, "argument %s: not allowed with argument %s",
					 controller, server)
			       : opt_conflict(run, "bootstrap-controller", "bootstrap-server", err);
	if (args->bootstrap_controller || connect_has_server(run))
		return 0;
	return err_set(err, E_USAGE, "one of the arguments %s %s is required", server, controller);
}

int argparse_failure(const struct run *run, const struct err *err)
{
	char text[EXCEPTION_TEXT_MAX];
	const char *exception = err_exception(err, text);

	if (!run->is_apache)
		return help_failure(run, err);
	if (exception && err->code != E_INVALID)
		print_error("java.util.concurrent.ExecutionException: %s: %s\n", exception,
			    err_message(err));
	else
		print_error("%s\n", err_message(err));
	return EXIT_FAILED;
}

struct target argparse_target(const struct cluster_args *args)
{
	return args->bootstrap_controller ? TO_CONTROLLER : TO_ANY;
}

int argparse_describe(struct run *run, struct client *c, const struct cluster_args *args,
		      bool include_fenced, struct describe_cluster_response **out, struct err *err)
{
	struct describe_cluster_request *request = WIRE_NEW(&run->arena, describe_cluster_request);
	int rc;

	request->endpoint_type = args->bootstrap_controller ? 2 : 1;
	request->include_fenced_brokers = include_fenced;
	rc = client_call(c, TO_ANY, API_DESCRIBE_CLUSTER, request, &run->arena, (void **)out, NULL,
			 err);
	if (rc == 0 && (*out)->error_code != KERR_NONE)
		rc = kafka_error_set(err, (*out)->error_code, (*out)->error_message);
	return rc;
}

int argparse_cluster_id(struct run *run, struct client *c, const struct cluster_args *args,
			struct str *out, struct err *err)
{
	struct describe_cluster_response *described;
	struct metadata_response *metadata;
	int rc;

	if (args->bootstrap_controller) {
		rc = argparse_describe(run, c, args, false, &described, err);
		*out = rc < 0 ? STR_NULL : described->cluster_id;
	} else {
		rc = admin_metadata(c, NULL, 0, &run->arena, &metadata, err);
		*out = rc < 0 ? STR_NULL : metadata->cluster_id;
	}
	return rc;
}
