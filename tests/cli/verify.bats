#!/usr/bin/env bats
# If these fail: programs that test clusters with the verifiable clients are told something else
# than what happened.

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
	topics --create --topic "$T" --partitions 1 >/dev/null
}

verify_produce()
{
	timeout 60 kafka-verifiable-producer --bootstrap-server "$BROKER" --topic "$T" "$@"
}

verify_consume()
{
	timeout 60 kafka-verifiable-consumer --bootstrap-server "$BROKER" --topic "$T" --group-id "$T" "$@"
}

# names: of the events in $output, in one line.
names()
{
	jq -r .name <<<"$output" | xargs
}

# wait_for_line FILE TEXT
wait_for_line()
{
	wait_for 30 grep -q "$2" "$1"
}

@test "verify: each number is told when it is acknowledged" {
	run --separate-stderr verify_produce --max-messages 3
	expect 0
	[ "$(names)" = "startup_complete producer_send_success producer_send_success producer_send_success shutdown_complete tool_data" ]
	[ "$(sed 's/"timestamp":[0-9]*,//' <<<"${lines[1]}")" = \
		"{\"name\":\"producer_send_success\",\"key\":null,\"value\":\"0\",\"offset\":0,\"topic\":\"$T\",\"partition\":0}" ]
	[[ "${lines[5]}" =~ ^\{\"timestamp\":[0-9]{13},\"name\":\"tool_data\",\"sent\":3,\"acked\":3,\"target_throughput\":-1,\"avg_throughput\":[0-9.E]+\}$ ]]
	[ "$(got "$T" | xargs)" = "0 1 2" ]
}

@test "verify: keys, prefixes and timestamps" {
	run --separate-stderr verify_produce --max-messages 3 --value-prefix 7 --repeating-keys 2 --message-create-time 1000 --acks 1
	expect 0
	[ "$(got "$T" -f '%k=%s ')" = "0=7.0 1=7.1 0=7.2 " ]
	[ "$(got "$T" -f '%T\n' | head -n 1)" = 1000 ]
}

@test "verify: what fails is told, with exit status 0" {
	T="not/valid"
	run --separate-stderr verify_produce --max-messages 2
	expect 0
	[ "$(names)" = "startup_complete producer_send_error producer_send_error shutdown_complete tool_data" ]
	[ "$(jq -r 'select(.exception) | .exception' <<<"$output" | uniq)" = "class org.apache.kafka.common.errors.InvalidTopicException" ]
}

@test "verify: SIGTERM ends the producer in order" {
	kafka-verifiable-producer --bootstrap-server "$BROKER" --topic "$T" --throughput 20 >events &
	local pid=$!
	wait_for_line events producer_send_success
	kill -TERM "$pid"
	wait "$pid" || true
	output=$(cat events)
	[[ "$(names)" == "startup_complete producer_send_success"*" shutdown_complete tool_data" ]]
	[ "$(jq 'select(.name == "tool_data") | .acked' events)" -eq "$(got "$T" | wc -l)" ]
}

@test "verify: what was consumed and committed" {
	seq 10 | put "$T"
	run --separate-stderr verify_consume --max-messages 4
	expect 0
	[ "$(names)" = "startup_complete partitions_assigned records_consumed offsets_committed partitions_revoked shutdown_complete shutdown_requested" ]
	[ "$(jq -c 'del(.timestamp)' <<<"${lines[1]}")" = "{\"name\":\"partitions_assigned\",\"partitions\":[{\"topic\":\"$T\",\"partition\":0}]}" ]
	[ "$(jq -c 'del(.timestamp)' <<<"${lines[2]}")" = "{\"name\":\"records_consumed\",\"count\":10,\"partitions\":[{\"topic\":\"$T\",\"partition\":0,\"count\":4,\"minOffset\":0,\"maxOffset\":3}]}" ]
	[ "$(jq -c 'del(.timestamp)' <<<"${lines[3]}")" = "{\"name\":\"offsets_committed\",\"offsets\":[{\"topic\":\"$T\",\"partition\":0,\"offset\":4}],\"success\":true}" ]
	run --separate-stderr verify_consume --max-messages 2 --verbose --enable-autocommit
	expect 0
	[ "$(jq -c 'select(.name == "record_data") | del(.timestamp)' <<<"$output")" = \
		"{\"name\":\"record_data\",\"key\":null,\"value\":\"5\",\"topic\":\"$T\",\"partition\":0,\"offset\":4}
{\"name\":\"record_data\",\"key\":null,\"value\":\"6\",\"topic\":\"$T\",\"partition\":0,\"offset\":5}" ]
	[[ "$(names)" != *offsets_committed* ]]
}

@test "verify: SIGTERM ends the consumer in order, and its group is left" {
	seq 3 | put "$T"
	kafka-verifiable-consumer --bootstrap-server "$BROKER" --topic "$T" --group-id "$T" >events &
	local pid=$!
	wait_for_line events offsets_committed
	kill -TERM "$pid"
	wait "$pid" || true
	output=$(cat events)
	[ "$(names)" = "startup_complete partitions_assigned records_consumed offsets_committed shutdown_requested partitions_revoked shutdown_complete" ]
	run groups --describe --group "$T" --members
	out_has "has no active members"
}

@test "verify: what cannot be asked for" {
	usage_error "{0,1,-1}" verify_produce --acks 2
	usage_error "is required" kafka-verifiable-consumer --topic x --group-id y
	usage_error "is required" kafka-verifiable-producer --bootstrap-server "$BROKER"
}

@test "verify: under kavka's name the exit status tells" {
	improvement
	run --separate-stderr "$KAVKA_BIN" verify produce -b "$BROKER" --topic not/valid --max-messages 1
	expect 1
	run --separate-stderr "$KAVKA_BIN" verify produce -b "$BROKER" --topic "$T" --max-messages 1
	expect 0
}
