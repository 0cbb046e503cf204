#include "server/server_int.h"

#include "api/alter_isr.h"
#include "api/assign_dirs.h"
#include "api/quotas.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/say.h"
#include "group/group.h"
#include "metadata/storage_format.h"
#include "net/tls.h"
#include "replica/replica.h"
#include "server/listener_tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define SAY_PLACE "broker/server"

/* How often a shard looks for connections that were idle too long. */
#define IDLE_CHECK_MS_MAX 10000

/* Request memory when queued.max.request.bytes says nothing: a part of what the machine has. */
#define MEMORY_SHARE 4

/* libuv's own limit. */
#define POOL_THREADS_MAX 1024

/* ---- Request memory and counters ------------------------------------------------------------ */

static void memory_freed(struct task *task, struct shard *on)
{
	free(task);
	server_conn_memory_freed(shard_impl(on));
}

void server_memory_take(struct server_shard *s, size_t bytes)
{
	atomic_fetch_add_explicit(&s->server->memory_bytes, (int64_t)bytes, memory_order_relaxed);
}

void server_memory_give_back(struct server_shard *s, size_t bytes)
{
	struct server *server = s->server;
	int64_t before;

	if (!bytes)
		return;
	before = atomic_fetch_sub_explicit(&server->memory_bytes, (int64_t)bytes,
					   memory_order_relaxed);
	if (before < server->memory_max || before - (int64_t)bytes >= server->memory_max)
		return;
	/* It was short and is no more: connections of every shard may read on. */
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		struct task *task = xcalloc(1, sizeof(*task));

		task->run = memory_freed;
		shard_post(server->broker.shards[i], task);
	}
}

bool server_memory_is_short(struct server_shard *s)
{
	return atomic_load_explicit(&s->server->memory_bytes, memory_order_relaxed) >=
	       s->server->memory_max;
}

size_t server_frame_bytes_max(struct server_shard *s)
{
	return (size_t)config_i64(s->shard.config, CONFIG_SOCKET_REQUEST_MAX_BYTES);
}

void server_conn_count(struct server_shard *s, int change)
{
	if (change > 0)
		s->shard.metrics->connections_created++;
	else
		s->shard.metrics->connections_closed++;
}

void server_request_metrics(struct server_shard *s, const struct request *r)
{
	struct metrics *m = s->shard.metrics;

	assert(r->api->key < METRICS_API_COUNT);
	histogram_add(&m->request_time[r->api->key], clock_mono_us() - r->received_us);
	m->network_bytes_in += r->frame.len + 4;
}

/* ---- Log directories ------------------------------------------------------------------------ */

struct dir_failure {
	struct task task;
	unsigned dir;
};

static void dir_failed_run(struct task *task, struct shard *on)
{
	struct dir_failure *failure = CONTAINER_OF(task, struct dir_failure, task);
	struct server *server = shard_impl(on)->server;

	if (on->replicas)
		replica_set_dir_failed(on->replicas, failure->dir);
	if (on->control)
		control_dir_offline(on->control, server->dirs[failure->dir]->meta.directory_id);
	free(failure);
}

void server_dir_failed(struct server_shard *s, unsigned dir, const char *why)
{
	struct server *server = s->server;
	unsigned before = atomic_fetch_or(&server->dirs_offline, 1u << dir);
	unsigned all = server->dir_count == 32 ? UINT32_MAX : (1u << server->dir_count) - 1;

	if (before & 1u << dir)
		return;
	say_error("log directory %s is offline: %s", server->dirs[dir]->path, why);
	if ((before | 1u << dir) == all) {
		say_error("no log directory is left: the broker ends (mend the disk, start again)");
		_exit(1);
	}
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		struct dir_failure *failure = xcalloc(1, sizeof(*failure));

		failure->task.run = dir_failed_run;
		failure->dir = dir;
		shard_post(server->broker.shards[i], &failure->task);
	}
}

static void server_replica_dir_failed(void *ctx, unsigned dir, int rc, const char *text)
{
	server_dir_failed(ctx, dir, text ? text : err_text(rc));
}

static void server_replica_dir_chosen(void *ctx, struct partition *p)
{
	struct server_shard *s = ctx;

	assign_dirs_note(&s->shard, p);
}

static void server_replica_propose_isr(void *ctx, struct partition *p)
{
	struct server_shard *s = ctx;

	alter_isr_note(&s->shard, p);
}

static void server_replica_cleaned(void *ctx)
{
	checkpoints_cleaned(((struct server_shard *)ctx)->server);
}

