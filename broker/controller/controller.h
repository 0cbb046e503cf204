/* The controller: the state machine that decides what the metadata log says. It acts on operations
 * (control_op) and on time, writes records through raft, and answers when they are committed.
 *
 *	controller_new()
 *	controller_settle()	after the high watermark moved: loads what others wrote, or an
 *				earlier life, takes over or gives up, and finds which images and
 *				which answers are due
 *	controller_submit()	runs an operation against the newest state, committed or not
 *	controller_tick()	what is due: fencing, elections, idle records
 *	controller_take_image(), controller_take_done()
 *
 * The state is an image (metadata/image.h): `tip` has everything that was appended; each append
 * leaves an image behind that becomes the published one when its last record is committed. An
 * operation that fails half-way leaves no trace, as the tip goes back to the last image.
 *
 * An operation that needs no record waits all the same for what it has read to be committed.
 * Source: metadata/src/main/java/org/apache/kafka/controller/QuorumController.java */
#ifndef KAVKA_BROKER_CONTROLLER_CONTROLLER_H
#define KAVKA_BROKER_CONTROLLER_CONTROLLER_H

#include "controller/control.h"
#include "raft/raft.h"

struct controller;

struct controller_options {
	struct env *env;
	struct raft *raft;
	const struct config *config;
	int32_t node_id;
	struct str cluster_id;
	bool has_broker; /* the broker of this id is in this process */
	/* What this controller registers with; host null: it is not served. */
	struct image_endpoint endpoint;
	/* What the first leader begins with, values of metadata records; borrowed. */
	const struct slice *bootstrap;
	size_t bootstrap_count;
	int16_t bootstrap_metadata_version;
};

struct controller *controller_new(const struct controller_options *options,
				  const struct image *image);
void controller_free(struct controller *c);
void controller_set_config(struct controller *c, const struct config *config);

/* Replays the committed log from where it stopped, or from a snapshot where that is gone. Takes
 * over when raft leads and everything is loaded; gives up when raft does not lead that epoch any
 * more: what was not committed is forgotten, and what waited for it fails with NOT_CONTROLLER.
 * E_CORRUPT (a record that cannot be replayed), or raft_read()'s errors: all fatal. */
MUST_USE int controller_settle(struct controller *c, struct err *err);
bool controller_is_active(const struct controller *c);
/* Of this process, as it is in RegisterControllerRecord. */
struct uuid controller_incarnation_id(const struct controller *c);

/* Runs the operation; it comes out of controller_take_done() later. */
void controller_submit(struct controller *c, struct control_op *op);
/* Puts the error wherever the response has a place for one, and into op->error. */
void control_op_fail(struct control_op *op, enum kafka_error error, struct str text);
/* Fails everything that waits. */
void controller_abandon(struct controller *c, enum kafka_error error);

void controller_tick(struct controller *c);
int64_t controller_deadline_us(struct controller *c); /* on env_mono_us() */

/* The newest committed image if it was not taken before (gives a reference), else NULL. */
const struct image *controller_take_image(struct controller *c);
/* The next operation whose answer is due, or NULL. */
struct control_op *controller_take_done(struct controller *c);
/* Bytes of records that were loaded and written so far: what a snapshot would make superfluous. */
int64_t controller_record_bytes(const struct controller *c);

#endif
