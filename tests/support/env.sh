# shellcheck shell=bash
# env.sh: what the test scripts share. Source it; it starts nothing.
#
#   KAVKA_CACHE   where peers (other brokers, tools and clients) are installed
#   KAVKA_BUILD   the build directory whose binary is tested
#   KAVKA_BIN     that binary

support_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(cd "$support_dir/../.." && pwd)

KAVKA_CACHE=${KAVKA_CACHE:-$HOME/.cache/kavka-tests}
KAVKA_BUILD=${KAVKA_BUILD:-$top_dir/build/release}
KAVKA_BIN=${KAVKA_BIN:-$KAVKA_BUILD/kavka}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# need COMMAND PACKAGE: dies, naming the Debian package that brings the command.
need()
{
	command -v "$1" >/dev/null || die "'$1' is missing (apt-get install $2)"
}

# wait_for SECONDS COMMAND...: runs COMMAND until it succeeds; fails after SECONDS.
wait_for()
{
	local deadline=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$deadline" ] || return 1
		sleep 0.05
	done
}

# side_by_side COMMAND WORD...: runs COMMAND WORD for each, as many at once as there are processors.
side_by_side()
{
	local command=$1 word

	shift
	for word; do
		"$command" "$word" &
		[ "$(jobs -rp | wc -l)" -lt "$(nproc)" ] || wait -n
	done
	wait
}

# free_ports COUNT: prints that many TCP ports of 127.0.0.1 that nobody listens on.
free_ports()
{
	"$support_dir/free-ports" "$1"
}

# classpath NAME: the jars of one Java set, in one order, so that the class archive fits them.
classpath()
{
	local jars=("$KAVKA_CACHE/java/$1"/*.jar)

	[ -e "${jars[0]}" ] || die "no Java set '$1' in $KAVKA_CACHE (run tests/support/peers $1)"
	(IFS=:; printf '%s' "${jars[*]}")
}