static int server_open_dir(struct server *server, const char *path, struct err *err)
{
	struct log_dir **dir = &server->dirs[server->opened_count];
	int rc = log_dir_open(dir, &server->env, path, err);

	if (rc == 0)
		server->opened_count++;
	return rc;
}

static struct log_dir *server_dir_at(const struct server *server, const char *path)
{
	for (unsigned i = 0; i < server->opened_count; i++)
		if (strcmp(server->dirs[i]->path, path) == 0)
			return server->dirs[i];
	return NULL;
}

static int server_open_dirs(struct server *server, const char *config_file, struct err *err)
{
	const char *metadata_dir = config_metadata_log_dir(server->config);
	struct storage_ensure_options format = {.config = server->config,
						.config_file = config_file};
	size_t count;
	const char *const *paths = config_list(server->config, CONFIG_LOG_DIRS, &count);
	int rc = 0;

	if (count > 32)
		return err_set(err, E_INVALID, "log.dirs: %zu directories, 32 at most", count);
	server->dirs = xcalloc(count + 1, sizeof(*server->dirs));
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = server_open_dir(server, paths[i], err);
	if (rc < 0)
		return rc;
	server->dir_count = server->opened_count;
	if (!server_dir_at(server, metadata_dir)) {
		rc = server_open_dir(server, metadata_dir, err);
		if (rc < 0)
			return rc;
	}
	format.dirs = server->dirs;
	format.dir_count = server->opened_count;
	rc = storage_ensure(&server->env, &format, &server->broker.cluster_id_text, &server->arena,
			    err);
	for (unsigned i = 0; i < server->dir_count && rc == 0; i++)
		rc = log_dir_load(server->dirs[i], err);
	return rc;
}

/* ---- Listeners ------------------------------------------------------------------------------ */

struct accepted {
	struct task task;
	const struct listener_ctx *listener;
	int fd;
	struct admission *admission;
};

static void accepted_run(struct task *task, struct shard *on)
{
	struct accepted *accepted = CONTAINER_OF(task, struct accepted, task);

	server_conn_accept(shard_impl(on), accepted->listener, accepted->fd, accepted->admission);
	free(accepted);
}

static const struct listener_ctx *server_listener(struct server *server, const char *name)
{
	for (unsigned i = 0; i < server->listener_count; i++)
		if (strcmp(server->listeners[i].name, name) == 0)
			return &server->listeners[i];
	assert(!"an unknown listener accepted");
	return NULL;
}

/* What controllers say to each other does not wait behind partitions. */
static struct shard *server_next_shard(struct server *server, const struct listener_ctx *listener)
{
	unsigned count = server->broker.shard_count - 1;

	if (listener->is_controller)
		return shard_control(&server->broker);
	server->next_shard = server->next_shard % count + 1;
	return server->broker.shards[server->next_shard];
}

static void server_accepted(void *ctx, const char *listener_name, int fd,
			    struct admission *admission)
{
	struct server *server = ctx;
	struct accepted *accepted = xcalloc(1, sizeof(*accepted));

	accepted->task.run = accepted_run;
	accepted->listener = server_listener(server, listener_name);
	accepted->fd = fd;
	accepted->admission = admission;
	shard_post(server_next_shard(server, accepted->listener), &accepted->task);
}

static int server_listen(struct server *server, const struct listener *l, int *port,
			 struct err *err)
{
	int backlog = (int)config_i64(server->config, CONFIG_SOCKET_LISTEN_BACKLOG_SIZE);
	/* Only when somebody asked for it: the kernel's own tuning is better than Kafka's default.
	 */
	int receive_bytes = config_source_of(server->config, CONFIG_SOCKET_RECEIVE_BUFFER_BYTES) ==
					    CONFIG_SOURCE_STATIC_BROKER
				    ? config_i32(server->config, CONFIG_SOCKET_RECEIVE_BUFFER_BYTES)
				    : -1;
	struct listener_ctx *ctx = &server->listeners[server->listener_count++];
	struct listener_set *set =
		l->is_controller ? &server->controller_set : &server->listener_set;
	int rc;

