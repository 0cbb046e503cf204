#!/usr/bin/env bats
# kavka top: the live view on a terminal, which is one of tmux; its text and JSON in a pipe.

# shellcheck disable=SC2154  # support_dir is of env.sh
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
	need tmux tmux
	fresh_name
	unset TMUX NO_COLOR CLICOLOR_FORCE
	# 10 records, 3 of them read by a group that has no members now.
	seq 10 | put "$T" -p 0
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 3 "$T" >/dev/null
}

teardown()
{
	terminal kill-server 2>/dev/null || true
	[ ! -d "$BATS_TEST_TMPDIR/labs" ] || lab down
}

terminal()
{
	tmux -f /dev/null -S "$BATS_TEST_TMPDIR/tmux" "$@"
}

# opens COMMAND: in a shell on a terminal of 110 columns and 24 lines; before and after it stand the
# terminal's settings and the exit status.
opens()
{
	cat >"$BATS_TEST_TMPDIR/session" <<-SH
	export LC_ALL=C.UTF-8 $2
	echo before
	stty -g >before.stty
	$1
	echo "[exit \$?]"
	stty -g >after.stty
	exec sleep 600
	SH
	terminal new-session -d -x 110 -y 24 "bash '$BATS_TEST_TMPDIR/session'"
}

keys()
{
	terminal send-keys "$@"
}

screen()
{
	terminal capture-pane -p "$@"
}

# sees PATTERN: the screen comes to match that pattern of the shell.
sees()
{
	wait_for 30 screen_is "$1" || { screen >&2; return 1; }
}

screen_is()
{
	# shellcheck disable=SC2053  # a pattern
	[[ "$(screen)" == $1 ]]
}

# The terminal is as it was: its lines, its settings, and no trace of the view.
is_given_back()
{
	sees "before"$'\n'"*\[exit $1\]*"
	[[ "$(screen)" != *kavka\ top* ]]
	wait_for 10 test -s after.stty
	diff before.stty after.stty
}

@test "top: tables and keys, and the terminal is given back" {
	opens "'$KAVKA_BIN' top -b $BROKER -i 0.2"
	sees "* kavka top  1/1 brokers up *ID*ADDRESS*$BROKER*up *Events*"
	keys 2
	sees "*TOPIC*MSGS/S*$T  *"
	keys / "$T" Enter Enter
	sees "*> $T*PARTITION*$T-0  *in sync*"
	# What comes in is counted, and drawn.
	seq 5 | put "$T" -p 0
	sees "*$T-0  *  15  *█*"
	keys Escape 3 / "$T" Enter
	sees "*GROUP*LAG*$T * 12 *"
	keys Enter
	sees "*> $T*CURRENT*$T-0 * 3  * 15  * 12 *"
	keys '?'
	sees "*the partitions of what is selected*"
	keys x
	terminal resize-window -x 50 -y 10
	sees "* kavka top *$T-0 *"
	keys q
	terminal resize-window -x 110 -y 24
	is_given_back 0
}

@test "top: colours only where they are wanted" {
	opens "'$KAVKA_BIN' top -b $BROKER -i 0.2"
	sees "*$BROKER*up *"
	[[ "$(screen -e)" == *$'\e[32mup'* ]]
	keys C-c
	is_given_back 0
	teardown
	opens "'$KAVKA_BIN' top -b $BROKER -i 0.2 --ascii" NO_COLOR=1
	sees "*$BROKER*up *- Events ---*"
	[[ "$(screen -e)" != *$'\e['[0-9\;]*3[0-8]m* ]]
}

