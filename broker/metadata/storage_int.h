/* What formatting is made of; metadata's own. */
#ifndef KAVKA_BROKER_METADATA_STORAGE_INT_H
#define KAVKA_BROKER_METADATA_STORAGE_INT_H

#include "base/arena.h"
#include "base/env.h"
#include "config/config.h"
#include "wire/codec.h"

#define FORMAT_FEATURES_MAX 16

struct log_dir;

/* Everything that was decided before the first byte is written. */
struct format_plan {
	struct env *env;
	struct arena arena;
	int16_t levels[FORMAT_FEATURES_MAX];	/* parallel to `features` */
	int16_t kraft_version;
	bool is_dynamic;			/* the quorum's voters are in the log */
	struct voters_record voters;		/* empty: none are given */
	const struct voters_record_voter *own_voter; /* NULL: this node is none of them */
	struct user_scram_credential_record *scram;
	size_t scram_count, scram_cap;
};

/* storage_parse.c. All E_INVALID with Apache's texts. */
MUST_USE int format_standalone(struct format_plan *p, const struct config *config, struct err *err);
MUST_USE int format_parse_voters(struct format_plan *p, const struct config *config,
				 const char *text, struct err *err);
MUST_USE int format_parse_feature(struct format_plan *p, const char *text, bool is_dynamic_flag,
				  struct err *err);
MUST_USE int format_parse_scram(struct format_plan *p, const char *text, struct err *err);

/* storage_format.c */
struct uuid format_new_id(struct env *env);
MUST_USE int format_write_bootstrap(struct env *env, const struct format_plan *p, const char *dir,
				    struct err *err);
MUST_USE int format_dir(struct env *env, const struct format_plan *p, const struct config *config,
			struct log_dir *dir, const char *cluster_id, struct err *err);

#endif
