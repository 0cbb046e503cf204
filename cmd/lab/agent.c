/* The agent's life: it goes to the background, listens at its socket, and does what it is asked. */
#include "cmd/lab/agent_int.h"
#include "cmd/lab/whose.h"

#include "base/env.h"
#include "base/mem.h"
#include "base/props.h"
#include "base/say.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define SAY_PLACE "lab/agent"
#define AGENT_LOCK "agent.lock"
#define NETWORK_FILE "network.properties"
#define LINE_BYTES_MAX 1024
/* How long nodes may take to end at `down`; then they are killed. Their data stand a kill. Where
 * too few controllers are left, those that wait for them wait in vain. */
#define PATIENCE_MS 10000
#define PATIENCE_VAIN_MS 1000

/* One who asked. */
struct asking {
	struct list_node link;
	struct agent *agent;
	uv_poll_t poll;
	int fd;
	bool is_waiting; /* for the end of all */
	size_t len;
	char line[LINE_BYTES_MAX];
};

/* ---- What the relay asks ------------------------------------------------------------------ */

static int agent_source(void *ctx, const struct sockaddr_in *from, const struct sockaddr_in *to)
{
	struct agent *a = ctx;
	pid_t pids[LAB_ENDS_MAX] = {0};
	int id;

	for (int i = 1; i < LAB_ENDS_MAX; i++)
		pids[i] = a->nodes[i].pid;
	id = whose_socket(from, to, pids, LAB_ENDS_MAX);
	return id > 0 ? id : END_CLIENTS;
}

static bool agent_is_cut(void *ctx, int from, int to)
{
	struct agent *a = ctx;

	/* Nodes that end say good-bye to each other. */
	return !a->is_ending && cuts_between(&a->cuts, from, to);
}

static int64_t agent_delay(void *ctx, int from, int to)
{
	struct agent *a = ctx;

	return from == to || a->is_ending ? 0 : a->nodes[from].delay_ms + a->nodes[to].delay_ms;
}

static const struct relay_ops agent_relay_ops = {
	.source = agent_source, .is_cut = agent_is_cut, .delay_ms = agent_delay};

/* ---- The network's state ------------------------------------------------------------------ */

static void network_load(struct agent *a)
{
	struct props p;
	const char *cut;

	props_init(&p);
	if (props_read(&p, lab_path(&a->lab, NETWORK_FILE), NULL) == 0) {
		cut = props_get(&p, "cut");
		if (cut && cuts_parse(&a->cuts, cut, lab_node_mask(&a->lab), NULL) < 0)
			a->cuts.group_count = 0;
		for (unsigned i = 0; i < a->lab.node_count; i++) {
			int id = a->lab.nodes[i].id;
			const char *text = props_get(&p, arena_printf(&a->scratch, "slow.%d", id));

			if (text &&
			    delay_parse(&a->nodes[id].delay_ms, text, LAB_DELAY_MS_MAX, NULL) < 0)
				a->nodes[id].delay_ms = 0;
		}
	}
	props_fini(&p);
}

static int network_save(struct agent *a, struct err *err)
{
	const char *path = lab_path(&a->lab, NETWORK_FILE);
	struct out text;
	struct env env;
	int rc;

	env_posix_init(&env);
	out_init(&text, 1 << 16);
	if (a->cuts.group_count > 0)
		out_printf(&text, "cut=%s\n", cuts_text(&a->cuts, &a->scratch));
	for (int id = 1; id < LAB_ENDS_MAX; id++)
		if (a->nodes[id].delay_ms > 0)
			out_printf(&text, "slow.%d=%" PRId64 "\n", id, a->nodes[id].delay_ms);
	rc = env_write_file(&env, path, text.len ? (const char *)text.data : "", text.len);
	out_fini(&text);
	relay_changed(a->relay);
	return rc < 0 ? err_sys(err, rc, "%s", path) : 0;
}

/* ---- What is asked ------------------------------------------------------------------------ */

