#!/usr/bin/env bats
# kafka-console-consumer: what it prints, where it starts, when it ends, what it commits.

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

# Apache's tool says on stderr which protocol it would rather use; the last line counts.
count_is()
{
	[ "${stderr_lines[-1]}" = "Processed a total of $1 messages" ] || { show; return 1; }
}

committed()
{
	groups --describe --group "$1" 2>/dev/null | awk -v t="$T" '$2 == t { print $4 }'
}

@test "consumer --from-beginning --max-messages: values on stdout, the count on stderr" {
	put "$T" <<<$'one\ntwo\nthree\nfour'
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 3
	expect 0
	out $'one\ntwo\nthree'
	count_is 3
}

@test "consumer --timeout-ms: ends by itself, exit 0" {
	put "$T" <<<one
	run --separate-stderr consumer --topic "$T" --from-beginning --timeout-ms 4000
	expect 0
	out one
	err_has "Error processing message, terminating consumer process: "
	err_has "org.apache.kafka.common.errors.TimeoutException"
	count_is 1
}

@test "consumer: all columns, in their order" {
	put "$T" -K: -H h1=v1 -H h2= <<<'k:v'
	put "$T" <<<'no key'
	time=$(got "$T" -c 1 -f '%T')
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 2 \
		--formatter-property print.timestamp=true --formatter-property print.partition=true \
		--formatter-property print.offset=true --formatter-property print.headers=true \
		--formatter-property print.key=true
	expect 0
	[ "${lines[0]}" = "CreateTime:$time"$'\tPartition:0\tOffset:0\th1:v1,h2:\tk\tv' ] || { show; false; }
	[[ "${lines[1]}" =~ ^CreateTime:[0-9]+$'\tPartition:0\tOffset:1\tNO_HEADERS\tnull\tno key'$ ]] || { show; false; }
}

@test "consumer: epoch and delivery are not present; columns alone or none at all" {
	put "$T" -K: <<<'k:v'
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 1 \
		--formatter-property print.epoch=true --formatter-property print.delivery=true
	out $'Delivery:NOT_PRESENT\tEpoch:NOT_PRESENT\tv'
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 1 \
		--formatter-property print.value=false --formatter-property print.key=true
	out k
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 1 \
		--formatter-property print.value=false
	expect 0
	out ""
	count_is 1
}

@test "consumer: separators and the text for null, also from a file" {
	put "$T" -K: -Z -H a=1 -H b=2 <<<$'k:v\nk:'
	printf 'print.key=true\nprint.headers=true\nkey.separator=\\ |\\ \nline.separator=;\nheaders.separator=+\nnull.literal=NIL\n' >formatter.properties
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 2 --formatter-config formatter.properties
	expect 0
	out "a:1+b:2 | k | v;a:1+b:2 | k | NIL;"
}

@test "consumer: bytes come out as they are" {
	head -c 3000 /dev/urandom | tr -d '\n' >bytes
	put "$T" bytes
	consumer --topic "$T" --from-beginning --max-messages 1 2>/dev/null >printed
	cmp <(cat bytes; echo) printed
}

@test "consumer: every codec is read" {
	for codec in none gzip snappy lz4 zstd; do
		seq -f "$codec-%g" 1000 | put "$T" -z "$codec"
	done
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 5000
	expect 0
	out "$(for codec in none gzip snappy lz4 zstd; do seq -f "$codec-%g" 1000; done)"
}

@test "consumer --partition --offset: from there, of that partition only" {
	kafka-topics --bootstrap-server "$BROKER" --create --topic "$T" --partitions 2
	seq 0 9 | put "$T" -p 1
	put "$T" -p 0 <<<other
	run --separate-stderr consumer --topic "$T" --partition 1 --offset 7 --max-messages 3
	expect 0
	out $'7\n8\n9'
	run --separate-stderr consumer --topic "$T" --partition 1 --offset earliest --max-messages 1
	out 0
	run --separate-stderr consumer --topic "$T" --partition 0 --from-beginning --max-messages 1
	out other
}

