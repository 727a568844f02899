/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/hw/reference.h"

enum { EXHAUSTIVE_BITS = 20 };

struct pattern {
	uint32_t a, b;
	uint64_t acc[QB_ACC_WORDS];
};

/* A 64 by 64 matrix of bits, transposed in place (Warren, Hacker's Delight, 7-3). */
static void transpose(uint64_t m[64])
{
	uint64_t mask = 0xffffffff;

	for (int j = 32; j; j >>= 1, mask ^= mask << j) {
		for (int k = 0; k < 64; k = (k + j + 1) & ~j) {
			uint64_t t = (m[k] >> j ^ m[k + j]) & mask;

			m[k] ^= t << j;
			m[k + j] ^= t;
		}
	}
}

/* The accumulator that the product brings to about zero: where cancellation and its rounding are hardest. */
static void cancel(const struct qb_hw_unit *u, struct pattern *p, uint32_t jitter)
{
	static const uint64_t zero[QB_ACC_WORDS];

	if (!isfinite(qb__reference_product(u, p->a, p->b))) {
		return;
	}
	qb__reference(u, p->a, p->b, zero, p->acc);
	if (u->accumulator.kind == QB_ACCUMULATOR_FLOAT) {
		p->acc[0] ^= UINT64_C(1) << (u->acc_bits - 1);
		/* Neighbours, and numbers of a nearby exponent. */
		if (jitter & 1) {
			p->acc[0] ^= (jitter >> 8) & 3;
		} else if (jitter & 2) {
			p->acc[0] ^= jitter >> 8 & ((1u << u->accumulator.man_bits) - 1);
		} else if (jitter & 4) {
			p->acc[0] += (uint64_t)((jitter >> 8 & 31) + 1) << u->accumulator.man_bits;
			p->acc[0] ^= jitter >> 16 & ((1u << QB_MIN(u->accumulator.man_bits, 16)) - 1);
		} else if (jitter & 8) {
			p->acc[0] -= (uint64_t)((jitter >> 8 & 31) + 1) << u->accumulator.man_bits;
			p->acc[0] ^= jitter >> 16 & ((1u << QB_MIN(u->accumulator.man_bits, 16)) - 1);
		}
		p->acc[0] &= (UINT64_C(1) << (u->acc_bits - 1) << 1) - 1;
	} else {
		uint64_t borrow = jitter & 3;

		for (int i = 0; i < QB_ACC_WORDS; i++) {
			uint64_t w = ~p->acc[i] + borrow;

			borrow = w < borrow;
			p->acc[i] = w;
		}
	}
}

/* Zeros, ones, one bit, all but one: among them zeros, infinities, NaN, the least and the largest numbers. */
static void corner(const struct qb_hw_unit *u, struct pattern *p, uint32_t r)
{
	int bit = (int)(r >> 8) % u->register_bits, low = u->accumulator.man_bits;
	uint64_t infinity = ((UINT64_C(1) << u->accumulator.exp_bits) - 1) << low;
	bool is_float = u->accumulator.kind == QB_ACCUMULATOR_FLOAT;

	memset(p->acc, r & 1 ? 0xff : 0, sizeof(p->acc));
	if (r & 2) {
		p->acc[bit / 64] ^= UINT64_C(1) << (bit % 64);
	}
	if (is_float && r & 4) {
		/* Around infinity and around the least normal number, either sign. */
		p->acc[0] = (r & 8 ? infinity : UINT64_C(1) << low) + (r >> 20 & 3) - 2;
		p->acc[0] ^= (uint64_t)(r >> 4 & 1) << (u->acc_bits - 1);
	}
}

static void choose_accumulator(const struct qb_hw_unit *u, struct pattern *p, int round,
	uint64_t seed, uint64_t index)
{
	uint32_t r[4];

	for (int i = 0; 128 * i < u->register_bits; i++) {
		qb_random_block(seed, 1 + (uint64_t)i, index, r);
		p->acc[2 * i] = (uint64_t)r[0] << 32 | r[1];
		if (2 * i + 1 < QB_ACC_WORDS) {
			p->acc[2 * i + 1] = (uint64_t)r[2] << 32 | r[3];
		}
	}
	qb_random_block(seed, 0, index, r);
	if (round % 4 == 1) {
		corner(u, p, r[0]);
	} else if (round % 4 >= 2) {
		cancel(u, p, r[0]);
	}
	/* Nothing above the register. */
	for (int i = 0; i < QB_ACC_WORDS; i++) {
		int left = u->register_bits - 64 * i;

		p->acc[i] &= left >= 64 ? ~UINT64_C(0) : left <= 0 ? 0 : (UINT64_C(1) << left) - 1;
	}
	/* A sum that is already invalid is no number to check; a few patterns see that it stays so. */
	if (u->has_invalid && index % 64) {
		p->acc[u->acc_bits / 64] &= ~(UINT64_C(1) << (u->acc_bits % 64));
	}
}

static void choose_pair(const struct qb_hw_unit *u, struct pattern *p, uint64_t pair, bool all,
	uint64_t seed)
{
	uint32_t r[4];

	if (all) {
		p->a = (uint32_t)(pair & ((1u << u->a_bits) - 1));
		p->b = (uint32_t)(pair >> u->a_bits);
		return;
	}
	qb_random_block(seed, 99, pair, r);
	p->a = r[0] & (uint32_t)((UINT64_C(1) << u->a_bits) - 1);
	p->b = r[1] & (uint32_t)((UINT64_C(1) << u->b_bits) - 1);
}

