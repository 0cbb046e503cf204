#!/usr/bin/env bats
# What kavka's commands do beyond Apache's: the stated improvements of README.md.

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

@test "own: commands by kavka's names, without dashes and suffixes" {
	run --separate-stderr "$KAVKA_BIN" topics --bootstrap-server "$BROKER" --create --topic "$T"
	expect 0
	out "Created topic $T."
	"$KAVKA_BIN" producer --bootstrap-server "$BROKER" --topic "$T" <<<hello
	run --separate-stderr "$KAVKA_BIN" consumer --bootstrap-server "$BROKER" --topic "$T" --from-beginning --max-messages 1
	expect 0
	out hello
	ln -s "$KAVKA_BIN" kafka-topics.sh
	run --separate-stderr ./kafka-topics.sh --bootstrap-server "$BROKER" --list --topic "$T"
	out "$T"
}

@test "own: a mistyped option or command is answered with the near miss" {
	run --separate-stderr "$KAVKA_BIN" topics --lst
	[ "$status" -ne 0 ]
	err_has "did you mean --list?"
	run --separate-stderr "$KAVKA_BIN" topcs
	[ "$status" -ne 0 ]
	err_has "did you mean topics?"
}

@test "own: the bootstrap server may come from the environment" {
	KAVKA_BOOTSTRAP_SERVERS=$BROKER run --separate-stderr "$KAVKA_BIN" topics --create --topic "$T"
	expect 0
	out "Created topic $T."
}

@test "own: --json prints one object a line" {
	topics --create --topic "$T" --partitions 2
	run --separate-stderr "$KAVKA_BIN" topics --bootstrap-server "$BROKER" --describe --topic "$T" --json
	expect 0
	run jq -es 'length > 0' <<<"$output"
	expect 0
	seq 3 | put "$T" -p 0
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 3 "$T" >/dev/null
	run --separate-stderr "$KAVKA_BIN" groups --bootstrap-server "$BROKER" --describe --group "$T" --json
	expect 0
	run jq -es 'length > 0' <<<"$output"
	expect 0
}

@test "own: -b is short for --bootstrap-server, on every command" {
	run --separate-stderr "$KAVKA_BIN" topics -b "$BROKER" --create --topic "$T"
	expect 0
	"$KAVKA_BIN" producer -b"$BROKER" --topic "$T" <<<hello
	run --separate-stderr kafka-console-consumer -b="$BROKER" --topic "$T" --from-beginning --max-messages 1
	expect 0
	out hello
	# Whatever takes the long name takes the short one.
	for name in $("$KAVKA_BIN" complete -- kavka "" | cut -f 1); do
		run "$KAVKA_BIN" help "$name"
		[[ "$output" != *"--bootstrap-server"* ]] || out_has "-b, --bootstrap-server"
	done
}

# asks ADDRESS [VARIABLE=VALUE...] ARGS...: lists topics in the background, and writes to the file
# `asked` where it should have asked for them and where it did (where it is refused).
asks()
{
	local wanted=$1 variables=()

	shift
	while [[ ${1:-} == *=* ]]; do
		variables+=("$1")
		shift
	done
	{
		env "${variables[@]}" "$KAVKA_BIN" topics --list "$@" 2>&1 || true
	} 3>&- | sed "s/^kavka topics: \(127[0-9.:]*\): connection refused.*/\1/; s/^/$wanted /" >>asked &
	asking+=($!)
}

@test "own: option, config file, variable, profile, localhost, in this order" {
	local asking=()

	export XDG_CONFIG_HOME=$PWD/config
	run --separate-stderr "$KAVKA_BIN" profile add lab -b 127.0.0.1:11 request.timeout.ms=900
	expect 0
	out "Added profile lab, the current one now."
	"$KAVKA_BIN" profile add other --bootstrap-server 127.0.0.1:12
	[ "$(stat -c %a config/kavka/config)" = 600 ]
	echo 'bootstrap.servers=127.0.0.1:13' >file.properties
	# Each takes three seconds to be sure that nobody is there.
	asks 127.0.0.1:11
	asks 127.0.0.1:12 KAVKA_PROFILE=other
	asks 127.0.0.1:14 KAVKA_BOOTSTRAP_SERVERS=127.0.0.1:14 KAVKA_PROFILE=other
	asks 127.0.0.1:12 KAVKA_BOOTSTRAP_SERVERS=127.0.0.1:14 --profile other
	asks 127.0.0.1:13 --profile other --command-config file.properties
	asks 127.0.0.1:15 --profile other --command-config file.properties -b 127.0.0.1:15
	wait "${asking[@]}"
	[ "$(wc -l <asked)" -eq 6 ]
	while read -r wanted asked; do
		[ "$wanted" = "$asked" ] || { cat asked >&2; return 1; }
	done <asked
	# Apache's names know profiles too.
	run --separate-stderr kafka-topics --list --profile nosuch
	expect 1
	out_has "there is no profile 'nosuch'"
}

