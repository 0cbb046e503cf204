#!/usr/bin/env bats
# kavka under its own names: true exit codes, one-line errors, JSON, completion, the manual.

load common

setup_file()
{
	suite_start
	export KAVKA_BOOTSTRAP_SERVERS=$BROKER
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

kavka()
{
	"$KAVKA_BIN" "$@"
}

# fails STATUS TEXT ARGS...: exactly that on stderr, nothing on stdout.
fails()
{
	local status_wanted=$1 text=$2

	shift 2
	run --separate-stderr kavka "$@"
	expect "$status_wanted"
	out ""
	err "$text"
}

@test "kavka: mistakes are named in one line, exit 2" {
	fails 2 "kavka: unknown command 'tpoics'; did you mean topics?" tpoics
	fails 2 "kavka topics: unknown option --topic-lecture; did you mean --topic lecture? (see kavka help topics)" \
		topics --describe --topic-lecture
	fails 2 "kavka topics: unknown option --lst; did you mean --list? (see kavka help topics)" topics --lst
	fails 2 "kavka topics: --partitions: 'x' is not a whole number (see kavka help topics)" \
		topics --create --topic "$T" --partitions x
	fails 2 "kavka storage: unknown subcommand 'fromat'; did you mean format? (see kavka help storage)" storage fromat
}

@test "kavka: exit codes tell unreachable, not found and failed apart" {
	fails 3 "kavka topics: 127.0.0.1:1: connection refused (is a broker running there? see kavka help broker)" \
		topics --list --bootstrap-server 127.0.0.1:1
	fails 5 "kavka topics: there is no topic 'nosuch' (kavka topics --list tells which there are)" topics --describe --topic nosuch
	fails 5 "kavka groups: there is no group 'nosuch' (kavka groups --list tells which there are)" groups --describe --group nosuch
	fails 1 "kavka topics: unknown topic config 'retention.mss'; did you mean retention.ms?" \
		topics --create --topic "$T" --config retention.mss=1
}

@test "kavka topics --delete: a name that is there is not a pattern, and is told" {
	kavka topics --create --topic "$T.b"
	kavka topics --create --topic "${T}xb"
	run --separate-stderr kavka topics --delete --topic "$T.b"
	expect 0
	out "Deleted topic $T.b."
	run -0 kavka topics --list --topic "$T.*"
	out "${T}xb"
}

@test "kavka topics --json: one object a line" {
	kavka topics --create --topic "$T" --partitions 2
	run --separate-stderr kavka topics --describe --topic "$T" --json
	expect 0
	python3 -c 'import json, sys
t = json.loads(sys.argv[1])
assert t["topic"] == sys.argv[2] and [p["partition"] for p in t["partitions"]] == [0, 1], t' "$output" "$T"
}

@test "kavka producer and consumer: bytes survive, JSON tells all of a record" {
	printf 'a\377b\n' | kavka producer --topic "$T"
	run --separate-stderr kavka consumer --topic "$T" --from-beginning --max-messages 1 --formatter json
	expect 0
	out_has '"offset":0,'
	out_has '"key":null,"value":"Yf9i","valueEncoding":"base64"}'
}

@test "kavka producer: lost records are a failure" {
	kavka topics --create --topic "$T" --config max.message.bytes=100
	run --separate-stderr kavka producer --topic "$T" <<<"$(printf 'x%.0s' {1..200})"
	[ "$status" -ne 0 ]
	err_has "line 1 not delivered to $T-0"
}

@test "kavka complete: options, and topics of the cluster" {
	kavka topics --create --topic "$T"
	run -0 kavka complete -- kafka-topics --descr
	out $'--describe\tShow topics with their partitions.'
	run -0 kavka complete -- kavka consumer --topic "$T"
	out "$T"$'\t1 partition'
	run -0 kavka complete -- kavka producer --compression-codec z
	out zstd
	run -0 kavka complete -- kavka topics --bootstrap-server 127.0.0.1:1 --topic x
	out ""
}

@test "kavka help: on stdout, exit 0, for every command of the list" {
	run --separate-stderr kavka topics --help
	expect 0
	err ""
	out_has "--under-replicated-partitions"
	run -0 kavka help
	names=$(sed -n 's/^  \([a-z-]*\)  .*/\1/p' <<<"$output")
	for name in $names; do
		run -0 kavka help "$name"
		out_has "Usage: kavka $name"
	done
}

@test "kavka help: every command once, under what it is for; subcommands have their own help" {
	run -0 kavka
	[ "${lines[0]}" = "kavka: Apache Kafka's tools and broker in one program" ]
	overview=$output
	for name in $(kavka complete -- kavka "" | cut -f 1); do
		[ "$(grep -cE "^  $name  " <<<"$overview")" -eq 1 ] || { echo "$name" >&2; return 1; }
	done
	# Nothing is left over: a new command gets a place.
	[[ "$overview" != *"More:"* ]]
	run -0 kavka help storage format
	out_has "Usage: kavka storage format"
	fails 2 "kavka help: there is no command 'tpoics'; did you mean topics? (see kavka help help)" help tpoics
	run -0 kavka --version
	[[ "$output" =~ ^kavka\ [0-9.]+\ \(speaks\ Kafka\ [0-9.]+\)$ ]]
}

@test "kavka offsets, configs, delete-records: the rest of a topic's life" {
	seq 1 5 | kavka producer --topic "$T"
	run -0 kavka offsets --topic "$T"
	out "$T:0:5"
	run -0 kavka configs --alter --topic "$T" --add-config 'retention.ms=7000000,cleanup.policy=[compact,delete]'
	out "Completed updating config for topic $T."
	run -0 kavka configs --describe --topic "$T"
	out_has "  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete, "
	out_has "  retention.ms=7000000 sensitive=false"
	run -0 kavka configs --alter --topic "$T" --delete-config cleanup.policy
	printf '{"partitions":[{"topic":"%s","partition":0,"offset":3}],"version":1}' "$T" >before.json
	run -0 kavka delete-records --offset-json-file before.json
	out_has "partition: $T-0"$'\tlow_watermark: 3'
	run -0 kavka offsets --topic "$T" --time earliest
	out "$T:0:3"
}