static void gather(struct qb_lanes *inputs, int group, const struct pattern *p, int word, int bits)
{
	uint64_t m[64];

	for (int i = 0; i < 64; i++) {
		m[i] = word == -2 ? p[i].a : word == -1 ? p[i].b : p[i].acc[word];
	}
	transpose(m);
	for (int i = 0; i < bits; i++) {
		inputs[i].w[group] = m[i];
	}
}

static void scatter(uint64_t next[64][QB_ACC_WORDS], const struct qb_lanes *outputs, int group,
	int bits)
{
	for (int word = 0; word < QB_ACC_WORDS; word++) {
		uint64_t m[64];

		for (int i = 0; i < 64; i++) {
			m[i] = 64 * word + i < bits ? outputs[64 * word + i].w[group] : 0;
		}
		if (64 * word < bits) {
			transpose(m);
		}
		for (int i = 0; i < 64; i++) {
			next[i][word] = m[i];
		}
	}
}

static enum qb_err compare(const struct qb_hw_unit *u, const struct pattern *p,
	const uint64_t got[QB_ACC_WORDS], struct qb_errbuf *eb)
{
	uint64_t want[QB_ACC_WORDS];

	qb__reference(u, p->a, p->b, p->acc, want);
	if (u->has_invalid && want[u->acc_bits / 64] >> (u->acc_bits % 64) & 1) {
		if (got[u->acc_bits / 64] >> (u->acc_bits % 64) & 1) {
			return QB_OK; /* and the number beside it says nothing */
		}
	} else if (!memcmp(want, got, sizeof(want))) {
		return QB_OK;
	}
	return qb_fail(eb, QB_EINTERNAL,
		"%s x %s + %s: codes 0x%" PRIx32 " and 0x%" PRIx32 " with accumulator 0x%" PRIx64
		" %016" PRIx64 " give 0x%" PRIx64 " %016" PRIx64 ", exact arithmetic gives 0x%" PRIx64
		" %016" PRIx64, u->a.name, u->b.name, u->accumulator.name, p->a, p->b, p->acc[1],
		p->acc[0], got[1], got[0], want[1], want[0]);
}

static enum qb_err verify_block(const struct qb_hw_unit *u, const struct pattern *p, int count,
	struct qb_lanes *inputs, struct qb_lanes *outputs, struct qb_lanes *scratch,
	struct qb_errbuf *eb)
{
	for (int g = 0; g < QB_LANES / 64; g++) {
		gather(inputs, g, p + 64 * g, -2, u->a_bits);
		gather(inputs + u->a_bits, g, p + 64 * g, -1, u->b_bits);
		for (int w = 0; 64 * w < u->register_bits; w++) {
			gather(inputs + u->a_bits + u->b_bits + 64 * w, g, p + 64 * g, w,
				QB_MIN(64, u->register_bits - 64 * w));
		}
	}
	qb_netlist_simulate(&u->netlist, inputs, outputs, scratch);
	for (int g = 0; g < QB_LANES / 64; g++) {
		uint64_t next[64][QB_ACC_WORDS];

		scatter(next, outputs, g, u->register_bits);
		for (int i = 0; i < 64 && 64 * g + i < count; i++) {
			QB_TRY(compare(u, &p[64 * g + i], next[i], eb));
		}
	}
	return QB_OK;
}

enum qb_err qb_hw_unit_verify(const struct qb_hw_unit *u, int rounds, uint64_t seed,
	uint64_t *pairs, struct qb_errbuf *eb)
{
	bool all = u->a_bits + u->b_bits <= EXHAUSTIVE_BITS;
	uint64_t count = UINT64_C(1) << (all ? u->a_bits + u->b_bits : EXHAUSTIVE_BITS);
	struct pattern *p = calloc(QB_LANES, sizeof(*p));
	struct qb_lanes *inputs = qb_aligned_alloc((size_t)u->netlist.inputs, sizeof(*inputs));
	struct qb_lanes *outputs = qb_aligned_alloc((size_t)u->register_bits, sizeof(*outputs));
	struct qb_lanes *scratch = qb_aligned_alloc((size_t)u->netlist.count, sizeof(*scratch));
	enum qb_err err = QB_OK;

	if (!p || !inputs || !outputs || !scratch) {
		err = qb_fail(eb, QB_ENOMEM, "no memory to simulate a unit of %d gates", u->gates);
		goto out;
	}
	for (int round = 0; round < rounds; round++) {
		for (uint64_t pair = 0; pair < count; pair += QB_LANES) {
			int n = (int)QB_MIN(count - pair, (uint64_t)QB_LANES);

			for (int i = 0; i < n; i++) {
				uint64_t k = pair + (uint64_t)i;

				choose_pair(u, &p[i], k, all, seed);
				choose_accumulator(u, &p[i], round, seed,
					(uint64_t)round * count + k);
			}
			QB_TRY_OUT(verify_block(u, p, n, inputs, outputs, scratch, eb));
		}
	}
	*pairs = count;
out:
	free(p);
	free(inputs);
	free(outputs);
	free(scratch);
	return err;
}
