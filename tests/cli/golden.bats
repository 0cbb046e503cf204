#!/usr/bin/env bats
# Whole runs of the admin tools, compared with what Apache's tools print (golden/*.txt). Each
# transcript begins with an empty broker of its own.

load common

setup_file()
{
	use_tools
}

setup()
{
	[ "$TOOLS" = kavka ] || skip "captured from Apache's tools: golden/transcript capture"
	BROKER=$("$support_dir/broker" start "$BATS_TEST_TMPDIR/broker")
	export BROKER
}

teardown()
{
	[ ! -d "$BATS_TEST_TMPDIR/broker" ] || "$support_dir/broker" stop "$BATS_TEST_TMPDIR/broker"
}

golden()
{
	"$BATS_TEST_DIRNAME/golden/transcript" check "$BATS_TEST_DIRNAME/golden/$1.txt"
}

@test "golden: kafka-topics" {
	golden topics
}

@test "golden: kafka-consumer-groups" {
	golden groups
}

@test "golden: kafka-configs" {
	golden configs
}

@test "golden: kafka-get-offsets, kafka-delete-records, kafka-broker-api-versions" {
	golden offsets
}
