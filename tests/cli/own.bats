#!/usr/bin/env bats
# What kavka's commands do beyond Apache's: the stated improvements of README.md.

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

@test "own: commands by kavka's names, without dashes and suffixes" {
	run --separate-stderr "$KAVKA_BIN" topics --bootstrap-server "$BROKER" --create --topic "$T"
	expect 0
	out "Created topic $T."
	"$KAVKA_BIN" producer --bootstrap-server "$BROKER" --topic "$T" <<<hello
	run --separate-stderr "$KAVKA_BIN" consumer --bootstrap-server "$BROKER" --topic "$T" --from-beginning --max-messages 1
	expect 0
	out hello
	ln -s "$KAVKA_BIN" kafka-topics.sh
	run --separate-stderr ./kafka-topics.sh --bootstrap-server "$BROKER" --list --topic "$T"
	out "$T"
}

@test "own: a mistyped option or command is answered with the near miss" {
	run --separate-stderr "$KAVKA_BIN" topics --lst
	[ "$status" -ne 0 ]
	err_has "did you mean --list?"
	run --separate-stderr "$KAVKA_BIN" topcs
	[ "$status" -ne 0 ]
	err_has "did you mean topics?"
}

@test "own: the bootstrap server may come from the environment" {
	KAVKA_BOOTSTRAP_SERVERS=$BROKER run --separate-stderr "$KAVKA_BIN" topics --create --topic "$T"
	expect 0
	out "Created topic $T."
}

@test "own: --json prints one object a line" {
	topics --create --topic "$T" --partitions 2
	run --separate-stderr "$KAVKA_BIN" topics --bootstrap-server "$BROKER" --describe --topic "$T" --json
	expect 0
	run jq -es 'length > 0' <<<"$output"
	expect 0
	seq 3 | put "$T" -p 0
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 3 "$T" >/dev/null
	run --separate-stderr "$KAVKA_BIN" groups --bootstrap-server "$BROKER" --describe --group "$T" --json
	expect 0
	run jq -es 'length > 0' <<<"$output"
	expect 0
}

@test "own: no broker there is one line that says what to do, with a real exit status" {
	printf 'default.api.timeout.ms=800\nrequest.timeout.ms=500\n' >quick.properties
	run --separate-stderr timeout 20 "$KAVKA_BIN" topics --bootstrap-server 127.0.0.1:1 --list --command-config quick.properties
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	err_has "127.0.0.1:1: connection refused"
}
