#!/usr/bin/env bats
# Somebody types: the producer's prompt on a real terminal, which is one of tmux. Tests look at the
# screen as it is seen, and at what arrived on the broker.

# shellcheck disable=SC2154  # support_dir is of env.sh
load common

setup_file()
{
	need tmux tmux
	suite_start
}

teardown_file()
{
	suite_stop
}

setup()
{
	fresh_name
	# The history of each test is its own.
	export XDG_STATE_HOME=$BATS_TEST_TMPDIR/state INPUTRC=/dev/null
	unset TMUX
	terminal_count=0
}

teardown()
{
	terminal kill-server 2>/dev/null || true
}

terminal()
{
	tmux -f /dev/null -S "$BATS_TEST_TMPDIR/tmux$terminal_count" "$@"
}

# types_in COMMAND...: runs it on a new terminal of 60 columns and 12 lines; its exit status is
# shown behind its end.
types_in()
{
	terminal kill-server 2>/dev/null || true
	terminal_count=$((terminal_count + 1))
	terminal new-session -d -x 60 -y 12 "$(printf '%q ' "$@"); echo \"[exit \$?]\"; exec sleep 600"
}

own()
{
	types_in "$KAVKA_BIN" producer --bootstrap-server "$BROKER" "$@"
}

# keys KEY...: as tmux names them; text KEYS goes in as it is.
keys()
{
	terminal send-keys "$@"
}

text()
{
	terminal send-keys -l -- "$1"
}

screen()
{
	terminal capture-pane -p | sed -e 's/ *$//' -e '/^$/d'
}

# sees TEXT: the screen (without empty lines) comes to be exactly that.
sees()
{
	wait_for 20 screen_is "$1" && return
	diff <(printf '%s\n' "$1") <(screen) >&2
	return 1
}

screen_is()
{
	[ "$(screen)" = "$1" ]
}

# sees_like PATTERN: the same with a pattern of the shell.
sees_like()
{
	wait_for 30 screen_like "$1" || { screen >&2; return 1; }
}

screen_like()
{
	# shellcheck disable=SC2053  # a pattern
	[[ "$(screen)" == $1 ]]
}

@test "prompt: > asks for each line on a terminal; Ctrl-D ends it, exit 0" {
	put "$T" <<<zero
	types_in kafka-console-producer --bootstrap-server "$BROKER" --topic "$T"
	sees ">"
	text "one"
	keys Enter
	sees $'>one\n>'
	text "two"
	keys Enter
	sees $'>one\n>two\n>'
	keys C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T"
	out $'zero\none\ntwo'
}

@test "prompt: Ctrl-C ends Apache's name, exit 130; what was typed before is sent" {
	put "$T" <<<zero
	types_in kafka-console-producer --bootstrap-server "$BROKER" --topic "$T"
	sees ">"
	text "one"
	keys Enter
	sees $'>one\n>'
	text "half"
	keys C-c
	sees_like '*\[exit 130\]'
	run -0 got "$T"
	out $'zero\none'
}

@test "prompt: lines are edited, and remembered by the next run" {
	improvement
	own --topic "$T"
	sees ">"
	text "hello wrold"
	keys Left Left Left BSpace Right r Enter
	sees $'>hello world\n>'
	keys C-d
	sees_like '*\[exit 0\]'
	own --topic "$T"
	sees ">"
	keys Up
	sees ">hello world"
	text "!"
	keys Enter
	sees $'>hello world!\n>'
	keys C-r
	text "ld"
	sees_like "*\`ld': hello world!"
	keys Enter
	sees $'>hello world!\n>hello world!\n>'
	keys C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T"
	out $'hello world\nhello world!\nhello world!'
	[ "$(stat -c %a "$XDG_STATE_HOME/kavka/producer-history")" = 600 ]
}

@test "prompt: without --topic it asks, and TAB knows the topics of the cluster" {
	improvement
	put "$T-orders" <<<x
	put "$T-others" <<<x
	own
	sees "topic:"
	text "$T"
	keys Tab
	sees "topic: $T-o"
	keys Tab
	sees "topic: $T-o"$'\n'"$T-orders  $T-others"$'\n'"topic: $T-o"
	text "r"
	keys Tab Enter
	sees_like "*topic: $T-orders"$'\n>'
	text "bought"
	keys Enter C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T-orders"
	out $'x\nbought'
}

