/* What else is in a partition directory: the producers' states, aborted transactions, epochs. */
#include "cmd/dump/dump_int.h"
#include "cmd/print.h"

#include "base/env.h"
#include "wire/crc32c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define STATE_FILE_BYTES_MAX ((size_t)1 << 30)

/* ---- END.snapshot: see broker/log/snapshot.c ---------------------------------------------------
 */

#define PRODUCERS_VERSION 1
#define PRODUCERS_CRC_AT 2
#define PRODUCERS_CRC_FROM 6
#define PRODUCERS_HEAD_BYTES 10
#define PRODUCER_BYTES 46

struct producer_state {
	int64_t producer_id;
	int16_t producer_epoch;
	int32_t last_sequence;
	int64_t last_offset; /* -1: no batch is remembered */
	int32_t offset_delta;
	int64_t timestamp;
	int32_t coordinator_epoch;
	int64_t txn_first_offset; /* -1: none */
};

static void producer_decode(const uint8_t *p, struct producer_state *out)
{
	*out = (struct producer_state){
		.producer_id = (int64_t)be64(p),
		.producer_epoch = (int16_t)be16(p + 8),
		.last_sequence = (int32_t)be32(p + 10),
		.last_offset = (int64_t)be64(p + 14),
		.offset_delta = (int32_t)be32(p + 22),
		.timestamp = (int64_t)be64(p + 26),
		.coordinator_epoch = (int32_t)be32(p + 34),
		.txn_first_offset = (int64_t)be64(p + 38),
	};
}

static int32_t producer_first_sequence(const struct producer_state *p)
{
	uint32_t first = (uint32_t)p->last_sequence - (uint32_t)p->offset_delta;

	if (p->last_sequence < p->offset_delta)
		first += 0x80000000u;
	return (int32_t)first;
}

static void producer_print(const struct producer_state *p)
{
	print_text("producerId: %" PRId64 " producerEpoch: %d coordinatorEpoch: %d "
		   "currentTxnFirstOffset: OptionalLong",
		   p->producer_id, p->producer_epoch, p->coordinator_epoch);
	if (p->txn_first_offset < 0)
		print_text(".empty");
	else
		print_text("[%" PRId64 "]", p->txn_first_offset);
	print_text(" lastTimestamp: %" PRId64, p->timestamp);
	if (p->last_offset >= 0)
		print_text(" firstSequence: %d lastSequence: %d lastOffset: %" PRId64
			   " offsetDelta: %d timestamp: %" PRId64,
			   producer_first_sequence(p), p->last_sequence, p->last_offset,
			   p->offset_delta, p->timestamp);
	print_byte('\n');
}

static void producer_json(struct dump *d, const struct producer_state *p)
{
	struct json_out j = {0};

	dump_json_open(d, &j, "producer");
	json_out_int(&j, "producerId", p->producer_id);
	json_out_int(&j, "producerEpoch", p->producer_epoch);
	json_out_int(&j, "coordinatorEpoch", p->coordinator_epoch);
	if (p->txn_first_offset < 0)
		json_out_null(&j, "currentTxnFirstOffset");
	else
		json_out_int(&j, "currentTxnFirstOffset", p->txn_first_offset);
	json_out_int(&j, "lastTimestamp", p->timestamp);
	if (p->last_offset >= 0) {
		json_out_int(&j, "firstSequence", producer_first_sequence(p));
		json_out_int(&j, "lastSequence", p->last_sequence);
		json_out_int(&j, "lastOffset", p->last_offset);
		json_out_int(&j, "offsetDelta", p->offset_delta);
	}
	dump_json_close(&j);
}

/* Head, checksum and size. Gives the number of entries. */
static int producers_check(const uint8_t *data, size_t len, uint32_t *count, struct err *err)
{
	uint32_t crc;

	if (len < PRODUCERS_HEAD_BYTES)
		return err_set(err, E_CORRUPT,
			       "Snapshot failed schema validation: it has only "
			       "%zu bytes",
			       len);
	if (be16(data) != PRODUCERS_VERSION)
		return err_set(err, E_CORRUPT, "Snapshot contained an unknown file version %d",
			       (int16_t)be16(data));
	crc = crc32c(data + PRODUCERS_CRC_FROM, len - PRODUCERS_CRC_FROM);
	if (crc != be32(data + PRODUCERS_CRC_AT))
		return err_set(err, E_CORRUPT,
			       "Snapshot is corrupt (CRC is no longer valid). "
			       "Stored crc: %u. Computed crc: %u",
			       be32(data + PRODUCERS_CRC_AT), crc);
	*count = be32(data + PRODUCERS_CRC_FROM);
	if (*count > (len - PRODUCERS_HEAD_BYTES) / PRODUCER_BYTES)
		return err_set(err, E_CORRUPT,
			       "Snapshot failed schema validation: it is too "
			       "short for %u producers",
			       *count);
	return 0;
}

/* Apache's tool tells what is wrong with this kind of file, and goes on. */
static int producers_refused(struct dump *d, int rc, struct err *err)
{
	if (!d->run->is_apache)
		return err_add(err, rc, "%s", d->path);
	print_error("%s\n", err_message(err));
	return 0;
}

