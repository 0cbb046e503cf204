#!/usr/bin/env bats
# The TAB key in the shells themselves: bash's function is called as readline calls it, zsh runs in a
# pseudo-terminal, fish is asked for its candidates.

load common

setup_file()
{
	local shell

	suite_start
	export KAVKA_BOOTSTRAP_SERVERS=$BROKER HERE=$BATS_FILE_TMPDIR
	mkdir -p "$HERE/bin" "$HERE/zsh" "$HERE/.config/fish"
	ln -sf "$KAVKA_BIN" "$HERE/bin/kavka"
	export PATH=$HERE/bin:$PATH
	for shell in bash zsh fish; do
		kavka help --completion "$shell" --template "$top_dir/completions/$shell.in" >"$HERE/$shell.completion"
	done
	cp "$HERE/zsh.completion" "$HERE/zsh/_kavka"
	kavka topics --create --topic lecture.one --partitions 2
	kavka topics --create --topic lecture.two
	seq 3 | kavka producer --topic lecture.one
	kavka consumer --topic lecture.one --group students --from-beginning --max-messages 3
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

# in_bash LINE: what bash would offer with the cursor at the end of the line, sorted.
in_bash()
{
	bash -c '
		source "$HERE/bash.completion"
		read -ra COMP_WORDS <<<"$1"
		[[ $1 != *" " ]] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$'"' \t\n\"\\'><=;|&(:'"'
		compopt() { echo "compopt $*"; }
		_kavka
		printf "%s\n" "${COMPREPLY[@]}"' bash "$1" | sort
}

# in_fish LINE: candidates without their descriptions.
in_fish()
{
	fish --no-config -c 'source $HERE/fish.completion; complete -C $argv[1]' -- "$1" | cut -f 1 | sort
}

# in_zsh LINE: types the line and TAB at zsh's prompt, and prints what the line became.
in_zsh()
{
	zsh -f -c '
		zmodload zsh/zpty
		zpty -b shell zsh -f -i
		zpty -w shell "PS1=; PROMPT=; unsetopt zle_bracketed_paste 2>/dev/null; TERM=dumb; COLUMNS=200"
		zpty -w shell "fpath=(\$HERE/zsh \$fpath); autoload -U compinit; compinit -u -D; setopt no_list_beep"
		# The line is taken from the editor itself: the terminal shows it in pieces.
		zpty -w shell "finish() { zle expand-or-complete; print -r -- \"<\$BUFFER>\" >\$HERE/line; zle send-break }"
		zpty -w shell "zle -N finish; bindkey \"^I\" finish"
		zpty -w shell "print ready >\$HERE/ready"
		repeat 600; do [[ -e $HERE/ready ]] && break; sleep 0.05; done
		zpty -w -n shell "$1"$'"'\t'"'
		repeat 600; do [[ -s $HERE/line ]] && break; sleep 0.05; done
		zpty -d shell' zsh "$1" >/dev/null 2>&1
	cat "$HERE/line"
	rm -f "$HERE/line" "$HERE/ready"
}

@test "completion: bash: commands, options, topics, groups, profiles, configs, files" {
	run -0 in_bash "kavka pro"
	out $'producer\nprofile'
	run -0 in_bash "kavka topics --descr"
	out --describe
	run -0 in_bash "kafka-topics.sh --topic lecture."
	out $'lecture.one\nlecture.two'
	run -0 in_bash "kavka consumer --topic=lecture.o"
	out lecture.one
	run -0 in_bash "kavka groups --describe --group s"
	out students
	run -0 in_bash "kavka profile "
	out_has remove
	XDG_CONFIG_HOME=$PWD kavka profile add lab -b "$BROKER" --quiet
	XDG_CONFIG_HOME=$PWD run -0 in_bash "kavka topics --profile "
	out lab
	XDG_CONFIG_HOME=$PWD KAVKA_BOOTSTRAP_SERVERS='' run -0 in_bash "kavka topics --profile lab --topic lecture.t"
	out lecture.two
	run -0 in_bash "kavka topics --create --config min.ins"
	out $'compopt -o nospace\nmin.insync.replicas='
	run -0 in_bash "kavka configs --alter --topic x --add-config retention.ms=1,cleanup.p"
	out_has "1,cleanup.policy="
	run -0 in_bash "kavka producer -b $BROKER --compression-codec z"
	out zstd
	touch a.properties
	run -0 in_bash "kavka topics --command-config a.p"
	out $'a.properties\ncompopt -o filenames'
}

@test "completion: bash: nothing, and soon, when no broker answers" {
	local began=$SECONDS

	run -0 in_bash "kavka topics -b 127.0.0.1:1 --topic x"
	out ""
	[ $((SECONDS - began)) -le 3 ]
}

@test "completion: fish: the same" {
	run -0 in_fish "kavka pro"
	out $'producer\nprofile'
	run -0 in_fish "kafka-console-consumer --topic lecture."
	out $'lecture.one\nlecture.two'
	run -0 in_fish "kavka groups --describe --group s"
	out students
	run -0 in_fish "kavka topics --descr"
	out --describe
	run -0 in_fish "kavka topics --create --config min.ins"
	out min.insync.replicas=
}

@test "completion: zsh: the same, in a pseudo-terminal" {
	run -0 in_zsh "kavka prof"
	out "<kavka profile >"
	run -0 in_zsh "kavka topics --descr"
	out "<kavka topics --describe >"
	run -0 in_zsh "kafka-topics --topic lecture.o"
	out "<kafka-topics --topic lecture.one >"
	run -0 in_zsh "kavka groups --group stu"
	out "<kavka groups --group students >"
	run -0 in_zsh "kavka topics --create --config min.ins"
	out "<kavka topics --create --config min.insync.replicas=>"
}

@test "completion: every command that takes an option offers it" {
	for name in $(kavka complete -- kavka "" | cut -f 1); do
		run -0 kavka complete -- kavka "$name" --hel
		[[ -n $(kavka complete -- kavka "$name" "" | head -1) ]] || continue
		[[ "$output" == --help* ]] || [[ $(kavka help "$name") == *"<subcommand>"* ]] || { echo "$name" >&2; show; return 1; }
	done
}

@test "manual: a page for every command, which mandoc's lint has nothing to say about" {
	local page name

	for page in "$top_dir"/man/*.1.in; do
		name=$(basename "$page" .1.in)
		if [ "$name" = kavka ]; then
			kavka help --man-commands --template "$page" >"$name.1"
		else
			kavka help --man "${name#kavka-}" --template "$page" >"$name.1"
		fi
	done
	kavka help --man-configs --template "$top_dir/man/kavka-server.properties.5.in" >kavka-server.properties.5
	# Pages of ours are not installed where these are looked for.
	run bash -c "mandoc -T lint *.[15] 2>&1 | grep -v 'referenced manual not found\|mandoc.db'"
	out ""
	for name in $(kavka complete -- kavka "" | cut -f 1); do
		[ "$name" = help ] || [ -e "kavka-$name.1" ]
		# Both come from one table; what is in the help is in the manual.
		[ "$name" = help ] || kavka help "$name" | grep -oE '^  (-., )?--[a-z][a-z.-]*' | sed 's/.*--//' | sort -u | while read -r option; do
			grep -qE "^\.It.* Fl -${option}( |\$)" "kavka-$name.1" || { echo "$name: --$option is not in the manual" >&2; exit 1; }
		done
	done
}
