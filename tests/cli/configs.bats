#!/usr/bin/env bats
# kafka-configs: describe and alter of every kind of entity. Every message is in golden/configs.txt.

load common

setup_file()
{
	suite_start
}

teardown_file()
{
	suite_stop
}

setup()
{
	fresh_name
}

configs()
{
	timeout 60 kafka-configs --bootstrap-server "$BROKER" "$@"
}

@test "configs: a topic's configs are set, shown with synonyms, and taken back" {
	topics --create --topic "$T" --partitions 1
	run --separate-stderr configs --alter --entity-type topics --entity-name "$T" \
		--add-config 'retention.ms=7000000,cleanup.policy=[compact,delete]'
	expect 0
	out "Completed updating config for topic $T."
	run --separate-stderr configs --describe --topic "$T"
	expect 0
	[ "${lines[0]}" = "Dynamic configs for topic $T are:" ] || { show; false; }
	[[ "${lines[1]}" == "  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, "* ]] || { show; false; }
	[[ "${lines[2]}" == "  retention.ms=7000000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=7000000"* ]] || { show; false; }
	run --separate-stderr configs --alter --topic "$T" --delete-config retention.ms,cleanup.policy
	expect 0
	run --separate-stderr configs --describe --topic "$T"
	out "Dynamic configs for topic $T are:"
}

@test "configs: from a file; --all shows defaults too" {
	topics --create --topic "$T" --partitions 1
	printf '# a comment\nretention.ms = 8000000\n' >topic.properties
	run --separate-stderr configs --alter --topic "$T" --add-config-file topic.properties
	expect 0
	run --separate-stderr configs --describe --topic "$T" --all
	expect 0
	[ "${lines[0]}" = "All configs for topic $T are:" ] || { show; false; }
	out_has "  retention.ms=8000000 sensitive=false"
	out_has "  max.message.bytes=1048588 sensitive=false synonyms={DEFAULT_CONFIG:message.max.bytes=1048588}"
}

@test "configs: what the broker refuses is told on stderr, exit 1" {
	topics --create --topic "$T" --partitions 1
	run --separate-stderr configs --alter --topic "$T" --add-config retention.ms=x
	expect 1
	out ""
	err_has "Error while executing config command with args '"
	err_has "InvalidConfigurationException: Invalid value x for configuration retention.ms: Not a number of type LONG"
	run --separate-stderr configs --describe --topic "nosuch-$T"
	expect 0
	out "The topic 'nosuch-$T' doesn't exist and doesn't have dynamic config."
}

@test "configs: one broker and the defaults of all" {
	run --separate-stderr configs --alter --broker 1 --add-config log.cleaner.threads=2
	expect 0
	out "Completed updating config for broker 1."
	run --separate-stderr configs --alter --entity-type brokers --entity-default --add-config log.retention.ms=86400000
	expect 0
	out "Completed updating default config for brokers in the cluster."
	run --separate-stderr configs --describe --entity-type brokers
	out_has "  log.cleaner.threads=2 sensitive=false synonyms={DYNAMIC_BROKER_CONFIG:log.cleaner.threads=2"
	out_has "  log.retention.ms=86400000 sensitive=false"
}

@test "configs: quotas of users, clients, both, and addresses" {
	configs --alter --user "$T" --add-config producer_byte_rate=1024,consumer_byte_rate=20000000
	configs --alter --entity-type users --entity-name "$T" --entity-type clients --entity-default \
		--add-config request_percentage=12.5
	configs --alter --ip 127.0.0.9 --add-config connection_creation_rate=7
	run --separate-stderr configs --describe --user "$T"
	out "Quota configs for user-principal '$T' are consumer_byte_rate=2.0E7, producer_byte_rate=1024.0"
	run --separate-stderr configs --describe --user "$T" --client-defaults
	out "Quota configs for user-principal '$T', the default client-id are request_percentage=12.5"
	run --separate-stderr configs --describe --entity-type ips
	out_has "Quota configs for ip '127.0.0.9' are connection_creation_rate=7.0"
	run --separate-stderr configs --alter --user "$T" --delete-config controller_mutation_rate
	expect 1
	err_has "Invalid config(s): controller_mutation_rate"
}

