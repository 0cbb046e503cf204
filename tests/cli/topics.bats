#!/usr/bin/env bats
# kafka-topics: create, list, describe, alter, delete, and what it says when that fails.

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

@test "topics --create: says so, and the topic is there" {
	run --separate-stderr topics --create --topic "$T" --partitions 2 --replication-factor 1
	expect 0
	out "Created topic $T."
	run -0 kcat -b "$BROKER" -L -t "$T"
	out_has "topic \"$T\" with 2 partitions"
}

@test "topics --create: an existing topic is refused on stdout, exit 1" {
	topics --create --topic "$T"
	run --separate-stderr topics --create --topic "$T"
	expect 1
	[ "${lines[0]}" = "Error while executing topic command : Topic '$T' already exists." ]
	run --separate-stderr topics --create --topic "$T" --if-not-exists
	expect 0
	out ""
}

@test "topics --create: a name with a period warns before anything else" {
	run --separate-stderr topics --create --topic "$T.x" --partitions 1
	expect 0
	[ "${lines[0]}" = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both." ]
	[ "${lines[1]}" = "Created topic $T.x." ]
}

@test "topics --create --config: kept and shown; unknown and malformed ones are refused" {
	run --separate-stderr topics --create --topic "$T" --config retention.ms=1234567 --config "cleanup.policy = compact"
	expect 0
	run --separate-stderr topics --describe --topic "$T"
	[[ "${lines[0]}" == *"Configs: "*"cleanup.policy=compact"* ]] || { show; false; }
	[[ "${lines[0]}" == *"retention.ms=1234567"* ]] || { show; false; }
	run --separate-stderr topics --create --topic "$T-2" --config nosuch.config=1
	expect 1
	out_has "Error while executing topic command : Unknown topic config name: nosuch.config"
	run --separate-stderr topics --create --topic "$T-3" --config retention.ms
	expect 1
	out_has 'Invalid topic config: all configs to be added must be in the format "key=val".'
}

@test "topics --create: counts out of range and impossible replication are refused" {
	run --separate-stderr topics --create --topic "$T" --partitions 0
	expect 1
	out_has "The partitions must be greater than 0"
	run --separate-stderr topics --create --topic "$T" --replication-factor 0
	expect 1
	out_has "The replication factor must be between 1 and 32767 inclusive"
	run --separate-stderr topics --create --topic "$T" --replication-factor 5
	expect 1
	out_has "Error while executing topic command : Unable to replicate the partition 5 time(s)"
	run --separate-stderr topics --create --topic "in valid"
	expect 1
	out_has "Error while executing topic command : Topic name is invalid"
}

@test "topics --create --replica-assignment: one partition for each entry" {
	run --separate-stderr topics --create --topic "$T" --replica-assignment 1,1,1
	expect 0
	run --separate-stderr topics --describe --topic "$T"
	[[ "${lines[0]}" == *$'\tPartitionCount: 3\tReplicationFactor: 1\t'* ]] || { show; false; }
	run --separate-stderr topics --create --topic "$T-2" --replica-assignment 1:1
	expect 1
	out_has "Partition replica lists may not contain duplicate entries: 1"
}

@test "topics --list: sorted names, a filter matches whole names" {
	put "$T-b" <<<x
	put "$T-a" <<<x
	put "$T-B" <<<x
	run --separate-stderr topics --list --topic "$T-.*"
	expect 0
	out "$T-B"$'\n'"$T-a"$'\n'"$T-b"
	run --separate-stderr topics --list --topic "$T-a,$T-b"
	out "$T-a"$'\n'"$T-b"
	run --separate-stderr topics --list --topic "$T"
	expect 0
	out ""
}

@test "topics --list --exclude-internal: leaves out the offsets topic" {
	put "$T" <<<x
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 1 "$T"
	run --separate-stderr topics --list
	out_has "__consumer_offsets"
	run --separate-stderr topics --list --exclude-internal
	expect 0
	[[ "$output" != *__consumer_offsets* ]]
	out_has "$T"
}

@test "topics --describe: header and partition lines" {
	topics --create --topic "$T" --partitions 2 --replication-factor 1
	run --separate-stderr topics --describe --topic "$T"
	expect 0
	[[ "${lines[0]}" =~ ^"Topic: $T"$'\t'"TopicId: "[A-Za-z0-9_-]{22}$'\t'"PartitionCount: 2"$'\t'"ReplicationFactor: 1"$'\t'"Configs: " ]] || { show; false; }
	[ "${lines[1]}" = $'\t'"Topic: $T"$'\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: ' ]
	[ "${lines[2]}" = $'\t'"Topic: $T"$'\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1\tElr: \tLastKnownElr: ' ]
	[ "${#lines[@]}" -eq 3 ]
}

@test "topics --describe --topic-id: the same topic by its id" {
	topics --create --topic "$T"
	id=$(topics --describe --topic "$T" | sed -n 's/.*TopicId: \([^\t]*\).*/\1/p')
	run --separate-stderr topics --describe --topic-id "$id"
	expect 0
	[[ "${lines[0]}" == "Topic: $T"$'\t'"TopicId: $id"$'\t'* ]] || { show; false; }
	run --separate-stderr topics --describe --topic-id AAAAAAAAAAAAAAAAAAAAZQ
	expect 1
	out_has "TopicId 'AAAAAAAAAAAAAAAAAAAAZQ' does not exist as expected"
}

@test "topics --describe: an unknown topic is named, exit 1; --if-exists is silent" {
	run --separate-stderr topics --describe --topic nosuch
	expect 1
	[ "${lines[0]}" = "Error while executing topic command : Topic 'nosuch' does not exist as expected" ]
	run --separate-stderr topics --describe --topic nosuch --if-exists
	expect 0
	out ""
}

@test "topics --describe: report filters print matching lines only" {
	topics --create --topic "$T" --partitions 1 --config min.insync.replicas=1
	run --separate-stderr topics --describe --topic "$T" --under-replicated-partitions
	expect 0
	out ""
	run --separate-stderr topics --describe --topic "$T" --unavailable-partitions
	out ""
	run --separate-stderr topics --describe --topic "$T" --at-min-isr-partitions
	expect 0
	[ "${#lines[@]}" -eq 1 ]
	[[ "${lines[0]}" == $'\t'"Topic: $T"$'\tPartition: 0\t'* ]] || { show; false; }
	run --separate-stderr topics --describe --topic "$T" --topics-with-overrides
	expect 0
	[ "${#lines[@]}" -eq 1 ]
	[[ "${lines[0]}" == "Topic: $T"$'\t'*"min.insync.replicas=1"* ]] || { show; false; }
}

@test "topics --alter --partitions: grows silently, never shrinks" {
	topics --create --topic "$T" --partitions 2
	run --separate-stderr topics --alter --topic "$T" --partitions 4
	expect 0
	out ""
	run -0 kcat -b "$BROKER" -L -t "$T"
	out_has "topic \"$T\" with 4 partitions"
	run --separate-stderr topics --alter --topic "$T" --partitions 4
	expect 1
	[ "${lines[0]}" = "Error while executing topic command : Topic already has 4 partition(s)." ]
	run --separate-stderr topics --alter --topic "$T" --partitions 3
	expect 1
	[ "${lines[0]}" = "Error while executing topic command : The topic $T currently has 4 partition(s); 3 would not be an increase." ]
}

@test "topics --alter: an unknown topic is an error unless --if-exists" {
	run --separate-stderr topics --alter --topic nosuch --partitions 3
	expect 1
	out_has "Topic 'nosuch' does not exist as expected"
	run --separate-stderr topics --alter --topic nosuch --partitions 3 --if-exists
	expect 0
	out ""
}

@test "topics --delete: silent; a pattern deletes every match" {
	topics --create --topic "$T-1" --partitions 1
	topics --create --topic "$T-2" --partitions 1
	run --separate-stderr topics --delete --topic "$T-.*"
	expect 0
	out ""
	wait_for 20 gone "$T-1"
	wait_for 20 gone "$T-2"
	run --separate-stderr topics --delete --topic nosuch
	expect 1
	out_has "Error while executing topic command : Topic 'nosuch' does not exist as expected"
	run --separate-stderr topics --delete --topic nosuch --if-exists
	expect 0
}

gone()
{
	! kcat -b "$BROKER" -L | grep -qF "topic \"$1\""
}

@test "topics --delete: a topic of the same name starts empty" {
	put "$T" <<<old
	topics --delete --topic "$T"
	wait_for 20 gone "$T"
	topics --create --topic "$T" --partitions 1
	put "$T" <<<new
	run -0 got "$T"
	out new
}

@test "topics: what cannot be understood is told on stderr, exit 1" {
	usage_error "Command must include exactly one action: --list, --describe, --create, --alter or --delete" \
		topics --topic "$T"
	usage_error "Command must include exactly one action" topics --list --describe
	usage_error 'Missing required argument "[topic]"' topics --create
	usage_error 'Missing required argument "[partitions]"' topics --alter --topic "$T"
	usage_error "can't be used with option \"[list]\"" topics --list --partitions 3
	usage_error "can't be used with option \"[create]\"" topics --create --topic "$T" --if-exists
}

@test "topics: unknown options, missing values and bad numbers are named" {
	usage_error "topc is not a recognized option" topics --list --topc x
	usage_error "zookeeper is not a recognized option" kafka-topics --zookeeper localhost:2181 --list
	usage_error "Option topic requires an argument" topics --create --topic
	run topics --create --topic "$T" --partitions x
	expect 1
	out_has "Cannot parse argument 'x' of option partitions"
}

@test "topics: options as --name=value and with one dash" {
	run --separate-stderr kafka-topics -bootstrap-server="$BROKER" --create --topic="$T" -partitions 1
	expect 0
	out "Created topic $T."
}

@test "topics --help: on stderr, exit 1; --version: on stdout, exit 0" {
	usage_error "This tool helps to create, delete, describe, or change a topic." kafka-topics --help
	err_has "--under-replicated-partitions"
	usage_error "Create, delete, describe, or change a topic." kafka-topics
	run --separate-stderr kafka-topics --version
	expect 0
	[[ "$output" =~ ^[0-9]+\.[0-9]+ ]]
}

@test "topics: no broker there is an error, not a hang" {
	printf 'default.api.timeout.ms=800\nrequest.timeout.ms=500\n' >quick.properties
	run --separate-stderr timeout 20 kafka-topics --bootstrap-server 127.0.0.1:1 --list --command-config quick.properties
	expect 1
	out_has "Error while executing topic command : "
	out_has "Call: listTopics"
}

# ---- kavka's own ------------------------------------------------------------------------------

own()
{
	run --separate-stderr "$KAVKA_BIN" topics --bootstrap-server "$BROKER" "$@"
}

@test "topics: several at once; what fails for some is exit 7" {
	improvement
	own --create --topic "$T-a" --topic "$T-b" --partitions 2 --wait
	expect 0
	out "Created topic $T-a."$'\n'"Created topic $T-b."
	own --create --topic "$T-b" --topic "$T-c" --json
	expect 7
	run -0 jq -sc 'sort_by(.topic) | map(.error)' <<<"$output"
	out "[\"Topic '$T-b' already exists.\",null]"
	own --describe --topic "$T-a" --topic "nosuch-$T"
	expect 5
	err_has "kavka topics: there is no topic 'nosuch-$T'"
	own --describe --topic "$T-aa"
	err "kavka topics: there is no topic '$T-aa'; did you mean $T-a?"
	own --delete --topic "$T-.*" --dry-run
	out "Would delete topic $T-a."$'\n'"Would delete topic $T-b."$'\n'"Would delete topic $T-c."
	own --delete --topic "$T-a" --topic "$T-b" --wait
	out "Deleted topic $T-a."$'\n'"Deleted topic $T-b."
	own --list --topic "$T-.*"
	out "$T-c"
}

@test "topics: sizes and states, as a table and as JSON" {
	improvement
	topics --create --topic "$T" --partitions 2
	head -c 20000 /dev/urandom | base64 -w 0 | put "$T" -p 1
	own --list --topic "$T" --sizes --output table
	[[ "${lines[0]}" =~ ^TOPIC\ +PARTITIONS\ +REPLICAS\ +STATE\ +SIZE$ ]] || { show; false; }
	[[ "${lines[1]}" =~ ^"$T "\ +2\ +1\ +ok\ +2[67]\ KiB$ ]] || { show; false; }
	own --describe --topic "$T" --sizes --json
	run -0 jq -c '.partitionCount, .partitions[0].bytes, (.partitions[1].bytes > 26000)' <<<"$output"
	out $'2\n0\ntrue'
	own --describe --topic "$T" --output table
	[[ "${lines[0]}" =~ ^TOPIC\ +PARTITION\ +LEADER\ +REPLICAS\ +ISR$ ]] || { show; false; }
	[ "${#lines[@]}" -eq 3 ] || { show; false; }
}

@test "topics --delete: a pattern asks who types it" {
	improvement
	topics --create --topic "$T-a"
	run script -qec "'$KAVKA_BIN' topics -b $BROKER --delete --topic '$T-.*'" /dev/null <<<n
	out_has "1 topic:"
	out_has "  $T-a"
	out_has "nothing was deleted"
	own --list --topic "$T-a"
	out "$T-a"
	run script -qec "'$KAVKA_BIN' topics -b $BROKER --delete --topic '$T-.*'" /dev/null <<<y
	out_has "Deleted topic $T-a."
}
