#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# tests/check-layers passes a copy of this tree and refuses each violation that is planted in it.
set -eu
src=$(cd "${top_srcdir:-$(dirname "$0")/..}" && pwd)
build=$(cd "${top_builddir:-$src/build}" && pwd)
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0

mkdir "$tmp/src" "$tmp/build"
for folder in core common worker daemon cli; do
	cp -R "$src/$folder" "$tmp/src/"
	cp -Rs "$build/$folder" "$tmp/build/"
done
chmod -R u+w "$tmp"

# add FILE LINE: to a source file of the copy.
planted=
add() {
	echo "$2" >>"$tmp/src/$1"
	planted="$planted $1"
}
# compile FILE LINE: a source file of the copy, and its object.
compile() {
	add "$1" "$2"
	${CC:-cc} -c -o "$tmp/build/${1%.c}.o" "$tmp/src/$1"
}
restore() {
	for file in $planted; do
		rm -f "$tmp/src/$file" "$tmp/build/${file%.c}.o"
		[ ! -f "$src/$file" ] || cp "$src/$file" "$tmp/src/$file"
	done
	planted=
}

check() {
	sh "$src/tests/check-layers" "$tmp/src" "$tmp/build" >"$tmp/said" 2>&1
}
passes() {
	check || { cat "$tmp/said"; echo "$1: refused"; failed=1; }
}
refused() {
	if check || ! grep -q "$2" "$tmp/said"; then
		cat "$tmp/said"
		echo "$1: not refused with: $2"
		failed=1
	fi
	restore
}

${CC:-cc} --version >/dev/null
passes "the tree as it is"
touch "$tmp/build/core/base/libquantbench_a-left_over.o"
passes "an object whose source is gone"

add core/base/err.c '#include "core/exec/exec.h"'
refused "an include upwards" 'core/base must not include core/exec/exec.h'
add core/base/err.c '#include <uv.h>'
refused "a header of the daemon in core" 'core/ must not include <uv.h>'
mkdir "$tmp/src/core/layerless"
add core/layerless/planted.c '#include "core/base/err.h"'
refused "a folder of no layer" 'core/layerless is not in the table'

compile core/exec/planted.c 'int qb_planted(void); int qb_planted(void) { return 0; }'
compile core/quant/user.c 'int qb_planted(void); int (*qb_user)(void) = qb_planted;'
refused "a declaration of what is defined further up" 'core/quant must not use qb_planted, which is defined in core/exec'
compile core/exec/planted.c 'int qb_planted(void); int qb_planted(void) { return 0; }'
compile daemon/user.c 'int qb_planted(void); int (*qb_user)(void) = qb_planted;'
refused "the daemon calling core" 'daemon must not use qb_planted'

add core/quant/scheme.h '/* as dnnl_sgemm does */'
refused "oneDNN named below the executor" 'core/quant/scheme.h must not name dnnl'
add core/kernels/int8/kernels.c 'int has_avx(void) { return __builtin_cpu_supports("avx"); }'
refused "a kernel that asks the processor" 'core/kernels/int8/kernels.c must not name __builtin_cpu_'
sed 's/__builtin_cpu_/cpu_/g' "$src/core/base/cpu.c" >"$tmp/src/core/base/cpu.c"
refused "a place that needs its permission no longer" 'nothing in core/base/cpu.c names __builtin_cpu_'
exit "$failed"
