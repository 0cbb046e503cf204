#!/usr/bin/env bats
# kafka-features: what nodes support, and the levels that the cluster uses.

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

features()
{
	timeout 60 kafka-features --bootstrap-server "$BROKER" "$@"
}

@test "features: what is supported and used, sorted, in columns" {
	run --separate-stderr features describe
	expect 0
	[ "$(cut -c10-49 <<<"$output" | tr -d ' ')" = "$(cut -c10-49 <<<"$output" | tr -d ' ' | LC_ALL=C sort)" ]
	[[ "$output" =~ "Feature: group.version                             SupportedMinVersion: 0                SupportedMaxVersion: 1                FinalizedVersionLevel: 1                Epoch: "[0-9]+ ]] || { show; false; }
	out_has "Feature: metadata.version                          SupportedMinVersion: 3.3-IV3          SupportedMaxVersion: "
}

@test "features: levels go down and up again; dry runs change nothing" {
	run --separate-stderr features downgrade --feature transaction.version=1 --dry-run
	expect 0
	out "transaction.version can be downgraded to 1."
	run --separate-stderr features downgrade --feature transaction.version=1
	expect 0
	out "transaction.version was downgraded to 1."
	run --separate-stderr features describe
	[[ "$output" =~ "Feature: transaction.version "[^$'\n']*"FinalizedVersionLevel: 1 " ]] || { show; false; }
	run --separate-stderr features upgrade --feature transaction.version=2
	expect 0
	out "transaction.version was upgraded to 2."
	run --separate-stderr features disable --feature transaction.version --dry-run
	expect 0
	out "transaction.version can be disabled."
}

@test "features: what cannot be done is told for each, exit 1" {
	run --separate-stderr features upgrade --feature nosuch=1 --feature group.version=1
	expect 1
	[ "${#lines[@]}" = 2 ] || { show; false; }
	[[ "${lines[0]}" == "Could not upgrade group.version to 1. "* ]] || { show; false; }
	[[ "${lines[1]}" == "Could not upgrade nosuch to 1. "* ]] || { show; false; }
	err "2 out of 2 operation(s) failed."
}

@test "features: what the command line lacks" {
	usage_error "You must specify at least one feature to upgrade" features upgrade
	usage_error "Can't parse feature=level string x: equals sign not found." features upgrade --feature x
	usage_error "Can not specify \`release-version\` with other feature flags." \
		features upgrade --release-version 4.1 --feature x=1
	usage_error "Unknown metadata.version '99'. Supported metadata.version are: 3.3-IV3" \
		features upgrade --release-version 99
	usage_error "Command line error: too few arguments. Type --help for help." features
	usage_error "Command line error: You must specify either --bootstrap-controller or --bootstrap-server." \
		timeout 60 kafka-features describe
}

@test "features: what releases bring and levels need" {
	run --separate-stderr features version-mapping --release-version 3.9
	expect 0
	[ "${lines[0]}" = "metadata.version=21 (3.9)" ] || { show; false; }
	out_has "group.version=0"
	run --separate-stderr features feature-dependencies --feature group.version=1
	expect 0
	out "group.version=1 has no dependencies."
}

@test "features: JSON, a table, and true exit codes" {
	improvement
	run --separate-stderr "$KAVKA_BIN" features describe -b "$BROKER" --json
	expect 0
	run -0 jq -r 'select(.feature == "group.version") | .supportedMinVersion, .supportedMaxVersion, .finalizedVersionLevel' <<<"$output"
	out $'0\n1\n1'
	run --separate-stderr "$KAVKA_BIN" features describe -b "$BROKER" --output table
	[[ "${lines[0]}" =~ ^FEATURE\ +MIN\ +MAX\ +LEVEL$ ]] || { show; false; }
	run --separate-stderr "$KAVKA_BIN" features upgrade -b "$BROKER" --feature nosuch=1 --json
	expect 1
	run -0 jq -r '.feature, .level, .dryRun, (.error | length > 0)' <<<"$output"
	out $'nosuch\n1\nfalse\ntrue'
	run --separate-stderr "$KAVKA_BIN" features describe -b 127.0.0.1:1
	expect 3
}
