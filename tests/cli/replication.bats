#!/usr/bin/env bats
# Replicas on three nodes: equal logs, leaders and coordinators that die, racks, directories that
# fail. The nodes are kavka's, in a lab; clusters with Apache's are in tests/interop/mixed.

load common

setup_file()
{
	use_tools
	[ "$TOOLS" = kavka ] || return 0
	export XDG_STATE_HOME=$BATS_FILE_TMPDIR/state XDG_CONFIG_HOME=$BATS_FILE_TMPDIR/config
	unset KAVKA_BOOTSTRAP_SERVERS KAVKA_PROFILE
	LAB=$BATS_FILE_TMPDIR/lab
	export LAB
	lab up --port 0 --dir "$LAB" --racks east,west,north --config kavka.shards=2 --config \
		replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector \
		>"$BATS_FILE_TMPDIR/up"
}

teardown_file()
{
	[ ! -d "${LAB:-/none}" ] || lab reset --quiet --dir "$LAB" || true
}

setup()
{
	improvement
	fresh_name
	BROKER=$(lab ps --dir "$LAB" --json | jq -rs 'map(.address) | join(",")')
}

teardown()
{
	[ "$TOOLS" = kavka ] || return 0
	[ -n "${BATS_TEST_COMPLETED:-}" ] || lab log --dir "$LAB" --lines 20 >&2
	lab start --quiet --dir "$LAB" 2>/dev/null || true
}

kavka()
{
	timeout 60 "$KAVKA_BIN" "$@"
}

lab()
{
	kavka lab "$@" 3>&-
}

# make_topic PARTITIONS [OPTION ...]
make_topic()
{
	kavka topics -b "$BROKER" --create --quiet --topic "$T" --partitions "$1" \
		--replication-factor 3 "${@:2}"
}

send()
{
	kavka producer -b "$BROKER" --topic "$T" --command-property acks=all "$@"
}

partitions()
{
	kavka topics -b "$BROKER" --describe --topic "${1:-$T}" --json | jq -c '.partitions[]'
}

leader_of()
{
	partitions "${2:-$T}" | jq "select(.partition == $1) | .leader"
}

is_led_by()
{
	[ "$(leader_of "$1" "$3")" -eq "$2" ]
}

all_in_sync()
{
	[ -z "$(partitions "$1" | jq 'select(.isr | length != 3) | .partition')" ]
}

are_equal()
{
	local index

	for ((index = 0; index < $1; index++)); do
		[ -s "$LAB/node-1/data/$T-$index/00000000000000000000.log" ] || return 1
		[ "$(cat "$LAB/node-1/data/$T-$index"/*.log | sha256sum)" = \
			"$(cat "$LAB/node-2/data/$T-$index"/*.log | sha256sum)" ] || return 1
		[ "$(cat "$LAB/node-1/data/$T-$index"/*.log | sha256sum)" = \
			"$(cat "$LAB/node-3/data/$T-$index"/*.log | sha256sum)" ] || return 1
	done
}

read_all()
{
	kavka consumer -b "$BROKER" --topic "$T" --from-beginning --max-messages "$1" \
		--timeout-ms 15000 2>consumed
}

@test "replication: logs are equal byte for byte, plain and compressed, in several segments" {
	make_topic 2 --config segment.bytes=1048576
	seq 1 250000 | send --compression-codec none
	seq 250001 300000 | send --compression-codec lz4
	wait_for 10 are_equal 2
	all_in_sync "$T"
	[ "$(ls "$LAB/node-1/data/$T-0"/*.log | wc -l)" -gt 1 ]
	[ "$(read_all 300000 | sort -n | uniq | wc -l)" -eq 300000 ]
}

