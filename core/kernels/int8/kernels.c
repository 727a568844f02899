/* SPDX-License-Identifier: Apache-2.0
 *
 * Plain C, and the choice of a table.
 */
#include "core/kernels/int8/kernels.h"

#include <math.h>
#include <string.h>

#include "core/base/cpu.h"
#include "core/base/size.h"
#include "core/kernels/int8/levels.h"

/* Nearest even, as the vector conversion rounds; far outside the bytes anything will do. */
static int nearest(float v)
{
	v = v < -1e6f ? -1e6f : v > 1e6f ? 1e6f : v;
	return (int)((v + 12582912.0f) - 12582912.0f);
}

static uint8_t requant_one(const struct qb_requant *r, int64_t c, int32_t sum)
{
	float v = fmaf((float)sum, r->multiplier[c], r->offset[c]);

	v = v < (float)r->lo ? (float)r->lo : v;
	return (uint8_t)nearest(v > (float)r->hi ? (float)r->hi : v);
}

size_t qb_int8_packed_bytes(int64_t outputs, int64_t k, int bits)
{
	return qb_align_up((size_t)outputs, 16) * (size_t)k * (size_t)bits / 8;
}

/* [outputs][k] as it comes. */
static void pack(struct qb_int8_matrix *m, const int8_t *rows)
{
	memset(m->packed, 0, qb_int8_packed_bytes(m->outputs, m->k, 8));
	memcpy(m->packed, rows, (size_t)(m->outputs * m->k));
}

void qb__int8_pack_groups(struct qb_int8_matrix *m, const int8_t *rows, int64_t group)
{
	int8_t *to = m->packed;

	m->row_weight = 0;
	memset(to, 0, qb_int8_packed_bytes(m->outputs, m->k, 8));
	for (int64_t o = 0; o < m->outputs; o++) {
		for (int64_t k = 0; k < m->k; k++) {
			to[((o / 16 * (m->k / group) + k / group) * 16 + o % 16) * group + k % group] = rows[o * m->k + k];
		}
	}
}

void qb__int8_pack_quads(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_groups(m, rows, 4);
}

void qb__int8_pack_halves(struct qb_int8_matrix *m, const int8_t *rows, int64_t group, int bias)
{
	uint8_t *to = m->packed;

	m->row_weight = 0;
	memset(to, bias * 0x11, qb_int8_packed_bytes(m->outputs, m->k, 4));
	for (int64_t o = 0; o < m->outputs; o++) {
		for (int64_t k = 0; k < m->k; k++) {
			uint8_t *at = to + ((o / 16 * (m->k / group) + k / group) * 8 + o % 8) * group + k % group;
			int shift = o % 16 / 8 * 4;

			*at = (uint8_t)((*at & ~(15 << shift)) | ((rows[o * m->k + k] + bias) & 15) << shift);
		}
	}
}

void qb__int8_pack_nibbles(struct qb_int8_matrix *m, const int8_t *rows)
{
	qb__int8_pack_halves(m, rows, 4, 8);
}

void qb__int8_expand_bytes(const uint8_t *x, void *to, int64_t n)
{
	memcpy(to, x, (size_t)n);
}

static void conv(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	const int64_t kernel_elements = a->kernel_elements, chunk = a->chunk;

	for (int64_t p = 0; p < a->pixels; p++) {
		for (int64_t o = 0; o < m->outputs; o++) {
			const int8_t *w = (const int8_t *)m->packed + o * m->k;
			int32_t sum = m->start[o];

			for (int64_t t = 0; t < kernel_elements; t++, w += chunk) {
				const uint8_t *u = (const uint8_t *)a->x[p] + a->offset[t];

				for (int64_t k = 0; k < chunk; k++) {
					sum += u[k] * w[k];
				}
			}
			a->y[p * a->y_stride + o] = requant_one(a->r, o, sum);
		}
	}
}

