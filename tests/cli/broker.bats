#!/usr/bin/env bats
# kavka broker: starting with and without a file, stopping, coming back, refusing what is wrong.

load common

setup_file()
{
	use_tools
}

setup()
{
	[ "$KAVKA_BROKER" = kavka ] || skip "of kavka's own broker"
	fresh_name
	PORT=$(free_ports 1)
	BROKER=127.0.0.1:$PORT
	PID=
}

teardown()
{
	[ -z "$PID" ] || kill -KILL "$PID" 2>/dev/null || true
}

# start_broker ARGS...: in the background, until it says that it is ready.
start_broker()
{
	rm -f out err	# those of the last start must not be taken for this one's
	"$KAVKA_BIN" broker "$@" >out 2>err 3>&- &
	PID=$!
	wait_for 20 is_ready_or_gone
	grep -q 'is ready on' out || { cat out err >&2; return 1; }
}

is_ready_or_gone()
{
	grep -qs 'is ready on' out || ! kill -0 "$PID"
}

# stopped SIGNAL: the exit status of the broker after that signal.
stopped()
{
	kill "-$1" "$PID"
	status=0
	wait "$PID" || status=$?
	PID=
}

@test "broker --listen --data: one line when ready, with address, directory, cluster and time" {
	start_broker --listen "$BROKER" --data "$PWD/data"
	[[ "$(cat out)" =~ ^"kavka broker 1 is ready on $BROKER, data in $PWD/data, cluster id "[A-Za-z0-9_-]{22}", started in "[0-9]+" ms"$ ]] || { cat out; false; }
	grep -q '^node.id=1$' data/meta.properties
}

@test "broker: SIGTERM and SIGINT end it in order, exit 0" {
	for signal in TERM INT; do
		start_broker --listen "$BROKER" --data "$PWD/data"
		stopped "$signal"
		[ "$status" -eq 0 ]
		[ -e data/.kafka_cleanshutdown ]
	done
}

@test "broker: records and topics are there after a stop, and after kill -9" {
	start_broker --listen "$BROKER" --data "$PWD/data"
	seq 1 1000 | put "$T"
	id=$(topics --describe --topic "$T" | sed -n 's/.*TopicId: \([^\t]*\).*/\1/p')
	stopped TERM
	start_broker --listen "$BROKER" --data "$PWD/data"
	seq 1001 2000 | put "$T"
	stopped KILL
	start_broker --listen "$BROKER" --data "$PWD/data"
	run -0 got "$T"
	out "$(seq 1 2000)"
	[ "$(topics --describe --topic "$T" | sed -n 's/.*TopicId: \([^\t]*\).*/\1/p')" = "$id" ]
}

@test "broker: a torn last batch is cut off at start, what stood before it stays" {
	start_broker --listen "$BROKER" --data "$PWD/data"
	seq 1 100 | put "$T" -X linger.ms=0 -X batch.num.messages=10
	stopped KILL
	log=data/$T-0/00000000000000000000.log
	[ -s "$log" ]
	printf 'torn bytes at the end of the log' | dd of="$log" bs=1 oflag=append conv=notrunc status=none
	start_broker --listen "$BROKER" --data "$PWD/data"
	seq 101 110 | put "$T"
	run -0 got "$T"
	out "$(seq 1 110)"
}

@test "broker FILE.properties: Apache's file, with overrides" {
	cat >server.properties <<-CONF
	process.roles=broker,controller
	node.id=5
	controller.quorum.voters=5@127.0.0.1:$(free_ports 1)
	listeners=PLAINTEXT://$BROKER,CONTROLLER://127.0.0.1:0
	controller.listener.names=CONTROLLER
	log.dirs=$PWD/one,$PWD/two
	num.partitions=2
	CONF
	sed -i "s/CONTROLLER:\/\/127.0.0.1:0/CONTROLLER:\/\/$(sed -n 's/^controller.quorum.voters=5@//p' server.properties)/" server.properties
	start_broker server.properties --override num.partitions=4
	put "$T" <<<x
	run -0 kcat -b "$BROKER" -L -t "$T"
	out_has "topic \"$T\" with 4 partitions"
	out_has "broker 5 at $BROKER"
	grep -q '^node.id=5$' one/meta.properties
	grep -q '^node.id=5$' two/meta.properties
}

@test "broker: an unknown config is named with its near miss, the broker starts all the same" {
	start_broker --listen "$BROKER" --data "$PWD/data" --override log.segment.byte=1048576
	grep -q "unknown config 'log.segment.byte' (did you mean 'log.segment.bytes'?)" err
}

@test "broker: a value out of range is refused with the range, exit 1" {
	run --separate-stderr timeout 20 "$KAVKA_BIN" broker --data "$PWD/data" --override log.segment.bytes=3
	expect 1
	err_has "log.segment.bytes"
	err_has "at least 1048576"
}

