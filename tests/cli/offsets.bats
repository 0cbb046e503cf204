#!/usr/bin/env bats
# kafka-get-offsets: where partitions begin, end, or are at a time. Every message is in
# golden/offsets.txt.

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

offsets()
{
	timeout 60 kafka-get-offsets --bootstrap-server "$BROKER" "$@"
}

# A topic of 3 partitions: 5 records, 2 records, none.
three_partitions()
{
	topics --create --topic "$T" --partitions 3
	seq 5 | put "$T" -p 0
	seq 2 | put "$T" -p 1
}

@test "offsets: the ends of all partitions, sorted; filters" {
	three_partitions
	run --separate-stderr offsets --topic "$T"
	expect 0
	out "$T:0:5"$'\n'"$T:1:2"$'\n'"$T:2:0"
	run --separate-stderr offsets --topic "$T" --partitions 1,2
	out "$T:1:2"$'\n'"$T:2:0"
	run --separate-stderr offsets --topic-partitions "$T:1-,nosuch"
	out "$T:1:2"$'\n'"$T:2:0"
}

@test "offsets: the forms of --time" {
	three_partitions
	for time in -2 earliest earliest-local; do
		run --separate-stderr offsets --topic-partitions "$T:0" --time "$time"
		out "$T:0:0"
	done
	run --separate-stderr offsets --topic "$T" --time 99999999999999
	expect 0
	out ""
	run --separate-stderr offsets --topic-partitions "$T:0" --time max-timestamp
	[[ "$output" == "$T:0:"[0-4] ]] || { show; false; }
}

@test "offsets: nothing that fits, and what cannot be understood, exit 1" {
	run --separate-stderr offsets --topic "nosuch-$T"
	expect 1
	err "Error occurred: Could not match any topic-partitions with the specified filters"
	run --separate-stderr offsets --topic "$T" --time x
	expect 1
	err_has "Error occurred: Malformed time argument x."
}

@test "offsets: JSON, a table, counts, and a date as a time" {
	improvement
	three_partitions
	run --separate-stderr "$KAVKA_BIN" offsets --bootstrap-server "$BROKER" --topic "$T" --partitions 0 --json
	expect 0
	out "{\"topic\":\"$T\",\"partition\":0,\"offset\":5,\"timestamp\":null}"
	run --separate-stderr "$KAVKA_BIN" offsets --bootstrap-server "$BROKER" --topic "$T" --count
	expect 0
	out "$T:0:0:5:5"$'\n'"$T:1:0:2:2"$'\n'"$T:2:0:0:0"
	run --separate-stderr "$KAVKA_BIN" offsets --bootstrap-server "$BROKER" --topic "$T" --count --output table
	[[ "${lines[0]}" =~ ^TOPIC\ +PARTITION\ +FIRST\ +END\ +COUNT$ ]] || { show; false; }
	run --separate-stderr "$KAVKA_BIN" offsets --bootstrap-server "$BROKER" --topic "$T" --partitions 0 --time 2020-01-01T00:00:00
	expect 0
	out "$T:0:0"
}