static int nibble_at(const uint8_t *packed, int64_t quads, int64_t o, int64_t k)
{
	return (packed[(o / 16 * quads + k / 4) * 32 + o % 8 * 4 + k % 4] >> o % 16 / 8 * 4 & 15) - 8;
}

static void conv_nibbles(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	const int64_t kernel_elements = a->kernel_elements, chunk = a->chunk;

	for (int64_t p = 0; p < a->pixels; p++) {
		for (int64_t o = 0; o < m->outputs; o++) {
			int32_t sum = m->start[o];

			for (int64_t t = 0; t < kernel_elements; t++) {
				const uint8_t *u = (const uint8_t *)a->x[p] + a->offset[t];

				for (int64_t k = 0; k < chunk; k++) {
					sum += u[k] * nibble_at(m->packed, m->k / 4, o, t * chunk + k);
				}
			}
			a->y[p * a->y_stride + o] = requant_one(a->r, o, sum);
		}
	}
}

/* [k][outputs] */
static void pack_product(struct qb_int8_matrix *m, const uint8_t *right, int64_t rows, int64_t stride, int zero,
	int left_zero)
{
	int16_t *to = m->packed;

	memset(m->start, 0, (size_t)m->outputs * sizeof(*m->start));
	for (int64_t k = 0; k < rows; k++) {
		for (int64_t o = 0; o < m->outputs; o++) {
			to[k * m->outputs + o] = (int16_t)(right[k * stride + o] - zero);
			m->start[o] -= left_zero * to[k * m->outputs + o];
		}
	}
}

static void conv_product(const struct qb_int8_matrix *m, const struct qb_int8_conv_args *a)
{
	for (int64_t p = 0; p < a->pixels; p++) {
		const uint8_t *u = (const uint8_t *)a->x[p] + a->offset[0];

		for (int64_t o = 0; o < m->outputs; o++) {
			const int16_t *w = (const int16_t *)m->packed + o;
			int32_t sum = m->start[o];

			for (int64_t k = 0; k < m->k; k++) {
				sum += u[k] * w[k * m->outputs];
			}
			a->y[p * a->y_stride + o] = requant_one(a->r, o, sum);
		}
	}
}

static size_t depthwise_bytes(int64_t channels, int64_t kernel_elements)
{
	return (size_t)(channels * kernel_elements);
}

static void pack_depthwise(int8_t *packed, const int8_t *w, int64_t channels, int64_t kernel_elements)
{
	memcpy(packed, w, depthwise_bytes(channels, kernel_elements));
}

static void depthwise(const struct qb_int8_channels *d, const uint8_t *const *row, int64_t step,
	int64_t pixels, uint8_t *y, int64_t y_stride)
{
	const struct qb_requant r = {d->multiplier, d->offset, d->lo, d->hi};

	for (int64_t p = 0; p < pixels; p++) {
		for (int64_t c = 0; c < d->channels; c++) {
			int32_t sum = d->start[c];

			for (int64_t t = 0; t < d->kernel_elements; t++) {
				sum += row[t][p * step + c] * d->packed[t * d->channels + c];
			}
			y[p * y_stride + c] = requant_one(&r, c, sum);
		}
	}
}

void qb__int8_add_plain(const struct qb_int8_add *p, const uint8_t *a, const uint8_t *b, uint8_t *y,
	size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int v = nearest(((float)a[i] * p->ma + p->offset) + (float)b[i] * p->mb);

		y[i] = (uint8_t)(v < p->lo ? p->lo : v > p->hi ? p->hi : v);
	}
}

void qb__int8_average_plain(const uint8_t *const *row, int64_t rows, int64_t channels,
	float multiplier, float offset, int lo, int hi, uint8_t *y)
{
	for (int64_t c = 0; c < channels; c++) {
		int32_t sum = 0;
		int v;

		for (int64_t i = 0; i < rows; i++) {
			sum += row[i][c];
		}
		v = nearest((float)sum * multiplier + offset);
		y[c] = (uint8_t)(v < lo ? lo : v > hi ? hi : v);
	}
}

