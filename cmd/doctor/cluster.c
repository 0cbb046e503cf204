/* The cluster as its clients see it: brokers and their advertised listeners, controller, clocks,
 * partitions, replication factors, disks. */
#include "cmd/doctor/doctor_int.h"
#include "cmd/kafka_error.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Configs of so many topics are asked for at once. */
#define CONFIGS_AT_ONCE 200
/* Names in one line; the rest is counted. */
#define NAMES_SHOWN 5
/* Apart from the time a request takes. Kafka itself refuses records only from an hour on, but
 * tokens, leases and logs suffer earlier. */
#define SKEW_WARN_MS 2000
#define SKEW_FAIL_MS (10 * 60 * 1000)
#define DISK_WARN_PERCENT 85
#define DISK_FAIL_PERCENT 97

/* Brokers that are not there are named up to this many. */
#define ABSENT_MAX 16

#define RESOURCE_TOPIC 2
#define RESOURCE_BROKER 4

/* ---- Metadata ----------------------------------------------------------------------------- */

bool doctor_metadata(struct doctor *d)
{
	struct err err = {0};
	int rc = admin_metadata(d->client, NULL, 0, &d->run->arena, &d->metadata, &err);
	const char *servers = client_config_str(d->config, CC_BOOTSTRAP_SERVERS);

	if (rc == E_AUTH) {
		finding(d, LEVEL_FAIL, "auth", client_config_str(d->config, CC_SASL_MECHANISM),
			"check user name and password in sasl.jaas.config (and, for SCRAM, that "
			"the "
			"user was made on the broker)",
			"%s", err_message(&err));
		return false;
	}
	if (rc < 0) {
		finding(d, LEVEL_FAIL, "metadata", "cluster", "see the broker's log", "%s",
			err_message(&err));
		return false;
	}
	if (d->use_sasl)
		finding(d, LEVEL_OK, "auth", servers, NULL, "authenticated with %s",
			client_config_str(d->config, CC_SASL_MECHANISM));
	finding(d, LEVEL_OK, "metadata", servers, NULL, "cluster %.*s: %d broker%s, %d topic%s",
		STR(d->metadata->cluster_id), d->metadata->brokers_count,
		d->metadata->brokers_count == 1 ? "" : "s", d->metadata->topics_count,
		d->metadata->topics_count == 1 ? "" : "s");
	d->broker_count = (unsigned)MAX(d->metadata->brokers_count, 0);
	d->brokers = arena_array(&d->run->arena, d->broker_count + 1, sizeof(*d->brokers));
	for (unsigned i = 0; i < d->broker_count; i++) {
		const struct metadata_response_broker *b = &d->metadata->brokers[i];

		d->brokers[i].id = b->node_id;
		d->brokers[i].host = arena_strndup(&d->run->arena, b->host.data, b->host.len);
		d->brokers[i].port = b->port;
	}
	if (d->broker_count == 0)
		finding(d, LEVEL_FAIL, "brokers", servers,
			"brokers that are fenced or starting are not listed: see their logs",
			"the cluster has no live broker");
	return d->broker_count > 0;
}

/* ---- Listeners ---------------------------------------------------------------------------- */

static bool is_loopback(const char *host)
{
	return strcasecmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
	       strcmp(host, "::1") == 0;
}

static bool bootstrap_is_loopback(const struct doctor *d)
{
	const char *list = client_config_str(d->config, CC_BOOTSTRAP_SERVERS);

	return list && (strncasecmp(list, "localhost", 9) == 0 || strncmp(list, "127.", 4) == 0 ||
			strncmp(list, "[::1]", 5) == 0);
}

