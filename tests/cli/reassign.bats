#!/usr/bin/env bats
# kafka-reassign-partitions: replicas move to other brokers and directories.

load common

setup_file()
{
	DIRS=$BATS_FILE_TMPDIR/dirs
	export DIRS
	suite_start "log.dirs=$DIRS/one,$DIRS/two"
}

teardown_file()
{
	suite_stop
}

setup()
{
	fresh_name
	echo one | put "$T" -p 0
	printf '{"topics":[{"topic":"%s"}]}' "$T" >topics.json
	plan "$T" 0 1 >plan.json
}

reassign()
{
	timeout 60 kafka-reassign-partitions --bootstrap-server "$BROKER" "$@"
}

# plan TOPIC PARTITION BROKERS [DIR]
plan()
{
	printf '{"version":1,"partitions":[{"topic":"%s","partition":%s,"replicas":[%s]%s}]}' \
		"$1" "$2" "$3" "${4:+,\"log_dirs\":[\"$4\"]}"
}

# Where the partition lies, and where it does not.
find_dirs()
{
	here=$DIRS/one there=$DIRS/two
	[ -d "$here/$T-0" ] || here=$DIRS/two there=$DIRS/one
}

plan_file=--reassignment-json-file
no_moves='None of the specified partition reassignments are active.
None of the specified partition moves are active.'

@test "reassign: a plan is proposed, executed, verified" {
	find_dirs
	run --separate-stderr reassign --generate --topics-to-move-json-file topics.json \
		--broker-list 1
	expect 0
	out "Current partition replica assignment
$(plan "$T" 0 1 "$here")

Proposed partition reassignment configuration
$(plan "$T" 0 1 any)"
	run --separate-stderr reassign --execute "$plan_file" plan.json --throttle 1000
	expect 0
	out "Current partition replica assignment

$(plan "$T" 0 1 "$here")

Save this to use as the --reassignment-json-file option during rollback
Warning: You must run --verify periodically, until the reassignment completes, to ensure the throttle is removed.
The inter-broker throttle limit was set to 1000 B/s
Successfully started partition reassignment for $T-0"
	run -0 timeout 60 kafka-configs --bootstrap-server "$BROKER" --describe --topic "$T"
	out_has "leader.replication.throttled.replicas=0:1"
	run --separate-stderr reassign --verify "$plan_file" plan.json
	expect 0
	out "Status of partition reassignment:
Reassignment of partition $T-0 is completed.

Clearing broker-level throttles on broker 1
Clearing topic-level throttles on topic $T"
	run -0 timeout 60 kafka-configs --bootstrap-server "$BROKER" --describe --topic "$T"
	[[ "$output" != *throttled* ]]
	run --separate-stderr reassign --list
	expect 0
	out "No partition reassignments found."
	run --separate-stderr reassign --cancel "$plan_file" plan.json --preserve-throttles
	expect 0
	out "$no_moves"
}

# The move is over.
is_moved()
{
	reassign --verify "$plan_file" move.json --preserve-throttles >verified &&
		grep -q "completed successfully" verified
}

@test "reassign: a replica moves to another directory" {
	find_dirs
	plan "$T" 0 1 "$there" >move.json
	run --separate-stderr reassign --execute "$plan_file" move.json \
		--replica-alter-log-dirs-throttle 1000000
	expect 0
	out_has "The replica-alter-dir throttle limit was set to 1000000 B/s
Successfully started partition reassignment for $T-0
Successfully started moving log directory to $there for replica $T-0 with broker 1 "
	wait_for 30 is_moved
	[ -d "$there/$T-0" ]
	[ "$(got "$T")" = one ]
	run --separate-stderr reassign --cancel "$plan_file" move.json
	expect 0
	out "${no_moves}Clearing broker-level throttles on broker 1
Clearing topic-level throttles on topic $T"
	plan "$T" 0 1 "$here" >move.json
	run --separate-stderr reassign --verify "$plan_file" move.json --preserve-throttles
	expect 0
	out "Status of partition reassignment:
Reassignment of partition $T-0 is completed.
Partition $T-0 on broker 1 is not being moved from log dir $there to $here."
}

@test "reassign: a slow move to another directory is cancelled" {
	find_dirs
	for _ in 1 2 3 4; do
		head -c 900000 /dev/zero | tr '\0' x
		echo
	done | put "$T" -p 0
	plan "$T" 0 1 "$there" >move.json
	run --separate-stderr reassign --execute "$plan_file" move.json \
		--replica-alter-log-dirs-throttle 1
	expect 0
	run --separate-stderr reassign --verify "$plan_file" move.json
	expect 0
	out "Status of partition reassignment:
Reassignment of partition $T-0 is completed.
Reassignment of replica $T-0-1 is still in progress."
	run --separate-stderr reassign --cancel "$plan_file" move.json
	expect 0
	broker="broker 1 "
	out "None of the specified partition reassignments are active.
Successfully started moving log directory to $here for replica $T-0 with $broker
Clearing broker-level throttles on broker 1
Clearing topic-level throttles on topic $T"
}