@test "broker: a port that is taken is one clear line, exit not 0" {
	start_broker --listen "$BROKER" --data "$PWD/data"
	run --separate-stderr timeout 20 "$KAVKA_BIN" broker --listen "$BROKER" --data "$PWD/other"
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
	err_has "$BROKER"
	err_has "Address already in use"
}

@test "broker: a data directory in use by another broker is refused" {
	start_broker --listen "$BROKER" --data "$PWD/data"
	run --separate-stderr timeout 20 "$KAVKA_BIN" broker --listen "127.0.0.1:$(free_ports 1)" --data "$PWD/data"
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
	err_has "$PWD/data"
}

@test "broker: bytes that are no request close that connection only" {
	start_broker --listen "$BROKER" --data "$PWD/data"
	for bytes in 'GET / HTTP/1.0\r\n\r\n' '\377\377\377\377' '\177\377\377\377xxxx' '\0\0\0\4\0\0\0\0' '\0\0\0\012\0\22\0\3junkju'; do
		{ exec 9<>"/dev/tcp/127.0.0.1/$PORT"; } 2>/dev/null
		# shellcheck disable=SC2059  # the escapes are the point
		printf "$bytes" >&9
		timeout 5 cat <&9 >/dev/null || true
		exec 9<&-
	done
	kill -0 "$PID"
	put "$T" <<<'still here'
	run -0 got "$T"
	out "still here"
}

@test "broker --metrics: health, readiness and numbers by HTTP" {
	metrics=$(free_ports 1)
	start_broker --listen "$BROKER" --data "$PWD/data" --metrics "127.0.0.1:$metrics"
	run -0 curl -sf "http://127.0.0.1:$metrics/healthz"
	run -0 curl -sf "http://127.0.0.1:$metrics/readyz"
	put "$T" <<<x
	run -0 curl -sf "http://127.0.0.1:$metrics/metrics"
	[[ "$output" == *"# TYPE "* ]]
}

@test "broker --metrics: an address that cannot be had is one clear line; it stops in order" {
	for address in "127.0.0.1:none" "$BROKER"; do
		run --separate-stderr timeout 20 "$KAVKA_BIN" broker --listen "$BROKER" --data "$PWD/data" \
			--metrics "$address"
		[ "$status" -ne 0 ]
		[ "$status" -lt 124 ]
		[[ "${stderr_lines[-1]}" == *"--metrics $address: "* ]]
		[ -e data/.kafka_cleanshutdown ]
	done
}

@test "storage: format, info, random-uuid; a formatted directory is not formatted again" {
	run -0 kafka-storage random-uuid
	[[ "$output" =~ ^[A-Za-z0-9_-]{22}$ ]]
	id=$output
	cat >server.properties <<-CONF
	process.roles=broker,controller
	node.id=1
	controller.quorum.voters=1@127.0.0.1:9093
	listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093
	controller.listener.names=CONTROLLER
	log.dirs=$PWD/data
	CONF
	run -0 kafka-storage format --cluster-id "$id" --config server.properties
	out_has "Formatting metadata directory $PWD/data with metadata.version"
	grep -q "^cluster.id=$id$" data/meta.properties
	run kafka-storage format --cluster-id "$id" --config server.properties
	expect 1
	out_has "Log directory $PWD/data is already formatted. Use --ignore-formatted to ignore this directory and format the others."
	run -0 kafka-storage format --cluster-id "$id" --config server.properties --ignore-formatted
	run -0 kafka-storage info --config server.properties
	out_has "cluster.id=$id"
}

@test "broker: an SSL listener serves kcat and kavka, and nothing in the clear" {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 \
		-subj /CN=localhost -addext 'subjectAltName=DNS:localhost,IP:127.0.0.1' 2>/dev/null
	cat key.pem cert.pem >store.pem
	printf '%s\n' security.protocol=SSL ssl.truststore.type=PEM \
		"ssl.truststore.location=$PWD/cert.pem" >client.properties
	start_broker --data "$PWD/data" \
		--override "listeners=SSL://$BROKER,CONTROLLER://127.0.0.1:0" \
		--override listener.security.protocol.map=SSL:SSL,CONTROLLER:PLAINTEXT \
		--override inter.broker.listener.name=SSL \
		--override ssl.keystore.type=PEM --override "ssl.keystore.location=$PWD/store.pem"
	seq 1000 >in
	kcat -b "$BROKER" -X security.protocol=ssl -X ssl.ca.location=cert.pem -P -t secret <in
	"$KAVKA_BIN" consumer --bootstrap-server "$BROKER" --topic secret --from-beginning --max-messages 1000 \
		--command-config client.properties >"$PWD/back"
	cmp in back
	run kcat -b "$BROKER" -m 3 -L
	[ "$status" -ne 0 ]
	! grep -q 'without effect' err
}