static void agent_status(struct agent *a, struct out *answer)
{
	for (unsigned i = 0; i < a->lab.node_count; i++) {
		int id = a->lab.nodes[i].id;
		const struct node_status *n = &a->nodes[id];

		out_printf(answer, "node %d %s %d %" PRId64 " %d %" PRId64 "\n", id,
			   node_state_names[n->state], (int)n->pid, n->since_ms, n->code,
			   n->delay_ms);
	}
	out_printf(answer, "cut %s\n", cuts_text(&a->cuts, &a->scratch));
}

static int agent_cut(struct agent *a, const char *text, struct err *err)
{
	struct cuts cuts;
	int rc = cuts_parse(&cuts, text, lab_node_mask(&a->lab), err);

	if (rc < 0)
		return rc;
	a->cuts = cuts;
	say_info("cut: %s", cuts_text(&cuts, &a->scratch));
	return network_save(a, err);
}

static int agent_heal(struct agent *a, struct err *err)
{
	a->cuts.group_count = 0;
	for (int id = 0; id < LAB_ENDS_MAX; id++)
		a->nodes[id].delay_ms = 0;
	say_info("healed");
	return network_save(a, err);
}

static int agent_load(struct agent *a, struct err *err)
{
	struct lab lab = a->lab;
	int rc;

	lab.arena = &a->kept;
	rc = lab_load(&lab, err);
	lab.arena = &a->scratch;
	if (rc == 0)
		a->lab = lab;
	return rc;
}

/* "VERB ID [MS]" */
static int agent_node_line(struct agent *a, char *rest, const char *verb, struct err *err)
{
	char *end;
	long id = strtol(rest, &end, 10);

	if (id < 1 || id >= LAB_ENDS_MAX || !lab_node(&a->lab, (int)id))
		return err_set(err, E_INVALID, "there is no node '%s'", rest);
	if (strcmp(verb, "start") == 0)
		return agent_node_start(a, (int)id, err);
	if (strcmp(verb, "slow") == 0) {
		int rc = delay_parse(&a->nodes[id].delay_ms, end + strspn(end, " "),
				     LAB_DELAY_MS_MAX, err);

		return rc < 0 ? rc : network_save(a, err);
	}
	return agent_node_signal(a, (int)id, verb, err);
}

static void asking_end(struct asking *q);
static void agent_down(struct agent *a);

/* One line. The answer goes out at once, but that of `down`. */
static void agent_do(struct agent *a, struct asking *q)
{
	char *rest = q->line, *verb = strsep(&rest, " ");
	struct err err = {0};
	struct out answer;
	int rc = 0;

	rest = rest ? rest : (char[]){""};
	out_init(&answer, 1 << 20);
	if (strcmp(verb, "down") == 0) {
		q->is_waiting = true;
		uv_poll_stop(&q->poll);
		agent_down(a);
		out_fini(&answer);
		return;
	}
	if (strcmp(verb, "status") == 0)
		agent_status(a, &answer);
	else if (strcmp(verb, "cut") == 0)
		rc = agent_cut(a, rest, &err);
	else if (strcmp(verb, "heal") == 0)
		rc = agent_heal(a, &err);
	else if (strcmp(verb, "load") == 0)
		rc = agent_load(a, &err);
	else if (word_in("start stop kill pause resume slow", verb, strlen(verb)))
		rc = agent_node_line(a, rest, verb, &err);
	else
		rc = err_set(&err, E_INVALID, "'%s' is nothing that can be asked", verb);
	if (rc < 0)
		out_printf(&answer, "error %s\n", err_message(&err));
	else
		out_text(&answer, "ok\n");
	(void)!send(q->fd, answer.data, answer.len, MSG_NOSIGNAL);
	out_fini(&answer);
	asking_end(q);
}

/* ---- Who asks ----------------------------------------------------------------------------- */

static void asking_gone(uv_handle_t *handle)
{
	free(handle->data);
}

static void asking_end(struct asking *q)
{
	list_remove(&q->link);
	uv_poll_stop(&q->poll);
	close(q->fd);
	uv_close((uv_handle_t *)&q->poll, asking_gone);
}

