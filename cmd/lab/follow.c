/* log: what nodes said. */
#include "cmd/lab/lab_int.h"
#include "cmd/print.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLLOW_MS 100
#define READ_BYTES (64 * 1024)

struct followed {
	int id, fd;
	const char *path;
	struct out line; /* one that has not ended yet */
};

static volatile sig_atomic_t follow_ended;

static void follow_signal(int number)
{
	follow_ended = number;
}

static void followed_line(const struct followed *f, const char *text, size_t len, bool is_alone)
{
	if (!is_alone)
		print_text("%s%d%s | ", tone_on(TONE_CYAN), f->id, tone_off());
	print_bytes(text, len);
	print_byte('\n');
}

/* Prints the lines that are there. */
static int followed_read(struct followed *f, bool is_alone, struct err *err)
{
	char data[READ_BYTES];
	ssize_t n;

	while ((n = read(f->fd, data, sizeof(data))) > 0) {
		const char *at = data, *end;
		size_t left = (size_t)n;

		while ((end = memchr(at, '\n', left))) {
			out_bytes(&f->line, at, (size_t)(end - at));
			followed_line(f, (const char *)f->line.data, f->line.len, is_alone);
			out_reset(&f->line);
			left -= (size_t)(end + 1 - at);
			at = end + 1;
		}
		out_bytes(&f->line, at, left);
	}
	return n < 0 ? err_sys(err, -errno, "%s", f->path) : 0;
}

/* Where the last `lines` lines begin. */
static off_t tail_pos(int fd, int64_t lines)
{
	char data[READ_BYTES];
	off_t end = lseek(fd, 0, SEEK_END);

	/* The newline at the very end ends the last line. */
	for (off_t at = end, before; at > 0; at = before) {
		size_t len = (size_t)MIN(at, (off_t)sizeof(data));
		ssize_t n;

		before = at - (off_t)len;
		n = pread(fd, data, len, before);
		for (; n > 0; n--)
			if (data[n - 1] == '\n' && before + n != end && lines-- <= 1)
				return before + n;
	}
	return 0;
}

static int followed_open(struct followed *f, const struct lab *lab, int id, int64_t lines,
			 struct err *err)
{
	f->id = id;
	f->path = lab_node_path(lab, id, "log");
	out_init(&f->line, 1 << 20);
	f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
	if (f->fd < 0 && errno == ENOENT)
		return err_set(err, E_NOT_FOUND, "node %d has said nothing yet: it never ran", id);
	if (f->fd < 0)
		return err_sys(err, -errno, "%s", f->path);
	if (lseek(f->fd, lines == 0 ? lseek(f->fd, 0, SEEK_END) : tail_pos(f->fd, lines),
		  SEEK_SET) < 0)
		return err_sys(err, -errno, "%s", f->path);
	return 0;
}

static int follow(struct followed *all, unsigned count, bool is_endless, struct err *err)
{
	int rc = 0;

	do {
		for (unsigned i = 0; i < count && rc == 0; i++)
			rc = followed_read(&all[i], count == 1, err);
		if (rc == 0 && is_endless && print_flush() == 0 && !follow_ended)
			poll(NULL, 0, FOLLOW_MS);
	} while (rc == 0 && is_endless && print_failed() == 0 && !follow_ended);
	return rc;
}

int lab_log_run(struct run *run, void *data)
{
	struct lab_args *args = data;
	struct sigaction action = {.sa_handler = follow_signal};
	struct followed *all = NULL;
	unsigned count = 0;
	uint64_t nodes;
	struct lab lab;
	struct err err = {0};
	int rc = lab_open(&lab, &run->arena, args, &err);

	if (rc == 0)
		rc = lab_words(run, &lab, lab_node_mask(&lab), &nodes, &err);
	if (rc == 0)
		all = arena_array(&run->arena, LAB_ENDS_MAX, sizeof(*all));
	for (int id = 1; id < LAB_ENDS_MAX && rc == 0; id++)
		if (nodes & END_BIT(id))
			rc = followed_open(&all[count++], &lab, id, args->lines, &err);
	if (rc == 0) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
		rc = follow(all, count, args->follow, &err);
	}
	for (unsigned i = 0; i < count; i++) {
		if (rc == 0 && all[i].line.len > 0)
			followed_line(&all[i], (char *)all[i].line.data, all[i].line.len,
				      count == 1);
		out_fini(&all[i].line);
		if (all[i].fd >= 0)
			close(all[i].fd);
	}
	return follow_ended ? 128 + follow_ended : lab_end(run, rc, &err);
}