@test "reassign: what is not there is told" {
	plan "$T" 9 1 >nine.json
	plan "$T" 0 9 >broker.json
	plan "nosuch-$T" 0 1 >nosuch.json
	plan "$T" 0 1 /nosuch >dir.json
	run --separate-stderr reassign --execute "$plan_file" nine.json
	expect 1
	out_has "Error: org.apache.kafka.common.errors.UnknownTopicOrPartitionException: Unable to find partition: $T-9"
	run --separate-stderr reassign --execute "$plan_file" nosuch.json
	expect 1
	out_has "Error: org.apache.kafka.common.errors.UnknownTopicOrPartitionException: Topic nosuch-$T not found."
	run --separate-stderr reassign --execute "$plan_file" broker.json
	expect 1
	out_has "Error: Unknown broker id 9"
	run --separate-stderr reassign --execute "$plan_file" dir.json
	expect 1
	out_has "Successfully started partition reassignment for $T-0
Error: Failed to alter dir for $T-0-1"
	run --separate-stderr reassign --verify "$plan_file" nine.json
	expect 0
	out_has "There is no active reassignment of partition $T-9, but replica set is  rather than 1."
	run --separate-stderr reassign --generate --topics-to-move-json-file topics.json \
		--broker-list 9
	expect 1
	out_has "Error: All brokers are currently fenced, or have all their log directories cordoned."
	run --separate-stderr reassign --verify "$plan_file" nosuch-file
	expect 1
	out_has "Error: Unable to read file nosuch-file"
}

@test "reassign: files that are no plan" {
	echo x >file
	run --separate-stderr reassign --execute "$plan_file" file
	expect 1
	out_has "Error: Unrecognized token 'x': was expecting (JSON String, Number, Array, Object or token 'null', 'true' or 'false')
 at [Source: REDACTED (\`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION\` disabled); line: 1, column: 1]"
	echo '{}' >file
	run --separate-stderr reassign --execute "$plan_file" file
	expect 1
	out_has "Error: Partition reassignment list cannot be empty"
	run --separate-stderr reassign --verify "$plan_file" file
	expect 0
	[[ "$output" == "Status of partition reassignment:"$'\n\n'"Clearing broker-level throttles on broker 1"* ]]
	plan a 0 1,1 >file
	run --separate-stderr reassign --execute "$plan_file" file
	expect 1
	out_has "Error: Partition replica lists may not contain duplicate entries: a-0 contains multiple entries for 1"
}

@test "reassign: options that do not go together" {
	usage_error "Command must include exactly one action: --generate, --execute, --verify, --cancel, --list" \
		reassign --list --verify
	usage_error "Please don't specify both --bootstrap-server and --bootstrap-controller" \
		reassign --list --bootstrap-controller localhost:1
	usage_error 'Missing required argument "[reassignment-json-file]"' reassign --verify
	usage_error "Option \"[throttle]\" can't be used with action \"[list]\"" \
		reassign --list --throttle 5
	run --separate-stderr reassign --generate --topics-to-move-json-file topics.json \
		--broker-list 1,1
	expect 1
	out_has "Error: Broker list contains duplicate entries: [1]"
}

@test "reassign: JSON, a table, and true exit codes" {
	improvement
	own=("$KAVKA_BIN" reassign -b "$BROKER")
	find_dirs
	plan "$T" 0 1 "$here" >here.json
	plan "$T" 0 1 "$there" >there.json
	part="{\"topic\":\"$T\",\"partition\":0"
	run --separate-stderr "${own[@]}" --verify "$plan_file" here.json --json
	expect 0
	out "$part,\"state\":\"completed\",\"replicas\":[1],\"targetReplicas\":[1],\"error\":null}
$part,\"broker\":1,\"state\":\"completed\",\"logDir\":\"$here\",\"targetLogDir\":\"$here\",\"error\":null}"
	run --separate-stderr "${own[@]}" --verify "$plan_file" there.json --output table
	expect 7
	[[ "${lines[0]}" =~ ^TOPIC\ +PARTITION\ +BROKER\ +STATE\ +NOW\ +WANTED\ +ERROR$ ]]
	[[ "${lines[2]}" =~ \ different\ +"$here"\ +"$there" ]]
	run --separate-stderr "${own[@]}" --generate --topics-to-move-json-file topics.json \
		--broker-list 1 --json
	expect 0
	out "{\"current\":$(plan "$T" 0 1 "$here"),\"proposed\":$(plan "$T" 0 1 any)}"
	plan "nosuch-$T" 0 1 >nosuch.json
	run --separate-stderr "${own[@]}" --execute "$plan_file" nosuch.json
	expect 5
	out ""
	err "kavka reassign: topic nosuch-$T not found"
	plan "$T" 0 9 >broker.json
	run --separate-stderr "${own[@]}" --execute "$plan_file" broker.json
	expect 5
	err "kavka reassign: unknown broker id 9"
	run --separate-stderr "${own[@]}" --verify "$plan_file" broker.json
	expect 5
	out_has "Clearing topic-level throttles on topic $T"
	err "kavka reassign: unknown broker id 9"
	run --separate-stderr "${own[@]}" --cancel "$plan_file" plan.json --json
	expect 0
	out "$part,\"state\":\"not-active\",\"replicas\":null,\"targetReplicas\":[1],\"error\":null}"
	run --separate-stderr "${own[@]}" --execute
	expect 2
}
