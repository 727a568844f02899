/* SPDX-License-Identifier: Apache-2.0 */
#include "core/base/random.h"

#include <math.h>

void qb_random_block(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
	uint32_t c[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
		(uint32_t)(stream >> 32)};
	uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);

	for (int round = 0; round < 10; round++) {
		uint64_t p0 = (uint64_t)0xD2511F53u * c[0];
		uint64_t p1 = (uint64_t)0xCD9E8D57u * c[2];
		uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0;
		uint32_t n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;

		c[1] = (uint32_t)p1;
		c[3] = (uint32_t)p0;
		c[0] = n0;
		c[2] = n2;
		k0 += 0x9E3779B9u;
		k1 += 0xBB67AE85u;
	}
	for (int i = 0; i < 4; i++) {
		out[i] = c[i];
	}
}

uint32_t qb_random_u32(uint64_t seed, uint64_t stream, uint64_t index)
{
	uint32_t w[4];

	qb_random_block(seed, stream, index / 4, w);
	return w[index % 4];
}

static double unit(uint32_t hi, uint32_t lo)
{
	return ((double)(((uint64_t)hi << 32 | lo) >> 11)) * 0x1p-53;
}

double qb_random_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
	uint32_t w[4];

	qb_random_block(seed, stream, index, w);
	return unit(w[0], w[1]);
}

double qb_random_normal(uint64_t seed, uint64_t stream, uint64_t index)
{
	uint32_t w[4];

	qb_random_block(seed, stream, index, w);
	/* 1 - u lies in (0, 1], where the logarithm is finite. */
	return sqrt(-2 * log(1 - unit(w[0], w[1]))) * cos(6.283185307179586477 * unit(w[2], w[3]));
}
