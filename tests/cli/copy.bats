#!/usr/bin/env bats
# A topic copied by a pipe is equal: keys, values, headers, timestamps, partitions, null and empty.
# COUNT=1000000 by hand shows that memory stays bounded; a few thousand records do in CI.

load common

setup_file()
{
	suite_start
	export COUNT=${COUNT:-3000}
	if [ "$TOOLS" = kavka ]; then
		make_source
	fi
}

teardown_file()
{
	suite_stop
}

setup()
{
	improvement
	fresh_name
}

kavka()
{
	timeout 300 "$KAVKA_BIN" "$@"
}

new_topic()
{
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$1" --partitions 3 \
		--config retention.ms=-1 >/dev/null
}

# Every kind of record: text, binary, null and empty in each place.
make_source()
{
	export SOURCE=source-$BATS_ROOT_PID
	new_topic "$SOURCE"
	python3 - "$COUNT" <<-'PY' | kavka producer -b "$BROKER" --topic "$SOURCE" --input hex --quiet
	import random, sys
	random.seed(7)
	texts = [b"", b"plain", "p\u0159\u00edli\u0161 \u017elu\u0165ou\u010dk\u00fd".encode(),
	         b'quote " backslash \\ tab \t newline \n nul \0 del \x7f', b"\xff\xfe\x00",
	         b"\xed\xa0\x80", b"{\"a\":1}", b"null", b"-"]
	def some():
	    kind = random.randrange(12)
	    if kind < len(texts):
	        return texts[kind].hex()
	    if kind == 11:
	        return "-"
	    return random.randbytes(random.randrange(120)).hex()
	def headers():
	    return ",".join(random.choice([b"h", b"", b"\xc5\x99", b"\xff"]).hex() + ":" + some()
	                    for _ in range(random.choice([0, 0, 1, 3])))
	for i in range(int(sys.argv[1])):
	    print(some(), some(), headers(), random.randrange(10**12, 17 * 10**11), i % 3, sep="\t")
	PY
}

# What kcat sees of a topic: lengths tell null from empty.
seen()
{
	for p in 0 1 2; do
		timeout 300 kcat -q -b "$BROKER" -C -t "$1" -p "$p" -o beginning -e \
			-f '%p %o %T %K %S %k %s %h\n'
	done
}

# copy FORMAT: by a pipe of two of ours.
copy()
{
	new_topic "$T"
	kavka consumer -b "$BROKER" --topic "$SOURCE" --from-beginning --exit --output "$1" 2>out-errors |
		kavka producer -b "$BROKER" --topic "$T" --input "$1" --quiet 2>in-errors
	cat out-errors in-errors
	[ ! -s in-errors ]
	[ "$(seen "$SOURCE" | sha256sum)" = "$(seen "$T" | sha256sum)" ]
}

@test "copy: the source has all of it" {
	seen "$SOURCE" >records
	[ "$(wc -c <records)" -gt "$COUNT" ]
	[ "$(timeout 300 kcat -q -b "$BROKER" -C -t "$SOURCE" -o beginning -e -f '%o\n' | wc -l)" -eq "$COUNT" ]
	grep -aq ' -1 0 ' records	# null key, empty value
	grep -aq ' 0 -1 ' records
	grep -aq '=NULL' records	# null header value
}

@test "copy: by JSON" {
	copy json
}

@test "copy: by hexadecimal digits" {
	copy hex
}

@test "copy: by base64" {
	copy base64
}