int dump_producers(struct dump *d, struct err *err)
{
	struct env env;
	uint32_t count = 0;
	char *data;
	size_t len;
	int rc;

	env_posix_init(&env);
	rc = env_read_file(&env, d->path, STATE_FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return err_sys(err, rc, "%s", d->path);
	rc = producers_check((uint8_t *)data, len, &count, err);
	for (uint32_t i = 0; rc == 0 && i < count; i++) {
		struct producer_state producer;

		producer_decode((uint8_t *)data + PRODUCERS_HEAD_BYTES + (size_t)i * PRODUCER_BYTES,
				&producer);
		if (d->json)
			producer_json(d, &producer);
		else
			producer_print(&producer);
	}
	free(data);
	return rc < 0 ? producers_refused(d, rc, err) : 0;
}

/* ---- BASE.txnindex -----------------------------------------------------------------------------
 */

#define ABORTED_BYTES 34
#define ABORTED_VERSION 0

static void aborted_print(struct dump *d, const uint8_t *p)
{
	struct json_out j = {0};

	if (!d->json) {
		print_text("version: %d producerId: %" PRId64 " firstOffset: %" PRId64
			   " lastOffset: %" PRId64 " lastStableOffset: %" PRId64 "\n",
			   (int16_t)be16(p), (int64_t)be64(p + 2), (int64_t)be64(p + 10),
			   (int64_t)be64(p + 18), (int64_t)be64(p + 26));
		return;
	}
	dump_json_open(d, &j, "abortedTransaction");
	json_out_int(&j, "version", (int16_t)be16(p));
	json_out_int(&j, "producerId", (int64_t)be64(p + 2));
	json_out_int(&j, "firstOffset", (int64_t)be64(p + 10));
	json_out_int(&j, "lastOffset", (int64_t)be64(p + 18));
	json_out_int(&j, "lastStableOffset", (int64_t)be64(p + 26));
	dump_json_close(&j);
}

int dump_aborted(struct dump *d, struct err *err)
{
	struct env env;
	int64_t base_offset;
	char *data;
	size_t len;
	int rc;

	rc = dump_base_offset(d->path, &base_offset, err);
	if (rc < 0)
		return rc;
	env_posix_init(&env);
	rc = env_read_file(&env, d->path, STATE_FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return err_sys(err, rc, "%s", d->path);
	for (size_t pos = 0; rc == 0 && pos < len; pos += ABORTED_BYTES) {
		const uint8_t *p = (uint8_t *)data + pos;

		if (len - pos < ABORTED_BYTES)
			rc = err_set(err, E_CORRUPT, "%s ends inside an entry: %zu bytes are left",
				     d->path, len - pos);
		else if ((int16_t)be16(p) > ABORTED_VERSION)
			rc = err_set(err, E_CORRUPT,
				     "Unexpected aborted transaction version %d in "
				     "transaction index %s, current version is %d",
				     (int16_t)be16(p), d->path, ABORTED_VERSION);
		else
			aborted_print(d, p);
	}
	free(data);
	return rc;
}

/* ---- Checkpoints: a version, a count, then lines of words ---------------------------------------
 */

static const char *const epoch_words[] = {"epoch", "startOffset"};
static const char *const offset_words[] = {"topic", "partition", "offset"};

static void checkpoint_line(struct dump *d, char *line, const char *const *names, unsigned count)
{
	struct json_out j = {0};
	char *rest = line;

	if (d->json)
		dump_json_open(d, &j, count == 2 ? "leaderEpoch" : "checkpoint");
	for (unsigned i = 0; i < count; i++) {
		char *word = rest + strspn(rest, " \t");
		size_t len = strcspn(word, " \t");

		rest = word + len + (word[len] != '\0');
		word[len] = '\0';
		if (!d->json)
			print_text("%s%s: %s", i ? " " : "", names[i], word);
		else if (strcmp(names[i], "topic") == 0)
			json_out_text(&j, names[i], word);
		else
			json_out_int(&j, names[i], strtoll(word, NULL, 10));
	}
	if (d->json)
		dump_json_close(&j);
	else
		print_byte('\n');
}

int dump_checkpoint(struct dump *d, struct err *err)
{
	bool is_epochs = strstr(d->path, "leader-epoch-checkpoint") != NULL;
	long long expected = 0, found = 0;
	unsigned number = 0;
	struct env env;
	char *data, *at;
	size_t len;
	int rc;

	env_posix_init(&env);
	rc = env_read_file(&env, d->path, STATE_FILE_BYTES_MAX, &data, &len);
	if (rc < 0)
		return err_sys(err, rc, "%s", d->path);
	for (at = data; *at; number++) {
		char *end = at + strcspn(at, "\n"), *next = end + (*end != '\0');

		*end = '\0';
		if (number == 0 && strcmp(at, "0") != 0) {
			rc = err_set(err, E_CORRUPT, "%s: version '%.20s' is unknown", d->path, at);
			break;
		}
		if (number == 1) {
			expected = strtoll(at, NULL, 10);
		} else if (number > 1 && *at) {
			found++;
			checkpoint_line(d, at, is_epochs ? epoch_words : offset_words,
					is_epochs ? 2 : 3);
		}
		at = next;
	}
	free(data);
	if (rc == 0 && found != expected)
		rc = err_set(err, E_CORRUPT, "%s: it announces %lld entries and has %lld", d->path,
			     expected, found);
	return rc;
}