static void check_listener(struct doctor *d, struct doctor_broker *b)
{
	const char *subject = arena_printf(&d->run->arena, "broker %d", b->id);

	finding_section(d, "broker %d, advertised as %s:%d", b->id, b->host, b->port);
	b->is_reachable = doctor_server(d, b->host, b->port, b);
	if (b->is_reachable && (!is_loopback(b->host) || bootstrap_is_loopback(d)))
		return;
	if (b->is_reachable)
		finding(d, LEVEL_WARN, "listener", subject,
			"set advertised.listeners to a name or address of the machine",
			"it tells clients to connect to %s:%d, which is only right on its own "
			"machine",
			b->host, b->port);
	else if (is_loopback(b->host))
		finding(d, LEVEL_FAIL, "listener", subject,
			"each client (and each container) looks for the broker on its own machine: "
			"set advertised.listeners to a name or address that clients reach; with "
			"docker, give it two listeners, one advertised as the service name for "
			"containers and one as localhost for the host, on different ports",
			"it tells clients to connect to %s:%d, where it is not", b->host, b->port);
	else
		finding(d, LEVEL_FAIL, "listener", subject,
			"set advertised.listeners of this broker to a name and port that clients "
			"can reach (listeners is only what it binds)",
			"the bootstrap server answers, but then tells clients to connect to %s:%d, "
			"which does not work from here",
			b->host, b->port);
}

/* Brokers of different releases: fine while upgrading, a trap if forgotten. */
static void check_mix(struct doctor *d)
{
	const struct doctor_broker *first = NULL;

	for (unsigned i = 0; i < d->broker_count; i++) {
		const struct doctor_broker *b = &d->brokers[i];

		if (!b->has_versions)
			continue;
		if (!first)
			first = b;
		for (size_t key = 0; key < ARRAY_LEN(b->api_max); key++) {
			const struct api *api = api_by_key((int)key);

			if (b->api_max[key] == first->api_max[key])
				continue;
			finding(d, LEVEL_WARN, "versions",
				arena_printf(&d->run->arena, "brokers %d and %d", first->id, b->id),
				"finish the upgrade: clients get what the older one has",
				"they run different releases (%s up to %d and %d)",
				api ? api->name : "an unknown request", first->api_max[key],
				b->api_max[key]);
			return;
		}
	}
}

void doctor_listeners(struct doctor *d)
{
	for (unsigned i = 0; i < d->broker_count; i++)
		check_listener(d, &d->brokers[i]);
	check_mix(d);
}

/* ---- Configs ------------------------------------------------------------------------------ */

static struct describe_configs_response *configs_ask(struct doctor *d, struct target target,
						     int8_t type, const struct str *names,
						     size_t count, const char *const *keys,
						     size_t key_count, struct err *err)
{
	struct arena *a = &d->run->arena;
	struct describe_configs_request *request = WIRE_NEW(a, describe_configs_request);
	struct describe_configs_response *response;
	struct str *wanted = arena_array(a, key_count, sizeof(*wanted));

	for (size_t i = 0; i < key_count; i++)
		wanted[i] = str_of(keys[i]);
	request->resources = WIRE_ARRAY(a, describe_configs_request_resource, count);
	request->resources_count = (int32_t)count;
	for (size_t i = 0; i < count; i++) {
		request->resources[i].resource_type = type;
		request->resources[i].resource_name = names[i];
		request->resources[i].configuration_keys = wanted;
		request->resources[i].configuration_keys_count = (int32_t)key_count;
	}
	if (client_call(d->client, target, API_DESCRIBE_CONFIGS, request, a, (void **)&response,
			NULL, err) < 0)
		return NULL;
	return response;
}

const struct describe_configs_response_result *doctor_configs(struct doctor *d, int8_t type,
							      const char *name,
							      const char *const *keys,
							      size_t key_count, struct err *err)
{
	struct str names[1] = {str_of(name)};
	struct target target =
		type == RESOURCE_BROKER ? TO_NODE((int32_t)strtol(name, NULL, 10)) : TO_ANY;
	struct describe_configs_response *r =
		configs_ask(d, target, type, names, 1, keys, key_count, err);

	if (!r || r->results_count < 1)
		return NULL;
	if (r->results[0].error_code == 0)
		return &r->results[0];
	kafka_error_set(err, r->results[0].error_code, r->results[0].error_message);
	return NULL;
}

int64_t doctor_number(const struct describe_configs_response_result *r, const char *key,
		      int64_t preset)
{
	char text[32];

	for (int32_t i = 0; r && i < r->configs_count; i++) {
		const struct describe_configs_response_resource_result *c = &r->configs[i];

		if (str_is(c->name, key) && c->value.data && c->value.len < sizeof(text)) {
			memcpy(text, c->value.data, c->value.len);
			text[c->value.len] = '\0';
			return strtoll(text, NULL, 10);
		}
	}
	return preset;
}

