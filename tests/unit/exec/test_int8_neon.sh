#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the byte kernels on Arm, cross-compiled and run under emulation: at each level, and on processors that lack
# the higher ones.
set -eu
. "${top_srcdir:?}/tests/unit/cross/arm.sh"
arm_build -Wshadow -Itests/unit/cross tests/unit/exec/test_int8_kernels.c tests/unit/levels.c core/kernels/int8/*.c core/base/*.c

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