static void asking_event(uv_poll_t *poll, int status, int events)
{
	struct asking *q = poll->data;
	struct agent *a = q->agent;
	char *end;
	ssize_t n;

	(void)status;
	(void)events;
	n = read(q->fd, q->line + q->len, sizeof(q->line) - 1 - q->len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		asking_end(q);
		return;
	}
	q->len += (size_t)n;
	q->line[q->len] = '\0';
	end = strchr(q->line, '\n');
	if (end) {
		*end = '\0';
		agent_do(a, q);
		arena_reset(&a->scratch);
	} else if (q->len == sizeof(q->line) - 1) {
		asking_end(q);
	}
}

static void agent_asked(uv_poll_t *poll, int status, int events)
{
	struct agent *a = poll->data;
	struct asking *q;
	int fd = accept4(a->door_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), rc;

	(void)status;
	(void)events;
	if (fd < 0)
		return;
	q = xcalloc(1, sizeof(*q));
	q->agent = a;
	q->fd = fd;
	rc = uv_poll_init(&a->loop, &q->poll, fd);
	assert(rc == 0);
	q->poll.data = q;
	list_push_back(&a->asking, &q->link);
	uv_poll_start(&q->poll, UV_READABLE, asking_event);
}

/* ---- The end ------------------------------------------------------------------------------ */

/* All nodes have ended: so does the agent, and whoever waits for it is told. */
static void agent_end(struct agent *a)
{
	struct asking *q;

	(void)unlinkat(a->dir_fd, AGENT_SOCKET, 0);
	LIST_FOREACH (&a->asking, q, struct asking, link) {
		if (q->is_waiting)
			(void)!send(q->fd, "ok\n", 3, MSG_NOSIGNAL);
		asking_end(q);
	}
	for (unsigned i = 0; i < ARRAY_LEN(a->signals); i++)
		uv_close((uv_handle_t *)&a->signals[i], NULL);
	uv_poll_stop(&a->door);
	uv_close((uv_handle_t *)&a->door, NULL);
	uv_close((uv_handle_t *)&a->patience, NULL);
	relay_free(a->relay);
	say_info("down");
}

static void agent_impatient(uv_timer_t *timer)
{
	say_warn("some nodes do not end: killed");
	agent_node_signal_all(timer->data, false, SIGKILL);
}

/* The next thing to do at the end: brokers need their controllers to hand over what they lead. */
static void agent_end_more(struct agent *a)
{
	int64_t patience_ms = lab_has_quorum(&a->lab, a->nodes) ? PATIENCE_MS : PATIENCE_VAIN_MS;
	bool has_brokers = agent_node_any(a, true);

	if (!agent_node_any(a, false)) {
		agent_end(a);
		return;
	}
	if (!has_brokers)
		agent_node_signal_all(a, false, SIGTERM);
	uv_timer_start(&a->patience, agent_impatient, (uint64_t)patience_ms, 0);
}

static void agent_down(struct agent *a)
{
	if (a->is_ending)
		return;
	a->is_ending = true;
	relay_changed(a->relay);
	agent_node_signal_all(a, true, SIGTERM);
	agent_end_more(a);
}

static void agent_signal(uv_signal_t *handle, int number)
{
	struct agent *a = handle->data;

	if (number != SIGCHLD) {
		agent_down(a);
		return;
	}
	agent_node_reap(a);
	if (a->is_ending && !uv_is_closing((uv_handle_t *)&a->door))
		agent_end_more(a);
}

/* ---- The beginning ------------------------------------------------------------------------ */

int agent_dir(const struct lab *lab, struct err *err)
{
	int fd = open(lab->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 ? err_sys(err, -errno, "%s", lab->dir) : fd;
}

/* The socket. An agent that was killed leaves its file behind, but not its lock. */
static int agent_listen(struct agent *a, struct err *err)
{
	struct sockaddr_un addr;
	int lock = openat(a->dir_fd, AGENT_LOCK, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), fd;

	if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
		return err_sys(err, -errno, "%s", lab_path(&a->lab, AGENT_LOCK));
	agent_address(a->dir_fd, &addr);
	(void)unlinkat(a->dir_fd, AGENT_SOCKET, 0);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0)
		return err_sys(err, -errno, "%s", lab_path(&a->lab, AGENT_SOCKET));
	a->door_fd = fd;
	return 0;
}

