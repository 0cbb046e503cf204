#!/usr/bin/env bats
# kafka-console-producer: lines of stdin become records. What arrived is read back by kcat.

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

# Key, headers and value of each record; -1 as a length says null.
keyed()
{
	got "$T" -f '%K:%k|%h|%S:%s\n'
}

@test "producer: each line is a record, nothing is printed" {
	run --separate-stderr producer --topic "$T" <<<$'one\ntwo\nthree'
	expect 0
	out ""
	run -0 got "$T" -f '%K:%k|%h|%o|%s\n'
	out $'-1:||0|one\n-1:||1|two\n-1:||2|three'
}

@test "producer: CR, LF, CRLF end lines; an empty line is an empty value; the last needs no end" {
	printf 'a\r\nb\rc\n\nlast' | producer --topic "$T"
	run -0 got "$T" -f '%S:%s\n'
	out $'1:a\n1:b\n1:c\n0:\n4:last'
}

@test "producer: bytes that are no UTF-8 are replaced, all else is kept" {
	printf 'a\377b\nžluťoučký kůň\ttab\n' | producer --topic "$T"
	run -0 got "$T"
	out $'a\xef\xbf\xbdb\nžluťoučký kůň\ttab'
}

@test "producer: parse.key splits at the first TAB or at key.separator" {
	producer --topic "$T" --reader-property parse.key=true <<<$'k\tv\tw\n\tempty key'
	producer --topic "$T" --reader-property parse.key=true --reader-property key.separator=:: <<<'a::b::c'
	run -0 keyed
	out $'1:k||3:v\tw\n0:||9:empty key\n1:a||4:b::c'
}

@test "producer: a line without its key separator stops it, earlier ones are sent" {
	run --separate-stderr producer --topic "$T" --reader-property parse.key=true <<<$'k\tv\nno key here'
	expect 1
	err_has "No key separator found on line number 2: 'no key here'"
	run -0 keyed
	out '1:k||1:v'
}

@test "producer: ignore.error sends a line without its separator as the value" {
	run --separate-stderr producer --topic "$T" --reader-property parse.key=true \
		--reader-property ignore.error=true <<<$'no key here\nk\tv'
	expect 0
	run -0 keyed
	out $'-1:||11:no key here\n1:k||1:v'
}

@test "producer: headers, keys and their separators" {
	producer --topic "$T" --reader-property parse.headers=true --reader-property parse.key=true \
		<<<$'h1:v1,h2:v:2,h1:again\tk\tv'
	producer --topic "$T" --reader-property parse.headers=true --reader-property headers.delimiter='|' \
		--reader-property headers.separator=';' --reader-property headers.key.separator='=' <<<'a=1;b=2|value'
	run -0 keyed
	out $'1:k|h1=v1,h2=v:2,h1=again|1:v\n-1:|a=1,b=2|5:value'
}

@test "producer: a header without its separator stops it" {
	run --separate-stderr producer --topic "$T" --reader-property parse.headers=true <<<$'bad\tv'
	expect 1
	err_has "No header key separator found in pair 'bad' on line number 1"
	run --separate-stderr producer --topic "$T" --reader-property parse.headers=true <<<'no delimiter'
	expect 1
	err_has "No headers delimiter found on line number 1: 'no delimiter'"
}

@test "producer: null.marker makes keys and values null" {
	producer --topic "$T" --reader-property parse.key=true --reader-property null.marker=NIL <<<$'k\tNIL\nNIL\tv'
	run -0 keyed
	out $'1:k||-1:\n-1:||1:v'
}

@test "producer: separators that cannot be told apart are refused" {
	run --separate-stderr producer --topic "$T" --reader-property parse.headers=true \
		--reader-property headers.delimiter=, <<<x
	expect 1
	err_has "headers.delimiter and headers.separator may not be equal"
	run --separate-stderr producer --topic "$T" --reader-property null.marker=$'\t' <<<x
	expect 1
	err_has "null.marker and key.separator may not be equal"
}

@test "producer: reader properties from a file, where backslash-t is a TAB" {
	printf 'parse.key=true\nkey.separator=\\t\n' >reader.properties
	producer --topic "$T" --reader-config reader.properties <<<$'k\tv'
	run -0 keyed
	out '1:k||1:v'
}

