/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/permutation.h"

#include "core/base/random.h"
#include "core/base/random_stream.h"

void qb_shuffle(uint64_t seed, uint64_t stream, int64_t n, int64_t *order)
{
	for (int64_t i = 0; i < n; i++) {
		order[i] = i;
	}
	for (int64_t i = n - 1; i > 0; i--) {
		int64_t k = (int64_t)(qb_random_uniform(seed, stream, (uint64_t)i) * (double)(i + 1)), kept = order[i];

		order[i] = order[k];
		order[k] = kept;
	}
}

void qb_permutation(uint64_t seed, int64_t epoch, int64_t n, int64_t *order)
{
	qb_shuffle(seed, qb_draw_stream(QB_DRAW_PERMUTATION, epoch), n, order);
}