@test "replication: the leader dies amid records: none is lost, none twice, and it catches up" {
	local before sent

	make_topic 1 --config min.insync.replicas=2
	before=$(leader_of 0)
	kafka-verifiable-producer --bootstrap-server "$BROKER" --topic "$T" --acks -1 \
		--throughput 1000 --max-messages 4000 >sent &
	sent=$!
	wait_for 10 grep -q producer_send_success sent
	lab kill "$before" --quiet --dir "$LAB"
	wait "$sent"
	[ "$(leader_of 0)" -ne "$before" ]
	jq -r 'select(.name == "producer_send_success") | .value' sent | sort >acked
	[ "$(wc -l <acked)" -gt 0 ]
	lab start "$before" --quiet --dir "$LAB"
	wait_for 15 all_in_sync "$T"
	wait_for 10 are_equal 1
	read_all "$(kavka offsets -b "$BROKER" --topic "$T" | cut -d: -f3)" | sort >got
	[ -z "$(comm -23 acked got)" ]
	[ -z "$(uniq -d got)" ]
}

@test "replication: acks=all is refused while too few are in sync, and goes on with them" {
	make_topic 1 --config min.insync.replicas=3
	echo one | send
	# A follower, so that the leader itself finds out.
	lab kill "$(partitions | jq '.leader as $l | .replicas | map(select(. != $l)) | .[0]')" \
		--quiet --dir "$LAB"
	is_short()
	{
		[ "$(partitions | jq '.isr | length')" -eq 2 ]
	}
	wait_for 15 is_short
	run --separate-stderr send --command-property retries=0 <<<two
	[ "$status" -ne 0 ]
	[[ "$stderr" == *"in-sync replicas"* ]] || show
	lab start --quiet --dir "$LAB"
	wait_for 15 all_in_sync "$T"
	echo three | send
	[ "$(read_all 2)" = $'one\nthree' ]
}

@test "replication: a group goes on where it was when its coordinator dies" {
	local coordinator

	make_topic 1
	seq 1 10 | send
	kavka consumer -b "$BROKER" --topic "$T" --group "$T" --from-beginning --max-messages 6 \
		>first
	coordinator=$(kavka groups -b "$BROKER" --describe --group "$T" --state --json |
		jq .coordinator)
	lab kill "$coordinator" --quiet --dir "$LAB"
	kavka consumer -b "$BROKER" --topic "$T" --group "$T" --max-messages 4 --timeout-ms 20000 \
		>second
	[ "$(cat first second)" = "$(seq 1 10)" ]
	lab start --quiet --dir "$LAB"
	wait_for 15 all_in_sync __consumer_offsets
}

@test "replication: consumers are served by the replica in their rack" {
	local leader

	make_topic 1
	seq 1 100 | send
	leader=$(leader_of 0)
	for rack in east west north; do
		kcat -b "$BROKER" -t "$T" -C -e -q -X client.rack=$rack -d fetch >got-$rack \
			2>debug-$rack
		[ "$(cat got-$rack)" = "$(seq 1 100)" ]
	done
	[ "$(grep -l 'preferred replica updated' debug-* | wc -l)" -eq 2 ]
	racks=(none east west north)
	! grep -q 'preferred replica updated' "debug-${racks[$leader]}"
}

@test "replication: a directory fails: others lead what it held, the node lives" {
	local config=$LAB/node-1/server.properties dirs

	dirs=$(sed -n 's/^log.dirs=//p' "$config")
	sed -i "s|^log.dirs=.*|log.dirs=$dirs,$LAB/node-1/other|" "$config"
	lab restart 1 --quiet --dir "$LAB"
	# The emptier directory gets them.
	make_topic 3 --config segment.bytes=1048576
	seq 1 100 | send
	[ -d "$LAB/node-1/other/$T-0" ]
	mv "$LAB/node-1/other" "$LAB/node-1/gone"
	touch "$LAB/node-1/other" # nothing can be made below it any more
	has_moved()
	{
		[ -z "$(partitions | jq 'select(.leader == 1 or (.isr | index(1))) | .partition')" ]
	}
	seq 101 300000 | send
	wait_for 15 has_moved
	[ "$(lab ps --dir "$LAB" --json | jq -r 'select(.node == 1) | .state')" = running ]
	[ "$(kavka offsets -b "$BROKER" --topic "$T" | awk -F: '{ n += $3 } END { print n }')" -eq \
		300000 ]
	rm "$LAB/node-1/other"
	mv "$LAB/node-1/gone" "$LAB/node-1/other"
	lab restart 1 --quiet --dir "$LAB"
	wait_for 20 all_in_sync "$T"
}
