/* `kavka dump` (kafka-dump-log): what is in the files of a log directory. */
#include "cmd/dump/dump_int.h"
#include "cmd/print.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int dump_run(struct run *run, void *data);

#define AT(field) offsetof(struct dump_args, field)
#define DECODER_CLASS "org.apache.kafka.tools.api.StringDecoder"

static const struct opt dump_opts[] = {
	{"files", OPT_STRING, AT(files), .arg = "file1, file2, ...", .complete = COMPLETE_FILE,
	 .help = "The files to dump, separated by commas."},
	{"print-data-log", OPT_FLAG, AT(print_data_log),
	 .help = "Print keys and values of records; every decoder option asks for it too."},
	{"deep-iteration", OPT_FLAG, AT(deep_iteration),
	 .help = "Print the records of each batch; --print-data-log asks for it too."},
	{"verify-index-only", OPT_FLAG, AT(verify_index_only),
	 .help = "Check indexes against their segments, and print only what is wrong."},
	{"index-sanity-check", OPT_FLAG, AT(index_sanity_check),
	 .help = "Check indexes only as a broker does when it starts."},
	{"max-message-size", OPT_INT, AT(max_message_size), .arg = "size", .value = "5242880",
	 .min = 0, .max = INT32_MAX, .help = "The largest batch that an index entry may point to."},
	{"max-bytes", OPT_INT, AT(max_bytes), .arg = "size", .value = "2147483647", .min = 0,
	 .max = INT32_MAX, .help = "Read only so many bytes of each segment."},
	{"value-decoder-class", OPT_OPTIONAL, AT(value_class), .arg = "class",
	 .value = DECODER_CLASS,
	 .help = "How values are read: StringDecoder, DefaultDecoder, IntegerDecoder, "
		 "LongDecoder."},
	{"key-decoder-class", OPT_OPTIONAL, AT(key_class), .arg = "class", .value = DECODER_CLASS,
	 .help = "How keys are read; the same names."},
	{"offsets-decoder", OPT_FLAG, AT(offsets),
	 .help = "Read records as those of __consumer_offsets."},
	{"transaction-log-decoder", OPT_FLAG, AT(transaction_log),
	 .help = "Read records as those of __transaction_state."},
	{"cluster-metadata-decoder", OPT_FLAG, AT(cluster_metadata),
	 .help = "Read records as those of __cluster_metadata and its snapshots."},
	{"remote-log-metadata-decoder", OPT_FLAG, AT(remote_log_metadata),
	 .help = "Read records as those of __remote_log_metadata."},
	{"share-group-state-decoder", OPT_FLAG, AT(share_group_state),
	 .help = "Read records as those of __share_group_state."},
	{"skip-record-metadata", OPT_FLAG, AT(skip_record_metadata),
	 .help = "Print of records only key and value, and nothing of control records."},
	OPTS_OUTPUT,
	OPT_END,
};

const struct command cmd_dump = {
	.name = "dump",
	.alias = "kafka-dump-log",
	.dialect = JOPT,
	.summary = "print what is in the files of a log directory",
	.intro = "This tool helps to parse a log file and dump its contents to the console, "
		 "useful for debugging a seemingly corrupt log segment.",
	.words = "[file or directory ...]",
	.complete_words = COMPLETE_FILE,
	.opts = dump_opts,
	.args_size = sizeof(struct dump_args),
	.run = dump_run,
};

/* ---- What is wrong --------------------------------------------------------------------------- */

/* Of one file and kind; under kavka's name. Apache's tool keeps all of them. */
#define FINDINGS_MAX 1000

void dump_find(struct dump *d, enum finding_kind kind, int64_t first, int64_t second)
{
	struct findings *f = &d->findings[kind];

	/* Compaction makes gaps: they are no fault. */
	if (kind != FINDING_GAP)
		d->problem_count++;
	if (!d->run->is_apache && f->count >= FINDINGS_MAX) {
		f->dropped_count++;
		return;
	}
	f->items = grow_array(f->items, f->count, &f->cap, sizeof(*f->items));
	f->items[f->count++] = (struct finding){first, second};
}

static const struct {
	const char *title; /* in front of the file's path */
	const char *first, *second;
	const char *type; /* in JSON */
	bool is_backwards;
} finding_words[FINDING_COUNT] = {
	[FINDING_INDEX] = {"Mismatches in :", "  Index offset: ", ", log offset: ", "indexMismatch",
			   true},
	[FINDING_TIMESTAMP] = {"Found timestamp mismatch in :", "  Index timestamp: ",
			       ", log timestamp: ", "timestampMismatch", false},
	[FINDING_ORDER] = {"Found out of order timestamp in :", "  Index timestamp: ",
			   ", Previously indexed timestamp: ", "timestampOrder", false},
	[FINDING_OFFSET] = {"The following indexed offsets are not found in :", "Indexed offset: ",
			    ", found log offset: ", "offsetNotFound", false},
	[FINDING_GAP] = {"Non-consecutive offsets in ", "  ", " is followed by ", "gap", false},
};

