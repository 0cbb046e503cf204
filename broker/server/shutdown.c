/* The ordered stop, driven by the main thread: nothing that was acknowledged is lost, and the next
 * start has nothing to recover. */
#include "server/server_int.h"

#include "api/alter_isr.h"
#include "api/assign_dirs.h"
#include "api/fetch_session.h"
#include "api/telemetry.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"
#include "group/group.h"
#include "replica/replica.h"

#define SAY_PLACE "broker/server"

/* How long the controlled shutdown may take before the broker leaves anyway. */
#define CONTROLLED_SHUTDOWN_MS 30000

/* How long requests under way may take to come home. */
#define REQUESTS_HOME_MS 5000

static void stop_listening(struct server_shard *s, void *arg UNUSED)
{
	checkpoints_stop(s->server);
	if (s->server->listener_set.started)
		listener_set_stop(&s->server->listener_set);
}

/* The other controllers and brokers were needed until here. */
static void stop_quorum(struct server_shard *s, void *arg UNUSED)
{
	control_leave_quorum(s->server->control);
	if (s->server->controller_set.started)
		listener_set_stop(&s->server->controller_set);
}

static void stop_control(struct server_shard *s, void *arg UNUSED)
{
	control_stop(s->server->control, CONTROLLED_SHUTDOWN_MS);
}

static void stop_conns(struct server_shard *s, void *arg UNUSED)
{
	struct server_conn *sc;

	shard_timer_stop(&s->shard, &s->idle_timer);
	LIST_FOREACH (&s->conns, sc, struct server_conn, link)
		server_conn_close(sc);
}

static void stop_replicas(struct server_shard *s, void *arg)
{
	bool *ok = arg;
	bool *clean = xcalloc(s->server->dir_count + 1, sizeof(*clean));
	int rc;

	shard_timer_stop(&s->shard, &s->tick_timer);
	group_coordinator_stop(s->shard.groups);
	rc = replica_set_close(s->shard.replicas, clean);
	if (rc < 0)
		say_error("closing the partitions: %s", err_text(rc));
	for (unsigned dir = 0; dir < s->server->dir_count; dir++)
		ok[dir] = ok[dir] && clean[dir];
	free(clean);
}

static void count_work(struct server_shard *s, void *arg)
{
	unsigned *count = arg;

	*count += s->work_count;
}

/* Lets the parts of requests that travel between shards come home, and flushes under way end. */
static void stop_requests(struct server *server)
{
	int64_t deadline_ms = clock_mono_ms() + REQUESTS_HOME_MS;
	unsigned work_count = 1;

	while ((work_count || atomic_load(&server->requests_live) > 0) &&
	       clock_mono_ms() < deadline_ms) {
		work_count = 0;
		for (unsigned i = 0; i < server->broker.shard_count; i++)
			shard_call(&server->shards[i], count_work, &work_count);
	}
	if (atomic_load(&server->requests_live) > 0)
		say_warn("%lld requests were still under way at the end",
			 (long long)atomic_load(&server->requests_live));
}

static void free_shard(struct server_shard *s, void *arg UNUSED)
{
	shard_timer_stop(&s->shard, &s->idle_timer);
	shard_timer_stop(&s->shard, &s->tick_timer);
	group_coordinator_free(s->shard.groups);
	replica_set_free(s->shard.replicas);
	fetch_sessions_free(s->shard.fetch_sessions);
	telemetry_free(s->shard.telemetry);
	alter_isr_free(s->shard.alter_isr);
	assign_dirs_free(s->shard.dir_batch);
	image_unref(s->shard.image);
	s->shard.image = NULL;
	s->shard.groups = NULL;
	s->shard.replicas = NULL;
	s->shard.fetch_sessions = NULL;
	s->shard.telemetry = NULL;
	s->shard.alter_isr = NULL;
	s->shard.dir_batch = NULL;
	if (s->shard.control)
		control_close(s->shard.control);
	s->shard.control = NULL;
}

static void stop_marks(struct server *server, bool *ok)
{
	int64_t broker_epoch = control_broker_epoch(server->control);

	checkpoints_write_all(server, ok);
	for (unsigned dir = 0; dir < server->dir_count; dir++) {
		struct err err = {0};

		if (!ok[dir] || atomic_load(&server->dirs_offline) & 1u << dir)
			say_warn("%s: not marked as cleanly shut down", server->dirs[dir]->path);
		else if (log_dir_mark_clean(server->dirs[dir], broker_epoch, &err) < 0)
			say_error("%s", err_message(&err));
	}
}

static void stop_shards(struct server *server)
{
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		shard_stop(&server->shards[i]);
		shard_join(&server->shards[i]);
	}
}

static void server_each_shard(struct server *server, void (*run)(struct server_shard *s, void *arg),
			      void *arg)
{
	/* Shard 0 last: it is where the others' answers go. */
	for (unsigned i = server->broker.shard_count; i-- > 0;)
		shard_call(&server->shards[i], run, arg);
}

void server_stop(struct server *server)
{
	bool *ok = xcalloc(server->dir_count + 1, sizeof(*ok));

	memset(ok, true, server->dir_count);
	http_stop(server->http);
	atomic_store(&server->state, SERVER_CONTROLLED_SHUTDOWN);
	shard_call(&server->shards[0], stop_listening, NULL);
	shard_call(&server->shards[0], stop_control, NULL);
	uv_sem_wait(&server->control_stopped);
	atomic_store(&server->state, SERVER_SHUTTING_DOWN);
	shard_call(&server->shards[0], stop_quorum, NULL);
	server_each_shard(server, stop_conns, NULL);
	server_each_shard(server, stop_replicas, ok);
	stop_requests(server);
	stop_marks(server, ok);
	server_each_shard(server, free_shard, NULL);
	stop_shards(server);
	free(ok);
}

void server_abandon(struct server *server)
{
	for (unsigned i = server->broker.shard_count; i-- > 0;) {
		struct server_shard *s = &server->shards[i];

		if (s->is_started)
			shard_call(s, free_shard, NULL);
		else
			free_shard(s, NULL);
	}
	stop_shards(server);
}
