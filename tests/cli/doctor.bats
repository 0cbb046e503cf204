#!/usr/bin/env bats
# kavka doctor: each fault is made, and must be named with its remedy. What kavka alone has.

load common

# One broker with four listeners: a good one, one with TLS, and two that send clients elsewhere.
setup_file()
{
	local plain tls lost gone sasl controller dir=$BATS_FILE_TMPDIR login

	use_tools
	read -r plain tls lost gone sasl controller <<<"$(free_ports 6)"
	cd "$dir" || return 1
	openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem \
		-days 90 -subj /CN=broker -addext subjectAltName=DNS:localhost 2>/dev/null
	cat key.pem cert.pem >store.pem
	printf '%s\n' security.protocol=SSL ssl.truststore.type=PEM "ssl.truststore.location=$dir/cert.pem" >tls.properties
	login="org.apache.kafka.common.security.plain.PlainLoginModule required username=\"me\" password=\"secret\""
	set -- "PLAINTEXT://127.0.0.1:$plain,SSL://127.0.0.1:$tls,LOST://127.0.0.1:$lost,GONE://127.0.0.1:$gone" \
		"PLAINTEXT://127.0.0.1:$plain,SSL://localhost:$tls,LOST://localhost:1,GONE://nosuch.invalid:9092"
	if [ "$KAVKA_BROKER" = apache ]; then
		set -- "$1,SASL://127.0.0.1:$sasl" "$2,SASL://127.0.0.1:$sasl" sasl.enabled.mechanisms=PLAIN \
			"listener.name.sasl.plain.sasl.jaas.config=$login user_me=\"secret\";"
	fi
	# A blank in front: the script that starts the broker reads its port from the first line.
	BROKER=$("$support_dir/broker" start "$dir/broker" "$plain" \
		" listeners=$1,CONTROLLER://127.0.0.1:$controller" "advertised.listeners=$2" "${@:3}" \
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SSL:SSL,LOST:PLAINTEXT,GONE:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT" \
		"controller.quorum.voters=1@127.0.0.1:$controller" inter.broker.listener.name=PLAINTEXT \
		transaction.state.log.replication.factor=1 transaction.state.log.min.isr=1 \
		ssl.keystore.type=PEM "ssl.keystore.location=$dir/store.pem" | tail -n 1)
	export BROKER TLS=localhost:$tls LOST=127.0.0.1:$lost GONE=127.0.0.1:$gone SASL=127.0.0.1:$sasl LOGIN=$login
}

teardown_file()
{
	"$support_dir/broker" stop "$BATS_FILE_TMPDIR/broker"
}

setup()
{
	improvement
	fresh_name
	helper=
}

teardown()
{
	[ -z "$helper" ] || kill "$helper"
}

doctor()
{
	timeout 60 "$KAVKA_BIN" doctor --timeout 1000 --bootstrap-server "$@"
}

# finds TEXT REMEDY: a line of the last run has the text, the next one the remedy.
finds()
{
	grep -F -A 1 -e "$1" <<<"$output" | grep -qF -e "-> $2" || { show; return 1; }
}

is_listening()
{
	(exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

@test "doctor: a healthy cluster has no problem, exit 0" {
	topics --create --topic "$T" --partitions 2
	run --separate-stderr doctor "$BROKER" --topic "$T" --probe
	expect 0
	out_has "OK    tcp         $BROKER: connected"
	out_has "OK    clock"
	out_has "OK    topic       $T-1: leader 1, in sync 1 of 1"
	out_has "OK    probe       $T-0: a record was written with acks=all"
	out_has "0 problems"
	[[ "$(got "$T" -f '%k %s')" == "kavka-doctor written by kavka doctor at "* ]]
	run --separate-stderr doctor "$BROKER" --json
	expect 0
	run jq -es 'map(select(.status == "OK") | .check) | contains(["tcp", "protocol", "controller", "partitions", "disk"])' <<<"$output"
	expect 0
}

@test "doctor: no server: a closed port, an unknown name, no address" {
	read -r port <<<"$(free_ports 1)"
	run --separate-stderr doctor "127.0.0.1:$port,nosuch.invalid:9092,kafka"
	expect 1
	finds "FAIL  tcp         127.0.0.1:$port: Connection refused" "nothing listens there"
	finds "FAIL  dns         nosuch.invalid:9092: the name nosuch.invalid is unknown" "check the spelling"
	finds "FAIL  bootstrap   kafka" "write it as host:port"
}

@test "doctor: advertised listeners that clients cannot reach" {
	run --separate-stderr doctor "$LOST"
	expect 1
	finds "FAIL  listener    broker 1: it tells clients to connect to localhost:1" "each client (and each container) looks for the broker on its own machine"
	run --separate-stderr doctor "$GONE"
	expect 1
	finds "FAIL  dns         nosuch.invalid:9092" "the broker tells clients this name (advertised.listeners)"
	finds "tells clients to connect to nosuch.invalid:9092" "set advertised.listeners of this broker"
}

@test "doctor: a web server is no broker" {
	read -r port <<<"$(free_ports 1)"
	python3 -m http.server "$port" --bind 127.0.0.1 >/dev/null 2>&1 &
	helper=$!
	wait_for 10 is_listening "$port"
	run --separate-stderr doctor "127.0.0.1:$port"
	expect 1
	finds "answers HTTP (HTTP/1.0 200 OK), not Kafka" "this is the port of a web server"
}

@test "doctor: TLS where none is wanted, and the reverse" {
	run --separate-stderr doctor "$TLS"
	expect 1
	finds "this port speaks TLS, security.protocol is PLAINTEXT" "set security.protocol=SSL"
	run --separate-stderr doctor "$BROKER" --command-config "$BATS_FILE_TMPDIR/tls.properties"
	expect 1
	finds "this listener speaks Kafka without TLS, security.protocol is SSL" "set security.protocol=PLAINTEXT"
}

@test "doctor: certificates: good, for another name, not trusted" {
	run --separate-stderr doctor "$TLS" --command-config "$BATS_FILE_TMPDIR/tls.properties"
	expect 0
	out_has "OK    tls         $TLS: TLSv1.3"
	run --separate-stderr doctor "127.0.0.1:${TLS#*:}" --command-config "$BATS_FILE_TMPDIR/tls.properties"
	expect 1
	finds "the certificate is not for 127.0.0.1 but for localhost" "connect by a name that the certificate has"
	echo security.protocol=SSL >trusting.properties
	run --separate-stderr doctor "$TLS" --command-config trusting.properties
	expect 1
	finds "the certificate is not trusted: " "put the certificate of its issuer into ssl.truststore.location"
}

@test "doctor: an expired certificate" {
	read -r port <<<"$(free_ports 1)"
	printf '[ca]\ndefault_ca=x\n[x]\ndatabase=index\nnew_certs_dir=.\nserial=serial\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n' >ca.cnf
	: >index
	echo 01 >serial
	openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key -out request -subj /CN=localhost 2>/dev/null
	openssl ca -batch -config ca.cnf -selfsign -keyfile key -in request -out cert -notext \
		-startdate 20200101000000Z -enddate 20200201000000Z 2>/dev/null
	openssl s_server -accept "127.0.0.1:$port" -key key -cert cert -quiet >/dev/null 2>&1 &
	helper=$!
	wait_for 10 is_listening "$port"
	printf '%s\n' security.protocol=SSL ssl.truststore.type=PEM "ssl.truststore.location=$PWD/cert" >c.properties
	run --separate-stderr doctor "localhost:$port" --command-config c.properties
	expect 1
	finds "the certificate CN=localhost has expired on 2020-02-01" "renew the certificate"
}

@test "doctor: SASL: wanted, refused, another mechanism, not wanted" {
	[ "$KAVKA_BROKER" = apache ] || skip "a listener with SASL"
	printf '%s\n' security.protocol=SASL_PLAINTEXT sasl.mechanism=PLAIN >base
	{ cat base; echo "sasl.jaas.config=$LOGIN;"; } >right
	{ cat base; echo "sasl.jaas.config=${LOGIN/secret/wrong};"; } >wrong
	sed 's/=PLAIN$/=SCRAM-SHA-256/; s/plain.Plain/scram.Scram/' right >scram
	run --separate-stderr doctor "$SASL" --command-config right
	expect 0
	out_has "authenticated with PLAIN"
	run --separate-stderr doctor "$SASL" --command-config wrong
	expect 1
	finds "FAIL  auth        PLAIN" "check user name and password in sasl.jaas.config"
	run --separate-stderr doctor "$SASL" --command-config scram
	expect 1
	finds "mechanism SCRAM-SHA-256 is not offered, but PLAIN" "set sasl.mechanism to one of them"
	run --separate-stderr doctor "$SASL"
	expect 1
	finds "this listener wants SASL (it offers PLAIN), security.protocol is PLAINTEXT" "set security.protocol=SASL_PLAINTEXT"
	run --separate-stderr doctor "$BROKER" --command-config right
	expect 1
	finds "this listener does not want SASL" "set security.protocol=PLAINTEXT"
}

@test "doctor: a topic with limits that clients run into, and one that is not there" {
	topics --create --topic "$T" --config min.insync.replicas=2 --config max.message.bytes=1000
	run --separate-stderr doctor "$BROKER" --topic "$T"
	expect 0
	finds "WARN  topic       $T-0: min.insync.replicas is 2, but it has 1 replica" "kavka configs --alter"
	finds "WARN  partitions" "lower min.insync.replicas"
	finds "max.message.bytes is 1000" "a producer with larger batches"
	topics --delete --topic "$T"
	topics --create --topic "$T.small" --config max.message.bytes=20
	run --separate-stderr doctor "$BROKER" --topic "$T.small" --probe
	expect 1
	out_has "FAIL  probe       $T.small-0: a record cannot be written"
	run --separate-stderr doctor "$BROKER" --topic "$T.nosuch"
	expect 1
	finds "$T.nosuch: there is no such topic" "make it:"
}

@test "doctor: a group that is behind, and one that is not there" {
	topics --create --topic "$T"
	seq 10 | put "$T"
	timeout 30 kcat -q -b "$BROKER" -G "$T" -X auto.offset.reset=earliest -c 4 "$T" >/dev/null
	run --separate-stderr doctor "$BROKER" --group "$T"
	expect 0
	finds "WARN  group       $T: it has no members" "start its consumers"
	[[ "$output" =~ "WARN  group       $T: "[0-9]*" records behind in 1 partition" ]]
	run --separate-stderr doctor "$BROKER" --group "$T.nosuch"
	finds "there is no such group" "check group.id"
}
