#!/usr/bin/env bats
# kavka groups --describe --watch: on a terminal, which is one of tmux, and in a pipe.

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
	unset TMUX
	# 10 records, 3 of them read by a group that has no members now.
	seq 10 | put "$T"
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 3 "$T" >/dev/null
}

teardown()
{
	terminal kill-server 2>/dev/null || true
}

terminal()
{
	tmux -f /dev/null -S "$BATS_TEST_TMPDIR/tmux" "$@"
}

screen()
{
	terminal capture-pane -p
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

@test "watch: the lag and its trend, in place; Ctrl-C gives the terminal back" {
	terminal new-session -d -x 110 -y 12 "echo before; '$KAVKA_BIN' groups -b $BROKER --describe --group $T --watch 0.2; echo \"[exit \$?]\"; exec sleep 600"
	sees "*1 group  lag 7  every 0.2 s  Ctrl-C ends*GROUP*LAG/S*READ/S*CATCH-UP*  3   10    7 *"
	seq 5 | put "$T"
	sees "*lag 12*  3   15   12 *"
	# A smaller window cuts lines and says how many are missing.
	terminal resize-window -x 40 -y 3
	sees "*... 2 more lines*"
	terminal resize-window -x 110 -y 12
	sees "*  3   15   12 *"
	terminal send-keys C-c
	sees "before"$'\n'"*\[exit 0\]*"
	[[ "$(screen)" != *CATCH-UP* ]]
}

@test "watch: a broker that goes away is told, and the view comes back with it" {
	[ -n "${BROKER_IS_OURS:-}" ] || skip "not our broker"
	terminal new-session -d -x 110 -y 12 "'$KAVKA_BIN' groups -b $BROKER --describe --group $T --watch 0.2 --timeout 2000; exec sleep 600"
	sees "*lag 7*"
	"$support_dir/broker" kill "$BATS_FILE_TMPDIR/broker"
	# Why stands in the line below the first one; what was seen last stays.
	sees "*Ctrl-C ends"$'\n'"[a-z0-9]*GROUP*  3   10    7 *"
	"$support_dir/broker" restart "$BATS_FILE_TMPDIR/broker"
	sees "*Ctrl-C ends"$'\n\n'"GROUP*  3   10    7 *"
}

@test "watch: in a pipe blocks of lines, or JSON; ends with its reader" {
	run bash -c "set -o pipefail; timeout 30 '$KAVKA_BIN' groups -b $BROKER --describe --group $T --watch 0.1 | head -n 9"
	[ "$status" -eq 141 ] || { show; false; }
	[ "$(grep -c '^GROUP ' <<<"$output")" -eq 2 ] || { show; false; }
	[[ "$output" != *$'\e'* ]]
	run bash -c "timeout 30 '$KAVKA_BIN' groups -b $BROKER --describe --group $T --watch 0.1 --json | head -n 2 | tail -n 1"
	run -0 jq -c '.group, .totalLag, .offsets[0].lag, .offsets[0].lagPerSecond == 0, .offsets[0].readPerSecond == 0' <<<"$output"
	out "\"$T\""$'\n7\n7\ntrue\ntrue'
}