	*ctx = (struct listener_ctx){.name = l->name, .is_controller = l->is_controller};
	if (l->protocol == SECURITY_SASL_PLAINTEXT || l->protocol == SECURITY_SASL_SSL)
		return err_set(
			err, E_UNSUPPORTED,
			"listener %s: this version has no %s listeners (use PLAINTEXT or SSL)",
			l->name, security_protocol_name(l->protocol));
	if (l->protocol == SECURITY_SSL) {
		rc = listener_tls_server(&ctx->tls, server->config, ctx->name, err);
		if (rc < 0)
			return err_add(err, rc, "listener %s", ctx->name);
	}
	rc = listener_add(set, l->name, l->host, l->port, backlog, receive_bytes, port, err);
	if (rc == -EADDRINUSE && l->port_optional)
		rc = listener_add(set, l->name, l->host, 0, backlog, receive_bytes, port, err);
	return rc;
}

static struct image_endpoint server_endpoint(struct server *server, const struct listener *l,
					     int port)
{
	char host[256] = "";

	if (!l->host[0])
		gethostname(host, sizeof(host) - 1);
	return (struct image_endpoint){
		.name = str_dup(&server->arena, str_of(l->name)),
		.host = str_dup(&server->arena, str_of(l->host[0] ? l->host : host)),
		.port = (uint16_t)port,
		.security_protocol = (int16_t)l->protocol,
	};
}

/* Binds every listener and learns the ports; nothing is accepted yet. */
static int server_bind(struct server *server, struct err *err)
{
	size_t count, advertised_count;
	const struct listener *listeners = config_listeners(server->config, &count);
	const struct listener *advertised = config_advertised(server->config, &advertised_count);
	int ports[SERVER_LISTENERS_MAX];
	int rc;

	if (count > SERVER_LISTENERS_MAX)
		return err_set(err, E_INVALID, "listeners: %zu, %d at most", count,
			       SERVER_LISTENERS_MAX);
	for (size_t i = 0; i < count; i++) {
		rc = server_listen(server, &listeners[i], &ports[i], err);
		if (rc < 0)
			return rc;
		if (listeners[i].is_controller && str_is_null(server->controller_endpoint.host)) {
			const struct listener *told =
				config_advertised_controller(server->config, listeners[i].name);

			server->controller_endpoint =
				server_endpoint(server, told, told->port ? told->port : ports[i]);
		}
	}
	for (size_t a = 0; a < advertised_count; a++) {
		int port = advertised[a].port;

		for (size_t i = 0; i < count && port == 0; i++)
			if (strcmp(listeners[i].name, advertised[a].name) == 0)
				port = ports[i];
		server->endpoints[server->endpoint_count++] =
			server_endpoint(server, &advertised[a], port);
	}
	return 0;
}

/* ---- Shards --------------------------------------------------------------------------------- */

static bool server_owns(void *ctx, struct uuid topic_id, int32_t partition)
{
	struct server_shard *s = ctx;

	return shard_owner(s->shard.broker, topic_id, partition) == &s->shard;
}

static void shard_tick(struct timer *timer, struct shard *on)
{
	shard_timer_start(on, timer, replica_set_tick(on->replicas));
}

static void shard_idle(struct timer *timer, struct shard *on)
{
	int64_t idle_ms = config_i64(on->config, CONFIG_CONNECTIONS_MAX_IDLE_MS);
	int64_t next_ms = IDLE_CHECK_MS_MAX;

	if (idle_ms >= 0)
		next_ms = server_conn_close_idle(shard_impl(on), idle_ms);
	shard_timer_start(on, timer, MIN(MAX(next_ms, 10), IDLE_CHECK_MS_MAX));
}

static void shard_open(struct server_shard *s, struct server *server)
{
	struct replica_options options = {
		.env = &s->env,
		.node_id = server->broker.node_id,
		.dirs = server->dirs,
		.dir_count = server->dir_count,
		.config = server->config,
		.ctx = s,
		.sweeps_dirs = s->shard.index == 1,
		.owns = server_owns,
		.dir_failed = server_replica_dir_failed,
		.propose_isr = server_replica_propose_isr,
		.dir_chosen = server_replica_dir_chosen,
		.shard = &s->shard,
		.throttles = &server->throttles,
		.cleaned = server_replica_cleaned,
		.set_count = server->broker.shard_count - 1,
	};

	s->shard.config = config_ref(server->config);
	s->shard.metrics = metrics_new();
	s->shard.image = image_empty();
	s->shard.replicas = replica_set_new(&options);
	s->shard.groups = group_coordinator_new(&s->shard);
}

static void shard_begin(struct server_shard *s, void *arg UNUSED)
{
	s->tick_timer.fire = shard_tick;
	s->idle_timer.fire = shard_idle;
	shard_timer_start(&s->shard, &s->tick_timer, 1000);
	shard_timer_start(&s->shard, &s->idle_timer, IDLE_CHECK_MS_MAX);
}

