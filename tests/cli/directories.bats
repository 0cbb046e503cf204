#!/usr/bin/env bats
# A broker with two log directories: where replicas go, and what a kill amid a move leaves.

load common

setup_file()
{
	DIRS=$BATS_FILE_TMPDIR/dirs
	export DIRS
	suite_start "log.dirs=$DIRS/one,$DIRS/two" auto.create.topics.enable=false
}

teardown_file()
{
	suite_stop
}

setup()
{
	fresh_name
}

cordon()
{
	timeout 60 kafka-configs --bootstrap-server "$BROKER" --alter --entity-type brokers \
		--entity-name 1 "$@"
}

reassign()
{
	timeout 60 kafka-reassign-partitions --bootstrap-server "$BROKER" "$@"
}

# cordoned_is NAMES: which of the directories the broker says are cordoned.
cordoned_is()
{
	[ "$(timeout 60 "$KAVKA_BIN" log-dirs -b "$BROKER" --describe --output json |
		grep -o '"logDir":"[^"]*"[^[]*"isCordoned":true' |
		sed 's,.*/\([a-z]*\)".*,\1,' | sort | paste -sd ,)" = "$1" ]
}

# plan TOPIC DIR
plan()
{
	printf '{"version":1,"partitions":[{"topic":"%s","partition":0,"replicas":[1],"log_dirs":["%s"]}]}' \
		"$1" "$2" >plan.json
}

# created TOPIC...: also in the eyes of who looks for directories.
created()
{
	for topic; do
		topics --create --topic "$topic" || return
	done
	for topic; do
		wait_for 10 compgen -G "$DIRS/*/$topic-0" || return
	done
}

@test "directories: what is cordoned gets no new replicas" {
	created "$T-a" "$T-b"
	run -0 cordon --add-config "cordoned.log.dirs=$DIRS/one"
	wait_for 10 cordoned_is one
	created "$T-1" "$T-2" "$T-3"
	for topic in "$T-1" "$T-2" "$T-3"; do
		[ -d "$DIRS/two/$topic-0" ]
	done
	plan "$T-1" "$DIRS/one"
	run ! reassign --execute --reassignment-json-file plan.json
	out_has "Error: Failed to alter dir for $T-1-0-1"
	run -0 cordon --add-config "cordoned.log.dirs=*"
	wait_for 10 cordoned_is one,two
	run ! topics --create --topic "$T-4"
	out_has "All brokers are currently fenced, or have all their log directories cordoned."
	run ! cordon --add-config "cordoned.log.dirs=$DIRS/three"
	run -0 cordon --delete-config cordoned.log.dirs
	wait_for 10 cordoned_is ''
	created "$T-4"
	reassign --execute --reassignment-json-file plan.json
	wait_for 30 test -d "$DIRS/one/$T-1-0"
}

broker()
{
	"$support_dir/broker" "$1" "$BATS_FILE_TMPDIR/broker" >/dev/null
}

# Where the controller believes the replica of $T to be: the last that its log says.
assigned()
{
	local id

	id=$(topics --describe --topic "$T" | sed -n 's/.*TopicId: \([^[:space:]]*\).*/\1/p')
	timeout 60 kafka-dump-log --cluster-metadata-decoder --files "$(
		ls "$DIRS"/*/__cluster_metadata-0/*0.log)" |
		grep -E "\"topicId\": ?\"$id\"" | grep -oE '"directories": ?\["[^"]*"' |
		tail -n 1 | grep -o '[^"]*"$' | tr -d '"'
}

# The replica is in one directory, and the controller knows it; the name goes to $place.
is_placed()
{
	local found

	mapfile -t found < <(compgen -G "$DIRS/*/$T-0*" | grep -v -- '-delete$')
	place=$(dirname "${found[0]}")
	[ "${#found[@]}" = 1 ] && [ "${found[0]}" = "$place/$T-0" ] &&
		[ "$(assigned)" = "$(sed -n 's/^directory.id=//p' "$place/meta.properties")" ]
}

is_moved()
{
	reassign --verify --reassignment-json-file plan.json --preserve-throttles >verified &&
		grep -q "completed successfully" verified
}

# What lies there when the broker dies after the controller has the new directory of a replica, and
# before the log has its new name.
@test "directories: a kill amid a move" {
	created "$T"
	seq 1 100 | put "$T" -p 0
	wait_for 20 is_placed
	from=$place
	[ "$from" = "$DIRS/one" ] && to=$DIRS/two || to=$DIRS/one
	plan "$T" "$to"
	reassign --execute --reassignment-json-file plan.json
	wait_for 30 is_moved
	wait_for 20 is_placed
	[ "$place" = "$to" ]
	broker kill
	cp -r "$to/$T-0" "$from/$T-0"
	mv "$to/$T-0" "$to/$T-0.0123456789abcdef0123456789abcdef-future"
	broker restart
	wait_for 30 is_placed
	[ "$(got "$T")" = "$(seq 1 100)" ]
	# the same, and the disk with the old directory is lost
	broker kill
	mv "$place/$T-0" "$place/$T-0.0123456789abcdef0123456789abcdef-future"
	broker restart
	wait_for 30 is_placed
	[ "$(got "$T")" = "$(seq 1 100)" ]
}
