/* The way to the agent: a line to its socket, an answer of lines, the last of them "ok" or "error"
 * with what is wrong. */
#include "cmd/lab/agent_int.h"

#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* `down` waits for nodes that end. */
#define ANSWER_MS_MAX 60000
#define ANSWER_BYTES_MAX (1 << 20)
#define POLL_MS 10

const char *const node_state_names[NODE_STATE_COUNT] = {
	[NODE_STOPPED] = "stopped", [NODE_RUNNING] = "running", [NODE_PAUSED] = "paused",
	[NODE_KILLED] = "killed",   [NODE_DIED] = "died",
};

/* Paths of sockets have 107 bytes, those of labs may have more: so it goes by way of the
 * directory's descriptor. */
void agent_address(int dir_fd, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){.sun_family = AF_UNIX};
	snprintf(out->sun_path, sizeof(out->sun_path), "/proc/self/fd/%d/" AGENT_SOCKET, dir_fd);
}

static int ask_connect(const struct lab *lab, struct err *err)
{
	struct timeval limit = {.tv_sec = ANSWER_MS_MAX / 1000};
	struct sockaddr_un addr;
	int dir_fd = agent_dir(lab, err), fd, rc;

	if (dir_fd < 0)
		return dir_fd;
	agent_address(dir_fd, &addr);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 || connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
	close(dir_fd);
	if (rc == 0) {
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		return fd;
	}
	if (fd >= 0)
		close(fd);
	if (rc == -ENOENT || rc == -ECONNREFUSED)
		return err_set(err, E_NOT_FOUND, "the lab %s is not up (kavka lab up starts it)",
			       lab->name);
	return err_sys(err, rc, "%s", lab_path(lab, AGENT_SOCKET));
}

static int ask_receive(int fd, struct out *answer, struct err *err)
{
	char data[4096];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN
				       ? err_set(err, E_TIMEOUT, "the agent does not answer")
				       : err_sys(err, -errno, "the agent");
		out_bytes(answer, data, (size_t)n);
	}
	out_byte(answer, '\0');
	return 0;
}

/* Cuts the last line off. */
static int ask_judge(const struct lab *lab, struct out *answer, struct err *err)
{
	char *text = (char *)answer->data, *last;
	size_t len = answer->failed ? 0 : answer->len - 1;

	if (len == 0 || text[len - 1] != '\n')
		return err_set(err, E_CLOSED, "the lab's agent ended (its last words are in %s)",
			       lab_path(lab, AGENT_LOG));
	text[len - 1] = '\0';
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	if (strncmp(last, "error ", 6) == 0)
		return err_set(err, E_INVALID, "%s", last + 6);
	answer->len = (size_t)(last - text);
	*last = '\0';
	return 0;
}

int ask(const struct lab *lab, struct out *out, struct err *err, const char *fmt, ...)
{
	struct out line, answer;
	int fd = ask_connect(lab, err), rc = 0;
	char text[1024];
	va_list args;

	if (fd < 0)
		return fd;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	out_init(&line, 2048);
	out_init(&answer, ANSWER_BYTES_MAX);
	out_printf(&line, "%s\n", text);
	if (send(fd, line.data, line.len, MSG_NOSIGNAL) != (ssize_t)line.len)
		rc = err_sys(err, -errno, "the agent");
	if (rc == 0)
		rc = ask_receive(fd, &answer, err);
	if (rc == 0)
		rc = ask_judge(lab, &answer, err);
	if (rc == 0 && out)
		out_printf(out, "%s", (const char *)answer.data);
	close(fd);
	out_fini(&line);
	out_fini(&answer);
	return rc;
}

/* "node ID STATE PID SINCE CODE DELAY" and "cut GROUPS". */
static void status_line(const struct lab *lab, char *line, struct lab_status *out)
{
	char state[16];
	int id, pid, code;
	int64_t since_ms, delay_ms;

	if (strncmp(line, "cut ", 4) == 0) {
		if (cuts_parse(&out->cuts, line + 4, lab_node_mask(lab), NULL) < 0)
			out->cuts.group_count = 0;
		return;
	}
	if (sscanf(line, "node %d %15s %d %" SCNd64 " %d %" SCNd64, &id, state, &pid, &since_ms,
		   &code, &delay_ms) != 6 ||
	    id < 1 || id >= LAB_ENDS_MAX)
		return;
	out->nodes[id] = (struct node_status){
		.pid = pid, .since_ms = since_ms, .code = code, .delay_ms = delay_ms};
	for (unsigned i = 0; i < NODE_STATE_COUNT; i++)
		if (strcmp(state, node_state_names[i]) == 0)
			out->nodes[id].state = i;
}

int ask_status(const struct lab *lab, struct lab_status *out, struct err *err)
{
	struct out answer;
	struct err own = {0};
	int rc;

	*out = (struct lab_status){0};
	out_init(&answer, ANSWER_BYTES_MAX);
	rc = ask(lab, &answer, &own, "status");
	if (rc == 0) {
		char *rest = arena_strndup(lab->arena, (char *)answer.data, answer.len), *line;

		out->is_up = true;
		while ((line = strsep(&rest, "\n")))
			status_line(lab, line, out);
	}
	out_fini(&answer);
	if (rc == E_NOT_FOUND)
		return 0;
	return rc < 0 ? err_set(err, rc, "%s", err_message(&own)) : 0;
}

int ask_until_ended(const struct lab *lab, uint64_t nodes, int64_t timeout_ms, struct err *err)
{
	int64_t until_ms = clock_mono_ms() + timeout_ms;

	for (;;) {
		struct lab_status status;
		int rc = ask_status(lab, &status, err);
		int left = 0;

		if (rc < 0)
			return rc;
		for (int id = LAB_ENDS_MAX - 1; id > 0; id--)
			if (nodes & END_BIT(id) && status.nodes[id].pid > 0)
				left = id;
		if (left == 0)
			return 0;
		if (clock_mono_ms() >= until_ms)
			return err_set(err, E_TIMEOUT,
				       "node %d has not ended after %lld s (kavka lab kill %d)",
				       left, (long long)timeout_ms / 1000, left);
		poll(NULL, 0, POLL_MS);
	}
}
