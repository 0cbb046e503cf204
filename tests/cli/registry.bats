# kavka registry, and keys and values by --key-format and --value-format.

load common

setup_file()
{
	suite_start
	"$support_dir/schema-registry" "$BATS_FILE_TMPDIR/url" 3>&- &
	echo $! >"$BATS_FILE_TMPDIR/registry.pid"
	wait_for 20 test -e "$BATS_FILE_TMPDIR/url"
	KAVKA_REGISTRY_URL=$(cat "$BATS_FILE_TMPDIR/url")
	export KAVKA_REGISTRY_URL
}

teardown_file()
{
	kill "$(cat "$BATS_FILE_TMPDIR/registry.pid")"
	suite_stop
}

setup()
{
	improvement
	fresh_name
	cat >user.avsc <<-'AVRO'
	{"type":"record","name":"User","namespace":"lab","fields":[
	 {"name":"name","type":"string"},{"name":"age","type":["null","int"],"default":null}]}
	AVRO
}

registry() { timeout 60 "$KAVKA_BIN" registry "$@"; }

produce() { timeout 60 "$KAVKA_BIN" producer -b "$BROKER" --topic "$T" "$@"; }

# consume COUNT ARGS...
consume()
{
	timeout 60 "$KAVKA_BIN" consumer -b "$BROKER" --topic "$T" --from-beginning \
		--max-messages "$@" 2>err
}

@test "registry: register, list, show, versions" {
	id=$(registry register "$T/a b" user.avsc)
	[ "$(registry register "$T/a b" user.avsc --json | jq -c '[.subject,.id,.type]')" = \
		"[\"$T/a b\",$id,\"AVRO\"]" ]
	registry list | grep -Fx "$T/a b"
	registry list --json | jq -se --arg s "$T/a b" --argjson id "$id" \
		'map(select(.subject == $s)) == [{subject: $s, version: 1, id: $id, type: "AVRO"}]'
	[ "$(registry show "$id" | jq -r .name)" = User ]
	registry show "$T/a b" 1 --json | jq -e '.schema | fromjson | .namespace == "lab"'
	registry versions "$T/a b" --output table | grep -F AVRO
}

@test "registry: what is not there is exit 5, in one line" {
	run registry show "$T"
	[ "$status" -eq 5 ]
	[[ "$output" == "kavka registry show: schema registry $KAVKA_REGISTRY_URL: Subject '$T' not found. (40401)" ]]
	run registry show 99999
	[ "$status" -eq 5 ]
}

@test "registry: check and compatibility" {
	registry register "$T" user.avsc
	[ "$(registry check "$T" user.avsc)" = compatible ]
	echo '{"type":"record","name":"incompatible","fields":[]}' >bad.avsc
	run registry check "$T" bad.avsc
	[ "$status" -eq 1 ]
	[ "${lines[1]}" = "a field is gone" ]
	run registry register "$T" bad.avsc
	[ "$status" -eq 1 ]
	[[ "$output" == *"subject $T: "*"incompatible"*"(409)"* ]]
	[ "$(registry compatibility "$T")" = BACKWARD ]
	registry compatibility "$T" full_transitive
	[ "$(registry compatibility "$T" --json | jq -c '[.compatibility,.default]')" = \
		'["FULL_TRANSITIVE",false]' ]
	run registry compatibility "$T" wide
	[ "$status" -eq 2 ]
}

@test "registry: delete" {
	registry register "$T" user.avsc
	registry delete "$T"
	! registry list | grep -Fx "$T"
}

@test "registry: without an address it says where one may stand" {
	run env -u KAVKA_REGISTRY_URL "$KAVKA_BIN" registry list
	[ "$status" -eq 2 ]
	[[ "$output" == *"give --registry URL or set \$KAVKA_REGISTRY_URL"* ]]
}

@test "avro: lines in, lines out, with defaults and tombstones" {
	printf '1\t{"name":"Ann","age":5}\n2\t{"name":"Bob"}\n3\tNULL\n' >lines
	produce --value-format avro --value-schema user.avsc --key-format int \
		--reader-property parse.key=true --reader-property null.marker=NULL <lines
	consume 3 --value-format avro --key-format int --formatter-property print.key=true >out
	diff out - <<-'EOT'
	1	{"name":"Ann","age":{"int":5}}
	2	{"name":"Bob","age":null}
	3	null
	EOT
	# On the wire: magic, id, Avro; keys as IntegerSerializer writes them.
	id=$(registry register "$T-value" user.avsc)
	[ "$(consume 1 --output hex)" = "00000001 $(printf '00%08x' "$id")06416e6e020a" ] ||
		consume 1 --output hex | grep -F "$(printf '00%08x' "$id")06416e6e020a"
}

@test "avro: a topic is copied by a pipe" {
	printf '{"key":{"k":%d},"value":{"name":"N%d","age":{"int":%d}}}\n' {1..30} >lines
	echo '{"type":"record","name":"K","fields":[{"name":"k","type":"int"}]}' >key.avsc
	produce --input json --key-format avro --key-schema key.avsc --value-format avro \
		--value-schema user.avsc <lines
	consume 10 --key-format avro --value-format avro --output json | jq -c '{key,value}' >copy
	diff copy lines
}

@test "avro: a line that does not fit names its number and field; nothing of it is sent" {
	printf '{"name":"a"}\n{"nam":"b"}\n' >lines
	run produce --value-format avro --value-schema user.avsc <lines
	[ "$status" -ne 0 ]
	[[ "$output" == *"2"*"value: lab.User has no field nam; did you mean name?"* ]]
	consume 1 --value-format avro
}

@test "avro: bytes that are none name their place" {
	printf 'plain\n' | produce
	run consume 1 --value-format avro
	[ "$status" -ne 0 ]
	grep -F "$T-0@0: value: begins with 0x70, not with 0 and a schema id" err
}

@test "json-schema: checked, framed, and shown as it is" {
	echo '{"title":"P","type":"object"}' >p.json
	echo '{"x": 12345678901234567890.10}' | produce --value-format json-schema \
		--value-schema p.json
	[ "$(consume 1 --value-format registry)" = '{"x":12345678901234567890.10}' ]
	run produce --value-format json-schema --value-schema p.json <<<'{"x"}'
	[ "$status" -ne 0 ]
}

@test "formats: a word that is none, and a schema without a format" {
	run produce --value-format avr <<<x
	[ "$status" -eq 2 ]
	[[ "$output" == *"did you mean avro?"* ]]
	run produce --value-schema user.avsc <<<x
	[ "$status" -eq 2 ]
}

@test "the registry may stand in a profile" {
	export XDG_CONFIG_HOME=$BATS_TEST_TMPDIR
	"$KAVKA_BIN" profile add lab -b "$BROKER" schema.registry.url="$KAVKA_REGISTRY_URL"
	env -u KAVKA_REGISTRY_URL "$KAVKA_BIN" registry list --profile lab
	echo '{"name":"Ann"}' | env -u KAVKA_REGISTRY_URL "$KAVKA_BIN" producer --profile lab \
		--topic "$T" --value-format avro --value-schema user.avsc
	[ "$(consume 1 --value-format avro)" = '{"name":"Ann","age":null}' ]
}
