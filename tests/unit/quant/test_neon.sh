#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The NEON kernels against plain C, cross-compiled and run under emulation where the machine is no Arm itself.
set -eu
. "${top_srcdir:?}/tests/unit/cross/arm.sh"
arm_build tests/unit/quant/compare_paths.c core/kernels/quantize/kernels.c core/format/*.c core/base/*.c
said=$(qemu-aarch64 "$program") || { echo "$said"; exit 1; }
echo "$said"
echo "$said" | grep -q '^neon: [1-9][0-9]* comparisons with plain C, 0 different$'
