/* Inside of `kavka doctor`: doctor.c (the command), report.c (findings), probe.c (one connection,
 * step by step), server.c (an address: DNS, TCP, TLS, SASL), cluster.c (controller, partitions,
 * disks), topic.c, group.c. */
#ifndef KAVKA_CMD_DOCTOR_INT_H
#define KAVKA_CMD_DOCTOR_INT_H

#include "cmd/connect.h"
#include "cmd/doctor/probe.h"
#include "cmd/output.h"

#include "client/admin.h"

struct doctor_args {
	struct cluster_args cluster;
	struct output_args output;
	const char *topic, *group;
	bool probe;
	int64_t timeout_ms;
};

enum level { LEVEL_OK, LEVEL_INFO, LEVEL_WARN, LEVEL_FAIL, LEVEL_COUNT };

/* A broker that metadata names, and whether it can be talked to. */
struct doctor_broker {
	int32_t id;
	const char *host;
	int32_t port;
	bool is_reachable;
	int16_t api_max[128]; /* of each API key, -1: not supported */
	bool has_versions;
};

struct doctor {
	struct run *run;
	const struct doctor_args *args;
	enum output_format format;
	unsigned counts[LEVEL_COUNT];

	struct client_config *config;
	const char *protocol; /* security.protocol */
	bool use_tls, use_sasl;
	struct tls_context *tls;            /* NULL: plaintext */
	struct client *client;              /* NULL until a server was found */
	struct metadata_response *metadata; /* of all topics */
	struct doctor_broker *brokers;
	unsigned broker_count;
};

/* Tells a finding: `check` is what was looked at ("dns"), `subject` where ("kafka1:9092"),
 * `remedy` what to do (NULL: nothing). */
void finding(struct doctor *d, enum level level, const char *check, const char *subject,
	     const char *remedy, const char *fmt, ...) PRINTF_LIKE(6, 7);
/* A line of its own above the findings that follow. */
void finding_section(const struct doctor *d, const char *fmt, ...) PRINTF_LIKE(2, 3);
void finding_summary(const struct doctor *d);

/* All that can be known of host:port. True if a client can talk to Kafka there. `broker` (NULL: it
 * is a bootstrap server) gets the versions. */
bool doctor_server(struct doctor *d, const char *host, int port, struct doctor_broker *broker);

/* With d->client. */
bool doctor_metadata(struct doctor *d); /* false: the client cannot even do that */
void doctor_listeners(struct doctor *d);
void doctor_cluster(struct doctor *d);
/* A part of it: judges the partitions of d->metadata. `min_isr`: min.insync.replicas of each of its
 * topics, 0 if not known. */
void doctor_partitions(struct doctor *d, const int64_t *min_isr);
void doctor_topic(struct doctor *d, const char *name);
void doctor_group(struct doctor *d, const char *id);

/* Configs of one resource, fetched at once. `type`: 2 topic, 4 broker. Gives NULL if it cannot be
 * asked. */
struct describe_configs_response_result;
const struct describe_configs_response_result *doctor_configs(struct doctor *d, int8_t type,
							      const char *name,
							      const char *const *keys,
							      size_t key_count, struct err *err);
/* The value as a number; `preset` if it is not there. */
int64_t doctor_number(const struct describe_configs_response_result *r, const char *key,
		      int64_t preset);

struct doctor_broker *doctor_broker(struct doctor *d, int32_t id);
/* "1, 2, 3" in the run's arena. */
const char *doctor_ids(struct doctor *d, const int32_t *ids, int32_t count);

#endif
