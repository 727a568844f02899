/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/peak.h"

#include <math.h>
#include <time.h>

#include "core/base/cpu.h"

#if defined(__x86_64__)
enum { TIMES = 20000, RUNS = 15 };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* Ten of an instruction, each on a register of its own; the operands are zeros, for what registers hold may be subnormal, which
 * takes a hundred times as long. */
#define TEN(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9)
#define FMA_256(i) "vfmadd213ps %%ymm14, %%ymm15, %%ymm" #i "\n\t"
#define FMA_512(i) "vfmadd213ps %%zmm14, %%zmm15, %%zmm" #i "\n\t"
#define MADD_256(i) \
	"vpmaddwd %%ymm14, %%ymm15, %%ymm12\n\tvpaddd %%ymm12, %%ymm" #i ", %%ymm" #i "\n\t"
#define DOT_512(i) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #i "\n\t"
#define LOOP(name, M) \
	static void name(void) \
	{ \
		for (int i = 0; i < TIMES; i++) { \
			__asm__ volatile("vpxor %%xmm14, %%xmm14, %%xmm14\n\tvpxor %%xmm15, %%xmm15, %%xmm15\n\t" TEN(M) ::: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", \
				"xmm7", "xmm8", "xmm9", "xmm12", "xmm14", "xmm15"); \
		} \
	}
LOOP(fma_256, FMA_256)
LOOP(fma_512, FMA_512)
LOOP(madd_256, MADD_256)
LOOP(dot_512, DOT_512)

/* macs: of one instruction. */
static double rate(void (*loop)(void), int macs)
{
	double best = INFINITY;

	for (int i = 0; i < RUNS; i++) {
		double start = now_ns();

		loop();
		best = fmin(best, now_ns() - start);
	}
	return 10.0 * TIMES * macs / best;
}

double peak_float(void)
{
	return qb_cpu_has(QB_FLAG_AVX512) ? rate(fma_512, 16) : qb_cpu_has(QB_FLAG_AVX2) ? rate(fma_256, 8) : 0;
}

double peak_int8(void)
{
	return qb_cpu_has(QB_FLAG_VNNI) ? rate(dot_512, 64) : qb_cpu_has(QB_FLAG_AVX2) ? rate(madd_256, 16) : 0;
}
#else
double peak_float(void)
{
	return 0;
}

double peak_int8(void)
{
	return 0;
}
#endif
