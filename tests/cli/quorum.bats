#!/usr/bin/env bats
# kafka-metadata-quorum: the controllers that hold the metadata.

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
}

quorum()
{
	timeout 60 kafka-metadata-quorum --bootstrap-server "$BROKER" "$@"
}

@test "quorum: the status, its values in one column" {
	id=$(timeout 60 "$KAVKA_BIN" api Metadata --json -b "$BROKER" '{"topics":[]}' | jq -r .clusterId)
	run --separate-stderr quorum describe --status
	expect 0
	[ "${#lines[@]}" = 8 ] || { show; false; }
	[ "${lines[0]}" = "ClusterId:              $id" ]
	[ "${lines[1]}" = "LeaderId:               1" ]
	[[ "${lines[2]}" =~ ^"LeaderEpoch:            "[0-9]+$ ]] || { show; false; }
	[[ "${lines[3]}" =~ ^"HighWatermark:          "[0-9]+$ ]] || { show; false; }
	[ "${lines[4]}" = "MaxFollowerLag:         0" ]
	[ "${lines[5]}" = "MaxFollowerLagTimeMs:   0" ]
	[[ "${lines[6]}" =~ ^'CurrentVoters:          [{"id": 1, '.*'"endpoints": ["CONTROLLER://127.0.0.1:'[0-9]+'"]}]'$ ]] || { show; false; }
	[ "${lines[7]}" = "CurrentObservers:       []" ]
}

@test "quorum: the replication, cells padded and ended by TABs" {
	run --separate-stderr quorum describe --replication
	expect 0
	local tab=$'\t' id='.{22}' ms='1[0-9]{12}'
	[[ "${lines[0]}" =~ ^NodeId${tab}DirectoryId\ {11}${tab}LogEndOffset${tab}Lag${tab} ]] || { show; false; }
	[[ "${lines[0]}" =~ ${tab}LastFetchTimestamp${tab}LastCaughtUpTimestamp${tab}Status${tab}$ ]] || { show; false; }
	[[ "${lines[1]}" =~ ^1\ {5}${tab}${id}${tab}[0-9]+\ *${tab}0\ \ ${tab}${ms}\ {5}${tab}${ms}\ {8}${tab}Leader${tab}$ ]] || { show; false; }
	run --separate-stderr quorum describe --replication --human-readable
	expect 0
	[[ "${lines[1]}" =~ ${tab}[0-9]+" ms ago"\ +${tab}[0-9]+" ms ago"\ +${tab}Leader ]] || { show; false; }
}

@test "quorum: what does not go together" {
	usage_error "One of --status or --replication must be specified with describe sub-command" \
		quorum describe
	usage_error "Only one of --status or --replication should be specified with describe sub-command" \
		quorum describe --status --replication
	usage_error "The option --human-readable is only supported along with --replication" \
		quorum describe --status --human-readable
	usage_error "kafka-metadata-quorum: error: too few arguments" quorum
	usage_error "kafka-metadata-quorum: error: " timeout 60 kafka-metadata-quorum describe --status
	usage_error "Failed to parse --controller-directory-id" quorum remove-controller -i 9 -d zz
	usage_error "You must supply the configuration file" quorum add-controller
}

@test "quorum: voters are added and removed; dry runs" {
	local id=5ZB5ZzOWQYOLrQnXxSPU4w

	run --separate-stderr quorum remove-controller -i 9 -d "$id" --dry-run
	expect 0
	out "DRY RUN of removing  KRaft controller 9 with directory id $id"
	# This quorum's voters are fixed by its configuration.
	run --separate-stderr quorum remove-controller -i 9 -d "$id"
	expect 1
	out ""
	err_has "org.apache.kafka.common.errors.UnsupportedVersionException: "
	mkdir data
	printf '%s\n' version=1 node.id=9 cluster.id=x "directory.id=$id" >data/meta.properties
	printf '%s\n' process.roles=controller node.id=9 controller.listener.names=CONTROLLER \
		listeners=CONTROLLER://localhost:9099 "log.dirs=$PWD/data" >controller.properties
	run --separate-stderr quorum --command-config controller.properties add-controller --dry-run
	expect 0
	out "DRY RUN of adding controller 9 with directory id $id and endpoints: CONTROLLER://localhost:9099"
	run --separate-stderr quorum --command-config controller.properties add-controller
	expect 1
	out ""
	err_has "org.apache.kafka.common.errors.UnsupportedVersionException: "
	printf '%s\n' process.roles=broker node.id=9 >controller.properties
	usage_error "process.roles did not contain 'controller' in configuration file." \
		quorum --command-config controller.properties add-controller
}

@test "quorum: JSON, a table, and short forms" {
	improvement
	run --separate-stderr "$KAVKA_BIN" quorum describe -b "$BROKER" --json
	expect 0
	run -0 jq -r '.leaderId, .maxFollowerLag, (.currentVoters | length), (.currentObservers | length)' <<<"$output"
	out $'1\n0\n1\n0'
	run --separate-stderr "$KAVKA_BIN" quorum -b "$BROKER" --json describe --replication
	expect 0
	run -0 jq -r '.nodeId, .lag, .status' <<<"$output"
	out $'1\n0\nLeader'
	run --separate-stderr "$KAVKA_BIN" quorum describe -b "$BROKER" --output table
	[[ "${lines[0]}" =~ ^NODE\ +DIRECTORY\ +LOG-END-OFFSET\ +LAG\ +LAST-FETCH\ +CAUGHT-UP\ +STATUS$ ]] || { show; false; }
	run --separate-stderr "$KAVKA_BIN" quorum describe -b 127.0.0.1:1
	expect 3
}
