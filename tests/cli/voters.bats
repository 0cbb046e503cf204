#!/usr/bin/env bats
# The metadata quorum of three nodes, each broker and controller: voters that join, die, come back,
# leave. The nodes are kavka's; the tests tell one story, in their order.

load common

setup_file()
{
	use_tools
	[ "$KAVKA_BROKER" = kavka ] || return 0
	cd "$BATS_FILE_TMPDIR" || return 1
	read -r -a ports <<<"$(free_ports 8)"
	export CONTROLLERS=127.0.0.1:${ports[3]},127.0.0.1:${ports[4]},127.0.0.1:${ports[5]}
	for id in 1 2 3; do
		node_write "$id" "${ports[$id - 1]}" "${ports[$id + 2]}" \
			controller.quorum.bootstrap.servers="$CONTROLLERS"
		"$KAVKA_BIN" storage format -t kavkaVotersTestQuorumA -c "$id.properties" \
			"$([ "$id" = 1 ] && echo --standalone || echo --no-initial-controllers)" >storage.log
		node_start "$id"
	done
	BROKER=127.0.0.1:${ports[0]},127.0.0.1:${ports[1]},127.0.0.1:${ports[2]}
	export BROKER FIXED_PORTS="${ports[6]} ${ports[7]}"
	for id in 1 2 3; do
		wait_for 20 grep -q "is ready" "$id.log" || { cat "$id.log" >&2; return 1; }
	done
}

teardown_file()
{
	cd "$BATS_FILE_TMPDIR" || return 1
	for id in 1 2 3 4 5; do
		[ ! -e "$id.pid" ] || node_kill "$id"
	done
}

setup()
{
	[ "$KAVKA_BROKER" = kavka ] || skip "the nodes are kavka's"
	cd "$BATS_FILE_TMPDIR" || return 1
}

teardown()
{
	[ -n "${BATS_TEST_COMPLETED:-}" ] || [ "$KAVKA_BROKER" != kavka ] || tail -n 20 ./*.log >&2
}

# node_write ID PORT CONTROLLER_PORT CONFIG...
node_write()
{
	local id=$1 port=$2 controller_port=$3

	shift 3
	mkdir -p "data$id"
	cat >"$id.properties" <<-CONF
	process.roles=broker,controller
	node.id=$id
	listeners=PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller_port
	controller.listener.names=CONTROLLER
	log.dirs=$PWD/data$id
	broker.session.timeout.ms=3000
	CONF
	printf '%s\n' "$@" >>"$id.properties"
}

node_start()
{
	"$KAVKA_BIN" broker "$1.properties" >>"$1.log" 2>&1 3>&- 4>&- &
	echo $! >"$1.pid"
}

node_kill()
{
	kill -9 "$(cat "$1.pid")" 2>/dev/null
	rm "$1.pid"
}

quorum()
{
	timeout 60 kafka-metadata-quorum --bootstrap-controller "$CONTROLLERS" "$@"
}

leader()
{
	# Apache's tool waits for ever once it was told of no leader
	timeout 8 kafka-metadata-quorum --bootstrap-controller "$CONTROLLERS" describe --status |
		sed -n 's/^LeaderId: *//p'
}

directory()
{
	sed -n 's/^directory.id=//p' "data$1/meta.properties"
}

# state ID WORD: the node is that in the eyes of the leader: Leader, Follower, Observer.
state()
{
	quorum describe --replication | grep -qE "^$1[[:space:]].*[[:space:]]$2[[:space:]]*$"
}

quorum_has_observers()
{
	quorum describe --replication | grep -q Observer
}

# led_by_other ID: there is a leader, and it is not that one.
led_by_other()
{
	local now

	now=$(leader 2>/dev/null)
	[ -n "$now" ] && [ "$now" != "$1" ] && [ "$now" != -1 ]
}

@test "voters: nodes join the quorum one by one" {
	state 2 Observer
	for id in 2 3; do
		run --separate-stderr quorum --command-config "$id.properties" add-controller
		expect 0
		# most of a controller's file is not for clients
		[[ "$stderr" != *"unknown config"* ]]
		out_has "Added controller $id with directory id $(directory "$id") and endpoints: CONTROLLER://127.0.0.1:"
	done
	wait_for 10 state 2 Follower
	state 3 Follower
	state 1 Leader
	run ! state 2 Observer
	run --separate-stderr quorum --command-config 2.properties add-controller
	expect 1
}

@test "voters: another one leads when the leader is killed, which follows when it is back" {
	old=$(leader)
	node_kill "$old"
	wait_for 20 led_by_other "$old"
	topics --create --topic after-failover --replication-factor 2
	node_start "$old"
	wait_for 20 state "$old" Follower
}

@test "voters: who is removed observes, and may come back" {
	gone=$(($(leader) % 3 + 1))
	run --separate-stderr quorum remove-controller --controller-id "$gone" \
		--controller-directory-id "$(directory "$gone")"
	expect 0
	wait_for 10 state "$gone" Observer
	run --separate-stderr quorum --command-config "$gone.properties" add-controller
	expect 0
	wait_for 10 state "$gone" Follower
}

