#!/usr/bin/env bats
# kavka api: requests as JSON. What kavka alone has; against either broker.

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
	improvement
	fresh_name
}

api()
{
	timeout 60 "$KAVKA_BIN" api --bootstrap-server "$BROKER" "$@"
}

# json FILTER: the last run's output, through jq.
json()
{
	jq -r "$1" <<<"$output"
}

@test "api: a request as JSON, the answer as JSON, in the version asked for" {
	topics --create --topic "$T" --partitions 2
	run --separate-stderr api Metadata --version 4 "{\"topics\":[{\"name\":\"$T\"}]}"
	expect 0
	[ "$(json '.topics[0].partitions | length')" = 2 ]
	[ "$(json 'has("clusterId")')" = true ]
	# Version 4 has no topic ids, 12 has.
	[ "$(json '.topics[0] | has("topicId")')" = false ]
	run --separate-stderr api metadata --version 12 --json - <<<"{\"Topics\":[{\"NAME\":\"$T\"}]}"
	expect 0
	[ "${#lines[@]}" = 1 ]
	[ "$(json '.topics[0].topicId | length')" = 22 ]
	# By key, without a request: every field has its default.
	run --separate-stderr api 18 --version 0
	expect 0
	[ "$(json '.apiKeys[] | select(.apiKey == 3).minVersion')" -ge 0 ]
}

@test "api: an answer leaves out what its version has no place for" {
	local version

	for version in 0 1 2; do
		run --separate-stderr api DescribeQuorum --version "$version" \
			'{"topics":[{"topicName":"__cluster_metadata","partitions":[{"partitionIndex":0}]}]}'
		expect 0
		[ "$(json '.topics[0].partitions[0].currentVoters[0].replicaId')" = 1 ]
	done
}

@test "api: records are written and read as JSON" {
	topics --create --topic "$T"
	run --separate-stderr api Produce --version 9 --leader "$T:0" \
		"{\"acks\":-1,\"timeoutMs\":5000,\"topicData\":[{\"name\":\"$T\",\"partitionData\":[{\"index\":0,
		\"records\":[{\"compression\":\"gzip\",\"records\":[{\"key\":\"k\",\"value\":\"hello\",
		\"headers\":[{\"key\":\"h\",\"value\":\"x\"}]},{\"value\":\"/w==\",\"valueEncoding\":\"base64\"}]}]}]}]}"
	expect 0
	[ "$(json '.responses[0].partitionResponses[0].baseOffset')" = 0 ]
	run --separate-stderr got "$T" -c 1 -f '%k=%s %h'
	out "k=hello h=x"
	fetch="{\"maxWaitMs\":100,\"maxBytes\":100000,\"topics\":[{\"topic\":\"$T\",\"partitions\":[{\"partition\":0,\"partitionMaxBytes\":100000}]}]}"
	run --separate-stderr api Fetch --version 12 --leader "$T:0" "$fetch"
	expect 0
	[ "$(json '.responses[0].partitions[0].records[0].compression')" = gzip ]
	[ "$(json '.responses[0].partitions[0].records[0].records[0].value')" = hello ]
	[ "$(json '.responses[0].partitions[0].records[0].records[1].valueEncoding')" = base64 ]
	# With acks=0 there is no answer to wait for.
	run --separate-stderr api Produce --version 9 --leader "$T:0" \
		"{\"acks\":0,\"topicData\":[{\"name\":\"$T\",\"partitionData\":[{\"index\":0,\"records\":[{\"value\":\"quiet\"}]}]}]}"
	expect 0
	out ""
	[ "$(got "$T" -c 3 | tail -1)" = quiet ]
}

