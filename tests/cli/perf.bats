#!/usr/bin/env bats
# If these fail: the performance tests do not send or read what they say, or print it otherwise
# than the scripts that read it expect.

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
	topics --create --topic "$T" --partitions 2 >/dev/null
}

perf_produce()
{
	timeout 60 kafka-producer-perf-test --bootstrap-server "$BROKER" --topic "$T" "$@"
}

perf_consume()
{
	timeout 60 kafka-consumer-perf-test --bootstrap-server "$BROKER" --topic "$T" "$@"
}

number='[0-9]+\.[0-9]'
latencies="${number}{2} ms avg latency, ${number}{2} ms max latency, [0-9]+ ms 50th, [0-9]+ ms 95th, [0-9]+ ms 99th, [0-9]+ ms 99\.9th\.\$"
stamp='[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}:[0-9]{3}'

@test "perf: random records of a size, and the summary" {
	run --separate-stderr perf_produce --num-records 1000 --record-size 50 --throughput -1
	expect 0
	[ "${#lines[@]}" -eq 1 ]
	[[ "$output" =~ ^1000\ records\ sent,\ ${number}{6}\ records/sec\ \(${number}{2}\ MB/sec\),\ $latencies ]]
	[ "$(got "$T" | grep -cE '^[A-Z]{50}$')" -eq 1000 ]
}

@test "perf: numbers as payload; properties as pairs behind one option" {
	run --separate-stderr perf_produce --num-records 20 --payload-monotonic --throughput -1 --producer-props acks=1 linger.ms=0 --print-metrics
	expect 0
	[ "${lines[0]}" = "Option --producer-props has been deprecated and will be removed in a future version. Use --command-property instead." ]
	[[ "${lines[1]}" == "20 records sent, "* ]]
	[[ "${lines[2]}" =~ ^Metric\ Name\ +Value$ ]]
	out_has "producer-metrics:record-send-total:{client-id=perf-producer-client}"
	[ "$(got "$T" | sort -n | xargs)" = "$(seq 0 19 | xargs)" ]
}

@test "perf: payloads out of a file" {
	printf 'a;b;c' >payloads
	run --separate-stderr perf_produce --num-records 30 --payload-file payloads --payload-delimiter ';' --throughput -1
	expect 0
	[ "${lines[0]}" = "Reading payloads from: $PWD/payloads" ]
	[ "${lines[1]}" = "Number of records read: 3" ]
	[ "$(got "$T" | sort -u | xargs)" = "a b c" ]
}

@test "perf: throughput is kept to, with a line for each interval and a warm-up" {
	run --separate-stderr perf_produce --num-records 600 --record-size 10 --throughput 300 --reporting-interval 100 --warmup-records 200
	expect 0
	[ "${lines[0]}" = "Warmup first 200 records. Steady state results will print after the complete test summary." ]
	out_has "In steady state."
	[[ "$output" =~ [0-9]+\ records\ sent,\ ${number}\ records/sec\ \(${number}{2}\ MB/sec\),\ ${number}\ ms\ avg\ latency,\ ${number}\ ms\ max\ latency\. ]]
	[[ "${lines[-2]}" =~ ^600\ records\ sent,\ ([12]?[0-9]{1,2}|30[0-9])\. ]]
	[[ "${lines[-1]}" =~ ^400\ steady\ state\ records\ sent, ]]
}

@test "perf: what cannot be asked for" {
	usage_error "argument --throughput is required" perf_produce --num-records 10 --record-size 5
	usage_error "not allowed" perf_produce --num-records 10 --record-size 5 --payload-monotonic --throughput -1
	usage_error "--record-size" perf_produce --num-records 10 --throughput -1
	usage_error 'Exactly one of the following arguments is required: [messages], [num-records]' perf_consume
	usage_error 'Exactly one of the following arguments is required: [topic], [include]' perf_consume --include x --num-records 1
}

@test "perf: consuming, as one line of figures under its titles" {
	seq 1000 | put "$T"
	run --separate-stderr perf_consume --num-records 1000
	expect 0
	[ "${lines[0]}" = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec" ]
	[[ "${lines[1]}" =~ ^$stamp,\ $stamp,\ 0\.0028,\ ${number}{4},\ 1000,\ ${number}{4},\ [0-9]+,\ -?[0-9]+,\ -?([0-9.]+|Infinity),\ -?([0-9.]+|Infinity)$ ]]
	run --separate-stderr perf_consume --messages 1000 --hide-header --date-format "'at' yyyy"
	expect 0
	[ "${lines[0]}" = "Warning: --messages is deprecated. Use --num-records instead." ]
	[[ "${lines[1]}" =~ ^at\ 20[0-9]{2},\ at\ 20[0-9]{2},\ 0\.0028, ]]
	[ "${#lines[@]}" -eq 2 ]
}

@test "perf: fewer records than asked for is a warning" {
	seq 10 | put "$T"
	run --separate-stderr perf_consume --num-records 1000 --timeout 5000 --group "$T"
	expect 0
	[ "${lines[1]}" = "WARNING: Exiting before consuming the expected number of records: timeout (5000 ms) exceeded. You can use the --timeout option to increase the timeout." ]
	[[ "${lines[2]}" == *", 10, "* ]]
}

@test "perf: under kavka's name, as JSON" {
	improvement
	run --separate-stderr "$KAVKA_BIN" perf produce -b "$BROKER" --topic "$T" --num-records 500 --json
	expect 0
	[ "$(jq -c '[.type, .records, .bytes]' <<<"$output")" = '["total",500,50000]' ]
	run --separate-stderr "$KAVKA_BIN" perf consume -b "$BROKER" --topic "$T" --num-records 500 --json
	expect 0
	[ "$(jq -c '[.type, .records]' <<<"$output")" = '["total",500]' ]
	run --separate-stderr "$KAVKA_BIN" perf consume -b "$BROKER" --topic "$T" --num-records 501 --timeout 700 --json
	expect 6
	run --separate-stderr "$KAVKA_BIN" perf produce -b "$BROKER" --topic "$T" --num-records 5 --record-size 2000000
	expect 1
	err_has "above max.request.size"
}