/* ---- Controller and clock ----------------------------------------------------------------- */

static void check_clock(struct doctor *d, int32_t leader, int64_t their_ms, int64_t before_ms,
			int64_t after_ms)
{
	int64_t off_ms = their_ms - (before_ms + after_ms) / 2,
		exact_ms = (after_ms - before_ms) / 2;
	int64_t size_ms = off_ms < 0 ? -off_ms : off_ms;
	const char *subject = arena_printf(&d->run->arena, "controller %d", leader);

	if (size_ms <= exact_ms + SKEW_WARN_MS)
		finding(d, LEVEL_OK, "clock", subject, NULL,
			"its clock and this machine's differ by %" PRId64 " ms (+-%" PRId64
			", by DescribeQuorum)",
			off_ms, exact_ms + 1);
	else
		finding(d, size_ms > SKEW_FAIL_MS ? LEVEL_FAIL : LEVEL_WARN, "clock", subject,
			"run a time service (chrony, systemd-timesyncd) on both: retention, "
			"timestamps, tokens and certificates depend on it",
			"its clock is %" PRId64 " s %s this machine's", size_ms / 1000,
			off_ms > 0 ? "ahead of" : "behind");
}

static void check_quorum(struct doctor *d)
{
	struct arena *a = &d->run->arena;
	struct describe_quorum_request *request = WIRE_NEW(a, describe_quorum_request);
	struct describe_quorum_response *r;
	const struct describe_quorum_response_partition_data *p;
	struct err err = {0};
	int64_t before_ms, after_ms;

	request->topics = WIRE_ARRAY(a, describe_quorum_request_topic_data, 1);
	request->topics_count = 1;
	request->topics[0].topic_name = STR_LIT("__cluster_metadata");
	request->topics[0].partitions = WIRE_ARRAY(a, describe_quorum_request_partition_data, 1);
	request->topics[0].partitions_count = 1;
	before_ms = clock_wall_ms();
	if (client_call(d->client, TO_ANY, API_DESCRIBE_QUORUM, request, a, (void **)&r, NULL,
			&err) < 0) {
		if (err.code != E_UNSUPPORTED)
			finding(d, LEVEL_WARN, "controller", "quorum", "see the controllers' logs",
				"DescribeQuorum: %s", err_message(&err));
		else if (d->metadata->controller_id < 0)
			finding(d, LEVEL_FAIL, "controller", "cluster",
				"see the logs of brokers and controllers: no topic can be made and "
				"no leader elected",
				"there is no controller");
		else
			finding(d, LEVEL_OK, "controller", "cluster", NULL, "broker %d",
				d->metadata->controller_id);
		return;
	}
	after_ms = clock_wall_ms();
	if (r->error_code || r->topics_count < 1 || r->topics[0].partitions_count < 1) {
		finding(d,
			r->error_code == KERR_CLUSTER_AUTHORIZATION_FAILED ? LEVEL_INFO
									   : LEVEL_WARN,
			"controller", "quorum", NULL, "DescribeQuorum: %s",
			kafka_error_text(r->error_code));
		return;
	}
	p = &r->topics[0].partitions[0];
	if (p->error_code || p->leader_id < 0) {
		finding(d, LEVEL_FAIL, "controller", "quorum",
			"a majority of the voters (controller.quorum.voters) must be up and reach "
			"each other: see their logs",
			"there is no active controller: %s", kafka_error_text(p->error_code));
		return;
	}
	finding(d, LEVEL_OK, "controller", "quorum", NULL, "controller %d leads %d voter%s",
		p->leader_id, p->current_voters_count, p->current_voters_count == 1 ? "" : "s");
	for (int32_t i = 0; i < p->current_voters_count; i++) {
		const struct describe_quorum_response_replica_state *v = &p->current_voters[i];

		if (v->replica_id == p->leader_id && v->last_fetch_timestamp > 0)
			check_clock(d, p->leader_id, v->last_fetch_timestamp, before_ms, after_ms);
		else if (v->replica_id != p->leader_id && v->log_end_offset < 0)
			finding(d, LEVEL_WARN, "controller",
				arena_printf(a, "voter %d", v->replica_id),
				"is it running, and can the others reach it?",
				"it has not fetched from the leader");
	}
}

