#!/usr/bin/env bats
# kafka-leader-election: leaders of partitions are elected.

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
	echo one | put "$T" -p 0
}

elect()
{
	timeout 60 kafka-leader-election --bootstrap-server "$BROKER" "$@"
}

@test "elect: a leader that is the preferred one stays" {
	run --separate-stderr elect --election-type preferred --topic "$T" --partition 0
	expect 0
	out "Valid replica already elected for partitions $T-0"
	run --separate-stderr elect --election-type Unclean --all-topic-partitions
	expect 0
	out ""
}

@test "elect: partitions of a file; those that are not there are named, exit 1" {
	printf '{"partitions":[{"topic":"%s","partition":0},{"topic":"%s","partition":7}]}' \
		"$T" "$T" >two.json
	run --separate-stderr elect --election-type preferred --path-to-json-file two.json
	expect 1
	[ "${lines[0]}" = "Valid replica already elected for partitions $T-0" ]
	[[ "${lines[1]}" == "Error completing leader election (PREFERRED) for partition: $T-7: org.apache.kafka.common.errors.UnknownTopicOrPartitionException: "* ]]
	err_has "1 replica(s) could not be elected"
	printf '{"partitions":[{"topic":"a","partition":0},{"topic":"a","partition":0}]}' >twice.json
	usage_error "Replica election data contains duplicate partitions: [a-0]" \
		elect --election-type preferred --path-to-json-file twice.json
	echo '{}' >none.json
	usage_error 'Replica election data is missing "partitions" field' \
		elect --election-type preferred --path-to-json-file none.json
}

@test "elect: options that do not go together" {
	usage_error "Missing required option(s): election-type" elect --all-topic-partitions
	usage_error "Missing required option(s): partition" \
		elect --election-type preferred --topic "$T"
	usage_error "One and only one of the following options is required: topic, all-topic-partitions, path-to-json-file" \
		elect --election-type preferred --topic "$T" --all-topic-partitions
	usage_error "Cannot parse argument 'x' of option election-type" \
		elect --election-type x --all-topic-partitions
}

@test "elect: JSON, a table, and a true exit code" {
	improvement
	own=("$KAVKA_BIN" elect -b "$BROKER")
	run --separate-stderr "${own[@]}" --topic "$T" --partition 0 --json
	expect 0
	out "{\"topic\":\"$T\",\"partition\":0,\"result\":\"not-needed\",\"error\":null}"
	printf '{"partitions":[{"topic":"%s","partition":0},{"topic":"%s","partition":7}]}' \
		"$T" "$T" >two.json
	run --separate-stderr "${own[@]}" --path-to-json-file two.json --output table
	expect 7
	[[ "${lines[0]}" =~ ^TOPIC\ +PARTITION\ +RESULT\ +ERROR$ ]]
	out_has "failed"
	err "kavka elect: 1 replica(s) could not be elected"
}
