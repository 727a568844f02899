/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/f32/choice.h"

#include "core/base/cpu.h"

/* Percent of the peak of multiply-adds of a level that an implementation reaches, counted as the plain algorithm's, so that
 * Winograd and Strassen may pass 100. Of concat, percent of the bandwidth of a copy. bench/choice.py measures them: AVX2 on an
 * EPYC with one thread. Of AVX-512, oneDNN's layers (81) and products (70) were measured on a Xeon; the other shares are those
 * of AVX2 until somebody runs it there. */
struct rates {
	int ours, onednn;
};

static const struct {
	const char *name;
	struct rates avx2, avx512;
} table[QB_F32_TECHNIQUES] = {
	[QB_F32_LAYERS] = {"layers", {91, 86}, {91, 81}},
	[QB_F32_DEPTHWISE] = {"depthwise", {74, 74}, {74, 74}},
	[QB_F32_WINOGRAD] = {"winograd", {212, 94}, {212, 81}},
	[QB_F32_STRASSEN] = {"strassen", {101, 96}, {101, 70}},
	[QB_F32_BATCHED] = {"batched", {62, 60}, {62, 60}},
	[QB_F32_CONCAT] = {"concat", {51, 40}, {51, 40}},
};

static enum qb_f32_preference preferences[QB_F32_TECHNIQUES];

const char *qb_f32_technique_name(enum qb_f32_technique t)
{
	return table[t].name;
}

void qb_f32_prefer(enum qb_f32_technique t, enum qb_f32_preference p)
{
	preferences[t] = p;
}

bool qb_f32_ours(enum qb_f32_technique t)
{
	const struct rates *r = qb_cpu_has(QB_FLAG_AVX512) ? &table[t].avx512 : &table[t].avx2;

	/* Elsewhere ours are plain C, which is for training and for tests. */
	return qb_cpu_has(QB_FLAG_AVX2) &&
		(preferences[t] == QB_F32_BY_COST ? r->ours >= r->onednn : preferences[t] == QB_F32_OURS);
}
