#!/usr/bin/env bats
# Command lines as they stand in courses, tutorials and the Kafka quickstart, from Kafka 1.0 to 4.x,
# each typed as it is written there; only the address of the broker is ours. Each works, or says in
# one line what to write instead.
#
# Where they are from: [Q] kafka.apache.org/quickstart (of 2.x, 3.x, 4.x), [O] its chapter on
# operations, [C] the Kafka for beginners course (conduktor), [P] the Packt edition of it, [R]
# riptutorial.com/apache-kafka, [B] baeldung.com, [D] digitalocean.com, [H] Cloudera's (HDP's)
# handbook, [G] cheat sheets and gists, [I] course material of people who asked for kavka.

load common

setup_file()
{
	local name

	suite_start
	# Where the lines expect the scripts: bin/ below the current directory, and on PATH.
	export HERE=$BATS_FILE_TMPDIR/kafka_2.13-4.2.0
	mkdir -p "$HERE/bin" "$HERE/config"
	for name in $("$KAVKA_BIN" help --completion bash) kafka-run-class kafka-run-class.sh \
		zookeeper-server-start.sh; do
		ln -sf "$KAVKA_BIN" "$HERE/bin/$name"
	done
	export PATH=$HERE/bin:$PATH
	: >"$HERE/config/consumer.properties"
	: >"$HERE/config/producer.properties"
	: >"$HERE/playground.config"
}

teardown_file()
{
	suite_stop
}

setup()
{
	improvement
	cd "$HERE" || return 1
}

# ours LINE: with the broker's address in it.
ours()
{
	sed -E "s/(localhost|broker|kafka|kafka1|kafka-1|127\.0\.0\.1|cluster\.playground\.cdkt\.io|cdh01):(9092|19092|29092)/$BROKER/g" <<<"$1"
}

