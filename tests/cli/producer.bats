#!/usr/bin/env bats
# kafka-console-producer: lines of stdin become records. What arrived is read back by kcat.

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

@test "producer: configs, classes and files that cannot be are named, exit 1" {
	run --separate-stderr producer --topic "$T" --request-required-acks 7 <<<x
	expect 1
	err_has "org.apache.kafka.common.config.ConfigException: Invalid value 7 for configuration acks: String must be one of: all, -1, 0, 1"
	run --separate-stderr producer --topic "$T" --line-reader no.such.Reader <<<x
	expect 1
	err_has "java.lang.ClassNotFoundException: no.such.Reader"
	run --separate-stderr producer --topic "$T" --reader-config nosuch.properties <<<x
	expect 1
	err_has "java.nio.file.NoSuchFileException: nosuch.properties"
}

@test "producer: a record that the client refuses is told in its words" {
	head -c 2000000 /dev/zero | tr '\0' a >big
	run --separate-stderr producer --topic "$T" <big
	expect 0
	err_has "Error when sending message to topic $T with key: null, value: 2000000 bytes with error:"
	err_has "org.apache.kafka.common.errors.RecordTooLargeException: The message is 2000088 bytes when serialized which is larger than 1048576, which is the value of the max.request.size configuration."
	run --separate-stderr producer --topic 'not valid!' --sync <<<x
	expect 1
	err_has "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.InvalidTopicException: Invalid topics: [not valid!]"
}

@test "producer: --sync ends with the first record that is refused, exit 1" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --config max.message.bytes=200
	run --separate-stderr producer --topic "$T" --sync <<<"$(printf 'a\n%0300d\nb\n' 0)"
	expect 1
	err_has "java.util.concurrent.ExecutionException: org.apache.kafka.common.errors.RecordTooLargeException"
	[[ $stderr != *ErrorLoggingCallback* ]]
	run -0 got "$T"
	out a
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

# ---- kavka's own ----------------------------------------------------------------------------

own()
{
	timeout 60 "$KAVKA_BIN" producer --bootstrap-server "$BROKER" --topic "$T" "$@"
}

# Key, headers, timestamp and value of each record.
whole()
{
	got "$T" -f '%K:%k|%h|%T|%S:%s\n'
}

@test "producer: lines of JSON are records as the consumer prints them" {
	improvement
	own --input json <<-'JSON'
	{"topic":"other","partition":0,"offset":7,"timestamp":1700000000001,"timestampType":"CreateTime","headers":[{"key":"h","value":"v"},{"key":"n","value":null}],"key":"k","value":"a\tb\u00e9\ud83d\ude00"}
	{"key":"/wA=","keyEncoding":"base64","value":"00 fF","valueEncoding":"hex","timestamp":"2023-11-14T22:13:20.002Z"}
	{"value":null,"key":"","timestamp":1700000000003}
	JSON
	whole >all
	printf '1:k|h=v,n=NULL|1700000000001|9:a\tb\303\251\360\237\230\200\n2:\377\000||1700000000002|2:\000\377\n0:||1700000000003|-1:\n' | cmp - all
}

@test "producer: JSON values that are no text are sent as JSON, headers may be short" {
	improvement
	own --input json <<-'JSON'
	{ "key": 7, "value": { "b" : 1.50, "a": [ "x y", null ] }, "headers": { "h": 1, "g": "v" } }
	{"value":true,"headers":["h","v","h","w"]}
	JSON
	run -0 keyed
	out $'1:7|h=1,g=v|27:{"b":1.50,"a":["x y",null]}\n-1:|h=v,h=w|4:true'
}

@test "producer: a line that is no record is named, those before it are sent, exit 7" {
	improvement
	run --separate-stderr own --input json <<<$'{"value":1}\n{"key":"k"}\n{"value":3}'
	expect 7
	err 'kavka producer: line 2: no "value" (write "value":null for a tombstone)'
	run --separate-stderr own --input json <<<'{"value":1,"kye":2}'
	expect 1
	err 'kavka producer: line 1: a record has no "kye"; did you mean "key"?'
	run --separate-stderr own --input hex <<<$'00\n0g'
	expect 7
	err "kavka producer: line 2: the value: '0g' (at digit 1) is no pair of hexadecimal digits"
	printf -- '-1:||1:1\n-1:||1:\0\n' | cmp - <(keyed)
}