static int agent_open(struct agent *a, const struct lab *lab, struct err *err)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT};
	int rc;

	a->lab = *lab;
	arena_init(&a->kept);
	arena_init(&a->scratch);
	a->lab.arena = &a->scratch;
	list_init(&a->asking);
	a->dir_fd = agent_dir(lab, err);
	if (a->dir_fd < 0)
		return a->dir_fd;
	rc = agent_listen(a, err);
	if (rc < 0)
		return rc;
	uv_loop_init(&a->loop);
	relay_new(&a->relay, &a->loop, &agent_relay_ops, a);
	network_load(a);
	for (unsigned i = 0; i < ARRAY_LEN(numbers); i++) {
		uv_signal_init(&a->loop, &a->signals[i]);
		a->signals[i].data = a;
		uv_signal_start(&a->signals[i], agent_signal, numbers[i]);
	}
	uv_timer_init(&a->loop, &a->patience);
	a->patience.data = a;
	rc = uv_poll_init(&a->loop, &a->door, a->door_fd);
	assert(rc == 0);
	a->door.data = a;
	uv_poll_start(&a->door, UV_READABLE, agent_asked);
	return 0;
}

/* In the child. `ready_fd`: an empty text once all is well, else what is wrong. */
static void agent_live(const struct lab *lab, int ready_fd)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	struct err err = {0};
	int rc = agent_open(a, lab, &err);

	if (rc < 0) {
		const char *text = err_message(&err);

		(void)!write(ready_fd, text, strlen(text));
		_exit(EXIT_FAILED);
	}
	close(ready_fd);
	say_info("the agent of the lab %s, pid %d", lab->name, (int)getpid());
	uv_run(&a->loop, UV_RUN_DEFAULT);
	uv_loop_close(&a->loop);
	arena_fini(&a->scratch);
	arena_fini(&a->kept);
	free(a);
	_exit(EXIT_OK);
}

/* In the child: leaves the terminal, keeps only the log and `ready_fd`. */
static void agent_detach(int log_fd, int *ready_fd)
{
	int null = open("/dev/null", O_RDONLY);

	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 ||
	    dup2(log_fd, STDERR_FILENO) < 0)
		_exit(EXIT_FAILED);
	if (*ready_fd != STDERR_FILENO + 1)
		*ready_fd = dup2(*ready_fd, STDERR_FILENO + 1);
	close_range(STDERR_FILENO + 2, ~0u, 0);
	(void)!chdir("/");
	say_setup(&(struct say_options){.level = SAY_INFO});
}

int agent_launch(const struct lab *lab, struct err *err)
{
	const char *log = lab_path(lab, AGENT_LOG);
	int log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666), pipe_fds[2];
	char text[ERR_TEXT_MAX];
	size_t len = 0;
	ssize_t n;

	if (log_fd < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
		return err_sys(err, -errno, "%s", log);
	switch (fork()) {
	case -1: return err_sys(err, -errno, "fork");
	case 0:
		agent_detach(log_fd, &pipe_fds[1]);
		agent_live(lab, pipe_fds[1]);
		break;
	default: break;
	}
	close(pipe_fds[1]);
	close(log_fd);
	while (len < sizeof(text) - 1) {
		n = read(pipe_fds[0], text + len, sizeof(text) - 1 - len);
		if (n == 0 || (n < 0 && errno != EINTR))
			break;
		len += n > 0 ? (size_t)n : 0;
	}
	close(pipe_fds[0]);
	text[len] = '\0';
	return len > 0 ? err_set(err, E_INVALID, "the lab's agent cannot start: %s", text) : 0;
}
