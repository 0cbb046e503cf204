#!/usr/bin/env bats
# kafka-delete-records: the beginning of partitions is cut off. Every message is in
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
	seq 1 10 | put "$T" -p 0
}

delete_records()
{
	timeout 60 kafka-delete-records --bootstrap-server "$BROKER" "$@"
}

# before OFFSET: makes the file of it.
before()
{
	printf '{"partitions":[{"topic":"%s","partition":0,"offset":%s}],"version":1}' "$T" "$1" >before.json
}

@test "delete-records: consumers begin at the offset" {
	before 7
	run --separate-stderr delete_records --offset-json-file before.json
	expect 0
	out $'Executing records delete operation\nRecords delete operation completed:\n'"partition: $T-0"$'\tlow_watermark: 7'
	run -0 got "$T"
	out $'8\n9\n10'
}

@test "delete-records: -1 empties; behind the end is an error of the partition, exit 0" {
	before 99
	run --separate-stderr delete_records --offset-json-file before.json
	expect 0
	out_has "partition: $T-0"$'\terror: org.apache.kafka.common.errors.OffsetOutOfRangeException: '
	before -1
	run --separate-stderr delete_records --offset-json-file before.json
	expect 0
	out_has "partition: $T-0"$'\tlow_watermark: 10'
	run -0 got "$T"
	out ""
}

@test "delete-records: a bad file is named, exit 1" {
	echo x >bad.json
	run --separate-stderr delete_records --offset-json-file bad.json
	expect 1
	err_has "The input string is not a valid JSON"
	usage_error 'Missing required argument "[offset-json-file]"' delete_records
}

@test "delete-records: without a file, dry runs, and a true exit code" {
	improvement
	own=("$KAVKA_BIN" delete-records --bootstrap-server "$BROKER")
	run --separate-stderr "${own[@]}" --topic "$T" --before 4 --dry-run
	expect 0
	out "partition: $T-0"$'\tlow_watermark: 4'
	run -0 got "$T"
	[ "${#lines[@]}" -eq 10 ]
	run --separate-stderr "${own[@]}" --topic "$T:0" --before 4 --json
	expect 0
	out "{\"topic\":\"$T\",\"partition\":0,\"lowWatermark\":4,\"error\":null}"
	run --separate-stderr "${own[@]}" --topic "$T" --before 99
	expect 1
	out_has $'\terror: '
	run --separate-stderr "${own[@]}" --topic "$T" --before latest --quiet
	out "partition: $T-0"$'\tlow_watermark: 10'
	run --separate-stderr "${own[@]}" --topic "nosuch-$T" --before 1
	expect 5
}