static void finding_json(struct dump *d, enum finding_kind kind, const struct finding *f)
{
	static const char *const names[FINDING_COUNT][2] = {
		[FINDING_INDEX] = {"indexOffset", "logOffset"},
		[FINDING_TIMESTAMP] = {"indexTimestamp", "logTimestamp"},
		[FINDING_ORDER] = {"indexTimestamp", "previousTimestamp"},
		[FINDING_OFFSET] = {"indexOffset", "logOffset"},
		[FINDING_GAP] = {"offset", "nextOffset"},
	};
	struct json_out j = {0};

	dump_json_open(d, &j, finding_words[kind].type);
	json_out_int(&j, names[kind][0], f->first);
	json_out_int(&j, names[kind][1], f->second);
	dump_json_close(&j);
}

static void findings_text(struct dump *d, enum finding_kind kind, const char *path)
{
	struct findings *f = &d->findings[kind];

	out_printf(&f->text, "%s%s\n", finding_words[kind].title, path);
	for (size_t i = 0; i < f->count; i++) {
		const struct finding *item =
			&f->items[finding_words[kind].is_backwards ? f->count - 1 - i : i];

		out_printf(&f->text, "%s%" PRId64 "%s%" PRId64 "\n", finding_words[kind].first,
			   item->first, finding_words[kind].second, item->second);
	}
	if (f->dropped_count > 0)
		out_printf(&f->text, "  and %" PRIu64 " more\n", f->dropped_count);
}

/* At the end of each file: the texts wait for the end of the run, as Apache's do. */
static void findings_close(struct dump *d)
{
	char real[PATH_MAX];
	const char *path = realpath(d->path, real) ? real : d->path;

	for (unsigned kind = 0; kind < FINDING_COUNT; kind++) {
		struct findings *f = &d->findings[kind];

		for (size_t i = 0; d->json && i < f->count; i++)
			finding_json(d, kind, &f->items[i]);
		if (!d->json && f->count > 0)
			findings_text(d, kind, path);
		f->count = 0;
		f->dropped_count = 0;
	}
}

static void findings_fini(struct dump *d)
{
	for (unsigned kind = 0; kind < FINDING_COUNT; kind++) {
		struct findings *f = &d->findings[kind];

		if (f->text.len > 0)
			print_error_bytes(f->text.data, f->text.len);
		out_fini(&f->text);
		free(f->items);
	}
}

/* ---- Files ------------------------------------------------------------------------------------
 */

static const char *path_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int dump_base_offset(const char *path, int64_t *out, struct err *err)
{
	const char *name = path_name(path);
	size_t len = strcspn(name, ".");
	char *end;

	errno = 0;
	*out = strtoll(name, &end, 10);
	if (len == 0 || end != name + len || errno)
		return err_set(err, E_INVALID,
			       "%s: a file of this kind is named by its first "
			       "offset, '%.*s' is none",
			       path, (int)len, name);
	return 0;
}

const char *dump_sibling(struct arena *a, const char *path, const char *suffix)
{
	const char *name = path_name(path);

	return arena_printf(a, "%.*s%.*s%s", (int)(name - path), path, (int)strcspn(name, "."),
			    name, suffix);
}

void dump_json_open(struct dump *d, struct json_out *j, const char *type)
{
	json_out_open(j, NULL, '{');
	json_out_text(j, "type", type);
	json_out_text(j, "file", d->path);
}

void dump_json_close(struct json_out *j)
{
	json_out_close(j, '}');
	print_byte('\n');
}

typedef int dump_file_fn(struct dump *d, struct err *err);

static const struct {
	const char *suffix;
	dump_file_fn *dump;
	bool is_own; /* Apache's tool does not know it */
} file_kinds[] = {
	{".log", dump_log, false},
	{".checkpoint", dump_log, false},
	{".index", dump_index, false},
	{".timeindex", dump_time_index, false},
	{".snapshot", dump_producers, false},
	{".txnindex", dump_aborted, false},
	{"-checkpoint", dump_checkpoint, true},
};

static dump_file_fn *dump_file_kind(const struct dump *d, const char *path)
{
	size_t len = strlen(path);

	for (unsigned i = 0; i < ARRAY_LEN(file_kinds); i++) {
		size_t suffix_len = strlen(file_kinds[i].suffix);

		if (len >= suffix_len && (!file_kinds[i].is_own || !d->run->is_apache) &&
		    strcmp(path + len - suffix_len, file_kinds[i].suffix) == 0)
			return file_kinds[i].dump;
	}
	return NULL;
}

/* Java's File drops what a path has too many of. */
static const char *path_clean(struct arena *a, const char *path, size_t len)
{
	char *clean = arena_alloc(a, len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (path[i] != '/' || n == 0 || clean[n - 1] != '/')
			clean[n++] = path[i];
	}
	if (n > 1 && clean[n - 1] == '/')
		n--;
	clean[n] = '\0';
	return clean;
}

