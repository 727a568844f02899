/* SPDX-License-Identifier: Apache-2.0
 *
 * Numeric tests run at every level of the processor (core/base/cpu.h), each in a process of its own: oneDNN's choice is
 * made once in a process. Linked with libemulated.a the same tests run at the levels of AVX-512 on any processor with
 * AVX2: our kernels in portable code, oneDNN as far as the processor goes.
 */
#ifndef QB_TESTS_LEVELS_H
#define QB_TESTS_LEVELS_H

/* main's status. With QUANTBENCH_CPU in the environment, at that level alone. */
int run_at_every_level(int (*tests)(void));

#endif