@test "prompt: TAB knows keys, header names and JSON fields; else it is a TAB" {
	improvement
	own --topic "$T" -K : --reader-property parse.headers=true --reader-property 'headers.delimiter=|'
	sees ">"
	text "trace:1|customer-7:a"
	keys Enter
	text "tr"
	keys Tab
	text "2|cus"
	keys Tab
	sees $'>trace:1|customer-7:a\n>trace:2|customer-7:'
	text "b"
	keys Tab
	text "c"
	keys Enter C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T" -f '%h %k %s\n'
	out $'trace=1 customer-7 a\ntrace=2 customer-7 b\tc'
	own --topic "$T" --input json
	sees ">"
	keys Tab
	text "v"
	keys Tab
	sees '>{"value'
	text '":1,"k'
	keys Tab
	sees '>{"value":1,"key'
	text '":2}'
	keys Enter
	text 'oops'
	keys Enter
	sees_like '*kavka producer: line 2: column 1: a JSON object is wanted*>'
	keys C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T" -o -1 -f '%k %s\n'
	out "2 1"
}

@test "prompt: Ctrl-C throws the line away, at an empty line it ends, exit 130" {
	improvement
	own --topic "$T"
	sees ">"
	text "secret"
	sees ">secret"
	keys C-c
	sees $'>secret^C\n>'
	text "kept"
	keys Enter
	sees $'>secret^C\n>kept\n>'
	keys C-c
	sees_like '*\[exit 130\]'
	run -0 got "$T"
	out kept
}

@test "prompt: the window may change while a line is typed" {
	improvement
	own --topic "$T"
	sees ">"
	text "0123456789012345678901234567890123456789"
	sees ">0123456789012345678901234567890123456789"
	terminal resize-window -x 30 -y 12
	sees $'>01234567890123456789012345678\n90123456789'
	keys C-a
	text "<"
	keys C-e
	text "!"
	sees $'><0123456789012345678901234567\n890123456789!'
	terminal resize-window -x 60 -y 12
	sees "><0123456789012345678901234567890123456789!"
	keys Enter C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T"
	out "<0123456789012345678901234567890123456789!"
}

@test "prompt: lines that are pasted are records, TABs in them stay" {
	improvement
	own --topic "$T"
	sees ">"
	terminal set-buffer $'a\tb\nc\n'
	terminal paste-buffer -p
	sees_like '*c'
	keys Enter C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T"
	out $'a\tb\nc'
}

@test "prompt: without readline it is a plain one" {
	improvement
	mkdir lib
	: >lib/libreadline.so.8
	put "$T" <<<x
	types_in env LD_LIBRARY_PATH="$PWD/lib" "$KAVKA_BIN" producer --bootstrap-server "$BROKER"
	sees "topic:"
	text "$T"
	keys Enter
	sees "topic: $T"$'\n>'
	text "plain"
	keys Enter
	sees "topic: $T"$'\n>plain\n>'
	keys C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T"
	out $'x\nplain'
}

@test "prompt: nobody there is told before anything is typed" {
	improvement
	types_in "$KAVKA_BIN" producer --bootstrap-server 127.0.0.1:1 --topic "$T"
	sees_like 'kavka producer: 127.0.0.1:1: connection refused*\[exit 3\]'
}

@test "prompt: a broker that goes and comes back is told above the line that is typed" {
	improvement
	[ -n "${BROKER_IS_OURS:-}" ] || skip "the broker is not ours to stop"
	own --topic "$T" --verbose
	sees ">"
	text "before"
	keys Enter
	sees $'>before\n'"$T-0@0"$'\n>'
	"$support_dir/broker" stop "$BATS_FILE_TMPDIR/broker"
	text "meanwhile"
	keys Enter
	sees_like '*>meanwhile?>'
	text "half a li"
	sees_like '*1 record is not delivered yet, still trying:*>half a li'
	"$support_dir/broker" restart "$BATS_FILE_TMPDIR/broker"
	sees_like "*$T-0@1"$'\nkavka producer: delivered\n>half a li'
	text "ne"
	keys Enter
	sees_like "*>half a line"$'\n'"$T-0@2"$'\n>'
	keys C-d
	sees_like '*\[exit 0\]'
	run -0 got "$T"
	out $'before\nmeanwhile\nhalf a line'
}