@test "consumer --group: commits exactly what it printed, the next one goes on" {
	seq 1 9 | put "$T"
	run --separate-stderr consumer --topic "$T" --group "$T" --from-beginning --max-messages 4
	expect 0
	out $'1\n2\n3\n4'
	[ "$(committed "$T")" = 4 ]
	run --separate-stderr consumer --topic "$T" --group "$T" --from-beginning --max-messages 5
	out $'5\n6\n7\n8\n9'
	[ "$(committed "$T")" = 9 ]
}

@test "consumer: without a group nothing is committed, without --from-beginning only what is new" {
	put "$T" <<<old
	kafka-console-consumer --bootstrap-server "$BROKER" --topic "$T" --max-messages 1 \
		--formatter-property print.offset=true >printed 2>errors 3>&- &
	pid=$!
	wait_for 40 fed "$T" "$pid"
	wait "$pid"
	[[ "$(cat printed)" == Offset:*$'\tnew' ]] || { cat printed errors; false; }
	grep -qx 'Processed a total of 1 messages' errors
}

# Produces until the consumer, which starts at an end that nobody can see, has had its record.
fed()
{
	put "$1" <<<new
	! kill -0 "$2"
}

@test "consumer --include: all topics of the pattern" {
	put "$T-a" <<<from-a
	put "$T-b" <<<from-b
	put "$T" <<<not-me
	consumer --include "$T-.*" --from-beginning --max-messages 2 2>/dev/null | sort >printed
	[ "$(cat printed)" = $'from-a\nfrom-b' ]
}

@test "consumer: deserializers print numbers; a value that is none stops it or is skipped" {
	printf '\0\0\0\0\0\0\1\2' >long
	put "$T" long
	put "$T" <<<short
	put "$T" long
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 1 \
		--value-deserializer org.apache.kafka.common.serialization.LongDeserializer
	expect 0
	out 258
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 3 --skip-message-on-error \
		--formatter-property value.deserializer=org.apache.kafka.common.serialization.LongDeserializer
	expect 0
	out $'258\n258'
	count_is 3
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 3 \
		--value-deserializer org.apache.kafka.common.serialization.LongDeserializer
	expect 1
	err_has "Processed a total of 2 messages"
	err_has "ERROR Unknown error when running consumer:  (org.apache.kafka.tools.consumer.ConsoleConsumer)"
	err_has "org.apache.kafka.common.errors.SerializationException: Size of data received by LongDeserializer is not 8"
	out 258
}

@test "consumer: UUIDs are filled up, text is repaired, null is read through the deserializer" {
	put "$T" <<<$'1-2-3-4-5\n0A1b2c3d-1111-2222-3333-444455556666'
	printf 'a\xffb' >broken
	put "$T" broken
	put "$T" -Z -K: <<<k:
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 3 \
		--value-deserializer org.apache.kafka.common.serialization.UUIDDeserializer
	expect 1
	out $'00000001-0002-0003-0004-000000000005\n0a1b2c3d-1111-2222-3333-444455556666'
	err_has "SerializationException: Error parsing data into UUID"
	run --separate-stderr consumer --topic "$T" --partition 0 --offset 2 --max-messages 2 \
		--value-deserializer org.apache.kafka.common.serialization.StringDeserializer
	out $'a\xef\xbf\xbdb\nnull'
	run --separate-stderr consumer --topic "$T" --partition 0 --offset 3 --max-messages 1 \
		--value-deserializer org.apache.kafka.common.serialization.VoidDeserializer
	expect 1
	err_has "java.lang.IllegalArgumentException: Data should be null for a VoidDeserializer."
}

@test "consumer: properties without a value, deserializers that do not exist" {
	put "$T" -K: <<<k:v
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 1 \
		--formatter-property print.key --formatter-property =x --command-property nothing \
		--key-deserializer no.such.Class --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter
	expect 0
	out v
	err_has "ERROR Unable to instantiate a deserializer from no.such.Class (org.apache.kafka.tools.consumer.DefaultMessageFormatter)"
	err_has "java.lang.ClassNotFoundException: no.such.Class"
	count_is 1
}

@test "consumer: what Java would not construct ends it, exit 1" {
	run --separate-stderr consumer --include 'x['
	expect 1
	err_has "Unknown error when running consumer: "
	run --separate-stderr consumer --topic ""
	expect 1
	err_has "Topic collection to subscribe to cannot contain null or empty topic"
}

