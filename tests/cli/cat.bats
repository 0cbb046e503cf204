#!/usr/bin/env bats
# If these fail: `kavka cat` does not print what a consumer would get out of the same directory.

load common

setup_file()
{
	suite_start
	export LC_ALL=C.UTF-8
}

teardown_file()
{
	suite_stop
}

setup()
{
	improvement
	fresh_name
	cp -r "$BATS_TEST_DIRNAME/dump/lecture-0" "$BATS_TEST_DIRNAME/dump/old" .
	log=lecture-0/00000000000000000000.log
}

records()
{
	timeout 30 "$KAVKA_BIN" cat "$@"
}

# offsets ARGS...: of the records printed, in one line.
offsets()
{
	records --json "$@" | jq -r .offset | xargs
}

@test "cat: values, or columns, or JSON" {
	run --separate-stderr records lecture-0 --max-messages 3
	expect 0
	out $'one\nnull\nzwölf'
	run --separate-stderr records lecture-0 -c 1 --formatter-property print.key=true --formatter-property print.headers=true
	out $'h1:a,h2:null\tk1\tone'
	run --separate-stderr records lecture-0 --format '%o:%k=%s;' --grep 'o.*e'
	out "0:k1=one;6:=aborted;8:=committed;"
	run --separate-stderr records lecture-0 --grep-key '[02]$' --output hex -c 1
	expect 0
	run --separate-stderr records lecture-0/ -c 1 --json
	[ "$(jq -cS . <<<"$output")" = '{"headers":[{"key":"h1","value":"a"},{"key":"h2","value":null}],"key":"k1","offset":0,"partition":0,"timestamp":1755858862000,"timestampType":"CreateTime","topic":"lecture","value":"one"}' ]
}

@test "cat: begins and ends where it is told" {
	[ "$(offsets lecture-0)" = "0 1 2 3 4 5 6 8 10" ]
	[ "$(offsets lecture-0 --offset 4 --until 8)" = "4 5 6" ]
	[ "$(offsets lecture-0 --offset -3)" = "8 10" ]
	[ "$(offsets lecture-0 --offset @1755858862011 --until @1755858862030)" = "4 5 6 8" ]
	[ "$(offsets lecture-0 --offset @2025-08-22T10:34:22.020Z)" = "6 8 10" ]
	[ "$(offsets lecture-0 --offset end)" = "" ]
	run --separate-stderr records lecture-0 --offset soon
	expect 2
	err_has "'soon' is no offset, beginning, end, -N or @TIME"
}

@test "cat: read_committed leaves out aborted and open transactions" {
	[ "$(offsets lecture-0 --isolation-level read_committed)" = "0 1 2 3 4 5 8 10" ]
	truncate -s 155 lecture-0/00000000000000000007.log
	[ "$(offsets lecture-0 --isolation-level read_committed)" = "0 1 2 3 4 5" ]
	[ "$(offsets lecture-0)" = "0 1 2 3 4 5 6 8" ]
}

@test "cat: deleted records stay out, unless an offset asks for them" {
	printf '0\n1\nlecture 0 4\n' >log-start-offset-checkpoint
	[ "$(offsets lecture-0)" = "4 5 6 8 10" ]
	[ "$(offsets lecture-0 --offset 1 --until 4)" = "1 2 3" ]
}

@test "cat: all of a log directory, or one topic and partition of it" {
	cp -r lecture-0 lecture-1
	mv old a-0
	[ "$(offsets . | wc -w)" -eq 27 ]
	[ "$(records . --json | jq -r '"\(.topic)-\(.partition)"' | uniq | xargs)" = "a-0 lecture-0 lecture-1" ]
	[ "$(offsets . --topic a)" = "0 1 2 3 4 5 6 0 1" ]
	[ "$(records . -t lecture -p 1 --json | jq -r .partition | uniq)" = 1 ]
	run --separate-stderr records . --topic nosuch
	expect 5
	err_has "has no such partition"
	mkdir empty
	run --separate-stderr records empty
	expect 5
	err_has "is no partition's directory"
}

@test "cat: a damaged batch is told and left out" {
	printf X | dd of="$log" bs=1 seek=150 conv=notrunc status=none
	run --separate-stderr records lecture-0
	expect 7
	err_has "the checksum of the batch at position 104 (base offset 3) is wrong"
	out $'one\nnull\nzwölf\naborted\ncommitted\n\xff\xfe'
	head -c 100 /dev/zero >>lecture-0/00000000000000000007.log
	truncate -s -3 "$log"
	run --separate-stderr records lecture-0 --offset 6
	expect 7
	err_has "72 bytes at its end are no batch"
	[ "${#stderr_lines[@]}" -eq 1 ]
	out $'committed\n\xff\xfe'
}

@test "cat: a reader that goes away ends it" {
	set -o pipefail
	seq 100000 | put "$T"
	run bash -c '"$KAVKA_BIN" cat "$1" | head -n 1' - "$BATS_FILE_TMPDIR/broker/data/$T-0"
	out 1
}

@test "cat: a directory that a broker writes to, with each codec" {
	local codec data=$BATS_FILE_TMPDIR/broker/data

	[ -d "$data" ] || skip "the broker's directory is elsewhere"
	topics --create --topic "$T" --partitions 1
	for codec in none gzip snappy lz4 zstd; do
		seq -f "$codec %.0f" 2000 | put "$T" -z "$codec"
	done
	diff <(records "$data/$T-0") <(got "$T")
	diff <(records "$data" --topic "$T" --json | jq -r .offset) <(seq 0 9999)
}
