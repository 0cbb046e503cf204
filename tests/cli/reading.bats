#!/usr/bin/env bats
# What `kavka consumer` does beyond Apache's tool: where it begins and ends, how it prints, what it
# commits, and what it says while brokers are away.

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
	improvement
	fresh_name
}

read_topic()
{
	timeout 60 "$KAVKA_BIN" consumer -b "$BROKER" -t "$T" -q "$@"
}

# Ten records, 1 to 10, one second apart, in one partition.
ten()
{
	for i in $(seq 10); do
		printf '%s\t%s\t\t%s\t0\n' "$(printf 'k%s' "$i" | xxd -p)" \
			"$(printf '%s' "$i" | xxd -p)" $((1700000000000 + i * 1000))
	done | timeout 60 "$KAVKA_BIN" producer -b "$BROKER" --topic "$T" --input hex --quiet
}

new_topic()
{
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions "$1" \
		--config retention.ms=-1 >/dev/null
}

committed()
{
	"$KAVKA_BIN" groups -b "$BROKER" --describe --group "$1" 2>/dev/null |
		awk -v t="$T" '$2 == t { sum += $4 } END { print sum }'
}

lines_are()
{
	[ "$(wc -l <"$2")" -eq "$1" ]
}

is() # is EXPECTED ARGS...: what is printed, blanks between
{
	local expected=$1

	shift
	[ "$(read_topic "$@" | paste -sd' ')" = "$expected" ] ||
		{ read_topic "$@" >&2; echo "expected: $expected" >&2; return 1; }
}

@test "reading: places to begin and to end" {
	new_topic 1
	ten
	is "1 2 3 4 5 6 7 8 9 10" -o beginning -e
	is "" -o end -e
	is "9 10" -o -2 -e
	is "4 5 6" -o 3 --until 6
	is "3 4" -o +2 --until -6
	is "8 9 10" -o @1700000008000 -e
	is "8 9" -o s@1700000007500 -o e@1700000010000
	is "1 2" --from-beginning --until @1700000003000
	is "3 4 5" -o @2023-11-14T22:13:22.500Z -c 3
	is "" -o @now -e
	is "9 10" --tail 2
	run --separate-stderr "$KAVKA_BIN" consumer -b "$BROKER" -t "$T" -o 99 -e
	expect 0
	err_has "$T-0: there is no offset 99, the records are from 0 to before 10: beginning with the next one"
}

@test "reading: several partitions, the newest of all of them" {
	new_topic 4
	for p in 0 1 2 3; do
		for i in 1 2 3; do
			printf '%s\t%s\t\t%s\t%s\n' - "$(printf '%s' "$p.$i" | xxd -p)" $((1700000000000 + i * 10 + p)) $p
		done
	done | "$KAVKA_BIN" producer -b "$BROKER" --topic "$T" --input hex --quiet
	[ "$(read_topic -p 1,3 -o -1 -e | sort | paste -sd' ')" = "1.3 3.3" ]
	[ "$(read_topic -p 0-2 -o beginning -e | wc -l)" -eq 9 ]
	is "3.2 0.3 1.3 2.3 3.3" --tail 5
	run --separate-stderr read_topic -p 7 -e
	expect 5
	err_has "topic '$T' has no partition 7: it has 0 to 3"
}

@test "reading: --grep and --grep-key count what they let through" {
	new_topic 1
	ten
	is "1 10" -o beginning -e --grep '^1'
	is "1" -o beginning -c 1 --grep '1'
	is "7" -o beginning -e --grep-key 'k7'
	run --separate-stderr read_topic --grep 'a('
	expect 2
	err_has "missing closing parenthesis"
}

@test "reading: --format as kcat's -f" {
	put "$T" -K: -H h1=v1 -H h2= -H h3 <<<$'k1:v1\nk2:\nnokey'
	put "$T" -Z -K: <<<$'k3:'
	format='%t [%p] %o %k=%s|%K %S|%h|%T|\x41\65\t%%\n'
	cmp <(got "$T" -f "$format") <(read_topic -o beginning -e -f "$format")
	cmp <(got "$T" -f '%R') <(read_topic -o beginning -e -f '%R')
	is "k3 NULL" -o -1 -e -Z -f '%k %s\n'
}

@test "reading: JSON, pretty, hexdump; a form that nobody knows" {
	put "$T" -K: <<<'k:{"a":[1]}'
	run --separate-stderr read_topic -o beginning -e -J
	run jq -er '.topic, .partition, .offset, .timestampType, .key, .value' <<<"$output"
	out "$T"$'\n0\n0\nCreateTime\nk\n{"a":[1]}'
	run --separate-stderr read_topic -o beginning -e --pretty
	out $'{\n  "a": [\n    1\n  ]\n}'
	run --separate-stderr read_topic -o beginning -e --output hexdump
	out_has "00000000: 7b22 6122 3a5b 315d 7d"
	run --separate-stderr read_topic -o beginning --output xml
	expect 2
	err_has "'xml' is none of text json hex base64 hexdump none"
}

@test "reading: what left through a closed pipe is committed, and nothing more" {
	new_topic 1
	seq 1 100000 | put "$T"
	read_topic -G "$T" --from-beginning 2>errors | (head -n 1 >printed)
	[ "$(cat printed)" = 1 ]
	[ ! -s errors ]
	first=$(committed "$T")
	# At least the line that was read, at most what a pipe and its reader hold.
	[ "$first" -ge 1 ]
	[ "$first" -lt 60000 ]
	[ "$(read_topic -G "$T" -c 1)" = $((first + 1)) ]
	"$KAVKA_BIN" groups -b "$BROKER" --describe --group "$T" --state | grep -q Empty
}

