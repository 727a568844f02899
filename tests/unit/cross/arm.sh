# SPDX-License-Identifier: Apache-2.0
# For tests that are cross-compiled for Arm and run under emulation where the machine is no Arm itself; to be sourced. Afterwards
# $program is what arm_build made, and it is run in the folder of the sources.
cc=aarch64-linux-gnu-gcc
for need in $cc qemu-aarch64; do
	command -v $need >/dev/null || { echo "SKIP: lacks arm: no $need (Debian: gcc-aarch64-linux-gnu, qemu-user)"; exit 77; }
done
program=$(mktemp)
trap 'rm -f "$program"' EXIT
cd "$top_srcdir"
# The level of the processor that runs the tests is not this program's.
unset QUANTBENCH_CPU

# arm_build SOURCE_OR_OPTION...
arm_build() {
	$cc -std=gnu11 -O2 -Wall -Wextra -Werror -fno-math-errno -ffp-contract=off -static "$@" -I. -I"$top_builddir" -lm -o "$program"
}
