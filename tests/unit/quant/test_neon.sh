#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The NEON kernels against plain C, cross-compiled and run under emulation where the machine is no Arm itself.
set -eu
cc=aarch64-linux-gnu-gcc
for need in $cc qemu-aarch64; do
	command -v $need >/dev/null || { echo "SKIP: lacks arm: no $need (Debian: gcc-aarch64-linux-gnu, qemu-user)"; exit 77; }
done
program=$(mktemp)
trap 'rm -f "$program"' EXIT
cd "$top_srcdir"
$cc -std=gnu11 -O2 -Wall -Wextra -Werror -fno-math-errno -ffp-contract=off -static -I. -I"$top_builddir" \
	tests/unit/quant/compare_paths.c core/kernels/quantize/kernels.c core/format/*.c core/base/*.c \
	-lm -o "$program"
# The level of the processor that runs the tests is not this program's.
unset QUANTBENCH_CPU
said=$(qemu-aarch64 "$program") || { echo "$said"; exit 1; }
echo "$said"
echo "$said" | grep -q '^neon: [1-9][0-9]* comparisons with plain C, 0 different$'