@test "reading: a full disk is told, what was written whole is committed" {
	new_topic 1
	seq 1 1000 | put "$T"
	run --separate-stderr bash -c "'$KAVKA_BIN' consumer -b '$BROKER' -t '$T' -G '$T' --from-beginning -e >/dev/full"
	[ "$status" -ne 0 ]
	err_has "No space left on device"
	[ "$(committed "$T")" -eq 0 ] || [ -z "$(committed "$T")" ]
}

@test "reading: Ctrl-C commits what was printed and leaves the group" {
	new_topic 2
	seq 1 500 | put "$T" -p 0
	seq 1 500 | put "$T" -p 1
	"$KAVKA_BIN" consumer -b "$BROKER" -t "$T" -G "$T" --from-beginning >printed 2>errors 3>&- &
	pid=$!
	wait_for 30 grep -q '^500$' printed
	wait_for 30 lines_are 1000 printed
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 130 ]
	[ "$(cat errors)" = "Processed a total of 1000 messages" ]
	[ "$(committed "$T")" -eq 1000 ]
	[ "$(kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -e "$T" 2>/dev/null | wc -l)" -eq 0 ]
}

@test "reading: Ctrl-C ends it while its reader takes nothing" {
	new_topic 1
	seq 1 100000 | put "$T"
	mkfifo pipe
	# shellcheck disable=SC2094  # it stops in the middle
	{ head -c 70000 >taken; sleep 60; } <pipe 3>&- &
	reader=$!
	"$KAVKA_BIN" consumer -b "$BROKER" -t "$T" -G "$T" --from-beginning -q >pipe 3>&- &
	pid=$!
	wait_for 20 test -s taken
	kill -INT "$pid"
	status=0
	wait "$pid" || status=$?
	kill "$reader"
	[ "$status" -eq 130 ]
	# As much as the pipe took, but for the record that was cut.
	[ "$(committed "$T")" -gt 1000 ]
	[ "$(committed "$T")" -lt 60000 ]
}

@test "reading: a group begins where --offset says, and ends with --exit" {
	new_topic 2
	seq 1 5 | put "$T" -p 0
	seq 1 5 | put "$T" -p 1
	read_topic -G "$T" -o -2 -e | sort >printed
	[ "$(paste -sd' ' printed)" = "4 4 5 5" ]
	[ "$(committed "$T")" -eq 10 ]
	is "" -G "$T" -e
	is "" -G "$T" -p 0,1 -o stored -e
}

@test "reading: a group by the new protocol, where the broker has it" {
	new_topic 2
	seq 1 5 | put "$T" -p 0
	seq 1 5 | put "$T" -p 1
	run --separate-stderr read_topic -G "$T" --from-beginning -c 10 --command-property group.protocol=consumer
	if [ "$status" -ne 0 ]; then
		err_has "does not know group.protocol=consumer, group.protocol=classic would do"
		return
	fi
	[ "$(sort -n <<<"$output" | paste -sd' ')" = "1 1 2 2 3 3 4 4 5 5" ]
	[ "$(committed "$T")" -eq 10 ]
	put "$T" -p 1 <<<6
	run --separate-stderr read_topic -G "$T" -c 1 --command-property group.protocol=consumer
	out 6
}

@test "reading: without a group it waits for a topic, and finds new partitions" {
	"$KAVKA_BIN" consumer -b "$BROKER" -t "$T" --from-beginning -c 2 -q \
		--command-property metadata.max.age.ms=500 >printed 2>errors 3>&- &
	pid=$!
	wait_for 20 kafka-topics --bootstrap-server "$BROKER" --describe --topic "$T"
	put "$T" -p 0 <<<first
	wait_for 20 grep -q first printed
	kafka-topics --bootstrap-server "$BROKER" --alter --topic "$T" --partitions 2
	put "$T" -p 1 <<<second
	wait "$pid"
	[ "$(cat printed)" = $'first\nsecond' ]
	run --separate-stderr timeout 20 "$KAVKA_BIN" consumer -b "$BROKER" -t "$T-none" -e
	expect 5
	err "kavka consumer: topic '$T-none' does not exist"
}

@test "reading: a broker that goes away and comes back" {
	own=$BATS_TEST_TMPDIR/own
	# shellcheck disable=SC2154  # common.bash has it
	at=$("$support_dir/broker" start "$own")
	BROKER=$at put "$T" <<<one
	"$KAVKA_BIN" consumer -b "$at" -t "$T" --from-beginning -q >printed 2>errors 3>&- &
	pid=$!
	wait_for 20 grep -q one printed
	"$support_dir/broker" kill "$own"
	wait_for 30 grep -q "broker 1 is away: .*connection refused; waiting for it" errors
	"$support_dir/broker" restart "$own" >/dev/null
	BROKER=$at put "$T" <<<two
	wait_for 30 grep -q two printed
	grep -q "broker 1 is back" errors
	kill -INT "$pid"
	wait "$pid" || true
	[ "$(cat printed)" = $'one\ntwo' ]
	"$support_dir/broker" stop "$own"
}