static int server_init_shards(struct server *server, struct err *err)
{
	unsigned count = (unsigned)config_i64(server->config, CONFIG_KAVKA_SHARDS);

	if (count == 0)
		count = uv_available_parallelism();
	count++; /* and the control plane's */
	server->broker.quotas =
		quotas_new((unsigned)config_i64(server->config, CONFIG_QUOTA_WINDOW_NUM),
			   config_i64(server->config, CONFIG_QUOTA_WINDOW_SIZE_SECONDS) * 1000);
	server->shards = xcalloc(count, sizeof(*server->shards));
	server->broker.shards = xcalloc(count, sizeof(*server->broker.shards));
	for (unsigned i = 0; i < count; i++) {
		int rc = shard_init(&server->shards[i], server, &server->broker, i, err);

		if (rc < 0)
			return rc;
		server->broker.shards[i] = &server->shards[i].shard;
		server->broker.shard_count++;
	}
	return 0;
}

static int server_start_shards(struct server *server, struct err *err)
{
	int rc;

	for (unsigned i = 0; i < server->broker.shard_count; i++)
		shard_open(&server->shards[i], server);
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		rc = shard_start(&server->shards[i], err);
		if (rc < 0)
			return rc;
		shard_call(&server->shards[i], shard_begin, NULL);
	}
	return 0;
}

/* ---- Control plane -------------------------------------------------------------------------- */

static void server_on_fatal(void *ctx UNUSED, const struct err *err)
{
	say_error("the metadata log failed, the broker ends: %s", err_message(err));
	_exit(1);
}

static void server_on_stopped(void *ctx)
{
	struct server *server = ctx;

	uv_sem_post(&server->control_stopped);
}

struct control_begin {
	int rc;
	struct err *err;
};

static void server_start_control(struct server_shard *s, void *arg)
{
	struct control_begin *begin = arg;
	struct server *server = s->server;
	const char *paths[32];
	struct uuid ids[32];
	struct control_options options = {
		.shard = &s->shard,
		.env = &s->env,
		.config = s->shard.config,
		.node_id = server->broker.node_id,
		.cluster_id = str_of(server->broker.cluster_id_text),
		.is_controller = config_is_controller(server->config),
		.is_broker = config_is_broker(server->config),
		.metadata_dir = config_metadata_log_dir(server->config),
		.endpoints = server->endpoints,
		.endpoint_count = server->endpoint_count,
		.log_dirs = ids,
		.log_dir_paths = paths,
		.log_dir_count = server->dir_count,
		.rack = str_of(config_str(server->config, CONFIG_BROKER_RACK)),
		.previous_broker_epoch = server->dirs[0]->broker_epoch,
		.controller_endpoint = server->controller_endpoint,
		.ctx = server,
		.on_image = server_on_image,
		.on_caught_up = server_on_caught_up,
		.on_ready = server_on_ready,
		.on_fatal = server_on_fatal,
		.on_stopped = server_on_stopped,
	};

	for (unsigned i = 0; i < server->dir_count; i++) {
		ids[i] = server->dirs[i]->meta.directory_id;
		paths[i] = server->dirs[i]->path;
	}
	options.metadata_dir_id = server_dir_at(server, options.metadata_dir)->meta.directory_id;
	begin->rc = control_start(&server->control, &options, begin->err);
	if (begin->rc < 0)
		return;
	s->shard.control = server->control;
	images_begin(server);
}

/* ---- Start and stop ------------------------------------------------------------------------- */

static void server_raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int64_t server_memory_max(const struct config *config)
{
	int64_t bytes = config_i64(config, CONFIG_QUEUED_MAX_REQUEST_BYTES);

	return bytes > 0 ? bytes : (int64_t)(uv_get_total_memory() / MEMORY_SHARE);
}

static void server_ready_line(const struct server *server)
{
	bool is_broker = config_is_broker(server->config);
	const struct image_endpoint *e =
		is_broker ? server->endpoints : &server->controller_endpoint;

	printf("kavka %s %d is ready on %.*s:%u, data in %s, cluster id %s, started in %lld ms\n",
	       is_broker ? "broker" : "controller", server->broker.node_id, STR(e->host), e->port,
	       server->dirs[0]->path, server->broker.cluster_id_text,
	       (long long)(clock_mono_ms() - server->started_ms));
	fflush(stdout);
}

