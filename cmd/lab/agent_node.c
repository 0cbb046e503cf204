/* The nodes of a lab as processes. */
#include "cmd/lab/agent_int.h"

#include "base/clock.h"
#include "base/say.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define SAY_PLACE "lab/agent"

static void node_move(struct agent *a, int id, enum node_state to)
{
	struct node_status *n = &a->nodes[id];

	say_info("node %d: %s -> %s", id, node_state_names[n->state], node_state_names[to]);
	n->state = to;
	n->since_ms = clock_wall_ms();
}

/* ---- Starting ----------------------------------------------------------------------------- */

/* What a node runs: everything is made before the fork. */
struct node_program {
	const char *path, *properties;
	const char *apache_logs; /* NULL: kavka's own broker */
	int log_fd;
	pid_t agent;
};

/* Apache's scripts become the JVM in the end: the process stays the same. */
static void node_exec(const struct node_program *p)
{
	if (p->apache_logs) {
		setenv("KAFKA_HEAP_OPTS", "-Xms128M -Xmx256M", 0);
		setenv("LOG_DIR", p->apache_logs, 1);
		execl(p->path, p->path, p->properties, (char *)NULL);
	} else {
		execl(p->path, "kavka", "broker", p->properties, (char *)NULL);
	}
	dprintf(STDERR_FILENO, "cannot start %s: %s\n", p->path, strerror(errno));
	_exit(127);
}

/* In the child: becomes the broker, or says why not where the node's log is. */
static void node_become(const struct node_program *p)
{
	int null = open("/dev/null", O_RDONLY);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(p->log_fd, STDOUT_FILENO) < 0 ||
	    dup2(p->log_fd, STDERR_FILENO) < 0)
		_exit(127);
	/* Without the agent the nodes could neither reach each other nor be told to stop. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != p->agent)
		_exit(127);
	setpgid(0, 0);
	close_range(STDERR_FILENO + 1, ~0u, 0);
	node_exec(p);
}

static void node_program(struct agent *a, const struct lab_node *node, struct node_program *out)
{
	*out = (struct node_program){.path = "/proc/self/exe",
				     .properties =
					     lab_node_path(&a->lab, node->id, "server.properties"),
				     .agent = getpid()};
	if (node->apache) {
		out->path = arena_printf(&a->scratch, "%s/" APACHE_START, node->apache);
		out->apache_logs = lab_node_path(&a->lab, node->id, "logs");
	}
}

static int node_doors(struct agent *a, const struct lab_node *node, struct err *err)
{
	for (int d = 0; d < DOOR_COUNT; d++) {
		const struct lab_door *door = &node->doors[d];
		int rc;

		if (!door->port || door->port == door->node_port)
			continue;
		rc = relay_open(a->relay, node->id, door->port, door->node_port, err);
		if (rc < 0) {
			relay_close(a->relay, node->id);
			if (rc == -EADDRINUSE)
				return err_set(
					err, rc,
					"node %d: somebody else has taken port %d (end that, "
					"or kavka lab reset)",
					node->id, door->port);
			return rc;
		}
	}
	return 0;
}

int agent_node_start(struct agent *a, int id, struct err *err)
{
	const struct lab_node *node = lab_node(&a->lab, id);
	struct node_status *n = &a->nodes[id];
	struct node_program program;
	const char *log;
	pid_t pid;
	int rc;

	if (n->pid > 0)
		return err_set(err, E_INVALID, "node %d runs already", id);
	node_program(a, node, &program);
	log = lab_node_path(&a->lab, id, "log");
	rc = node_doors(a, node, err);
	if (rc < 0)
		return rc;
	program.log_fd = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
	pid = program.log_fd < 0 ? -1 : fork();
	rc = -errno;
	if (pid == 0)
		node_become(&program);
	if (program.log_fd >= 0)
		close(program.log_fd);
	if (pid < 0) {
		relay_close(a->relay, id);
		return err_sys(err, rc, "starting node %d, %s", id, log);
	}
	n->pid = pid;
	n->code = 0;
	a->is_stopped_by_us[id] = a->is_killed_by_us[id] = false;
	node_move(a, id, NODE_RUNNING);
	return 0;
}

/* ---- Ending and pausing ------------------------------------------------------------------- */

int agent_node_signal(struct agent *a, int id, const char *verb, struct err *err)
{
	struct node_status *n = &a->nodes[id];

	if (n->pid <= 0)
		return err_set(err, E_INVALID, "node %d does not run: it is %s%s", id,
			       node_state_names[n->state],
			       n->state == NODE_STOPPED || n->state == NODE_KILLED
				       ? " (kavka lab start)"
				       : " (kavka lab log tells why)");
	if (strcmp(verb, "kill") == 0) {
		a->is_killed_by_us[id] = true;
		kill(n->pid, SIGKILL);
	} else if (strcmp(verb, "stop") == 0) {
		a->is_stopped_by_us[id] = true;
		kill(n->pid, SIGTERM);
		/* One that is paused could not hear it. */
		kill(n->pid, SIGCONT);
		n->state = NODE_RUNNING;
	} else if (strcmp(verb, "pause") == 0) {
		if (n->state == NODE_PAUSED)
			return err_set(err, E_INVALID, "node %d is paused already", id);
		kill(n->pid, SIGSTOP);
		node_move(a, id, NODE_PAUSED);
	} else {
		if (n->state != NODE_PAUSED)
			return err_set(err, E_INVALID, "node %d is not paused", id);
		kill(n->pid, SIGCONT);
		node_move(a, id, NODE_RUNNING);
	}
	return 0;
}

static void node_ended(struct agent *a, int id, int status)
{
	struct node_status *n = &a->nodes[id];

	n->pid = 0;
	n->code = WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
	relay_close(a->relay, id);
	/* A JVM tells by its status that it heard the signal. */
	if (a->is_killed_by_us[id])
		node_move(a, id, NODE_KILLED);
	else if (a->is_stopped_by_us[id] && (n->code == 0 || n->code == 128 + SIGTERM))
		node_move(a, id, NODE_STOPPED);
	else
		node_move(a, id, NODE_DIED);
}

void agent_node_reap(struct agent *a)
{
	for (unsigned i = 0; i < a->lab.node_count; i++) {
		int id = a->lab.nodes[i].id, status;

		if (a->nodes[id].pid > 0 && waitpid(a->nodes[id].pid, &status, WNOHANG) > 0)
			node_ended(a, id, status);
	}
}

bool agent_node_any(const struct agent *a, bool of_brokers)
{
	for (unsigned i = 0; i < a->lab.node_count; i++)
		if (a->nodes[a->lab.nodes[i].id].pid > 0 &&
		    (!of_brokers || a->lab.nodes[i].is_broker))
			return true;
	return false;
}

void agent_node_signal_all(struct agent *a, bool of_brokers, int number)
{
	for (unsigned i = 0; i < a->lab.node_count; i++) {
		int id = a->lab.nodes[i].id;

		if (a->nodes[id].pid <= 0 || (of_brokers && !a->lab.nodes[i].is_broker))
			continue;
		/* Asked twice, a broker ends at once. */
		if (a->is_stopped_by_us[id] && number != SIGKILL)
			continue;
		a->is_stopped_by_us[id] = true;
		a->is_killed_by_us[id] = a->is_killed_by_us[id] || number == SIGKILL;
		kill(a->nodes[id].pid, number);
		kill(a->nodes[id].pid, SIGCONT);
	}
}
