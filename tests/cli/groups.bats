#!/usr/bin/env bats
# kafka-consumer-groups: list, describe, reset, delete.

load common

setup_file()
{
	suite_start
}

teardown_file()
{
	[ -z "${MEMBER:-}" ] || kill "$MEMBER"
	suite_stop
}

setup()
{
	fresh_name
	MEMBER=
}

teardown()
{
	[ -z "$MEMBER" ] || kill "$MEMBER" 2>/dev/null || true
}

# A topic of 10 records, 7 of them read by a group of the same name, which is empty now.
read_topic()
{
	seq 1 10 | put "$T"
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 7 "$T" >/dev/null
	wait_for 20 is_committed 7
}

is_committed()
{
	[ "$(offset_of "$T")" = "$1" ]
}

# CURRENT-OFFSET of a topic in the test's group.
offset_of()
{
	groups --describe --group "$T" 2>/dev/null | awk -v t="$1" '$2 == t { print $4 }'
}

start_member()
{
	kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -X client.id=me -X auto.commit.interval.ms=100 \
		-X partition.assignment.strategy=range "$@" >member.out 2>member.err 3>&- &
	MEMBER=$!
	wait_for 30 is_stable
}

is_stable()
{
	groups --describe --group "$T" --state 2>/dev/null | grep -q Stable
}

# A row of output with its runs of blanks made one.
squeezed()
{
	tr -s ' ' <<<"$output" | grep -- "$1" | sed 's/ $//'
}

@test "groups --list: ids; with --state and --type a table" {
	read_topic
	run --separate-stderr groups --list
	expect 0
	grep -qx -- "$T" <<<"$output"
	run --separate-stderr groups --list --state --type
	expect 0
	[[ "${lines[0]}" =~ ^GROUP\ +TYPE\ +STATE\ +$ ]] || { show; false; }
	[ "$(squeezed "^$T ")" = "$T Classic Empty" ] || { show; false; }
	run --separate-stderr groups --list --state stable
	expect 0
	[[ "$output" != *"$T "* ]] || { show; false; }
	run --separate-stderr groups --list --state nosuch
	expect 1
	err_has "Invalid state list 'nosuch'. Valid states are:"
}