@test "configs: SCRAM credentials" {
	run --separate-stderr configs --alter --user "$T" --add-config 'SCRAM-SHA-512=[iterations=4097,password=secret]'
	expect 0
	out "Completed updating config for user $T."
	run --separate-stderr configs --describe --user "$T"
	out "SCRAM credential configs for user-principal '$T' are SCRAM-SHA-512=iterations=4097"
	run --separate-stderr configs --alter --user "$T" --delete-config SCRAM-SHA-512
	expect 0
}

@test "configs: groups and client metrics" {
	run --separate-stderr configs --alter --group "$T" --add-config consumer.session.timeout.ms=50000
	expect 0
	run --separate-stderr configs --describe --group "$T"
	out_has "  consumer.session.timeout.ms=50000 sensitive=false synonyms={DYNAMIC_GROUP_CONFIG:consumer.session.timeout.ms=50000"
	run --separate-stderr configs --alter --client-metrics "$T" --add-config 'metrics=[a.b,c.d],interval.ms=5000'
	expect 0
	run --separate-stderr configs --describe --client-metrics "$T"
	out_has "  metrics=a.b,c.d sensitive=false"
}

@test "configs: what cannot be understood is told on stderr, exit 1" {
	usage_error "Command must include exactly one action: --describe, --alter" configs --topic "$T"
	usage_error "At least one entity type must be specified" configs --describe
	usage_error "An entity name must be specified with --alter of topics" \
		configs --alter --entity-type topics --add-config a=b
	usage_error "Invalid entity config: all configs to be added must be in the format" \
		configs --alter --topic "$T" --add-config a
}

# ---- kavka's own ------------------------------------------------------------------------------

own()
{
	run --separate-stderr "$KAVKA_BIN" configs --bootstrap-server "$BROKER" "$@"
}

@test "configs: JSON, a table, and what differs from the defaults" {
	improvement
	topics --create --topic "$T" --partitions 1 --config retention.ms=7000000
	own --describe --topic "$T" --json
	expect 0
	run -0 jq -r '.entityType, .entityName, (.configs[] | select(.name == "retention.ms") | .value, .source)' <<<"$output"
	out $'topic\n'"$T"$'\n7000000\nDYNAMIC_TOPIC_CONFIG'
	own --describe --topic "$T" --non-default --output table
	expect 0
	[[ "${lines[0]}" =~ ^TYPE\ +ENTITY\ +CONFIG\ +VALUE\ +SOURCE$ ]] || { show; false; }
	out_has "retention.ms"
	[[ "$output" != *DEFAULT_CONFIG* ]] || { show; false; }
	own --alter --topic "$T" --delete-config retention.ms --json
	run -0 jq -c . <<<"$output"
	out "{\"entityType\":\"topic\",\"entityName\":\"$T\",\"set\":[],\"deleted\":[\"retention.ms\"]}"
	own --describe --topic "nosuch-$T"
	expect 5
	err "kavka configs: there is no topic 'nosuch-$T'"
	own --alter --topic "$T" --add-config retention.mss=1
	expect 1
	err_has "; did you mean retention.ms?"
}

@test "configs: a password from a file is in no message, and both mechanisms at once" {
	improvement
	echo secret >password
	own --alter --user "$T" --add-config 'SCRAM-SHA-256=[iterations=8192],SCRAM-SHA-512=' --password-file password
	expect 0
	own --describe --user "$T"
	out "SCRAM credential configs for user-principal '$T' are SCRAM-SHA-256=iterations=8192, SCRAM-SHA-512=iterations=4096"
	run --separate-stderr kafka-configs --bootstrap-server "$BROKER" --alter --user "$T" \
		--add-config 'SCRAM-SHA-256=[iterations=100000,password=tell-nobody]'
	expect 1
	[[ "$stderr" != *tell-nobody* ]] || { show; false; }
}
