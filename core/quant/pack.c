/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/pack.h"

size_t qb_packed_bytes(size_t n, int bits)
{
	size_t width = (size_t)bits;

	return n / 8 * width + (n % 8 * width + 7) / 8;
}

void qb_pack(const int32_t *codes, size_t n, int bits, uint8_t *packed)
{
	uint32_t mask = (1u << bits) - 1, held = 0;
	int count = 0;

	for (size_t i = 0; i < n; i++) {
		held |= ((uint32_t)codes[i] & mask) << count;
		for (count += bits; count >= 8; count -= 8) {
			*packed++ = (uint8_t)held;
			held >>= 8;
		}
	}
	if (count) {
		*packed = (uint8_t)held;
	}
}

void qb_unpack(const uint8_t *packed, size_t n, int bits, int is_signed, int32_t *codes)
{
	uint32_t mask = (1u << bits) - 1, sign = is_signed ? 1u << (bits - 1) : 0, held = 0;
	int count = 0;

	for (size_t i = 0; i < n; i++) {
		for (; count < bits; count += 8) {
			held |= (uint32_t)*packed++ << count;
		}
		codes[i] = (int32_t)((held & mask) ^ sign) - (int32_t)sign;
		held >>= bits;
		count -= bits;
	}
}
