#!/usr/bin/env bats
# kafka-log-dirs: what lies in the directories of brokers.

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
	echo one | put "$T" -p 0
}

log_dirs()
{
	timeout 60 kafka-log-dirs --bootstrap-server "$BROKER" "$@"
}

# Python's words for the last line of the output, `it`.
last()
{
	printf '%s\n' "${lines[-1]}" | python3 -c "import json, sys; it = json.load(sys.stdin); print($1)"
}

@test "log-dirs: the size of a topic's partitions, of all or some brokers" {
	run --separate-stderr log_dirs --describe --topic-list "$T"
	expect 0
	[ "${#lines[@]}" -eq 3 ]
	[ "${lines[0]}" = "Querying brokers for log directories information" ]
	[[ "${lines[1]}" =~ ^"Received log directory information from brokers "([0-9]+)$ ]]
	id=${BASH_REMATCH[1]}
	dir="it['brokers'][0]['logDirs'][0]"
	run -0 last "it['version'], it['brokers'][0]['broker'], ${dir}['error'], [(p['partition'], p['size'] > 60, p['offsetLag'], p['isFuture']) for p in ${dir}['partitions']]"
	out "1 $id None [('$T-0', True, 0, False)]"
	run --separate-stderr log_dirs --describe --topic-list "nosuch,$T" --broker-list "$id,$id"
	expect 0
	run -0 last "len(it['brokers']), len(${dir}['partitions'])"
	out "1 1"
	run --separate-stderr log_dirs --describe --topic-list "nosuch-$T"
	expect 0
	run -0 last "${dir}['partitions']"
	out "[]"
}

@test "log-dirs: brokers that are not there are named, exit 1" {
	run --separate-stderr log_dirs --describe --broker-list 99,98
	expect 1
	out ""
	err_has "ERROR: The given brokers do not exist from --broker-list: 98,99. Current existent brokers: "
	run --separate-stderr log_dirs --describe --broker-list x
	expect 1
	err_has 'For input string: "x"'
	usage_error 'Missing required argument "[describe]"' log_dirs
	usage_error 'Missing required argument "[bootstrap-server]"' timeout 60 kafka-log-dirs --describe
}

@test "log-dirs: JSON and a table; a broker that is not there is exit 5" {
	improvement
	own=("$KAVKA_BIN" log-dirs -b "$BROKER")
	run --separate-stderr "${own[@]}" --topic-list "$T" --json
	expect 0
	run -0 last "it['error'], it['totalBytes'] > it['usableBytes'] > 0, it['partitions'][0]['topic'], it['partitions'][0]['partition']"
	out "None True $T 0"
	run --separate-stderr "${own[@]}" --topic-list "$T" --output table
	expect 0
	[[ "${lines[0]}" =~ ^BROKER\ +LOG-DIR\ +TOPIC\ +PARTITION\ +SIZE\ +OFFSET-LAG ]]
	[[ "${lines[1]}" =~ \ $T\ +0\ +[1-9][0-9]*\ +0\ +-$ ]]
	run --separate-stderr "${own[@]}" --broker-list 99
	expect 5
	err_has "kavka log-dirs: the given brokers do not exist from --broker-list: 99. "
}