@test "top: signals end it, and the terminal is given back" {
	local signal status

	for signal in TERM:143 HUP:129 QUIT:131 SEGV:139; do
		status=${signal#*:}
		signal=${signal%:*}
		rm -f after.stty pid
		# Not a job of the shell's: it would set the terminal right itself.
		opens "bash -c 'echo \$\$ >pid; exec \"\$0\" top -b $BROKER' '$KAVKA_BIN'"
		sees "*$BROKER*up *"
		kill -"$signal" "$(cat pid)"
		is_given_back "$status"
		terminal kill-server
	done
	# Stopped by Ctrl-Z, and back.
	opens "'$KAVKA_BIN' top -b $BROKER; stty -g >stopped.stty; sleep 0.3; fg >/dev/null" "; set -m"
	sees "*$BROKER*up *"
	keys C-z
	sees "* kavka top *$BROKER*up *"
	wait_for 10 test -s stopped.stty
	diff before.stty stopped.stty
	keys q
	is_given_back 0
}

@test "top: a broker that goes away and comes back is told as it happens" {
	[ -n "${BROKER_IS_OURS:-}" ] || skip "not our broker"
	opens "'$KAVKA_BIN' top -b $BROKER -i 0.2"
	sees "*1/1 brokers up*$BROKER*up *"
	"$support_dir/broker" kill "$BATS_FILE_TMPDIR/broker"
	sees "*0/1 brokers up*cluster unreachable for *connection refused*$BROKER*no answer *cluster unreachable*"
	"$support_dir/broker" restart "$BATS_FILE_TMPDIR/broker"
	sees "*1/1 brokers up*msgs/s*$BROKER*up *the cluster is there again, after *broker 1 answers again*"
	# It goes on to work: a new topic is an event.
	topics --create --topic "$T-new" --partitions 2 >/dev/null
	sees "*topic $T-new created, 2 partitions*"
	keys 4
	sees "*TIME*EVENT*topic $T-new created*cluster unreachable*"
}

@test "top: one broker of three dies: leaders move, the isr shrinks and grows again" {
	[ "$KAVKA_BROKER" = kavka ] || skip "a lab of kavka's brokers"
	lab up 3 --port 0 --no-profile
	address=$(lab ps --json | jq -r 'select(.node == 1).address')
	"$KAVKA_BIN" topics -b "$address" --create --topic "$T" --partitions 3 --replication-factor 3
	# It was begun at the broker that dies.
	opens "'$KAVKA_BIN' top -b $address -i 0.2"
	sees "*3/3 brokers up  0 under-replicated  0 offline*"
	lab kill 1
	sees "*2/3 brokers up  3 under-replicated  0 offline*$address * gone*"
	keys 4
	sees "*broker 1 gone*$T-?: leader 1 -> *$T-0: isr *"
	lab start 1
	sees "*3/3 brokers up  0 under-replicated  0 offline*$T-0: isr * back in sync*"
	keys q
	is_given_back 0
}

lab()
{
	local command=$1

	shift
	timeout 60 "$KAVKA_BIN" lab "$command" --dir "$BATS_TEST_TMPDIR/labs" "$@"
}

@test "top: once, as text and as JSON" {
	run -0 "$KAVKA_BIN" top -b "$BROKER" --once --topic "$T"
	[[ "$output" == *" 1 of 1 brokers up, "*" 0 offline, - messages/s, "* ]] || { show; false; }
	[[ "$output" == *$'\nID '*" $BROKER "*$'\nTOPIC '*$'\n'"$T "*" 10 "*" -"$'\n'* ]] || { show; false; }
	[[ "$output" == *$'\n'"$T-0 "*"in sync"*" 1 "*$'\nGROUP '*$'\n'"$T "*" 7 "* ]] || { show; false; }
	[[ "$output" != *$'\e'* && "$output" != *__consumer_offsets* ]]
	run -0 bash -c "'$KAVKA_BIN' top -b $BROKER --once --json --topic $T |
		jq -c '.reachable, .messagesPerSecond, (.brokers | length), .brokers[0].state,
			(.topics[] | select(.topic == \"$T\") | .records, .offline, .partitions[0].isr,
				.partitions[0].logEndOffset),
			(.groups[] | select(.group == \"$T\") | .totalLag, .members), .events'"
	out $'true\nnull\n1\n"up"\n10\n0\n[1]\n10\n7\n0\n[]'
	# With a time between two looks there are rates.
	run -0 bash -c "'$KAVKA_BIN' top -b $BROKER --once --interval 0.2 --json | jq '.messagesPerSecond'"
	out 0
	run -5 --separate-stderr "$KAVKA_BIN" top -b "$BROKER" --once --topic nosuch
	err "kavka top: there is no topic nosuch"
	run -2 "$KAVKA_BIN" top -b "$BROKER" --interval soon
}

@test "top: in a pipe sample after sample, with rates and events" {
	"$KAVKA_BIN" top -b "$BROKER" --json -i 0.2 >samples 3>&- &
	pid=$!
	wait_for 20 test -s samples
	topics --create --topic "$T-new" --partitions 1 >/dev/null
	is_told()
	{
		jq -e --arg e "topic $T-new created, 1 partition" \
			'.events[] | select(.text == $e)' samples
	}
	wait_for 20 is_told
	seq 20 | put "$T-new" -p 0
	rate()
	{
		jq -e --arg t "$T-new" \
			'.topics[] | select(.topic == $t and .messagesPerSecond > 0)' samples
	}
	wait_for 20 rate
	kill -INT "$pid"
	wait "$pid"
	# The rates of all samples make up what came.
	run jq -s --arg t "$T-new" '[.[] | .timestamp as $at | .topics[] | select(.topic == $t) |
		{at: $at, rate: .messagesPerSecond}] | [range(1; length) as $i |
		(.[$i].at - .[$i - 1].at) / 1000 * (.[$i].rate // 0)] | add | . > 14 and . < 26' samples
	out true
	run -0 bash -c "'$KAVKA_BIN' top -b $BROKER -i 0.1 --samples 3 | grep -c '^ID '"
	out 3
}