# works LINE [TEXT]: exit status 0, and TEXT is printed.
works()
{
	run --separate-stderr timeout 60 bash -c "$(ours "$1")"
	[ "$status" -eq 0 ] || { printf 'line: %s\n' "$1" >&2; show; return 1; }
	[ $# -lt 2 ] || out_has "$2"
}

# told LINE TEXT: it fails, with one line that has TEXT.
told()
{
	run --separate-stderr timeout 60 bash -c "$(ours "$1")" </dev/null
	[ "$status" -ne 0 ] && [ "$status" -ne 124 ] && [ "${#stderr_lines[@]}" -eq 1 ] &&
		[ -z "$output" ] && [[ "$stderr" == *"$2"* ]] && return
	printf 'line: %s\n' "$1" >&2
	show
	return 1
}

# shows LINE TEXT: what goes on until Ctrl-C prints TEXT; then it ends as one expects.
shows()
{
	local pid code=0

	rm -f shown # what the last one showed is no news
	timeout -s INT 60 bash -c "exec $(ours "$1")" >shown 2>shown.err 3>&- &
	pid=$!
	wait_for 30 grep -qF -- "$2" shown || { printf 'line: %s\n' "$1" >&2; cat shown shown.err >&2; kill "$pid"; return 1; }
	kill -INT "$pid"
	wait "$pid" || code=$?
	[ "$code" -ne 124 ]
}

@test "tutorials: the quickstart of 4.x" {
	works 'bin/kafka-topics.sh --create --topic quickstart-events --bootstrap-server localhost:9092' "Created topic quickstart-events."			# [Q]
	works 'bin/kafka-topics.sh --describe --topic quickstart-events --bootstrap-server localhost:9092' "PartitionCount: 1"					# [Q]
	works $'bin/kafka-console-producer.sh --topic quickstart-events --bootstrap-server localhost:9092 <<<$\'This is my first event\nThis is my second event\''	# [Q]
	shows 'bin/kafka-console-consumer.sh --topic quickstart-events --from-beginning --bootstrap-server localhost:9092' "This is my second event"		# [Q]
}

@test "tutorials: the server of the quickstart of 4.x" {
	local pid ports

	read -ra ports <<<"$(free_ports 2)"
	# config/server.properties as it is shipped, with ports and a directory of our own.
	cat >config/server.properties <<-CONF
	process.roles=broker,controller
	node.id=1
	controller.quorum.bootstrap.servers=localhost:${ports[1]}
	listeners=PLAINTEXT://:${ports[0]},CONTROLLER://:${ports[1]}
	inter.broker.listener.name=PLAINTEXT
	advertised.listeners=PLAINTEXT://localhost:${ports[0]},CONTROLLER://localhost:${ports[1]}
	controller.listener.names=CONTROLLER
	listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
	num.network.threads=3
	num.io.threads=8
	log.dirs=$BATS_TEST_TMPDIR/kraft-combined-logs
	num.partitions=1
	offsets.topic.replication.factor=1
	transaction.state.log.replication.factor=1
	transaction.state.log.min.isr=1
	log.retention.hours=168
	log.segment.bytes=1073741824
	CONF
	works 'KAFKA_CLUSTER_ID="$(bin/kafka-storage.sh random-uuid)" && bin/kafka-storage.sh format --standalone -t $KAFKA_CLUSTER_ID -c config/server.properties' "Formatting"	# [Q]
	bin/kafka-server-start.sh config/server.properties >server.log 2>&1 3>&- &	# [Q]
	pid=$!
	BROKER=localhost:${ports[0]}
	wait_for 30 bin/kafka-topics.sh --list --bootstrap-server "$BROKER" || { cat server.log >&2; kill "$pid"; return 1; }
	kill "$pid"
	wait "$pid" || true
	told 'bin/zookeeper-server-start.sh config/zookeeper.properties' "kafka-server-start"		# [Q] of 2.x
}

@test "tutorials: what students type" {
	works 'kafka-topics --bootstrap-server kafka1:19092 --list'									# [I]
	told 'kafka-topics --create --topic lecture --partitions 3 --replication-factor 1' "--bootstrap-server localhost:9092"		# [I]
	works 'KAVKA_BOOTSTRAP_SERVERS=localhost:9092 kafka-topics --create --topic lecture --partitions 3 --replication-factor 1' "Created topic lecture."	# [I]
	works 'echo x | kafka-console-producer --broker-list localhost:9092 --topic t'							# [I]
	told 'kafka-console-producer --bootstrap-server localhost:9092 --topic-lecture' "did you mean --topic lecture?"			# [I]
}

@test "tutorials: topics, as of 2.x and before" {
	told 'bin/kafka-topics.sh --create --zookeeper localhost:2181 --replication-factor 1 --partitions 1 --topic test' "--bootstrap-server localhost:9092"	# [Q] [H] [B]
	told 'bin/kafka-topics.sh --list --zookeeper localhost:2181 test' "--bootstrap-server localhost:9092"						# [H]
	told 'kafka-topics --zookeeper localhost:2181 --alter --topic test --config max.message.bytes=128000' "--bootstrap-server localhost:9092"	# [R]
	told 'bin/kafka-topics.sh --zookeeper zookeeper1:2181/kafka --describe --topics-with-overrides' "--bootstrap-server localhost:9092"		# [G]
	told 'bin/kafka-configs.sh --zookeeper localhost:2181 --entity-type topics --entity-name test --describe' "--bootstrap-server localhost:9092"	# [G] [R]
	told 'bin/kafka-consumer-groups.sh --zookeeper localhost:2181 --list' "--bootstrap-server localhost:9092"					# [G]
	told 'bin/kafka-console-consumer.sh --zookeeper localhost:2181 --topic test --from-beginning' "--bootstrap-server localhost:9092"		# [G]
	works 'bin/kafka-topics.sh --bootstrap-server localhost:9092 --create --replication-factor 1 -partitions 1 --topic test'			# [G]
}

@test "tutorials: topics, as of 3.x and 4.x" {
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --topic first_topic --create --partitions 3 --replication-factor 1' "Created topic first_topic."	# [C]
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --list' first_topic					# [C]
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --topic first_topic --describe' "PartitionCount: 3"	# [C]
	works 'kafka-topics.sh --command-config playground.config --bootstrap-server cluster.playground.cdkt.io:9092 --topic second_topic --create --partitions 3'	# [P]
	works 'sh bin/../bin/kafka-topics.sh --version 2>&1 || bin/kafka-topics.sh --version' .					# [G]
	works 'kafka-topics --create --partitions 4 --bootstrap-server kafka:9092 --topic test4 --if-not-exists' "Created topic test4."	# [G]
	works 'kafka-topics --describe --bootstrap-server localhost:9092 --under-replicated-partitions'			# [O]
	works 'bin/kafka-topics.sh --bootstrap-server localhost:9092 --alter --topic test4 --partitions 40'			# [O]
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --create --topic employee-salary --partitions 1 --replication-factor 1 --config cleanup.policy=compact --config min.cleanable.dirty.ratio=0.001 --config segment.ms=5000'	# [P]
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --topic first_topic --delete'					# [C]
}

@test "tutorials: producers and consumers" {
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --topic second_topic2 --create --partitions 3'
	works 'echo "Hello World" | kafka-console-producer.sh --bootstrap-server localhost:9092 --topic second_topic2'			# [C]
	works 'echo "just for fun" | kafka-console-producer.sh --bootstrap-server localhost:9092 --topic second_topic2 --producer-property acks=all'	# [C]
	works 'echo "hello world!" | kafka-console-producer.sh --bootstrap-server localhost:9092 --topic new_topic'			# [C]
	works 'echo "name:Stephane" | kafka-console-producer.sh --bootstrap-server localhost:9092 --topic second_topic2 --property parse.key=true --property key.separator=:'	# [C]
	works 'echo x | kafka-console-producer.sh --bootstrap-server localhost:9092 --producer-property partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner --topic second_topic2'	# [P]
	works 'echo x | kafka-console-producer.sh --producer.config playground.config --bootstrap-server cluster.playground.cdkt.io:9092 --topic second_topic2'	# [P]
	works 'echo y | bin/kafka-console-producer.sh --broker-list localhost:9092 --topic second_topic2 --property "parse.key=false" --property "key.separator=:"'	# [G]
	works 'printf "key 1, message 1\nkey 2, message 2\n" | kafka-console-producer --broker-list localhost:9092 --topic test-topic --property parse.key=true --property key.separator=,'	# [R]
	works 'echo line >file.log; kafka-console-producer --broker-list localhost:9092 --topic test_topic < file.log'			# [R]
	works 'kafka-console-consumer --bootstrap-server localhost:9092 --topic test-topic --from-beginning --max-messages 2 --property print.key=true --property key.separator=,' 'key 1, message 1'	# [P]
	shows 'kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic second_topic2 --formatter kafka.tools.DefaultMessageFormatter --property print.timestamp=true --property print.key=true --property print.value=true --property print.partition=true --from-beginning' 'Stephane'	# [P]
	shows 'bin/kafka-console-consumer.sh --new-consumer --bootstrap-server localhost:9092 --topic new_topic --from-beginning' "hello world!"	# [G]
	shows 'kafka-console-consumer --from-beginning --bootstrap-server kafka:9092 --topic=new_topic' "hello world!"			# [G]
	shows 'kafka-console-consumer.sh --bootstrap-server localhost:9092 --whitelist new_top.* --from-beginning' "hello world!"	# [O] of 2.x
	shows 'bin/kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic new_topic --partition 0 --offset 0 --consumer.config config/consumer.properties' "hello world!"	# [O]
}

@test "tutorials: groups" {
	kafka-topics.sh --bootstrap-server "$BROKER" --topic third_topic --create --partitions 3
	seq 9 | kafka-console-producer.sh --bootstrap-server "$BROKER" --topic third_topic
	works 'kafka-console-consumer.sh --bootstrap-server localhost:9092 --topic third_topic --group my-first-application --from-beginning --max-messages 9'	# [C]
	works 'kafka-consumer-groups.sh --bootstrap-server localhost:9092 --list' my-first-application							# [C]
	works 'kafka-consumer-groups.sh --bootstrap-server localhost:9092 --describe --group my-first-application' "LOG-END-OFFSET"			# [C]
	works 'kafka-consumer-groups.sh --bootstrap-server localhost:9092 --group my-first-application --reset-offsets --to-earliest --topic third_topic --dry-run' third_topic	# [C]
	works 'kafka-consumer-groups.sh --bootstrap-server localhost:9092 --group my-first-application --reset-offsets --to-earliest --topic third_topic --execute' third_topic	# [C]
	works 'kafka-consumer-groups.sh --bootstrap-server localhost:9092 --group my-first-application --reset-offsets --shift-by -2 --execute --topic third_topic' third_topic	# [C]
	works './bin/kafka-consumer-groups.sh --bootstrap-server localhost:9092 --reset-offsets --to-earliest --group my-first-application --execute --all-topics'	# [G]
	works 'kafka-consumer-groups.sh --command-config playground.config --bootstrap-server cluster.playground.cdkt.io:9092 --describe --group my-first-application'	# [P]
	told 'bin/kafka-consumer-groups.sh --new-consumer --bootstrap-server localhost:9092 --list' "leave it out"					# [G]
}

@test "tutorials: configs, offsets, measuring" {
	kafka-topics.sh --bootstrap-server "$BROKER" --topic configured-topic --create --partitions 3
	works 'kafka-configs.sh --bootstrap-server localhost:9092 --entity-type topics --entity-name configured-topic --add-config min.insync.replicas=2 --alter' Completed	# [P]
	works 'kafka-configs.sh --bootstrap-server localhost:9092 --entity-type topics --entity-name configured-topic --describe' min.insync.replicas=2			# [P]
	works 'kafka-topics.sh --bootstrap-server localhost:9092 --describe --topic configured-topic' min.insync.replicas=2						# [P]
	works 'kafka-configs.sh --bootstrap-server localhost:9092 --entity-type topics --entity-name configured-topic --delete-config min.insync.replicas --alter' Completed	# [P]
	works 'bin/kafka-run-class.sh kafka.tools.GetOffsetShell --broker-list localhost:9092 --topic configured-topic --time -1' configured-topic:2:0		# [G]
	works "bin/kafka-run-class.sh kafka.tools.GetOffsetShell --broker-list localhost:9092 --topic configured-topic --time -1 --offsets 1 | awk -F \":\" '{sum += \$3} END {print sum}'" 0	# [G]
	works 'bin/kafka-get-offsets.sh --bootstrap-server localhost:9092 --topic configured-topic' configured-topic:0:0						# [O]
	works 'bin/kafka-producer-perf-test.sh --topic test_perf --num-records 1000 --record-size 2000 --throughput 5000 --producer-props bootstrap.servers=localhost:9092' "1000 records sent"	# [G]
	works 'bin/kafka-consumer-perf-test.sh --broker-list localhost:9092 --topic test_perf --fetch-size 10000 --messages 1000' data.consumed	# [G]
	works 'bin/kafka-broker-api-versions.sh --bootstrap-server localhost:9092' "Metadata(3)"									# [O]
}