@test "groups --describe: the table of an empty group, to the byte" {
	read_topic
	groups --describe --group "$T" >printed 2>errors
	w=$((${#T} > 15 ? ${#T} : 15))
	{
		printf "\n%-${w}s %-${w}s %-10s %-15s %-15s %-15s %-15s %-15s %s" GROUP TOPIC PARTITION CURRENT-OFFSET \
			LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID
		printf "\n%-${w}s %-${w}s %-10s %-15s %-15s %-15s %-15s %-15s %s\n" "$T" "$T" 0 7 10 3 - - -
	} >want
	diff want printed
	diff <(printf "\nConsumer group '%s' has no active members.\n" "$T") errors
}

@test "groups --describe: a member with its partitions, host and client id" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 2
	seq 1 5 | put "$T" -p 0
	start_member "$T"
	wait_for 20 is_committed 5$'\n'-
	run --separate-stderr groups --describe --group "$T"
	expect 0
	err ""
	[[ "$(squeezed "$T 0 ")" =~ ^"$T $T 0 5 5 0 me-"[0-9a-f-]+" /127.0.0.1 me"$ ]] || { show; false; }
	[[ "$(squeezed "$T 1 ")" =~ ^"$T $T 1 - 0 - me-"[0-9a-f-]+" /127.0.0.1 me"$ ]] || { show; false; }
	run --separate-stderr groups --describe --group "$T" --verbose
	[[ "$(squeezed GROUP)" == "GROUP TOPIC PARTITION LEADER-EPOCH CURRENT-OFFSET LOG-END-OFFSET LAG CONSUMER-ID HOST CLIENT-ID" ]] || { show; false; }
}

@test "groups --describe --members and --state: of a group at work" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 3
	start_member "$T"
	run --separate-stderr groups --describe --group "$T" --members
	expect 0
	[ "$(squeezed GROUP)" = "GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS" ] || { show; false; }
	[[ "$(squeezed "^$T ")" =~ ^"$T me-"[0-9a-f-]+" /127.0.0.1 me 3"$ ]] || { show; false; }
	run --separate-stderr groups --describe --group "$T" --members --verbose
	[[ "$(squeezed "^$T ")" =~ " me 3 - $T:0,1,2 - - "?[-0-9,:a-z]*$ ]] || { show; false; }
	run --separate-stderr groups --describe --group "$T" --state
	[ "$(squeezed GROUP)" = "GROUP COORDINATOR (ID) ASSIGNMENT-STRATEGY STATE #MEMBERS" ] || { show; false; }
	[ "$(squeezed "^$T ")" = "$T $BROKER (1) range Stable 1" ] || { show; false; }
}

@test "groups --describe: members and state of an empty group" {
	read_topic
	run --separate-stderr groups --describe --group "$T" --members
	expect 0
	err_has "Consumer group '$T' has no active members."
	[ "$(squeezed GROUP)" = "GROUP CONSUMER-ID HOST CLIENT-ID #PARTITIONS" ] || { show; false; }
	run --separate-stderr groups --describe --group "$T" --state
	[ "$(squeezed "^$T ")" = "$T $BROKER (1) - Empty 0" ] || { show; false; }
}

@test "groups --describe: an unknown group is an error on stdout" {
	run --separate-stderr groups --describe --group nosuch
	out_has "Error: Executing consumer group command failed due to org.apache.kafka.common.errors.GroupIdNotFoundException: Group nosuch not found."
}

@test "groups --describe --all-groups: several, sorted by id" {
	read_topic
	first=$T
	T=$T-2
	read_topic
	run --separate-stderr groups --describe --all-groups
	expect 0
	[ "$(awk -v a="$first" -v b="$T" '$1 == a || $1 == b { print $1 }' <<<"$output")" = "$first"$'\n'"$T" ] || { show; false; }
}

@test "groups --reset-offsets: a dry run changes nothing and prints the table" {
	read_topic
	groups --reset-offsets --group "$T" --topic "$T" --to-earliest --dry-run >printed
	w=$((${#T} > 15 ? ${#T} : 15))
	{
		printf "\n%-${w}s %-${w}s %-10s %s" GROUP TOPIC PARTITION NEW-OFFSET
		printf "\n%-${w}s %-${w}s %-10s %s\n" "$T" "$T" 0 0
	} >want
	diff want printed
	is_committed 7
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T" --to-earliest
	expect 0
	err_has "WARN: No action will be performed as the --execute option is missing."
	is_committed 7
}

# reset_to NEW-OFFSET SCENARIO...: the table says it, and so it is.
reset_to()
{
	local want=$1

	shift
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T" --execute "$@"
	expect 0
	[ "$(squeezed "^$T ")" = "$T $T 0 $want" ] || { show; return 1; }
}

@test "groups --reset-offsets --execute: earliest, latest, offset, shift, current" {
	read_topic
	reset_to 0 --to-earliest
	is_committed 0
	reset_to 10 --to-latest
	reset_to 3 --to-offset 3
	reset_to 5 --shift-by 2
	reset_to 1 --shift-by -4
	reset_to 1 --to-current
	is_committed 1
}

@test "groups --reset-offsets: an offset out of range is cut to the log, with a warning" {
	read_topic
	reset_to 10 --to-offset 99
	err_has "New offset (99) is higher than latest offset for topic partition $T-0. Value will be set to 10"
	reset_to 0 --shift-by -99
	err_has "is lower than earliest offset for topic partition $T-0. Value will be set to 0"
}

@test "groups --reset-offsets: by time" {
	read_topic
	reset_to 0 --to-datetime 2020-01-01T00:00:00.000
	reset_to 0 --by-duration P1D
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T" --execute --to-datetime 2100-01-01T00:00:00.000
	expect 0
	out_has "Warn: Partition 0 from topic $T is empty. Falling back to latest known offset."
	is_committed 10
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T" --execute --to-datetime 2020-01-01
	[[ "$output$stderr" == *"It does not contain a 'T' according to ISO8601 format"* ]] || { show; false; }
}

@test "groups --reset-offsets: some partitions of a topic, all topics" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 3
	for p in 0 1 2; do seq 1 4 | put "$T" -p "$p"; done
	start_member "$T"
	wait_for 20 is_committed $'4\n4\n4'
	kill "$MEMBER"
	wait_for 20 is_empty
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T:0,2" --to-offset 1 --execute
	expect 0
	is_committed $'1\n4\n1'
	run --separate-stderr groups --reset-offsets --group "$T" --all-topics --to-offset 2 --execute
	is_committed $'2\n2\n2'
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T:9" --to-offset 1 --execute
	[[ "$output$stderr" == *"The partitions \"$T-9\" do not exist"* ]] || { show; false; }
}

is_empty()
{
	groups --describe --group "$T" --state 2>/dev/null | grep -q Empty
}

@test "groups --reset-offsets --export, --from-file: there and back" {
	read_topic
	groups --reset-offsets --group "$T" --topic "$T" --to-offset 4 --dry-run --export >plan.csv
	diff <(printf '%s,0,4\n\n' "$T") plan.csv
	printf '%s,0,6\n' "$T" >plan.csv
	run --separate-stderr groups --reset-offsets --group "$T" --from-file plan.csv --execute
	expect 0
	is_committed 6
	printf '%s,%s,0,2\n' "$T" "$T" >plan.csv
	run --separate-stderr groups --reset-offsets --group "$T" --from-file plan.csv --execute
	is_committed 2
}

@test "groups --reset-offsets: not while members are there" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T"
	seq 1 4 | put "$T"
	start_member "$T"
	run --separate-stderr groups --reset-offsets --group "$T" --topic "$T" --to-earliest --execute
	out_has "Error: Assignments can only be reset if the group '$T' is inactive, but the current state is Stable."
}

@test "groups --delete: an empty one goes, one with members stays" {
	read_topic
	run --separate-stderr groups --delete --group "$T"
	expect 0
	out "Deletion of requested consumer groups ('$T') was successful."
	start_member "$T"
	run --separate-stderr groups --delete --group "$T" --group nosuch
	out_has "Error: Deletion of some consumer groups failed:"
	out_has "* Group '$T' could not be deleted due to: "
	out_has "GroupNotEmptyException: The group is not empty."
	out_has "* Group 'nosuch' could not be deleted due to: "
}

@test "groups --delete-offsets: of one topic" {
	read_topic
	run --separate-stderr groups --delete-offsets --group "$T" --topic "$T"
	expect 0
	[ "${lines[0]}" = "Request succeeded for deleting offsets from group $T." ]
	[ "$(squeezed "^$T ")" = "$T 0 Successful" ] || { show; false; }
	[ -z "$(offset_of "$T")" ]
}

@test "groups: what cannot be understood is told on stderr, exit 1" {
	usage_error "Command must include exactly one action: --list, --describe, --delete, --reset-offsets, --delete-offsets, --validate-regex" \
		groups --group x
	usage_error "Option [describe] takes one of these options: " groups --describe
	usage_error "Option [describe] takes at most one of these options: " groups --describe --group x --members --state
	usage_error "Option [delete-offsets] takes the following options: " groups --delete-offsets --group x
	usage_error "Option [reset-offsets] only accepts one of [execute] and [dry-run]" \
		groups --reset-offsets --group x --topic t --to-earliest --execute --dry-run
	usage_error "can't be used with option" groups --reset-offsets --group x --topic t --to-earliest --to-latest --dry-run
	usage_error 'Missing required argument "[bootstrap-server]"' kafka-consumer-groups --list
	usage_error "grup is not a recognized option" groups --describe --grup x
	usage_error "This tool helps to list" \
		kafka-consumer-groups --help
}

@test "groups --validate-regex: needs no broker" {
	run --separate-stderr kafka-consumer-groups --validate-regex 'foo.*'
	expect 0
	out 'The regular expression `foo.*` is valid.'
	run --separate-stderr kafka-consumer-groups --validate-regex 'foo('
	expect 0
	out 'The regular expression `foo(` is invalid: missing closing ).'
}

# ---- kavka's own ------------------------------------------------------------------------------

own()
{
	run --separate-stderr "$KAVKA_BIN" groups --bootstrap-server "$BROKER" "$@"
}

@test "groups: kavka's name tells the truth, Apache's name keeps its exit 0" {
	improvement
	read_topic
	run --separate-stderr groups --describe --group nosuch
	expect 0
	out_has "Error: Executing consumer group command failed due to "
	own --describe --group nosuch
	expect 5
	out ""
	err "kavka groups: there is no group 'nosuch' (kavka groups --list tells which there are)"
	own --describe --group "${T}x"
	err "kavka groups: there is no group '${T}x'; did you mean $T?"
	run --separate-stderr groups --delete --group nosuch
	expect 0
	own --delete --group nosuch
	expect 5
	err "kavka groups: group nosuch: The group id does not exist."
	own --describe --group "$T" --group nosuch
	expect 7
	out_has "$T"
	err_has "kavka groups: there is no group 'nosuch'"
	run --separate-stderr kafka-consumer-groups --validate-regex 'a('
	expect 0
	own --validate-regex 'a('
	expect 1
	own --describe
	expect 2
	err "kavka groups: --describe: of which group? --group GROUP, or --all-groups (see kavka help groups)"
}

@test "groups: who holds a group that cannot be reset is named" {
	improvement
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T"
	start_member "$T"
	own --reset-offsets --group "$T" --topic "$T" --to-earliest --execute
	expect 1
	out ""
	err_has "kavka groups: group $T is in use (Stable): stop its members first: me-"
	err_has " at /127.0.0.1"
}

@test "groups: JSON, tables, and partitions that lag" {
	improvement
	read_topic
	own --list --json
	run -0 jq -c "select(.group == \"$T\")" <<<"$output"
	out "{\"group\":\"$T\",\"type\":\"Classic\",\"protocolType\":\"consumer\",\"state\":\"Empty\"}"
	own --describe --group "$T" --json
	run -0 jq -c '.type, .totalLag, .offsets[0].currentOffset, .offsets[0].lag' <<<"$output"
	out $'"Classic"\n3\n7\n3'
	own --describe --group "$T" --lag-only --output table
	[ "${#lines[@]}" -eq 2 ] || { show; false; }
	own --reset-offsets --group "$T" --topic "$T" --to-latest --execute --json
	out "{\"group\":\"$T\",\"topic\":\"$T\",\"partition\":0,\"newOffset\":10,\"executed\":true}"
	own --describe --group "$T" --lag-only --output table
	[ "${#lines[@]}" -eq 1 ] || { show; false; }
	own --delete --group "$T" --dry-run
	out "Would delete group $T."
	own --delete --group "$T" --json
	out "{\"group\":\"$T\",\"error\":null}"
}
