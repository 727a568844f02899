/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__GNUC__) && !defined(__clang__)
/* At -O2 GCC vectorises next to nothing. */
#pragma GCC optimize("tree-vectorize,vect-cost-model=dynamic")
#endif

#include "core/quant/kernels.h"

#include <math.h>
#include <string.h>

void qb_grid_init(struct qb_grid *g, const struct qb_format *f)
{
	memset(g, 0, sizeof(*g));
	g->kind = f->kind;
	g->lo = (float)qb_format_min(f);
	g->hi = (float)qb_format_max(f);
	g->overflows = f->overflows;
	g->has_inf = f->specials == QB_SPECIALS_IEEE;
	if (f->kind == QB_FORMAT_TABLE) {
		g->values = f->table_count;
		memcpy(g->value, f->table, (size_t)f->table_count * sizeof(*g->value));
		for (int i = 0; i + 1 < f->table_count; i++) {
			g->threshold[i] = 0.5f * f->table[i] + 0.5f * f->table[i + 1];
		}
	} else if (f->kind != QB_FORMAT_INT) {
		g->kind = QB_FORMAT_FLOAT;
		g->min_exponent = 1 - f->bias;
		g->man_bits = f->man_bits;
		g->flush = f->no_subnormals || f->man_bits == 0;
		g->smallest = ldexpf(1, 1 - f->bias);
	}
}

#define QB_TARGET
#define QB_NAME(x) c_##x
#include "core/quant/kernels_body.h"
#undef QB_TARGET
#undef QB_NAME

#if defined(__x86_64__)
#define QB_TARGET __attribute__((target("avx2")))
#define QB_NAME(x) avx2_##x
#include "core/quant/kernels_body.h"
#undef QB_TARGET
#undef QB_NAME

#ifdef __clang__
#define QB_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#else
#define QB_TARGET \
	__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,prefer-vector-width=512")))
#endif
#define QB_NAME(x) avx512_##x
#include "core/quant/kernels_body.h"
#undef QB_TARGET
#undef QB_NAME
#endif

static const struct qb_kernels paths[] = {
	{"c", c_qdq, c_measure},
#if defined(__x86_64__)
	{"avx2", avx2_qdq, avx2_measure},
	{"avx512", avx512_qdq, avx512_measure},
#endif
};

static int usable_paths(void)
{
#if defined(__x86_64__)
	if (!__builtin_cpu_supports("avx2")) {
		return 1;
	}
	if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
		!__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl")) {
		return 2;
	}
	return 3;
#else
	return 1; /* the plain code, which the compiler vectorises for the machine it targets */
#endif
}

const struct qb_kernels *qb_kernels_at(int i)
{
	return i < usable_paths() ? &paths[i] : NULL;
}

const struct qb_kernels *qb_kernels(void)
{
	return &paths[usable_paths() - 1];
}
