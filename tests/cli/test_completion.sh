#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# What bash and zsh offer after a word: the commands and options that the programs have.
set -eu
PATH=$(realpath "$top_builddir"):$PATH
export PATH
folder=$(realpath "$top_srcdir")/cli/completion
status=0

# expect SHELL WANTED WORD...: the last word is being typed; WANTED is among what is offered.
expect() {
	offered=$($1 "$@") || offered="(it failed)"
	case " $(echo "$offered" | tr '\n' ' ') " in
	*" $2 "*) ;;
	*)
		echo "$1: after \"$(shift 2; echo "$*")\" there is no $2 among: $offered" | head -n 5
		status=1
		;;
	esac
}

in_bash() {
	shift 2
	bash --norc -c '. "$0/$1"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _"$1" "$1"; printf "%s\n" "${COMPREPLY[@]}"' "$folder" "$@"
}

# Its own completion needs a terminal; the function is called as it would be.
in_zsh() {
	shift 2
	zsh -f -c 'words=("$@"); CURRENT=$#; compadd() { shift; print -l -- $@ }; _files() { print files }; . $0/_quantbench' "$folder" "$@"
}

check() {
	expect "$1" submit quantbench su
	expect "$1" help quantbench ""
	expect "$1" --server quantbench --se
	expect "$1" --checkpoint quantbench run --ch
	expect "$1" --csv quantbench --server http://localhost:1 show --c
	expect "$1" outliers quantbench help ou
	expect "$1" backup quantbenchd ba
	expect "$1" revoke quantbenchd token r
	expect "$1" --worker-memory quantbenchd --worker-m
}

# The kinds of jobs stand in both.
for file in "$folder/quantbench" "$folder/_quantbench"; do
	for kind in "$top_srcdir"/schema/jobs/*.json; do
		kind=$(basename "$kind" .json)
		[ "$kind" = inspect ] || grep -q "[' (]$kind[' )]" "$file" || { echo "$file lacks the kind $kind"; status=1; }
	done
done
check in_bash
if command -v zsh >/dev/null; then
	check in_zsh
else
	echo "SKIP: lacks zsh: its completion"
fi
exit $status
