/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/f32/choice.h"

#include "core/base/cpu.h"
#include "core/exec/onednn.h"

/* Percent of the peak of multiply-adds of a level that an implementation reaches, counted as the plain algorithm's, so that
 * Winograd and Strassen may pass 100. Of concat, percent of the bandwidth of a copy. bench/choice.py measures them with one thread:
 * AVX2 on an EPYC, AVX-512 on a Xeon (Sapphire Rapids class). `onednn` of Strassen is the plain product, by whichever makes layers.
 * Two entries are the Xeon's of whole networks: batched products are equal there but for a point, and BERT takes 0.6 % less with
 * ours; a concat takes less by itself with oneDNN's (52 : 42), but SalsaNext takes 4 % less with ours, as what lies around them is
 * not copied into another layout. */
struct rates {
	int ours, onednn;
};

static const struct {
	const char *name;
	struct rates avx2, avx512;
} table[QB_F32_TECHNIQUES] = {
	[QB_F32_LAYERS] = {"layers", {91, 86}, {90, 89}},
	[QB_F32_DEPTHWISE] = {"depthwise", {74, 74}, {72, 64}},
	[QB_F32_WINOGRAD] = {"winograd", {212, 94}, {207, 96}},
	[QB_F32_STRASSEN] = {"strassen", {101, 96}, {94, 96}},
	[QB_F32_BATCHED] = {"batched", {62, 60}, {45, 45}},
	[QB_F32_CONCAT] = {"concat", {51, 40}, {52, 50}},
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

	if (!qb_dnn_is_present()) {
		return true;
	}
	/* Elsewhere ours are plain C, which is for training and for tests. */
	return qb_cpu_has(QB_FLAG_AVX2) &&
		(preferences[t] == QB_F32_BY_COST ? r->ours >= r->onednn : preferences[t] == QB_F32_OURS);
}
