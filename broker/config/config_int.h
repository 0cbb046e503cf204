/* Inside broker/config only. */
#ifndef KAVKA_BROKER_CONFIG_CONFIG_INT_H
#define KAVKA_BROKER_CONFIG_CONFIG_INT_H

#include "config/config.h"

#include <stdatomic.h>

/* One parsed value. */
struct config_value {
	const char *text;	/* as given, trimmed; NULL: null */
	enum config_source source;
	union {
		int64_t i64;
		double number;
		bool boolean;
		struct {
			const char *const *items;
			size_t count;
		} list;
	};
};

/* Parses `text` as the row says and checks it; lists go to `arena`. E_INVALID with Kafka's text. */
MUST_USE int config_value_parse(struct config_value *out, const struct config_def *def,
				struct str text, struct arena *arena, struct err *err);

/* What one layer sets: known names by key, others by name. Texts are in the config's arena. */
struct config_extra {
	const char *name, *text;
};
struct config_layer {
	const char *texts[CONFIG_COUNT];
	struct config_extra *extras;
	size_t extra_count;
};

enum { CONFIG_LAYER_BROKER, CONFIG_LAYER_CLUSTER, CONFIG_LAYER_STATIC, CONFIG_LAYERS };

struct config {
	atomic_uint ref_count;	/* any thread, atomic */
	/* fixed once it is given out */
	struct arena arena;
	struct config_layer layers[CONFIG_LAYERS];
	struct config_value values[CONFIG_COUNT];
	bool has_file;
	struct listener *listeners, *advertised, *advertised_controllers;
	size_t listener_count, advertised_count, advertised_controller_count;
	const char *inter_broker_listener;
	struct quorum_voter *voters;
	size_t voter_count;
};

enum config_source config_layer_source(int layer);

/* The family that a broker config belongs to, head first, ends with -1; NULL if none. */
const int *config_family(enum config_key key);

/* config.c: building a snapshot. */
struct config *config_new_copy(const struct config *from);	/* layers only; NULL: empty */
void config_layer_set(struct config *c, int layer, struct str name, struct str text);
void config_layer_copy(struct config *c, int layer, const struct config_layer *from);
/* Fills `values` from the layers, whose texts were checked. */
void config_resolve(struct config *c);

/* config_listeners.c: what follows from listeners, roles and quorum, checked. */
MUST_USE int config_derive_listeners(struct config *c, struct err *err);
/* config_rules.c: rules between configs that stop the start. */
MUST_USE int config_check_rules(const struct config *c, struct err *err);

#endif