/* libuv looks at it when there is the first work for its pool. Who set it knows better. */
static void server_size_pool(const struct config *config)
{
	char text[16];

	snprintf(text, sizeof(text), "%d",
		 (int)MIN(config_i64(config, CONFIG_NUM_IO_THREADS), POOL_THREADS_MAX));
	(void)!setenv("UV_THREADPOOL_SIZE", text, 0);
}

/* Everything up to the ready line. */
static int server_start(struct server *server, const struct server_options *options,
			struct err *err)
{
	struct control_begin begin = {0, err};
	int rc;

	server_size_pool(server->config);
	rc = server_init_shards(server, err);
	if (rc < 0)
		return rc;
	listener_set_init(&server->listener_set, &server->shards[0], server_accepted, server);
	listener_set_limit(&server->listener_set, server->config);
	listener_set_init(&server->controller_set, &server->shards[0], server_accepted, server);
	rc = server_bind(server, err);
	if (rc == 0)
		rc = server_open_dirs(server, options->config_file, err);
	if (rc == 0)
		rc = server_start_shards(server, err);
	if (rc < 0)
		return rc;
	pthread_sigmask(SIG_UNBLOCK, &server->signals, NULL);
	shard_call(&server->shards[0], server_start_control, &begin);
	if (begin.rc < 0)
		return begin.rc;
	uv_sem_wait(&server->ready);
	if (options->metrics_listen)
		rc = http_start(&server->http, server, options->metrics_listen, err);
	return rc;
}

static void server_wait_for_signal(struct server *server)
{
	const sigset_t *signals = &server->signals;
	int signal;

	while (sigwait(signals, &signal) != 0 || (signal != SIGTERM && signal != SIGINT))
		;
	say_info("signal %d: shutting down (once more ends at once)", signal);
	/* The next one has its default effect, on this thread. */
	pthread_sigmask(SIG_UNBLOCK, signals, NULL);
}

static void server_fini(struct server *server)
{
	for (unsigned i = 0; i < server->broker.shard_count; i++) {
		config_unref(server->shards[i].shard.config);
		metrics_free(server->shards[i].shard.metrics);
		shard_fini(&server->shards[i]);
	}
	listener_set_fini(&server->listener_set);
	listener_set_fini(&server->controller_set);
	for (unsigned i = 0; i < server->listener_count; i++)
		tls_context_unref(server->listeners[i].tls);
	image_unref(server->latest);
	for (unsigned i = 0; i < server->opened_count; i++)
		log_dir_close(server->dirs[i]);
	free(server->dirs);
	free(server->shards);
	free(server->broker.shards);
	quotas_free(server->broker.quotas);
	config_unref(server->config);
	arena_fini(&server->arena);
	uv_sem_destroy(&server->ready);
	uv_sem_destroy(&server->control_stopped);
}

int server_run(const struct server_options *options, struct err *err)
{
	struct config_load_options load = {
		.path = options->config_file,
		.overrides = options->overrides,
		.override_count = options->override_count,
	};
	struct server server = {.started_ms = clock_mono_ms()};
	int rc;

	if (options->json_log)
		say_setup(&(struct say_options){.level = SAY_INFO, .json = true});
	rc = config_load(&server.config, &load, err);
	if (rc < 0)
		return rc;
	/* Blocked for the shards' threads, which inherit it: the main thread takes them. */
	sigemptyset(&server.signals);
	sigaddset(&server.signals, SIGTERM);
	sigaddset(&server.signals, SIGINT);
	pthread_sigmask(SIG_BLOCK, &server.signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	server_raise_file_limit();
	env_posix_init(&server.env);
	arena_init(&server.arena);
	uv_sem_init(&server.ready, 0);
	uv_sem_init(&server.control_stopped, 0);
	atomic_store(&server.state, SERVER_STARTING);
	server.broker.node_id = config_node_id(server.config);
	server.broker.started_ms = clock_wall_ms();
	server.memory_max = server_memory_max(server.config);
	rc = server_start(&server, options, err);
	if (rc < 0) {
		/* Once the control plane runs, clients may be served: an orderly stop then. */
		if (server.control)
			server_stop(&server);
		else
			server_abandon(&server);
		server_fini(&server);
		return rc;
	}
	/* Until here a signal had its default effect: nothing was promised to anybody. */
	pthread_sigmask(SIG_BLOCK, &server.signals, NULL);
	server_ready_line(&server);
	server_wait_for_signal(&server);
	server_stop(&server);
	server_fini(&server);
	say_info("shut down cleanly");
	return 0;
}