@test "producer: every codec arrives intact" {
	for codec in none gzip snappy lz4 zstd; do
		seq -f "$codec-%g" 2000 | producer --topic "$T" --compression-codec "$codec"
	done
	seq -f gzip-%g 2001 2010 | producer --topic "$T" --compression-codec
	run -0 got "$T"
	out "$(for codec in none gzip snappy lz4 zstd; do seq -f "$codec-%g" 2000; done; seq -f gzip-%g 2001 2010)"
}

@test "producer: a codec nobody knows is an error" {
	run --separate-stderr producer --topic "$T" --compression-codec lzw <<<x
	expect 1
	err_has "lzw"
}

@test "producer: the same key goes to the same partition, the one of Java's partitioner" {
	kcat_partitions=$(printf 'alpha:\nbeta:\ngamma:\ndelta:\n')
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 7
	producer --topic "$T" --reader-property parse.key=true --reader-property key.separator=: <<<"$kcat_partitions"
	put "$T" -K: -X topic.partitioner=murmur2_random <<<"$kcat_partitions"
	got "$T" -f '%k %p\n' | sort >all
	[ "$(wc -l <all)" -eq 8 ]
	[ "$(uniq all | wc -l)" -eq 4 ] || { cat all; false; }
}

@test "producer: producer settings by option, property and file" {
	printf 'acks=1\nclient.id=from-file\n' >producer.properties
	run --separate-stderr producer --topic "$T" --sync --command-config producer.properties --request-required-acks 1 \
		--command-property linger.ms=0 --batch-size 1000 --max-block-ms 10000 --timeout 5 <<<x
	expect 0
	run -0 got "$T"
	out x
}

@test "producer: deprecated names still work and say so on stdout" {
	printf 'acks=1\n' >producer.properties
	run --separate-stderr producer --topic "$T" --property parse.key=true --producer-property acks=1 <<<$'k\tv'
	expect 0
	out_has "Warning: --producer-property is deprecated and will be removed in a future version. Use --command-property instead."
	out_has "Warning: --property is deprecated and will be removed in a future version. Use --reader-property instead."
	run --separate-stderr producer --topic "$T" --producer.config producer.properties <<<x
	expect 0
	out_has "Warning: --producer.config is deprecated and will be removed in a future version. Use --command-config instead."
	run -0 got "$T"
	out $'v\nx'
}

@test "producer: a topic that is not there is made by the first record" {
	run -0 --separate-stderr producer --topic "$T-auto" <<<hello
	run -0 got "$T-auto"
	out hello
}

@test "producer: a record that the broker refuses is logged" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --config max.message.bytes=100
	run --separate-stderr producer --topic "$T" <<<"$(printf 'x%.0s' {1..200})"
	err_has "Error when sending message to topic $T with key: null, value: 200 bytes with error:"
	err_has "RecordTooLargeException"
	run -0 got "$T"
	out ""
}

@test "producer: what cannot be understood is told on stderr, exit 1" {
	usage_error 'Missing required argument "[topic]"' producer
	usage_error "topc is not a recognized option" producer --topc x
	usage_error "cannot be specified together" producer --topic "$T" --property a=b --reader-property c=d
	usage_error "This tool helps to read data from standard input and publish it to Kafka." \
		kafka-console-producer --help
}

@test "producer: a bootstrap address without a port is refused" {
	run --separate-stderr kafka-console-producer --bootstrap-server localhost --topic "$T" <<<x
	expect 1
	err_has "Please provide valid host:port like host1:9091,host2:9092"
}

@test "producer: SIGTERM ends it, exit 143; what it read was sent" {
	mkfifo input
	kafka-console-producer --bootstrap-server "$BROKER" --topic "$T" --timeout 100 <input 3>&- &
	pid=$!
	exec 7>input
	echo hello >&7
	wait_for 20 has_record
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	exec 7>&-
	[ "$status" -eq 143 ]
}

has_record()
{
	[ "$(got "$T" 2>/dev/null)" = hello ]
}