/* ---- Partitions --------------------------------------------------------------------------- */

struct tally {
	unsigned count;
	const char *names;
};

static void tally_add(struct doctor *d, struct tally *t,
		      const struct metadata_response_topic *topic, int32_t partition)
{
	if (t->count++ < NAMES_SHOWN)
		t->names = arena_printf(&d->run->arena, "%s%s%.*s-%d", t->names ? t->names : "",
					t->names ? ", " : "", STR(topic->name), partition);
	else if (t->count == NAMES_SHOWN + 1)
		t->names = arena_printf(&d->run->arena, "%s, ...", t->names);
}

/* Of each topic of the metadata; 0: not known. */
static const int64_t *min_isr_read(struct doctor *d)
{
	static const char *const keys[] = {"min.insync.replicas"};
	struct metadata_response *md = d->metadata;
	struct str names[CONFIGS_AT_ONCE];
	struct err err = {0};
	int64_t *of;

	of = arena_array(&d->run->arena, (size_t)md->topics_count + 1, sizeof(*of));
	for (int32_t from = 0; from < md->topics_count; from += CONFIGS_AT_ONCE) {
		int32_t count = MIN(md->topics_count - from, CONFIGS_AT_ONCE);
		struct describe_configs_response *r;

		for (int32_t i = 0; i < count; i++)
			names[i] = md->topics[from + i].name;
		r = configs_ask(d, TO_ANY, RESOURCE_TOPIC, names, (size_t)count, keys, 1, &err);
		/* In the order that was asked. */
		for (int32_t i = 0; r && i < MIN(count, r->results_count); i++) {
			if (str_eq(r->results[i].resource_name, names[i]))
				of[from + i] = doctor_number(&r->results[i], keys[0], 0);
		}
	}
	return of;
}

struct tallies {
	struct tally leaderless, behind, under_min, offline, impossible;
	unsigned partitions;
};

static void tally_partition(struct doctor *d, struct tallies *t,
			    const struct metadata_response_topic *topic,
			    const struct metadata_response_partition *p, int64_t min_isr)
{
	t->partitions++;
	if (p->leader_id < 0)
		tally_add(d, &t->leaderless, topic, p->partition_index);
	else if (p->isr_nodes_count < p->replica_nodes_count)
		tally_add(d, &t->behind, topic, p->partition_index);
	if (p->offline_replicas_count > 0)
		tally_add(d, &t->offline, topic, p->partition_index);
	if (min_isr > p->replica_nodes_count)
		tally_add(d, &t->impossible, topic, p->partition_index);
	if (p->leader_id >= 0 && p->isr_nodes_count < MIN(min_isr, (int64_t)p->replica_nodes_count))
		tally_add(d, &t->under_min, topic, p->partition_index);
}

static void tally_report(struct doctor *d, const struct tally *t, enum level level,
			 const char *what, const char *remedy)
{
	if (t->count)
		finding(d, level, "partitions",
			arena_printf(&d->run->arena, "%u partition%s", t->count,
				     t->count == 1 ? "" : "s"),
			remedy, "%s: %s", what, t->names);
}

/* Brokers that have replicas and are not there. */
static void check_absent(struct doctor *d, const int32_t *ids, int32_t count)
{
	for (int32_t i = 0; i < count; i++)
		finding(d, LEVEL_WARN, "brokers", arena_printf(&d->run->arena, "broker %d", ids[i]),
			"start it, or see in its log why the controller does not let it in "
			"(fenced); "
			"if it is gone for good, move its replicas to others",
			"it has replicas, but is not in the cluster now");
}

static int32_t absent_add(const struct doctor *d, const struct metadata_response_partition *p,
			  int32_t *ids, int32_t count)
{
	for (int32_t i = 0; i < p->replica_nodes_count; i++) {
		bool is_known = count == ABSENT_MAX;

		for (unsigned n = 0; n < d->broker_count; n++)
			is_known |= d->brokers[n].id == p->replica_nodes[i];
		for (int32_t n = 0; n < count; n++)
			is_known |= ids[n] == p->replica_nodes[i];
		if (!is_known)
			ids[count++] = p->replica_nodes[i];
	}
	return count;
}

