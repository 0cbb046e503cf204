#include "chaos/history.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static FILE *file;
static volatile sig_atomic_t told_to_end;

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t now_ms(void)
{
	return now_us() / 1000;
}

static void end_caught(int number)
{
	(void)number;
	told_to_end = 1;
}

bool is_told_to_end(void)
{
	return told_to_end;
}

const char *codec_of(int number)
{
	static const char *const codecs[] = {"none", "lz4", "zstd", "gzip", "snappy"};

	return codecs[number % 5];
}

void history_open(struct options *o, int argc, char **argv)
{
	struct sigaction action = {.sa_handler = end_caught};

	if (argc != 10) {
		fprintf(stderr,
			"usage: %s producer|member|reader|observer|final NUMBER BOOTSTRAP TOPIC "
			"PARTITIONS RATE PROTOCOL ACKS FILE\n",
			argv[0]);
		exit(2);
	}
	*o = (struct options){
		.role = argv[1],
		.number = (int)strtol(argv[2], NULL, 10),
		.bootstrap = argv[3],
		.topic = argv[4],
		.partition_count = (int)strtol(argv[5], NULL, 10),
		.rate = (int)strtol(argv[6], NULL, 10),
		.group_protocol = argv[7],
		.acks = argv[8],
	};
	if (o->partition_count < 1 || o->partition_count > PARTITIONS_MAX || o->rate < 1) {
		fprintf(stderr, "%s: 1 to %d partitions, and a rate\n", argv[0], PARTITIONS_MAX);
		exit(2);
	}
	file = fopen(argv[9], "w");
	if (!file) {
		fprintf(stderr, "%s: %s: %s\n", argv[0], argv[9], strerror(errno));
		exit(2);
	}
	/* That a record was sent must be known even if this process is killed before the answer. */
	if (!strcmp(o->role, "producer"))
		setvbuf(file, NULL, _IOLBF, BUFSIZ);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

void history_close(void)
{
	fprintf(file, "%" PRId64 " z\n", now_us());
	if (fclose(file)) {
		perror("history");
		exit(2);
	}
}

void history_add(const char *kind, int partition, const char *fmt, ...)
{
	va_list ap;

	fprintf(file, "%" PRId64 " %s %d", now_us(), kind, partition);
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fputc('\n', file);
}

void history_complain(const char *fmt, ...)
{
	va_list ap;

	fprintf(file, "%" PRId64 " e ", now_us());
	va_start(ap, fmt);
	vfprintf(file, fmt, ap);
	va_end(ap);
	fputc('\n', file);
	fflush(file);
}

void history_flush(void)
{
	fflush(file);
}

size_t value_make(char *out, int number, int64_t sequence)
{
	size_t len = (size_t)snprintf(out, VALUE_MAX, "%d.%" PRId64 " ", number, sequence);
	size_t fill = (size_t)((sequence * 37 + number) % 180);

	memset(out + len, 'a' + (int)((sequence + number) % 26), fill);
	return len + fill;
}

void history_read(int partition, int64_t offset, const void *value, size_t len)
{
	char text[VALUE_MAX + 1], expected[VALUE_MAX];
	int64_t sequence;
	int number;

	if (len < VALUE_MAX) {
		memcpy(text, value, len);
		text[len] = '\0';
		if (sscanf(text, "%d.%" SCNd64, &number, &sequence) == 2 &&
		    value_make(expected, number, sequence) == len &&
		    !memcmp(expected, value, len)) {
			history_add("r", partition, " %" PRId64 " %d.%" PRId64, offset, number,
				    sequence);
			return;
		}
	}
	history_add("r", partition, " %" PRId64 " corrupt-%zu-bytes", offset, len);
}

void pace_start(struct pace *p, int rate)
{
	p->step_us = 1000000 / rate;
	p->next_us = now_us();
}

/* What was missed in a longer pause is not made up for. */
bool pace_is_due(struct pace *p)
{
	int64_t now = now_us();

	if (now < p->next_us)
		return false;
	p->next_us += p->step_us;
	if (p->next_us < now)
		p->next_us = now;
	return true;
}
