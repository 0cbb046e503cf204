/* The CSV files of --reset-offsets: written by --export, read by --from-file. */
#include "cmd/groups/groups_int.h"

#include "base/env.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

#define RESET_FILE_BYTES_MAX (64 * 1024 * 1024)
#define RESET_FILE_COLUMNS 4

/* Splits one line at its commas, quotes taken off; returns how many columns. */
static unsigned csv_split(char *line, char *columns[RESET_FILE_COLUMNS + 1])
{
	unsigned count = 0;

	for (char *p = line; p && count <= RESET_FILE_COLUMNS;) {
		char *next;

		if (*p == '"') {
			next = strchr(++p, '"');
			if (next)
				*next++ = '\0';
			if (next)
				next = *next == ',' ? next + 1 : NULL;
		} else {
			next = strchr(p, ',');
			if (next)
				*next++ = '\0';
		}
		columns[count++] = p;
		p = next;
	}
	return count;
}

static int csv_row(char *line, unsigned number, const char *path, bool one_group,
		   struct reset_row *out, struct err *err)
{
	char *columns[RESET_FILE_COLUMNS + 1], *end, *partition_end;
	unsigned count = csv_split(line, columns);
	unsigned at = count - 3;
	long partition;

	if (count < 3 || count > 4 || (count == 3 && !one_group))
		return err_set(
			err, E_USAGE, "%s:%u: %s", path, number,
			one_group ? "not topic,partition,offset or group,topic,partition,offset"
				  : "not group,topic,partition,offset");
	*out = (struct reset_row){.group = count == 4 ? str_of(columns[0]) : STR_NULL,
				  .topic = str_of(columns[at])};
	partition = strtol(columns[at + 1], &partition_end, 10);
	out->offset = strtoll(columns[at + 2], &end, 10);
	if (partition_end == columns[at + 1] || *partition_end || partition < 0 ||
	    partition > INT32_MAX || end == columns[at + 2] || *end)
		return err_set(err, E_USAGE, "%s:%u: partition or offset is no number", path,
			       number);
	out->partition = (int32_t)partition;
	return 0;
}

int reset_file_read(struct groups *g, bool one_group, struct reset_row **out, size_t *count,
		    struct err *err)
{
	const char *path = g->args->from_file;
	struct reset_row *rows = NULL;
	struct arena *a = g->arena;
	size_t len, cap = 0;
	unsigned number = 0;
	struct env env;
	char *data, *text;
	int rc;

	*count = 0;
	env_posix_init(&env);
	rc = env_read_file(&env, path, RESET_FILE_BYTES_MAX, &data, &len);
	if (rc < 0 && g->run->is_apache)
		return err_set(err, rc, "java.io.IOException: Unable to read file %s", path);
	if (rc < 0)
		return err_sys(err, rc, "%s", path);
	text = arena_strndup(a, data, len);
	free(data);
	for (char *line = text, *next; rc == 0 && line; line = next) {
		size_t end;

		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		number++;
		end = strlen(line);
		if (end > 0 && line[end - 1] == '\r')
			line[end - 1] = '\0';
		if (*line == '\0')
			continue;
		if (*count == cap)
			rows = grow_array(rows, *count, &cap, sizeof(*rows));
		rc = csv_row(line, number, path, one_group, &rows[*count], err);
		*count += rc == 0;
	}
	*out = arena_memdup(a, rows, *count * sizeof(*rows));
	free(rows);
	return rc;
}
