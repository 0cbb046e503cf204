#!/usr/bin/env bats
# If these fail: what kafka-dump-log tells of the files in a log directory is not what is in them.
# dump/ has files that Apache Kafka wrote, and what its own tool says of them (dump/capture).

load common

setup_file()
{
	use_tools
	export LC_ALL=C.UTF-8
}

setup()
{
	cp -r "$BATS_TEST_DIRNAME/dump" "$BATS_TEST_TMPDIR/"
	cd "$BATS_TEST_TMPDIR/dump" || return 1
	log=lecture-0/00000000000000000000.log
	index=lecture-0/00000000000000000000.index
	timeindex=lecture-0/00000000000000000000.timeindex
	snapshot=lecture-0/00000000000000000007.snapshot
}

dump()
{
	timeout 60 kafka-dump-log "$@"
}

# golden NAME...: the cases print what Apache's tool printed when they were captured.
golden()
{
	local name arguments

	for name; do
		arguments=$(sed -n "s/^${name}[[:space:]]*//p" cases)
		# shellcheck disable=SC2086  # a list of words
		dump $arguments >got.txt || { echo "case $name: exit status $?"; return 1; }
		diff "$name.txt" got.txt || { echo "case $name"; return 1; }
	done
}

# put_bytes FILE POSITION HEX...: writes the bytes over what is there.
put_bytes()
{
	local file=$1 position=$2

	shift 2
	printf '%b' "$(printf '\\x%s' "$@")" |
		dd of="$file" bs=1 seek="$position" conv=notrunc status=none
}

@test "dump: batches, records and their contents" {
	golden batches records contents bare some
}

@test "dump: message sets of formats 0 and 1" {
	golden old
}

@test "dump: both indexes of a segment" {
	golden indexes verified sane
}

@test "dump: producer snapshots and aborted transactions" {
	golden producers aborted
}

@test "dump: decoders by class" {
	golden classes
}

@test "dump: the decoders of Kafka's own topics" {
	golden offsets transactions metadata remote share
}

@test "dump: no files, no dump" {
	usage_error 'Missing required argument "[files]"' dump --print-data-log
}

@test "dump: files of no known kind are passed over" {
	touch a.txt plain
	run --separate-stderr dump --files a.txt,plain
	expect 0
	out $'Dumping a.txt\nDumping plain'
	err $'Ignoring unknown file a.txt\nIgnoring unknown file plain'
}

@test "dump: a wrong checksum is told, and the rest is dumped" {
	put_bytes "$log" 70 58
	run --separate-stderr dump --files "$log"
	expect 0
	[[ "${lines[2]}" == *" crc: 2744521405 isvalid: false" ]]
	[[ "${lines[3]}" == *" isvalid: true" ]]
	[ "${#lines[@]}" -eq 5 ]
}

@test "dump: bytes of half a batch at the end are counted" {
	truncate -s -10 "$log"
	run --separate-stderr dump --files "$log"
	expect 0
	[ "${lines[4]}" = "Found 65 invalid bytes at the end of 00000000000000000000.log" ]
}

@test "dump: zeroes behind the last batch end the dump with an error" {
	head -c 100 /dev/zero >>"$log"
	run --separate-stderr dump --files "$log"
	expect 1
	[ "${#lines[@]}" -eq 5 ]
	err_has "Found record size 0 smaller than minimum record overhead (14) in file $log."
}

@test "dump: index entries that do not fit the segment are told" {
	put_bytes "$index" 3 04
	put_bytes "$timeindex" 7 00
	put_bytes "$timeindex" 23 03
	run --separate-stderr dump --verify-index-only --files "$index,$timeindex"
	expect 0
	err_has "Mismatches in :$PWD/$index"
	err_has "  Index offset: 4, log offset: 5"
	err_has "Found timestamp mismatch in :$PWD/$timeindex"
	err_has "  Index timestamp: 1755858861824, log timestamp: 1755858862012"
	err_has "The following indexed offsets are not found in :$PWD/$timeindex"
	err_has "Indexed offset: 3, found log offset: 5"
}

@test "dump: an index of half entries is not sane" {
	printf x >>"$index"
	run --separate-stderr dump --index-sanity-check --files "$index"
	expect 1
	err_has "Index file $PWD/$index is corrupt, found 17 bytes which is neither positive nor a multiple of 8"
	: >"$index"
	run --separate-stderr dump --files "$index"
	expect 0
	out $'Dumping '"$index"$'\n'"$index is empty."
}

@test "dump: a producer snapshot that is corrupt is told, with exit status 0" {
	put_bytes "$snapshot" 20 07
	run --separate-stderr dump --files "$snapshot"
	expect 0
	out "Dumping $snapshot"
	err_has "Snapshot is corrupt (CRC is no longer valid)."
}

@test "dump: offsets with a gap are told behind all files" {
	mv lecture-0/00000000000000000007.log gap.log
	cat "$log" gap.log >lecture-0/both.log
	tail -c +79 gap.log | cat "$log" - >"lecture-0/00000000000000000001.log"
	run --separate-stderr dump --deep-iteration --files lecture-0/00000000000000000001.log
	expect 0
	err $'Non-consecutive offsets in '"$PWD"$'/lecture-0/00000000000000000001.log\n  6 is followed by 8'
}

@test "dump: kavka's name, a directory, and an exit status that tells" {
	improvement
	run --separate-stderr "$KAVKA_BIN" dump lecture-0
	expect 0
	[ "$(grep -c ^Dumping <<<"$output")" -eq 10 ]
	out_has "epoch: 0 startOffset: 0"
	put_bytes "$log" 70 58
	rm lecture-0/00000000000000000007.log
	run --separate-stderr "$KAVKA_BIN" dump lecture-0
	expect 1
	err_has "00000000000000000007.log: No such file or directory"
	out_has "version: 0 producerId: 1"
}

@test "dump: JSON, one object a line" {
	improvement
	run --separate-stderr "$KAVKA_BIN" dump --json --print-data-log lecture-0
	expect 0
	[ "$(jq -c 'select(.type == "record") | [.offset, .key, .value, .valueEncoding]' <<<"$output")" = '[0,"k1","one",null]
[1,"k2",null,null]
[2,null,"zwölf",null]
[3,"g0","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",null]
[4,"g1","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",null]
[5,"g2","xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",null]
[6,null,"aborted",null]
[8,null,"committed",null]
[10,null,"//4=","base64"]' ]
	[ "$(jq -r .type <<<"$output" | sort | uniq -c | xargs)" = \
		"1 abortedTransaction 7 batch 2 control 3 index 2 leaderEpoch 4 producer 9 record 3 timeindex" ]
	run --separate-stderr "$KAVKA_BIN" dump --json --offsets-decoder offsets/00000000000000000000.log
	[ "$(jq -r 'select(.key.data.topic) | .value.data.offset' <<<"$output")" = 5 ]
	put_bytes "$index" 3 04
	run --separate-stderr "$KAVKA_BIN" dump --json "$index"
	expect 1
	[ "$(jq -c 'select(.type == "indexMismatch") | [.indexOffset, .logOffset]' <<<"$output")" = '[4,5]' ]
}
