/* SPDX-License-Identifier: Apache-2.0
 *
 * What one thread of this machine can multiply at best, measured by loops that do nothing else.
 */
#ifndef QB_BENCH_PEAK_H
#define QB_BENCH_PEAK_H

/* 1e9 multiply-accumulates a second; 0 where there is no such loop for this processor. */
double peak_float(void);   /* fused multiply-adds of float32 */
double peak_int8(void);    /* bytes into 32-bit sums, exactly: vpdpbusd, or vpmaddwd and vpaddd */

#endif