# through_peer KEY ...: a broker whose first answer to that API says that it lost its place, which is
# not known to be before or after it did what was asked for.
through_peer()
{
	local key=$1 peer status

	shift
	rm -f peer.address
	"$support_dir/odd-peer" lost 6 "$key" "${BROKER%%,*}" >peer.address 3>&- 4>&- &
	peer=$!
	wait_for 10 test -s peer.address
	timeout 60 kafka-metadata-quorum --bootstrap-server "$(<peer.address)" "$@"
	status=$?
	kill "$peer"
	return "$status"
}

@test "voters: a leader that lost its place with a change under way is no failure" {
	improvement
	gone=$(($(leader) % 3 + 1))
	run --separate-stderr through_peer 81 remove-controller --controller-id "$gone" \
		--controller-directory-id "$(directory "$gone")"
	expect 0
	out_has "KRaft controller $gone with directory id $(directory "$gone")"
	wait_for 10 state "$gone" Observer
	run --separate-stderr through_peer 80 --command-config "$gone.properties" add-controller
	expect 0
	out_has "Added controller $gone with directory id $(directory "$gone")"
	wait_for 10 state "$gone" Follower
	# the same without that doubt is refused
	run --separate-stderr quorum --command-config "$gone.properties" add-controller
	expect 1
}

@test "voters: a leader that is removed hands over" {
	old=$(leader)
	run --separate-stderr quorum remove-controller --controller-id "$old" \
		--controller-directory-id "$(directory "$old")"
	expect 0
	wait_for 20 led_by_other "$old"
	wait_for 10 state "$old" Observer
}

@test "voters: all are killed at once and come back by themselves" {
	for id in 1 2 3; do
		node_kill "$id"
	done
	for id in 1 2 3; do
		node_start "$id"
	done
	wait_for 20 led_by_other 0
	wait_for 20 topics --describe --topic after-failover
}

# Adds whoever does not vote; true when there is none any more.
all_vote()
{
	for id in 1 2 3; do
		state "$id" '(Leader|Follower)' ||
			quorum --command-config "$id.properties" add-controller
	done
	state 1 '(Leader|Follower)' && state 2 '(Leader|Follower)' &&
		state 3 '(Leader|Follower)' && ! quorum_has_observers
}

# directory_is NEW OLD: nobody speaks of the old one any more.
directory_is()
{
	local said

	said=$(quorum describe --status) && [[ "$said" == *"$1"* && "$said" != *"$2"* ]]
}

@test "voters: a voter with a new disk joins by itself" {
	wait_for 30 all_vote
	node_kill 3
	old=$(directory 3)
	rm -r data3
	mkdir data3
	"$KAVKA_BIN" storage format -t kavkaVotersTestQuorumA -c 3.properties \
		--no-initial-controllers >storage.log
	echo controller.quorum.auto.join.enable=true >>3.properties
	node_start 3
	new=$(directory 3)
	[ -n "$new" ] && [ "$old" != "$new" ]
	wait_for 20 directory_is "$new" "$old"
	wait_for 20 state 3 Follower
}

# Two nodes that do nothing but control, with controller.quorum.voters.
fixed_start()
{
	for id in 4 5; do
		node_write "$id" 0 0 process.roles=controller \
			listeners="CONTROLLER://127.0.0.1:$([ "$id" = 4 ] && echo "${1% *}" || echo "${1#* }")" \
			controller.quorum.voters="4@127.0.0.1:${1% *},5@127.0.0.1:${1#* }"
	done
	for id in 4 5; do
		"$KAVKA_BIN" storage format -t kavkaVotersTestQuorumQ -c "$id.properties" >storage.log
		node_start "$id"
	done
}

fixed_is_told()
{
	timeout 60 kafka-features --bootstrap-controller "$FIXED" upgrade --feature kraft.version=1
}

@test "voters: a fixed quorum is told of its directories by an upgrade" {
	fixed_start "$FIXED_PORTS"
	FIXED=127.0.0.1:${FIXED_PORTS% *},127.0.0.1:${FIXED_PORTS#* }
	wait_for 20 timeout 8 kafka-metadata-quorum --bootstrap-controller "$FIXED" describe --status
	run --separate-stderr timeout 60 kafka-metadata-quorum --bootstrap-controller "$FIXED" \
		describe --status
	out_has 'CurrentVoters:          [{"id": 4, "endpoints": ["CONTROLLER://127.0.0.1:'
	# once each voter has said that it knows of it
	wait_for 20 fixed_is_told
	run --separate-stderr timeout 60 kafka-metadata-quorum --bootstrap-controller "$FIXED" \
		describe --status
	expect 0
	out_has "{\"id\": 4, \"directoryId\": \"$(directory 4)\", \"endpoints\": "
	out_has "{\"id\": 5, \"directoryId\": \"$(directory 5)\", \"endpoints\": "
}