void qb__int8_max_plain(const uint8_t *const *row, int64_t rows, int64_t channels, uint8_t *y)
{
	memcpy(y, row[0], (size_t)channels);
	for (int64_t i = 1; i < rows; i++) {
		for (int64_t c = 0; c < channels; c++) {
			y[c] = QB_MAX(y[c], row[i][c]);
		}
	}
}

void qb__int8_quantize_plain(const float *x, uint8_t *y, size_t n, float scale, int zero, int top)
{
	for (size_t i = 0; i < n; i++) {
		float v = x[i] / scale;
		int q;

		q = nearest(v == v ? v : 0) + zero;
		y[i] = (uint8_t)(q < 0 ? 0 : q > top ? top : q);
	}
}

void qb__int8_dequantize_plain(const uint8_t *x, float *y, size_t n, float scale, int zero)
{
	for (size_t i = 0; i < n; i++) {
		y[i] = scale * (float)((int)x[i] - zero);
	}
}

/* The choice of a table */

static const struct qb_int8_kernels plain = {"c",
	{{8, 1, 1, qb__int8_expand_bytes, pack, conv}, {8, 1, 1, qb__int8_expand_bytes, pack, conv},
		{4, 1, 4, qb__int8_expand_bytes, qb__int8_pack_nibbles, conv_nibbles}},
	NULL, {1, 1, 16, qb__int8_expand_bytes, pack_product, conv_product}, depthwise_bytes, pack_depthwise, depthwise, 16,
	qb__int8_add_plain,
	qb__int8_average_plain, qb__int8_max_plain, qb__int8_quantize_plain,
	qb__int8_dequantize_plain};

/* In order of what they need of the processor. */
static const struct {
	unsigned needs;
	const struct qb_int8_kernels *table;
} tables[] = {
	{0, &plain},
#if defined(__x86_64__)
	{QB_FLAG_AVX2, &qb__int8_avx2},
	{QB_FLAG_AVX2 | QB_FLAG_AVX512 | QB_FLAG_VNNI, &qb__int8_avx512},
#elif defined(__aarch64__)
	{QB_FLAG_NEON, &qb__int8_neon},
	{QB_FLAG_NEON | QB_FLAG_DOTPROD, &qb__int8_neon_dot},
	{QB_FLAG_NEON | QB_FLAG_DOTPROD | QB_FLAG_I8MM, &qb__int8_neon_i8mm},
#endif
};

const struct qb_int8_kernels *qb_int8_kernels_at(int i)
{
	return i < (int)QB_COUNT(tables) && qb_cpu_has(tables[i].needs) ? tables[i].table : NULL;
}

const struct qb_int8_kernels *qb_int8_kernels(void)
{
	int i = QB_COUNT(tables) - 1;

	while (!qb_int8_kernels_at(i)) {
		i--;
	}
	return tables[i].table;
}

const struct qb_int8_form *qb_int8_form(const struct qb_int8_kernels *k, const int8_t *weights, size_t n)
{
	int lo = 0, hi = 0;

	for (size_t i = 0; i < n; i++) {
		lo = QB_MIN(lo, weights[i]);
		hi = QB_MAX(hi, weights[i]);
	}
	return &k->form[lo >= -8 && hi <= 7 ? QB_INT8_NIBBLES : lo >= -32 && hi <= 32 ? QB_INT8_SMALL : QB_INT8_WHOLE];
}

void qb_int8_unpacked_order(const struct qb_int8_kernels *k, const void *from, void *to,
	int64_t channels)
{
	for (int64_t c = 0; c < (int64_t)qb_align_up((size_t)channels, 64); c++) {
		memcpy((char *)to + qb__unpacked_at(k->order_block, c) * 4, (const char *)from + c * 4, 4);
	}
}
