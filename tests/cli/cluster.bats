#!/usr/bin/env bats
# kafka-cluster: the id of a cluster, its nodes, and forgetting one.

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

cluster()
{
	timeout 60 kafka-cluster "$@"
}

@test "cluster: the id is the one in the metadata" {
	id=$(timeout 60 "$KAVKA_BIN" api Metadata --json -b "$BROKER" '{"topics":[]}' | jq -r .clusterId)
	[ "${#id}" = 22 ]
	run --separate-stderr cluster cluster-id --bootstrap-server "$BROKER"
	expect 0
	out "Cluster ID: $id"
	# Short names; the config file's old option tells about the new one in the data.
	run --separate-stderr cluster cluster-id "-b$BROKER" --config /dev/null
	expect 0
	out "Option --config has been deprecated and will be removed in a future version. Use --command-config instead.
Cluster ID: $id"
}

@test "cluster: endpoints in columns" {
	run --separate-stderr cluster list-endpoints --bootstrap-server "$BROKER" --include-fenced-brokers
	expect 0
	out "$(printf '%-10s %-9s %-10s %-10s %-10s %-15s\n' ID HOST PORT RACK STATE ENDPOINT_TYPE \
		1 127.0.0.1 "${BROKER##*:}" null unfenced broker)"
}

@test "cluster: a broker that is not registered cannot be forgotten" {
	run --separate-stderr cluster unregister --bootstrap-server "$BROKER" --id 77
	expect 1
	out ""
	err_has "org.apache.kafka.common.errors.BrokerIdNotRegisteredException: "
}

@test "cluster: what the parser refuses" {
	usage_error "kafka-cluster: error: too few arguments" cluster
	usage_error "argument --id/-i is required" cluster unregister -b "$BROKER"
	usage_error "kafka-cluster" cluster cluster-id
	usage_error "argument" cluster cluster-id -b "$BROKER" -C "$BROKER"
	usage_error "nosuch" cluster nosuch
}

@test "cluster: JSON, tables, and true exit codes" {
	improvement
	run --separate-stderr "$KAVKA_BIN" cluster id -b "$BROKER" --json
	expect 0
	[ "$(jq -r '.clusterId | length' <<<"$output")" = 22 ]
	run --separate-stderr "$KAVKA_BIN" cluster list-endpoints -b "$BROKER" --json
	expect 0
	run -0 jq -r '.id, .host, .rack, .state, .endpointType' <<<"$output"
	out $'1\n127.0.0.1\nnull\nunfenced\nbroker'
	run --separate-stderr "$KAVKA_BIN" cluster list-endpoints -b "$BROKER" --output table
	[[ "${lines[0]}" =~ ^ID\ +HOST\ +PORT\ +RACK\ +STATE\ +TYPE$ ]] || { show; false; }
	run --separate-stderr "$KAVKA_BIN" cluster unregister -b "$BROKER" --id 77
	expect 5
	run --separate-stderr "$KAVKA_BIN" cluster id -b 127.0.0.1:1
	expect 3
	run --separate-stderr "$KAVKA_BIN" cluster unregister -b "$BROKER"
	expect 2
	err_has "--id is required"
}
