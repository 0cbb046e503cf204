#!/usr/bin/env bats
# kavka trace: a client works through it as without, and what it did is told. What kavka alone has.

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
	tracer=
}

teardown()
{
	[ -z "$tracer" ] || kill -KILL "$tracer" 2>/dev/null || true
}

is_ready()
{
	grep -q 'listening on' trace.err
}

# trace_start OPTIONS...: sets PROXY.
trace_start()
{
	"$KAVKA_BIN" trace --bootstrap-server "$BROKER" --listen 127.0.0.1:0 "$@" >trace.out 2>trace.err 3>&- &
	tracer=$!
	wait_for 10 is_ready || { cat trace.err >&2; return 1; }
	PROXY=$(sed -n 's/.*listening on \([0-9.:]*\),.*/\1/p' trace.err)
}

# As Ctrl-C does it; the lines are in trace.out.
trace_stop()
{
	kill -INT "$tracer"
	wait "$tracer"
	tracer=
}

# lines FILTER: of the JSON lines, as one array.
lines()
{
	jq -rs "$1" trace.out
}

has_line()
{
	grep -qE -- "$1" trace.out || { cat trace.out trace.err >&2; return 1; }
}

@test "trace: a producer and a group through the proxy, each request named" {
	topics --create --topic "$T"
	trace_start
	seq 10 | timeout 30 kcat -q -b "$PROXY" -P -t "$T" -X client.id=pr -X acks=all
	run timeout 30 kcat -q -b "$PROXY" -G "$T" -X client.id=co -X auto.offset.reset=earliest -c 10 "$T"
	expect 0
	out "$(seq 10)"
	trace_stop
	has_line "pr -> bootstrap  Metadata v[0-9]+ #[0-9]+  [0-9]+ B topics=$T"
	has_line "pr -> broker 1  Produce v[0-9]+ #[0-9]+  [0-9]+ B topics=$T acks=-1 records=[0-9]+ "
	has_line "pr <- broker 1  Produce v[0-9]+ #[0-9]+  [0-9]+ B in [0-9.]+ ms topics=$T"
	has_line "co -> broker 1  JoinGroup v[0-9]+ .* group=$T"
	has_line "co <- broker 1  JoinGroup .* error=MEMBER_ID_REQUIRED"
	has_line "co <- broker 1  Fetch v[0-9]+ .* topics=$T records=10"
	has_line "co -> broker 1  OffsetCommit v[0-9]+ .* topics=$T group=$T"
	# The table at the end.
	has_line "^REQUEST +COUNT +ERRORS"
	has_line "^Produce +[0-9]+ +0 "
	# All of it went through: the port of the broker was told, and is ours.
	grep -q "is broker 1 at $BROKER" trace.err
}

@test "trace: JSON lines, in full" {
	topics --create --topic "$T"
	trace_start --json --full
	printf 'k:v\n' | timeout 30 kcat -q -b "$PROXY" -P -t "$T" -K : -z gzip
	timeout 30 kcat -q -b "$PROXY" -C -t "$T" -e -o beginning >/dev/null
	trace_stop
	[ "$(lines 'map(select(.direction == "request" and .api == "Produce"))[0] | .topics[0]')" = "$T" ]
	[ "$(lines 'map(select(.direction == "request" and .api == "Produce"))[0].body.topicData[0].partitionData[0].records[0].records[0] | .key + .value')" = kv ]
	[ "$(lines 'map(select(.direction == "response" and .api == "Fetch" and .records == 1))[0].body.responses[0].partitions[0].records[0].records[0].value')" = v ]
	# Every response has its request's number and a latency.
	[ "$(lines 'map(select(.direction == "response")) | all(.latencyUs >= 0)')" = true ]
	[ "$(lines 'map(select(.summary == "Produce"))[0].requests')" = 1 ]
}

@test "trace: filters show what was asked for" {
	topics --create --topic "$T"
	topics --create --topic "$T.other"
	trace_start --json --api Produce,Metadata --topic "$T"
	echo a | timeout 30 kcat -q -b "$PROXY" -P -t "$T"
	echo b | timeout 30 kcat -q -b "$PROXY" -P -t "$T.other"
	trace_stop
	[ "$(lines 'map(select(.direction) | .api) | unique | join(" ")')" = "Metadata Produce" ]
	[ "$(lines "map(select(.direction == \"request\" and .api == \"Produce\")) | length")" = 1 ]
	trace_start --errors
	echo a | timeout 30 kcat -q -b "$PROXY" -P -t "$T"
	run timeout 30 kcat -q -b "$PROXY" -C -t "$T.nosuch" -e -X allow.auto.create.topics=false
	trace_stop
	has_line "-> bootstrap  Metadata .* topics=$T.nosuch"
	has_line "<- bootstrap  Metadata .* error=(UNKNOWN_TOPIC_OR_PARTITION|LEADER_NOT_AVAILABLE)"
	[ "$(grep -c ' -> ' trace.out)" = "$(grep -c ' <- ' trace.out)" ]
	run grep ' ApiVersions v' trace.out
	expect 1
	usage_error_2 "did you mean Produce?" --api Prodce
}

usage_error_2()
{
	local text=$1

	shift
	run --separate-stderr "$KAVKA_BIN" trace --bootstrap-server "$BROKER" --listen 127.0.0.1:0 "$@"
	expect 2
	err_has "$text"
}

@test "trace: large frames pass whole, in little memory; acks=0 is not waited for" {
	topics --create --topic "$T" --config max.message.bytes=60000000
	head -c 30000000 /dev/urandom >big
	trace_start --json
	timeout 60 kcat -q -b "$PROXY" -P -t "$T" -X message.max.bytes=60000000 big
	timeout 60 kcat -q -b "$PROXY" -C -t "$T" -c 1 -D '' -X fetch.message.max.bytes=60000000 \
		-X receive.message.max.bytes=100000000 >got
	cmp big got
	echo x | timeout 30 kcat -q -b "$PROXY" -P -t "$T" -X acks=0
	memory=$(sed -n 's/VmHWM:[^0-9]*\([0-9]*\) kB/\1/p' "/proc/$tracer/status")
	trace_stop
	[ "$(lines 'map(select(.api == "Fetch" and .direction == "response") | .recordBytes // 0) | max')" -gt 30000000 ]
	[ "$(lines 'map(select(.api == "Produce" and .acks == 0)) | length')" = 1 ]
	[ "$(lines 'map(select(.api == "Produce" and .direction == "response")) | length')" = 1 ]
	# Far below one of the frames; a sanitizer counts much more.
	[ "$memory" -lt 25000 ] || nm -D "$KAVKA_BIN" | grep -q __asan_init
}

@test "trace: kavka's own tools, in hex, and secrets stay hidden" {
	topics --create --topic "$T"
	trace_start --hex --full --api Metadata,IncrementalAlterConfigs
	timeout 30 "$KAVKA_BIN" topics --bootstrap-server "$PROXY" --describe --topic "$T"
	timeout 30 "$KAVKA_BIN" api --bootstrap-server "$PROXY" IncrementalAlterConfigs --broker "$PROXY" \
		'{"resources":[{"resourceType":4,"resourceName":"1","configs":[{"name":"ssl.key.password","value":"swordfish"}]}],"validateOnly":true}' || true
	trace_stop
	has_line "RequestApiKey +3 \(Metadata\)"
	has_line "Topics\[0\].Name +\"$T\""
	has_line '"value": "\(hidden\)"'
	run grep swordfish trace.out
	expect 1
}
