/* One run of format, which `kavka storage` and the broker's first start share:
 *
 *	storage_formatter_init()	checks what is asked: quorum, features, credentials; no file
 *is
 *touched dirs, dir_count, metadata_dir are set by the caller storage_formatter_dir()
 *writes one directory storage_formatter_fini()	the directories stay the caller's
 *
 * Shard: the main thread, before there are others. */
#ifndef KAVKA_BROKER_METADATA_STORAGE_FORMAT_INT_H
#define KAVKA_BROKER_METADATA_STORAGE_FORMAT_INT_H

#include "metadata/features.h"
#include "metadata/storage_format.h"
#include "wire/messages.h"

#define FEATURES_MAX 32

struct storage_formatter {
	struct env *env;
	const struct storage_format_options *options;
	struct arena arena;
	struct log_dir **dirs; /* open; those of the config and the metadata's */
	size_t dir_count;
	struct log_dir *metadata_dir; /* one of them; NULL: it is not to be formatted */
	int metadata_version;
	int16_t levels[FEATURES_MAX]; /* by place in features[] */
	bool dynamic;                 /* kraft.version 1 */
	struct voters_record *voters; /* NULL: none are written */
	struct uuid own_directory_id; /* of this node's voter; zero: any */
	struct user_scram_credential_record *scram;
};

/* Borrows the options until storage_formatter_fini(), which is due in any case. E_INVALID. */
MUST_USE int storage_formatter_init(struct storage_formatter *f, struct env *env,
				    const struct storage_format_options *options, struct err *err);
void storage_formatter_fini(struct storage_formatter *f);
/* Writes the first checkpoint, where one is due, and then meta.properties, so that a crash between
 * them leaves a directory that counts as not formatted. -errno. */
MUST_USE int storage_formatter_dir(struct storage_formatter *f, struct log_dir *dir,
				   struct err *err);

/* Sets dynamic, voters and own_directory_id: what controller.quorum.voters and the options say.
 * E_INVALID. */
MUST_USE int storage_formatter_quorum(struct storage_formatter *f, struct err *err);
/* Sets metadata_version and levels; after storage_formatter_quorum(). E_INVALID. */
MUST_USE int storage_formatter_features(struct storage_formatter *f, struct err *err);
/* The place in features[] and levels[]; feature_count: there is no such feature. */
size_t storage_formatter_feature_index(const char *name);

#endif