@test "consumer --formatter: no output at all, but the count" {
	put "$T" <<<x
	run --separate-stderr consumer --topic "$T" --from-beginning --max-messages 1 \
		--formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter
	expect 0
	out ""
	count_is 1
	run --separate-stderr consumer --topic "$T" --from-beginning --formatter no.such.Formatter
	expect 1
	err_has "no.such.Formatter"
}

@test "consumer: the offsets topic through its formatter" {
	put "$T" <<<x
	consumer --topic "$T" --group "$T" --from-beginning --max-messages 1
	consumer --topic __consumer_offsets --from-beginning --timeout-ms 4000 \
		--formatter org.apache.kafka.tools.consumer.OffsetsMessageFormatter 2>/dev/null >offsets
	grep -q "{\"key\":{\"type\":1,\"data\":{\"group\":\"$T\",\"topic\":\"$T\",\"partition\":0}},\"value\":{\"version\":[0-9]*,\"data\":{\"offset\":1," offsets
}

@test "consumer: settings by property and file, deprecated names say so on stdout" {
	put "$T" <<<x
	printf 'group.id=%s\nauto.offset.reset=earliest\n' "$T-file" >consumer.properties
	run --separate-stderr consumer --topic "$T" --command-config consumer.properties --max-messages 1 \
		--command-property client.id=me --isolation-level read_committed
	expect 0
	out x
	run --separate-stderr consumer --topic "$T" --consumer.config consumer.properties --consumer-property client.id=me \
		--property print.key=true --from-beginning --group "$T-file" --timeout-ms 2000
	expect 0
	out_has "Option --consumer.config is deprecated and will be removed in a future version. Use --command-config instead."
	out_has "Option --consumer-property is deprecated and will be removed in a future version. Use --command-property instead."
	out_has "Option --property is deprecated and will be removed in a future version. Use --formatter-property instead."
}

@test "consumer: a closed stdout ends it in order" {
	seq 1 20000 | put "$T"	# more than a pipe holds
	consumer --topic "$T" --from-beginning 2>errors | head -n 1 >printed
	[ "$(cat printed)" = 1 ]
	grep -q "Unable to write to standard out, closing consumer." errors
	grep -q "^Processed a total of [0-9]* messages$" errors
}

@test "consumer: SIGTERM ends it with the count, exit 143; systest events say shutdown_complete" {
	put "$T" <<<x
	kafka-console-consumer --bootstrap-server "$BROKER" --topic "$T" --from-beginning \
		--enable-systest-events >printed 2>errors 3>&- &
	pid=$!
	wait_for 30 grep -q x printed
	kill "$pid"
	status=0
	wait "$pid" || status=$?
	[ "$status" -eq 143 ]
	grep -qx "Processed a total of 1 messages" errors
	[ "$(tail -n 1 printed)" = shutdown_complete ]
}

@test "consumer: what cannot be understood is told on stderr, exit 1" {
	usage_error "Exactly one of the following arguments is required: [topic], [include]" consumer
	usage_error "The topic is required when partition is specified." consumer --include x --partition 0
	usage_error "The partition is required when offset is specified." consumer --topic x --offset 3
	usage_error "Options from-beginning and offset cannot be specified together." \
		consumer --topic x --partition 0 --offset 3 --from-beginning
	usage_error "The provided offset value 'soon' is incorrect. Valid values are 'earliest', 'latest', or a non-negative long." \
		consumer --topic x --partition 0 --offset soon
	usage_error "Options group and partition cannot be specified together." \
		consumer --topic x --partition 0 --group g
	usage_error "This tool helps to read data from Kafka topics and outputs it to standard output." \
		kafka-console-consumer --help
	usage_error 'Missing required argument "[bootstrap-server]"' kafka-console-consumer --topic x
}

@test "consumer: group ids that contradict each other are refused" {
	usage_error "The group ids provided in different places" \
		consumer --topic x --group a --command-property group.id=b
	run --separate-stderr consumer --topic x --from-beginning --command-property auto.offset.reset=latest
	expect 1
	err_has "Can't simultaneously specify --from-beginning and 'auto.offset.reset=latest', please remove one option"
}
