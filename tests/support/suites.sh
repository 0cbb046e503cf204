# shellcheck shell=bash
# suites.sh: runs test suites one after the other and adds up what they say. Source it after env.sh.
#
#   suite NAME SECONDS COMMAND...    runs it, at most so long; prints its figures in one line
#   suites_end                       the total, alone on the last line; fails if anything did
#
# A suite's output goes to build/logs/NAME.log. When it fails, the lines that matter are shown.
# A suite that crashes, hangs, or runs no test at all counts as failed.

# Files of command tests run side by side, each has a broker of its own. They wait more than they
# work, unless Java starts at every step.
# shellcheck disable=SC2034
{
	cli_tests=(bats --jobs $((3 * $(nproc))) --no-parallelize-within-files --tap)
	java_cli_tests=(bats --jobs $(($(nproc) + 1)) --no-parallelize-within-files --tap)
}

suites_passed=0
suites_failed=0
suites_logs=${top_dir:?}/build/logs
mkdir -p "$suites_logs"

# figures LOG: "passed failed", from the closing line of a run script, ctest or unittest, or TAP.
figures()
{
	local line failed

	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$1" | tail -n 1)
	if [ -n "$line" ]; then
		sed -E 's/^([0-9]+) passed, ([0-9]+) failed.*/\1 \2/' <<<"$line"
		return
	fi
	line=$(grep -E '% tests passed, [0-9]+ tests? failed out of [0-9]+' "$1" | tail -n 1)
	if [ -n "$line" ]; then
		sed -E 's/.*, ([0-9]+) tests? failed out of ([0-9]+).*/\1 \2/' <<<"$line" |
			{ read -r failed all; echo "$((all - failed)) $failed"; }
		return
	fi
	line=$(sed -n 's/^Ran \([0-9]*\) tests\{0,1\} in .*/\1/p' "$1" | tail -n 1)
	if [ -n "$line" ]; then
		failed=$(grep -E '^FAILED \(' "$1" | tail -n 1 |
			grep -oE '(failures|errors)=[0-9]+' |
			awk -F= '{ n += $2 } END { print n + 0 }')
		printf '%d %d\n' $((line - failed)) "$failed"
		return
	fi
	printf '%d %d\n' "$(grep -E '^ok ' "$1" | grep -vc '# skip')" "$(grep -c '^not ok ' "$1")"
}

# What a reader of the failure needs: failed checks with what follows them, or else the end.
show_failure()
{
	local telling='^not ok |\*\*\*Failed|^FAILED|\[  FAILED  \]|error:|ERROR: |ThreadSan'

	if grep -qE "$telling" "$1"; then
		grep -E -A 12 "$telling" "$1" | head -n 80
	else
		tail -n 30 "$1"
	fi | sed 's/^/    /'
}

suite()
{
	local name=$1 limit_s=$2 log=$suites_logs/${1// /-}.log start=$SECONDS rc passed failed

	shift 2
	printf '==> %s ...\n' "$name"
	timeout --kill-after=10 "$limit_s" "$@" >"$log" 2>&1 </dev/null
	rc=$?
	read -r passed failed <<<"$(figures "$log")"
	if [ "$rc" -ne 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
		printf 'suite %s: exit status %d\n' "$name" "$rc" >>"$log"
	elif [ "$passed" -eq 0 ] && [ "$failed" -eq 0 ]; then
		failed=1
		printf 'suite %s: it ran no test\n' "$name" >>"$log"
	fi
	[ "$failed" -eq 0 ] || show_failure "$log"
	[ "$rc" -ne 124 ] || printf '    %s took longer than %d s\n' "$name" "$limit_s"
	printf '==> %s: %d passed, %d failed (%d s, %s)\n' "$name" "$passed" "$failed" \
		$((SECONDS - start)) "${log#"$top_dir/"}"
	suites_passed=$((suites_passed + passed))
	suites_failed=$((suites_failed + failed))
}

# step NAME SECONDS COMMAND...: as suite, for what is no test, but must succeed.
step()
{
	local name=$1 limit_s=$2 log=$suites_logs/${1// /-}.log start=$SECONDS

	shift 2
	printf '==> %s ...\n' "$name"
	if timeout --kill-after=10 "$limit_s" "$@" >"$log" 2>&1 </dev/null; then
		printf '==> %s: done (%d s)\n' "$name" $((SECONDS - start))
		return 0
	fi
	show_failure "$log"
	printf '==> %s: FAILED (%s)\n' "$name" "${log#"$top_dir/"}"
	suites_failed=$((suites_failed + 1))
	return 1
}

# build PRESET: configures and builds it as a step.
build()
{
	step "build $1" 1200 sh -c "cmake --preset $1 && cmake --build --preset $1"
}

suites_end()
{
	printf '%d passed, %d failed\n' "$suites_passed" "$suites_failed"
	[ "$suites_failed" -eq 0 ]
}