void doctor_partitions(struct doctor *d, const int64_t *min_isr)
{
	struct metadata_response *md = d->metadata;
	int32_t absent[ABSENT_MAX], absent_count = 0;
	struct tallies t = {0};

	for (int32_t i = 0; i < md->topics_count; i++) {
		const struct metadata_response_topic *topic = &md->topics[i];

		for (int32_t n = 0; n < topic->partitions_count; n++) {
			tally_partition(d, &t, topic, &topic->partitions[n], min_isr[i]);
			absent_count = absent_add(d, &topic->partitions[n], absent, absent_count);
		}
	}
	check_absent(d, absent, absent_count);
	tally_report(d, &t.leaderless, LEVEL_FAIL, "no leader",
		     "start the brokers that have their replicas (kavka topics --describe "
		     "--unavailable-partitions shows which)");
	tally_report(d, &t.impossible, LEVEL_WARN,
		     "min.insync.replicas is above the replication factor: older brokers refuse "
		     "acks=all then, newer ones ask for every replica",
		     "lower min.insync.replicas (kavka configs), or add replicas");
	tally_report(d, &t.under_min, LEVEL_FAIL,
		     "fewer replicas in sync than min.insync.replicas, so that acks=all is refused",
		     "bring the missing brokers back");
	tally_report(d, &t.behind, LEVEL_WARN, "replicas are not in sync",
		     "is a broker down, slow, or catching up?");
	tally_report(d, &t.offline, LEVEL_WARN, "replicas are offline",
		     "their brokers or disks are down");
	if (!t.leaderless.count && !t.impossible.count && !t.under_min.count && !t.behind.count &&
	    !t.offline.count)
		finding(d, LEVEL_OK, "partitions", "cluster", NULL,
			"%u partitions, all with a leader and in sync", t.partitions);
}

/* ---- Replication factors, internal topics ------------------------------------------------- */

static const struct metadata_response_topic *find_topic(const struct doctor *d, const char *name)
{
	for (int32_t i = 0; i < d->metadata->topics_count; i++) {
		if (str_is(d->metadata->topics[i].name, name))
			return &d->metadata->topics[i];
	}
	return NULL;
}

static void check_internal(struct doctor *d, const char *topic, const char *config, int64_t factor,
			   const char *purpose, bool is_vital)
{
	const struct metadata_response_topic *t = find_topic(d, topic);

	if (t) {
		for (int32_t i = 0; i < t->partitions_count; i++) {
			if (t->partitions[i].leader_id < 0)
				return; /* told above */
		}
		finding(d, LEVEL_OK, "internal", topic, NULL, "%d partitions, all with a leader",
			t->partitions_count);
	} else if (factor > (int64_t)d->broker_count) {
		finding(d, is_vital ? LEVEL_FAIL : LEVEL_WARN, "internal", topic,
			arena_printf(&d->run->arena,
				     "set %s=%u on the brokers, or start more of them", config,
				     d->broker_count),
			"it cannot be made: %s is %" PRId64
			", but there %s %u broker%s; %s will not "
			"work",
			config, factor, d->broker_count == 1 ? "is" : "are", d->broker_count,
			d->broker_count == 1 ? "" : "s", purpose);
	} else {
		finding(d, LEVEL_INFO, "internal", topic, NULL,
			"not there yet: it is made when it is first needed");
	}
}

static void check_factors(struct doctor *d)
{
	static const char *const keys[] = {
		"default.replication.factor", "offsets.topic.replication.factor",
		"transaction.state.log.replication.factor", "transaction.state.log.min.isr",
		"auto.create.topics.enable"};
	const struct describe_configs_response_result *r;
	struct err err = {0};
	int64_t factor;

	r = doctor_configs(d, RESOURCE_BROKER, arena_printf(&d->run->arena, "%d", d->brokers[0].id),
			   keys, ARRAY_LEN(keys), &err);
	if (!r) {
		finding(d, LEVEL_INFO, "configs", "brokers", NULL, "cannot be read: %s",
			err_message(&err));
		return;
	}
	factor = doctor_number(r, keys[0], 1);
	if (factor > (int64_t)d->broker_count)
		finding(d, LEVEL_WARN, "configs", keys[0],
			"give --replication-factor when making topics, or change the config",
			"it is %" PRId64 ", with %u broker%s: topics cannot be made by default",
			factor, d->broker_count, d->broker_count == 1 ? "" : "s");
	check_internal(d, "__consumer_offsets", keys[1], doctor_number(r, keys[1], 0),
		       "consumer groups", true);
	check_internal(d, "__transaction_state", keys[2], doctor_number(r, keys[2], 0),
		       "transactions and exactly-once", false);
}

