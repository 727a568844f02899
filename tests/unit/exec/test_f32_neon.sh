#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The tests of the float kernels on Arm, cross-compiled and run under emulation. Plain C is tested where there is none.
set -eu
. "${top_srcdir:?}/tests/unit/cross/arm.sh"
arm_build -Wshadow -Itests/unit/cross tests/unit/exec/test_f32_kernels.c tests/unit/levels.c core/kernels/f32/gemm.c core/kernels/f32/gemm_neon.c \
	core/kernels/f32/depthwise.c core/kernels/f32/math.c core/kernels/f32/activation_backward.c core/base/*.c
said=$(QUANTBENCH_CPU=neon qemu-aarch64 -cpu cortex-a57 "$program") || { echo "$said"; exit 1; }
levels=$(echo "$said" | sed -n 's/^CPU level \(.*\): native$/\1/p' | tr '\n' ' ')
[ "$levels" = "neon " ] || { echo "levels: $levels; wanted: neon"; exit 1; }