static int dump_file(struct dump *d, const char *path, struct err *err)
{
	dump_file_fn *dump = dump_file_kind(d, path);
	int rc;

	d->path = path;
	if (!d->json)
		print_text("Dumping %s\n", path);
	if (!dump) {
		print_error("Ignoring unknown file %s\n", path);
		return 0;
	}
	rc = dump(d, err);
	findings_close(d);
	return rc;
}

static int name_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* kavka's own: a directory stands for the files in it that can be dumped. */
static int dump_directory(struct dump *d, const char *path, const char ***out, size_t *count,
			  struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	const char **names = NULL;
	size_t cap = 0;

	*count = 0;
	if (!dir)
		return err_sys(err, -errno, "%s", path);
	while ((entry = readdir(dir))) {
		if (!dump_file_kind(d, entry->d_name))
			continue;
		names = grow_array(names, *count, &cap, sizeof(*names));
		names[(*count)++] = arena_printf(&d->run->arena, "%s/%s", path, entry->d_name);
	}
	closedir(dir);
	if (*count > 0)
		qsort(names, *count, sizeof(*names), name_order);
	*out = names;
	return 0;
}

/* One name of the command line. Apache's tool ends at the first file that it cannot read. */
static int dump_path(struct dump *d, const char *path, struct err *err)
{
	const char **files = &path;
	const char **list = NULL;
	size_t count = 1;
	struct stat st;
	int rc = 0, failed = 0;

	if (!d->run->is_apache && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = dump_directory(d, path, &list, &count, err);
		files = list;
	}
	for (size_t i = 0; rc == 0 && i < count; i++) {
		rc = dump_file(d, files[i], err);
		if (rc < 0 && !d->run->is_apache) {
			help_failure(d->run, err);
			failed = rc;
			rc = 0;
		}
	}
	free(list);
	if (rc < 0 && !d->run->is_apache) {
		help_failure(d->run, err);
		return rc;
	}
	return rc < 0 ? rc : d->run->is_apache ? 0 : failed;
}

static int dump_all(struct dump *d, struct err *err)
{
	const char *files = d->args->files;
	int rc = 0, failed = 0;

	while (files && *files && (rc == 0 || !d->run->is_apache)) {
		size_t len = strcspn(files, ",");

		rc = dump_path(d, path_clean(&d->run->arena, files, len), err);
		failed = rc < 0 ? rc : failed;
		files += len + (files[len] != '\0');
	}
	for (unsigned i = 0; i < d->run->word_count && !d->run->is_apache; i++) {
		const char *path = d->run->words[i];

		rc = dump_path(d, path_clean(&d->run->arena, path, strlen(path)), err);
		failed = rc < 0 ? rc : failed;
	}
	return failed;
}

/* ---- The run ----------------------------------------------------------------------------------
 */

static enum decoder_kind dump_decoder(const struct dump_args *args)
{
	if (args->offsets)
		return DECODE_OFFSETS;
	if (args->transaction_log)
		return DECODE_TRANSACTIONS;
	if (args->cluster_metadata)
		return DECODE_METADATA;
	if (args->remote_log_metadata)
		return DECODE_REMOTE;
	return args->share_group_state ? DECODE_SHARE : DECODE_BYTES;
}

static int dump_run(struct run *run, void *data)
{
	const struct dump_args *args = data;
	struct dump d = {.run = run, .args = args};
	enum output_format format = OUTPUT_TEXT;
	struct err err = {0};
	int rc = 0;

	if (run->is_apache || run->word_count == 0)
		rc = opt_require(run, "files", &err);
	if (rc == 0)
		rc = output_format(&args->output, &format, &err);
	if (rc == 0 && format == OUTPUT_TABLE)
		rc = err_set(&err, E_USAGE, "--output is text or json here");
	if (rc < 0)
		return help_usage(run, &err);
	d.json = format == OUTPUT_JSON;
	d.contents =
		args->print_data_log ||
		opt_given_count(
			run, "offsets-decoder "
			     "transaction-log-decoder cluster-metadata-decoder "
			     "remote-log-metadata-decoder "
			     "share-group-state-decoder value-decoder-class key-decoder-class") > 0;
	d.deep = args->deep_iteration || d.contents;
	decoder_init(&d.decoder, dump_decoder(args));
	for (unsigned kind = 0; kind < FINDING_COUNT; kind++)
		out_init(&d.findings[kind].text, SIZE_MAX / 2);
	d.compressor = compressor_new();
	rc = decoder_class_parse(args->key_class, &d.decoder.key_class, &err);
	if (rc == 0)
		rc = decoder_class_parse(args->value_class, &d.decoder.value_class, &err);
	if (rc < 0)
		help_failure(run, &err);
	else
		rc = dump_all(&d, &err);
	if (rc < 0 && run->is_apache && err.code)
		print_error("%s\n", err_message(&err));
	findings_fini(&d);
	compressor_free(d.compressor);
	decoder_fini(&d.decoder);
	if (rc < 0)
		return EXIT_FAILED;
	return d.problem_count > 0 && !run->is_apache ? EXIT_FAILED : EXIT_OK;
}
