# shellcheck shell=bash disable=SC2034,SC2154  # bats sets and reads status, output, T, …
# What the .bats files share: tools under test on PATH, a broker at $BROKER, a directory of our own.
#
#   KAVKA_TOOLS    a directory of commands under Apache's names, or the word `apache`
#                  (default: links to $KAVKA_BIN)
#   KAVKA_BROKER   kavka (default) or apache: which broker is started
#   BROKER         host:port of one that is running: none is started then
#
# The oracle for what is on the broker, and the maker of records for consumers, is kcat.

bats_require_minimum_version 1.5.0
# shellcheck source=tests/support/env.sh
. "$(dirname "${BASH_SOURCE[0]}")/../support/env.sh"

# For setup_file. Extra arguments are broker settings.
suite_start()
{
	use_tools
	if [ -z "${BROKER:-}" ]; then
		BROKER=$("$support_dir/broker" start "$BATS_FILE_TMPDIR/broker" "$@")
		export BROKER BROKER_IS_OURS=1
	fi
}

suite_stop()
{
	[ -z "${BROKER_IS_OURS:-}" ] || "$support_dir/broker" stop "$BATS_FILE_TMPDIR/broker"
}

use_tools()
{
	local name

	export KAVKA_BROKER=${KAVKA_BROKER:-kavka} TOOLS=kavka
	case ${KAVKA_TOOLS:-} in
	'')
		KAVKA_TOOLS=$BATS_FILE_TMPDIR/tools
		mkdir -p "$KAVKA_TOOLS"
		for name in topics console-producer console-consumer consumer-groups storage \
			dump-log producer-perf-test consumer-perf-test verifiable-producer \
			verifiable-consumer configs get-offsets delete-records \
			broker-api-versions \
			metadata-quorum features cluster log-dirs leader-election \
			reassign-partitions; do
			ln -sf "$KAVKA_BIN" "$KAVKA_TOOLS/kafka-$name"
		done
		;;
	apache | "$support_dir/apache-bin")
		KAVKA_TOOLS=$support_dir/apache-bin
		TOOLS=apache
		;;
	esac
	export KAVKA_TOOLS PATH=$KAVKA_TOOLS:$PATH
	# A history file or defaults of the person who runs the tests must not change their outcome.
	export HOME=$BATS_FILE_TMPDIR KAVKA_CACHE
	unset KAFKA_OPTS XDG_CONFIG_HOME
	export BATS_TEST_TIMEOUT=120
}

# improvement: the test is of something Apache's tools do not do; listed in README.md.
improvement()
{
	[ "$TOOLS" = kavka ] || skip "a stated improvement over Apache's tool"
}

# For setup: a name that no other test uses, for topics and groups.
fresh_name()
{
	T=t$BATS_TEST_NUMBER-$BATS_ROOT_PID-$RANDOM
	cd "$BATS_TEST_TMPDIR" || return 1
}

# A command that hangs fails its test, not the whole run.
topics()
{
	timeout 60 kafka-topics --bootstrap-server "$BROKER" "$@"
}

producer()
{
	timeout 60 kafka-console-producer --bootstrap-server "$BROKER" "$@"
}

consumer()
{
	timeout 60 kafka-console-consumer --bootstrap-server "$BROKER" "$@"
}

groups()
{
	timeout 60 kafka-consumer-groups --bootstrap-server "$BROKER" "$@"
}

# put TOPIC [kcat's options]: each line of stdin becomes a record.
put()
{
	local topic=$1

	shift
	timeout 60 kcat -q -b "$BROKER" -P -t "$topic" -X acks=all "$@"
}

# got TOPIC [kcat's options]: all records of the topic; one line each unless -f says otherwise.
got()
{
	local topic=$1

	shift
	timeout 60 kcat -q -b "$BROKER" -C -t "$topic" -o beginning -e "$@"
}

# The whole of a failed `run`, for whoever reads the log.
show()
{
	printf 'status %s\nstdout:\n%s\nstderr:\n%s\n' "$status" "$output" "${stderr:-}" >&2
}

# expect STATUS: of the last run.
expect()
{
	[ "$status" -eq "$1" ] || { show; return 1; }
}

# out TEXT, err TEXT: stdout or stderr of the last run is exactly that.
out()
{
	[ "$output" = "$1" ] && return
	show
	diff <(printf '%s\n' "$1") <(printf '%s\n' "$output") >&2
	return 1
}

err()
{
	[ "$stderr" = "$1" ] || { show; return 1; }
}

# out_has TEXT, err_has TEXT: it is somewhere in there.
out_has()
{
	[[ "$output" == *"$1"* ]] || { show; return 1; }
}

err_has()
{
	[[ "$stderr" == *"$1"* ]] || { show; return 1; }
}

# usage_error TEXT ARGS...: the command fails with that on stderr, and prints nothing on stdout.
usage_error()
{
	local text=$1

	shift
	run --separate-stderr "$@"
	expect 1
	out ""
	err_has "$text"
}