/* ---- Disks -------------------------------------------------------------------------------- */

static const char *bytes_text(struct doctor *d, int64_t bytes)
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
	double value = (double)bytes;
	size_t unit = 0;

	while (value >= 1000 && unit + 1 < ARRAY_LEN(units)) {
		value /= 1000;
		unit++;
	}
	return arena_printf(&d->run->arena, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
}

static void check_dir(struct doctor *d, int32_t broker,
		      const struct describe_log_dirs_response_result *dir)
{
	const char *subject =
		arena_printf(&d->run->arena, "broker %d %.*s", broker, STR(dir->log_dir));
	int64_t used_percent;

	if (dir->error_code) {
		finding(d, LEVEL_FAIL, "disk", subject,
			"see the broker's log for the first I/O error; mend the disk, then restart "
			"the broker",
			"offline: %s", kafka_error_name(dir->error_code));
		return;
	}
	if (dir->total_bytes <= 0 || dir->usable_bytes < 0) {
		finding(d, LEVEL_OK, "disk", subject, NULL, "online");
		return;
	}
	used_percent = 100 - (int64_t)((double)dir->usable_bytes * 100 / (double)dir->total_bytes);
	finding(d,
		used_percent >= DISK_FAIL_PERCENT   ? LEVEL_FAIL
		: used_percent >= DISK_WARN_PERCENT ? LEVEL_WARN
						    : LEVEL_OK,
		"disk", subject,
		used_percent >= DISK_WARN_PERCENT ? "shorten the retention of large topics, or "
						    "give it more room: a full disk "
						    "takes the log directory offline"
						  : NULL,
		"%" PRId64 "%% used, %s of %s free", used_percent, bytes_text(d, dir->usable_bytes),
		bytes_text(d, dir->total_bytes));
}

static void check_disks(struct doctor *d)
{
	struct arena *a = &d->run->arena;
	struct describe_log_dirs_request *request = WIRE_NEW(a, describe_log_dirs_request);
	struct call *calls;
	struct err err = {0};
	size_t count;

	if (admin_every_broker(d->client, API_DESCRIBE_LOG_DIRS, request, a, &calls, &count, &err) <
	    0) {
		finding(d, LEVEL_INFO, "disk", "cluster", NULL, "%s", err_message(&err));
		return;
	}
	for (size_t i = 0; i < count; i++) {
		const struct describe_log_dirs_response *r = calls[i].response;
		const char *subject = arena_printf(a, "broker %d", calls[i].target.node_id);

		if (calls[i].rc < 0)
			finding(d, calls[i].rc == E_UNSUPPORTED ? LEVEL_INFO : LEVEL_WARN, "disk",
				subject, NULL, "%s", err_message(&calls[i].err));
		else if (r->error_code)
			finding(d, LEVEL_INFO, "disk", subject, NULL, "%s",
				kafka_error_text(r->error_code));
		for (int32_t n = 0; calls[i].rc == 0 && n < r->results_count; n++)
			check_dir(d, calls[i].target.node_id, &r->results[n]);
		call_fini(&calls[i]);
	}
}

void doctor_cluster(struct doctor *d)
{
	unsigned reachable = 0;

	for (unsigned i = 0; i < d->broker_count; i++)
		reachable += d->brokers[i].is_reachable;
	finding_section(d, "state of the cluster");
	if (reachable == 0) {
		finding(d, LEVEL_INFO, "cluster", "cluster", NULL,
			"not looked at: no broker can be reached where it says it is");
		return;
	}
	check_quorum(d);
	doctor_partitions(d, min_isr_read(d));
	check_factors(d);
	check_disks(d);
}