@test "own: profiles are listed, shown, changed, removed; secrets are not shown" {
	export XDG_CONFIG_HOME=$PWD/config
	"$KAVKA_BIN" profile add lab -b "$BROKER"
	"$KAVKA_BIN" profile add prod -b k1:9093 security.protocol=SASL_SSL ssl.truststore.password=pss --use
	run -0 "$KAVKA_BIN" profile current
	out prod
	run -0 "$KAVKA_BIN" profile list
	out_has "*  prod  k1:9093"
	run -0 "$KAVKA_BIN" profile show
	out_has "ssl.truststore.password=[hidden]"
	run -0 "$KAVKA_BIN" profile show prod --secrets --json
	out '{"name":"prod","configs":{"bootstrap.servers":"k1:9093","security.protocol":"SASL_SSL","ssl.truststore.password":"pss"}}'
	"$KAVKA_BIN" profile use lab
	"$KAVKA_BIN" topics --create --topic "$T"
	run -0 kafka-topics --list --topic "$T"
	out "$T"
	run --separate-stderr "$KAVKA_BIN" profile set lab client.idd=x
	expect 1
	err "kavka profile set: unknown config 'client.idd'; did you mean client.id?"
	"$KAVKA_BIN" profile remove lab prod
	run --separate-stderr "$KAVKA_BIN" profile current
	expect 5
}

@test "own: --quiet leaves data and errors" {
	run --separate-stderr "$KAVKA_BIN" profile --help
	expect 0
	XDG_CONFIG_HOME=$PWD/config run --separate-stderr "$KAVKA_BIN" profile add q --quiet
	expect 0
	out ""
	err ""
}

# peer NAME MODE...: a peer that is none, at the address in the variable NAME.
peer()
{
	local name=$1

	shift
	"$support_dir/odd-peer" "$@" >"$name.address" 3>&- &
	peers+=($!)
	wait_for 10 test -s "$name.address"
	printf -v "$name" %s "$(<"$name.address")"
}

@test "own: who cannot be reached, and why, within five seconds" {
	local peers=() commands=() cases full http ssh tls close silent slow

	peer full full
	peer http http
	peer ssh ssh
	peer tls tls
	peer close close
	peer silent silent
	peer slow slow 2 "$BROKER"
	echo security.protocol=SSL >ssl.properties
	# All at once, since most of them wait for seconds. NAME STATUS TEXT ARGS.
	cases=(
		"refused|3|127.0.0.1:1: connection refused (is a broker running there? see kavka help broker)|-b 127.0.0.1:1"
		"full|3|$full: no connection in time (a firewall in between, or the wrong address?)|-b $full"
		"http|3|$http: the peer does not speak Kafka's protocol but HTTP|-b $http"
		"ssh|3|$ssh: the peer does not speak Kafka's protocol: it begins with 'SSH-'|-b $ssh"
		"tls|3|$tls: the peer does not speak Kafka's protocol but TLS (see security.protocol)|-b $tls"
		"close|3|$close: closed at the first request (is it a Kafka broker|-b $close"
		"name|3|nosuch.invalid:9092: |-b nosuch.invalid:9092"
		"plain|3|$BROKER: closed by the peer in the TLS handshake (does it speak TLS?)|-b $BROKER --command-config ssl.properties"
		"many|3|127.0.0.1:1: connection refused; $full: no connection in time; $http: the peer does not|-b 127.0.0.1:1,$full,$http"
		"late|0||-b $full,$silent,$BROKER"
		"slow|0||-b $slow"
	)
	for line in "${cases[@]}"; do
		IFS='|' read -r name status text arguments <<<"$line"
		# shellcheck disable=SC2086
		{
			began=$SECONDS
			timeout 30 "$KAVKA_BIN" topics --list $arguments >"$name.out" 2>"$name.err" &&
				echo 0 >"$name.status" || echo $? >"$name.status"
			echo $((SECONDS - began)) >"$name.took"
		} 3>&- &
		commands+=($!)
	done
	wait "${commands[@]}"
	kill "${peers[@]}"
	for line in "${cases[@]}"; do
		IFS='|' read -r name status text arguments <<<"$line"
		echo "$name: $(<"$name.status"), $(<"$name.took") s: $(<"$name.err")" >&2
		[ "$(<"$name.status")" = "$status" ]
		[ -z "$text" ] || [[ "$(<"$name.err")" == "kavka topics: "*"$text"* ]]
		[ "$name" = slow ] || [ "$(<"$name.took")" -le 5 ]
		[ "$name" = slow ] || [ "$(wc -l <"$name.err")" -le 1 ]
	done
}

@test "own: brokers that advertise what cannot be reached from here" {
	local broker

	broker=$("$support_dir/broker" start "$PWD/away" advertised.listeners=PLAINTEXT://127.0.0.1:1)
	run --separate-stderr timeout 20 "$KAVKA_BIN" topics -b "$broker" --create --topic a
	expect 3
	err "kavka topics: $broker answers, but what the brokers advertise cannot be reached from here: broker 1: 127.0.0.1:1: connection refused (check advertised.listeners of the brokers)"
	run --separate-stderr timeout 20 kafka-consumer-groups --bootstrap-server "$broker" --list
	[[ "$output$stderr" == *"check advertised.listeners"* ]]
	"$support_dir/broker" stop "$PWD/away"
}

@test "own: no broker there is one line that says what to do, with a real exit status" {
	printf 'default.api.timeout.ms=800\nrequest.timeout.ms=500\n' >quick.properties
	run --separate-stderr timeout 20 "$KAVKA_BIN" topics --bootstrap-server 127.0.0.1:1 --list --command-config quick.properties
	[ "$status" -ne 0 ]
	[ "$status" -ne 124 ]
	[ "${#stderr_lines[@]}" -eq 1 ]
	err_has "127.0.0.1:1: connection refused"
}
