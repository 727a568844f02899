#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the byte kernels on Arm, cross-compiled and run under emulation: at each level, and on processors that lack
# the higher ones.
set -eu
cc=aarch64-linux-gnu-gcc
for need in $cc qemu-aarch64; do
	command -v $need >/dev/null || { echo "SKIP: lacks arm: no $need (Debian: gcc-aarch64-linux-gnu, qemu-user)"; exit 77; }
done
program=$(mktemp)
trap 'rm -f "$program"' EXIT
cd "$top_srcdir"
$cc -std=gnu11 -O2 -Wall -Wextra -Wshadow -Werror -fno-math-errno -ffp-contract=off -static -Itests/unit/cross -I. \
	-I"$top_builddir" tests/unit/exec/test_int8_kernels.c tests/unit/levels.c core/kernels/int8/*.c core/base/*.c \
	-lm -o "$program"
# The level of the processor that runs the tests is not this program's.
unset QUANTBENCH_CPU

# check PROCESSOR LEVEL...: the levels that it offers, and that the tests pass at each.
check() {
	processor=$1
	shift
	said=$(qemu-aarch64 -cpu "$processor" "$program") || { echo "$processor: $said"; exit 1; }
	levels=$(echo "$said" | sed -n 's/^CPU level \(.*\): native$/\1/p' | tr '\n' ' ')
	echo "$processor: $levels"
	[ "$levels" = "$* " ] || { echo "wanted: $*"; exit 1; }
}
check cortex-a57 plain neon
check cortex-a76 plain neon neon_dot
check max plain neon neon_dot neon_i8mm