@test "api: --hex names the field of every byte of request and response" {
	topics --create --topic "$T"
	run --separate-stderr api Metadata --version 12 --hex "{\"topics\":[{\"name\":\"$T\"}]}"
	expect 0
	out_has "00 03                    RequestApiKey"
	out_has "3 (Metadata)"
	[[ "$output" =~ Topics\[0\].Name\ +\"$T\" ]]
	[[ "$output" =~ Topics\[0\].Partitions\[0\].ErrorCode\ +0\ \(NONE\) ]]
	# The bytes follow each other without a gap, up to the size of the frame.
	run --separate-stderr api Metadata --version 12 --hex --json "{\"topics\":[{\"name\":\"$T\"}]}"
	expect 0
	run jq -es 'group_by(.message) | all(. as $l | ($l | map(.length) | add) == ($l[0].bytes |
		explode | map(if . > 57 then . - 87 else . - 48 end) | reduce .[] as $d (0; . * 16 + $d)) + 4
		and (reduce $l[] as $x (0; if . == $x.offset then . + $x.length else -1 end)) > 0)' <<<"$output"
	expect 0
	# What was shown can be decoded again.
	hex=$(api Metadata --version 12 --hex --json "{\"topics\":[{\"name\":\"$T\"}]}" |
		jq -r 'select(.message == "request").bytes' | tr -d '\n')
	run --separate-stderr "$KAVKA_BIN" api --decode "$hex"
	expect 0
	[ "$(json '.header.api')" = Metadata ]
	[ "$(json '.body.topics[0].name')" = "$T" ]
}

@test "api: an error code in the answer is explained, and is the exit status" {
	run --separate-stderr api Metadata '{"topics":[{"name":"no.such"}],"allowAutoTopicCreation":false}'
	expect 5
	[ "$(json '.topics[0].errorCode')" = 3 ]
	err_has "topics[0].errorCode 3 is UNKNOWN_TOPIC_OR_PARTITION"
}

@test "api: mistakes are told before anything is sent" {
	run --separate-stderr api Metdata
	expect 2
	err_has "did you mean Metadata?"
	run --separate-stderr api Metadata --version 12 '{"topcs":null}'
	expect 2
	err_has "there is no field 'topcs', did you mean topics?"
	run --separate-stderr api Metadata --version 3 '{"allowAutoTopicCreation":true}'
	expect 2
	err_has "is not in this version (4 and above have it)"
	run --separate-stderr api Metadata --version 99
	expect 2
	err_has "Metadata has no version 99 (it has 0 to 13)"
	run --separate-stderr api Metadata '{"topics":['
	expect 2
	err_has "the request is not JSON"
	run --separate-stderr api Metadata --broker 77
	expect 5
	err_has "there is no broker 77 in the cluster"
}

@test "api: whom to ask" {
	# The first question makes the topic that the coordinator needs.
	wait_for 30 api FindCoordinator '{"keyType":0,"coordinatorKeys":["g"]}'
	run --separate-stderr api FindCoordinator --json '{"keyType":0,"coordinatorKeys":["g"]}'
	expect 0
	id=$(json '.coordinators[0].nodeId')
	run --separate-stderr api DescribeGroups --coordinator g --version 5 '{"groups":["g"]}'
	expect 0
	[ "$(json '.groups[0].groupState')" = Dead ]
	for who in "--broker $id" "--broker $BROKER" --controller; do
		# shellcheck disable=SC2086  # an option and its value
		run --separate-stderr api DescribeCluster $who
		expect 0
		[ "$(json '.brokers | length')" = 1 ]
	done
}

@test "api: --list, --schema and --template tell what there is" {
	run --separate-stderr api --list
	expect 0
	[[ "$output" =~ 1\ +Fetch\ +4-1[0-9]\ +broker ]]
	out_has SUPPORTED
	run --separate-stderr "$KAVKA_BIN" api Fetch --schema --version 12
	expect 0
	out_has "FetchRequest (key 1), versions 4-"
	[[ "$output" =~ partitionMaxBytes\ +int32 ]]
	# Topic ids are for versions 13 and above.
	[[ "$output" != *topicId* ]]
	run --separate-stderr "$KAVKA_BIN" api CreateTopics --template
	expect 0
	[ "$(json '.topics[0].assignments[0].brokerIds | length')" = 1 ]
	[ "$(json '.timeoutMs')" = 60000 ]
}

@test "api: the TAB key offers requests" {
	run --separate-stderr "$KAVKA_BIN" complete -- kavka api DescribeC
	expect 0
	out_has DescribeCluster
	out_has DescribeConfigs
	run --separate-stderr "$KAVKA_BIN" complete -- kavka trace --api Produce,Metad
	out Produce,Metadata
}
