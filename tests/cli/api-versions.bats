#!/usr/bin/env bats
# kafka-broker-api-versions: which requests a broker takes.

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

@test "api-versions: a line for each request, by key, between brackets" {
	run --separate-stderr timeout 60 kafka-broker-api-versions --bootstrap-server "$BROKER"
	expect 0
	[ "${lines[0]}" = "$BROKER (id: 1 rack: null isFenced: false) -> (" ] || { show; false; }
	[[ "${lines[1]}" =~ ^$'\t'"Produce(0): "[0-9]+" to "[0-9]+" [usable: "[0-9]+"],"$ ]] || { show; false; }
	out_has $'\tListPartitionReassignments(46): 0 [usable: 0],'
	[ "${lines[-1]}" = ")" ] || { show; false; }
}

@test "api-versions: JSON and a table; nobody there is exit 3" {
	improvement
	run --separate-stderr "$KAVKA_BIN" api-versions -b "$BROKER" --json
	expect 0
	run -0 jq -r '.broker, .error, (.apis[] | select(.name == "ListPartitionReassignments") | .key, .minVersion, .usableVersion)' <<<"$output"
	out $'1\nnull\n46\n0\n0'
	run --separate-stderr "$KAVKA_BIN" api-versions -b "$BROKER" --output table
	[[ "${lines[0]}" =~ ^BROKER\ +KEY\ +API\ +MIN\ +MAX\ +USABLE$ ]] || { show; false; }
	run --separate-stderr "$KAVKA_BIN" api-versions -b 127.0.0.1:1
	expect 3
}
