#!/usr/bin/env bats
# kavka lab: a cluster that is started, broken and mended by single commands. What kavka alone has.

load common

# One lab of three brokers for the file; tests mend what they broke. Others are called by other
# names.
setup_file()
{
	use_tools
	[ "$TOOLS" = kavka ] || return 0
	export XDG_STATE_HOME=$BATS_FILE_TMPDIR/state XDG_CONFIG_HOME=$BATS_FILE_TMPDIR/config
	unset KAVKA_BOOTSTRAP_SERVERS KAVKA_PROFILE
	lab up --port 0 3>&- || { lab log --lines 20; return 1; } >&2
}

teardown_file()
{
	local dir

	for dir in "$BATS_FILE_TMPDIR"/state/kavka/labs/*; do
		[ ! -d "$dir" ] || lab reset --quiet --dir "$dir" || true
	done
}

setup()
{
	improvement
	fresh_name
	follower=
}

# What one test leaves broken must not fail the others.
teardown()
{
	[ "$TOOLS" = kavka ] || return 0
	[ -z "$follower" ] || kill -KILL "$follower" 2>/dev/null || true
	[ -n "${BATS_TEST_COMPLETED:-}" ] || { lab ps; lab log --lines 20; } >&2
	lab heal --quiet || true
	lab resume --quiet 2>/dev/null || true
	lab start --quiet 2>/dev/null || true
}

kavka()
{
	timeout 60 "$KAVKA_BIN" "$@"
}

lab()
{
	kavka lab "$@" 3>&-
}

# node ID FIELD: of `lab ps`, as JSON.
node()
{
	lab ps --output json | jq -c "select(.node == $1) | .$2"
}

is_node()
{
	[ "$(node "$1" "$2")" = "$3" ]
}

# The node that leads the metadata quorum, of those that may.
leader()
{
	lab ps --json | jq -s 'map(select(.leader and (.cutOffFrom | length < 2))) | .[0].node // empty'
}

has_leader_but()
{
	local now

	now=$(leader)
	[ -n "$now" ] && [ "$now" != "$1" ]
}

address()
{
	node "$1" address | tr -d '"'
}

in_sync()
{
	topics_of "$1" | jq -e '.[].partitions[] | .isr | length == 3'
}

topics_of()
{
	kavka topics --describe --topic "$1" --output json | jq -s .
}

@test "lab up: a line for each node, and other commands find it" {
	local servers

	run -0 lab ps --output json
	[ "$(jq -s 'map(.state == "running" and .sees == [1, 2, 3]) | all' <<<"$output")" = true ]
	servers=$(jq -rs 'map(.address) | join(",")' <<<"$output")
	run -0 lab up
	[ "$(grep -c '^node [123]  127.0.0.1:[0-9]*  broker,controller$' <<<"$output")" -eq 3 ] || show
	out_has "the lab lab is up after"
	run -0 kavka profile show lab
	out "bootstrap.servers=$servers"
	kavka topics --create --topic "$T" --partitions 2 --quiet
	[ "$(topics_of "$T" | jq -c '[.[].partitions[].replicas | length]')" = '[3,3]' ]
}

@test "lab kill, start: another leads, what was acknowledged stays, and it catches up" {
	local before

	before=$(leader)
	kavka topics --create --topic "$T" --quiet
	echo one | kavka producer --topic "$T" --command-property acks=all
	run -0 lab kill "$before"
	out "node $before is killed"
	is_node "$before" state '"killed"'
	wait_for 10 has_leader_but "$before"
	echo two | kavka producer --topic "$T" --command-property acks=all
	run -0 lab start
	out "node $before is running"
	wait_for 10 in_sync "$T"
	run -0 --separate-stderr kavka consumer --topic "$T" --from-beginning --max-messages 2
	out $'one\ntwo'
}

@test "lab partition: the minority sees nobody, the others go on; heal ends it" {
	local alone others

	alone=$(leader)
	others=$(tr -d " $alone" <<<"1 2 3" | sed 's/./&,/; s/,$//')
	run -0 lab partition "$alone" "$others"
	out "the network is cut: $alone | ${others/,/ } (kavka lab heal ends it)"
	is_node "$alone" cutOffFrom "[$others]"
	wait_for 10 has_leader_but "$alone"
	wait_for 10 is_node "${others%,*}" sees "[$others]"
	# Clients reach both sides still.
	kavka api-versions -b "$(address "$alone")" >/dev/null
	run -0 lab heal
	wait_for 10 is_node "${others%,*}" sees '[1,2,3]'
	wait_for 10 is_node "$alone" sees '[1,2,3]'
}

@test "lab partition clients: they reach nobody, the nodes each other" {
	lab partition clients --quiet
	run -6 kavka topics --list --command-config <(printf '%s\n' default.api.timeout.ms=1500 \
		request.timeout.ms=500 "bootstrap.servers=$(address 1)")
	[ "$(node 2 sees)" = '[1,2,3]' ]
	lab heal --quiet
	kavka topics --list
}

@test "lab slow: what a node sends and receives comes later" {
	local begun took

	run -0 lab slow 2 150ms
	out "what node 2 sends or receives comes 150 ms later"
	begun=$(date +%s%N)
	kavka api-versions -b "$(address 2)" >/dev/null
	took=$((($(date +%s%N) - begun) / 1000000))
	[ "$took" -ge 300 ]
	is_node 2 delayMs 150
	lab slow 2 off --quiet
	is_node 2 delayMs 0
}

@test "lab pause, resume: it stands still, is missed, and comes back" {
	run -0 lab pause 3
	is_node 3 state '"paused"'
	wait_for 10 is_node 1 sees '[1,2]'
	run -1 --separate-stderr lab pause 3
	err_has "node 3 is paused already"
	run -0 lab resume
	out "node 3 is running again"
	wait_for 10 is_node 1 sees '[1,2,3]'
}

@test "lab restart: one after the other, and each partition has all its replicas in between" {
	local pids

	kavka topics --create --topic "$T" --partitions 4 --quiet
	pids=$(lab ps --json | jq -c .pid)
	run -0 lab restart
	out $'node 1 is restarted\nnode 2 is restarted\nnode 3 is restarted'
	[ "$(lab ps --json | jq -c '.pid' | grep -cxF "$pids")" -eq 0 ]
	in_sync "$T"
}

@test "lab log: of one node, of all, and as it comes" {
	run -0 lab log 1 --lines 1
	[ "${#lines[@]}" -eq 1 ]
	run -0 lab log --lines 1
	[[ "${lines[0]}" == "1 | "* && "${lines[2]}" == "3 | "* ]]
	"$KAVKA_BIN" lab log 2 -f --lines 1 >followed 3>&- &
	follower=$!
	wait_for 10 test -s followed
	echo "a line that comes" >>"$XDG_STATE_HOME/kavka/labs/lab/node-2/log"
	wait_for 10 grep -q "a line that comes" followed
	kill -INT "$follower"
	wait "$follower" || [ $? -eq 130 ]
	follower=
}

@test "lab add: another broker, which takes partitions" {
	run -0 lab up 1 --name more --port 0 --no-profile
	run -0 lab add --name more
	out_has "node 2  127.0.0.1:"
	[ "$(lab ps --name more --json | jq -c .sees)" = $'[1,2]\n[1,2]' ]
	[ "$(lab ps --name more --json | jq -r .roles | tail -n 1)" = broker ]
	lab reset --name more --quiet
}

@test "lab --apache: nodes run what is installed elsewhere, and go back, on their data" {
	local dir=$PWD/apache

	mkdir -p "$dir/bin"
	# It stands in for Apache's script, which takes a file too; interop runs the real one.
	printf '#!/bin/sh\necho in place of Apache\nexec "%s" broker "$1"\n' "$KAVKA_BIN" \
		>"$dir/bin/kafka-server-start.sh"
	chmod +x "$dir/bin/kafka-server-start.sh"
	run -0 lab up 1 --name "$T" --port 0 --no-profile --apache "$dir" --release-version 4.0
	out_has "broker,controller  Apache Kafka"
	[ "$(lab ps --name "$T" --json | jq -r .apache)" = "$dir" ]
	grep -q "in place of Apache" "$XDG_STATE_HOME/kavka/labs/$T/node-1/log"
	kavka features describe -b "$(lab ps --name "$T" --json | jq -r .address)" | grep -q 4.0-IV3
	lab restart --name "$T" --kavka --quiet
	[ "$(lab ps --name "$T" --json | jq -r .apache)" = null ]
	run -1 --separate-stderr kavka lab restart --name "$T" --apache /nonexistent
	err_has "--apache: /nonexistent/bin/kafka-server-start.sh: No such file"
	lab reset --name "$T" --quiet
}

@test "lab down, up, reset: data stay until they are reset; the profile comes and goes" {
	local servers

	kavka profile add "mine$T" -b localhost:1 --use --quiet
	lab up --name "$T" --brokers 1 --controllers 1 --port 0 --quiet
	servers=$(kavka profile show)
	[ "$(kavka profile current)" = "$T" ]
	echo kept | kavka producer --topic "$T"
	run -0 lab down --name "$T"
	out_has "its data stay in $XDG_STATE_HOME/kavka/labs/$T"
	[ "$(kavka profile current)" = "mine$T" ]
	run -5 --separate-stderr kavka lab stop 1 --name "$T"
	err_has "is not up (kavka lab up starts it)"
	lab up --name "$T" --quiet
	[ "$(kavka profile show)" = "$servers" ]
	run -0 --separate-stderr kavka consumer --topic "$T" --from-beginning --max-messages 1
	out kept
	lab reset --name "$T" --quiet
	[ ! -e "$XDG_STATE_HOME/kavka/labs/$T" ]
	run -5 kavka profile show "$T"
	kavka profile remove "mine$T"
	kavka profile use lab
}

@test "lab: several, in directories with long names; a node that dies, an agent that dies" {
	local dir long pid

	long=$(printf 'x%.0s' {1..120})
	dir=$PWD/$long
	run -0 lab up --dir "$dir" --name "$T" --brokers 1 --port 0 --no-profile
	[ "$(lab list --json | jq -rs 'map(.lab) | index("lab")')" = 0 ]
	pid=$(lab ps --dir "$dir" --json | jq .pid)
	kill -KILL "$pid"
	died() { [ "$(lab ps --dir "$dir" --json | jq -c '[.state, .signal]')" = '["died",9]' ]; }
	wait_for 10 died
	lab start --dir "$dir" --quiet
	pid=$(lab ps --dir "$dir" --json | jq .pid)
	kill -KILL "$(sed -n 's/.*, pid //p' "$dir/agent.log" | tail -n 1)"
	ended() { ! kill -0 "$pid"; }
	wait_for 10 ended
	run -0 --separate-stderr lab ps --dir "$dir"
	err_has "is not up"
	lab up --dir "$dir" --no-profile --quiet
	lab reset --dir "$dir" --quiet
	[ ! -e "$dir" ]
}

@test "lab: the TAB key knows subcommands, nodes and labs" {
	run -0 kavka complete -- kavka lab pa
	out $'pause\thave nodes stand still (SIGSTOP)\npartition\tcut the network between groups of nodes'
	run -0 kavka complete -- kavka lab stop ""
	out $'1\trunning\n2\trunning\n3\trunning\nall'
	run -0 kavka complete -- kavka lab ps --name ""
	out $'lab\t'"$XDG_STATE_HOME/kavka/labs/lab"
}

@test "lab: one line says what is wrong" {
	run -2 --separate-stderr kavka lab pauze
	err "kavka lab: unknown subcommand 'pauze'; did you mean pause? (see kavka help lab)"
	run -2 --separate-stderr kavka lab stop
	err_has "which node: one of 1, 2 and 3, or all?"
	run -2 --separate-stderr kavka lab kill 4
	err_has "there is no node 4: there are 1, 2, 3"
	run -2 --separate-stderr kavka lab partition
	err_has "kavka lab partition 1 2,3"
	run -2 --separate-stderr kavka lab slow 2 fast
	err_has "'fast' is no time: want something like 200ms or 1.5s"
	run -5 --separate-stderr kavka lab ps --name labb
	err_has "there is no lab 'labb'; did you mean lab?"
	run -1 --separate-stderr kavka lab up 5
	err_has "the lab lab has 3 brokers already (kavka lab add adds some"
	run -2 --separate-stderr kavka lab up --name "$T" --config log.retention.hour=1
	err_has "there is no config log.retention.hour of brokers"
	run -1 --separate-stderr kavka lab up --name "$T" --release-version 9.9
	err_has "Unknown metadata.version '9.9'"
	[ ! -e "$XDG_STATE_HOME/kavka/labs/$T" ]
	run -2 --separate-stderr kavka lab up three
	err_has "'three' is no number of brokers: want 1 to 63"
	run -2 --separate-stderr kavka lab up --name ../x
	err_has "a name has letters"
}