@test "producer: lines of hex and of base64" {
	improvement
	printf '6B\t00 ff\t68:76,6e:-\t1700000000001\n-\t-\n\t\t\t1700000000003\nc3\n' | own --input hex
	printf 'aw==\t/w==\taA==:dg==\t1700000000005\n' | own --input base64
	whole | sed '2s/|17[0-9]*|/|now|/; 4s/|17[0-9]*|/|now|/' >all
	printf '1:k|h=v,n=NULL|1700000000001|2:\0\377\n-1:||now|-1:\n0:||1700000000003|0:\n-1:||now|1:\303\n1:k|h=v|1700000000005|1:\377\n' |
		cmp - all
}

@test "producer: keys, headers, partition and time for all records" {
	improvement
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 3
	own --key k --header h=v --header 'g:w=x' --partition 2 --timestamp 2023-11-14T22:13:20Z <<<$'a\nb'
	own -K '\t' -k none -p 1 -T 5 <<<$'key\tvalue'
	run -0 got "$T" -f '%p|%k|%h|%T|%s\n'
	[ "$(sort <<<"$output")" = $'1|key||5|value\n2|k|h=v,g=w=x|1700000000000|a\n2|k|h=v,g=w=x|1700000000000|b' ] || { show; false; }
	run --separate-stderr own -p 3 <<<x
	expect 1
	err "kavka producer: line 1: topic $T has no partition 3 (it has 3)"
}

@test "producer: files and tombstones" {
	improvement
	printf 'a\0b\n\nc' >one
	: >two
	own --file one --file two --key k
	own --input file <one
	own --tombstone --key k </dev/null
	own -Z <<<$'x\ny'
	own --null-marker NIL -K : <<<$'z:NIL'
	keyed >all
	printf '1:k||6:a\0b\n\nc\n1:k||0:\n-1:||6:a\0b\n\nc\n1:k||-1:\n1:x||-1:\n1:y||-1:\n1:z||-1:\n' | cmp - all
	run --separate-stderr own --file nosuch
	expect 1
	err "kavka producer: nosuch: No such file or directory"
}

@test "producer: --verbose tells where each record is, --output json as objects" {
	improvement
	run --separate-stderr own --verbose <<<$'a\nb'
	expect 0
	out "$T-0@0"$'\n'"$T-0@1"
	run --separate-stderr own --output json <<<c
	expect 0
	out "{\"topic\":\"$T\",\"partition\":0,\"offset\":2,\"line\":1}"
}

@test "producer: the exit status and the line tell what was not acknowledged" {
	improvement
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --config max.message.bytes=200
	run --separate-stderr own --batch-size 1 --timeout 0 <<<"$(printf 'a\n%0300d\nb\n' 0)"
	expect 7
	err_has "kavka producer: line 2 not delivered to $T-0: "
	run -0 got "$T"
	out $'a\nb'
}

@test "producer: where a partitioner is asked for, partitions of the records do not count" {
	improvement
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 3
	own --input json --partitioner round-robin <<<$'{"value":1,"partition":9}\n{"value":2,"partition":9}\n{"value":3,"partition":9}'
	run -0 got "$T" -f '%p\n'
	[ "$(sort <<<"$output")" = $'0\n1\n2' ] || { show; false; }
}

@test "producer: a broker that dies and comes back amid a pipe: each record once, in order" {
	improvement
	[ -n "${BROKER_IS_OURS:-}" ] || skip "the broker is not ours to kill"
	mkfifo input
	own --quiet <input 3>&- &
	pid=$!
	exec 7>input
	seq 1000000 1020000 >&7
	wait_for 20 has_lines 20001
	"$support_dir/broker" kill "$BATS_FILE_TMPDIR/broker"
	seq 1020001 1040000 >&7
	"$support_dir/broker" restart "$BATS_FILE_TMPDIR/broker" 7>&-
	seq 1040001 1060000 >&7
	exec 7>&-
	wait "$pid"
	got "$T" | cmp - <(seq 1000000 1060000)
}

has_lines()
{
	[ "$(got "$T" 2>/dev/null | wc -l)" -ge "$1" ]
}
