/* SPDX-License-Identifier: Apache-2.0
 *
 * Codes, stochastic rounding and neighbours on the grid: a chunk of elements at a time, each with its scale.
 */
#include <math.h>
#include <stdlib.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/quantizer.h"
#include "core/quant/scale.h"

enum { CHUNK = 1024 };

/* A run of at most CHUNK elements, with the scale and the zero point of each. */
struct chunk {
	const struct qb_quantizer *q;
	const struct qb_grids *g;
	const float *x; /* the elements of the run, their index in the tensor, how many */
	int64_t at;
	size_t n;
	float scale[CHUNK];
	int32_t zero[CHUNK];
	void *to;
};

/* Scale and zero point of a block: of its elements x [n], or where x is NULL those kept. */
static void begin_block(const struct chunk *chunk, const float *x, int64_t n, const struct qb_blocks *blocks, int64_t at,
	float *scale, int32_t *zero)
{
	bool zeros = chunk->q->format.asymmetric;

	if (!x) {
		*scale = blocks->scale[at];
		*zero = zeros ? blocks->zero[at] : 0;
		return;
	}
	qb__blocks_of_row(chunk->q, chunk->g, x, (size_t)n, scale, zero);
	if (blocks) {
		blocks->scale[at] = *scale;
	}
	if (blocks && zeros) {
		blocks->zero[at] = *zero;
	}
}

/* Calls visit for every chunk. Scales and zero points of block formats come from x, or where x is NULL from blocks; with x
 * and blocks they are kept there. */
static void each_chunk(struct chunk *chunk, const float *x, const struct qb_blocks *blocks, int64_t outer,
	int64_t channels, int64_t inner, void (*visit)(struct chunk *chunk))
{
	const struct qb_quantizer *q = chunk->q;
	int64_t block = q->format.block, per_row = block ? (inner + block - 1) / block : 0;

	for (int64_t r = 0; r < outer * channels; r++) {
		int64_t c = q->channels == 1 ? 0 : r % channels, n;
		int32_t zero = q->zero ? q->zero[c] : 0;
		float scale = q->scale[c];

		for (int64_t i = 0; i < inner; i += n) {
			chunk->at = r * inner + i;
			chunk->x = x ? x + chunk->at : NULL;
			n = QB_MIN(inner - i, CHUNK);
			if (block && i % block == 0) {
				begin_block(chunk, chunk->x, QB_MIN(inner - i, block), blocks, r * per_row + i / block, &scale,
					&zero);
			}
			if (block) {
				/* The run ends with the block, and a block begun keeps its scale. */
				n = QB_MIN(n, (i / block + 1) * block - i);
			}
			chunk->n = (size_t)n;
			for (int64_t j = 0; j < n; j++) {
				chunk->scale[j] = scale;
				chunk->zero[j] = zero;
			}
			visit(chunk);
		}
	}
}

static void encode_chunk(struct chunk *chunk)
{
	static const float one = 1;
	const struct qb_format *f = &chunk->q->format;
	int32_t *codes = (int32_t *)chunk->to + chunk->at;
	float v[CHUNK];
	struct qb_run_args a = {.x = v, .y = v, .n = chunk->n, .scale = &one, .zero = chunk->zero};

	/* The kernel with a scale of 1 leaves x / scale on the canonical grid. */
	for (size_t i = 0; i < chunk->n; i++) {
		v[i] = chunk->x[i] / chunk->scale[i];
	}
	qb_kernels()->qdq(&chunk->g->element, &a);
	for (size_t i = 0; i < chunk->n; i++) {
		codes[i] = f->kind == QB_FORMAT_INT ? (int32_t)v[i] + chunk->zero[i]
						    : (int32_t)qb_format_value_code(f, v[i]);
	}
}

void qb_encode(const struct qb_quantizer *q, const float *x, int32_t *codes, const struct qb_blocks *blocks,
	int64_t outer, int64_t channels, int64_t inner)
{
	struct qb_grids g;
	struct chunk chunk = {.q = q, .g = &g, .to = codes};

	qb__grids_init(&g, &q->format);
	each_chunk(&chunk, x, blocks, outer, channels, inner, encode_chunk);
}

struct decoding {
	const int32_t *codes;
	float *x;
	const float *value; /* of the 2^bits codes; NULL for wider formats and integers */
};

static void decode_chunk(struct chunk *chunk)
{
	const struct qb_format *f = &chunk->q->format;
	const struct decoding *d = chunk->to;
	const int32_t *codes = d->codes + chunk->at;
	float *x = d->x + chunk->at;

	for (size_t i = 0; i < chunk->n; i++) {
		float v;

		if (f->kind == QB_FORMAT_INT) {
			v = (float)(codes[i] - chunk->zero[i]);
		} else if (d->value) {
			v = d->value[codes[i] & 255];
		} else {
			v = (float)qb_format_code_value(f, (uint32_t)codes[i]);
		}
		x[i] = v * chunk->scale[i];
	}
}

void qb_decode(const struct qb_quantizer *q, const int32_t *codes, const struct qb_blocks *blocks,
	float *x, int64_t outer, int64_t channels, int64_t inner)
{
	float value[256];
	struct decoding d = {.codes = codes, .x = x};
	/* without x the blocks are only read */
	struct chunk chunk = {.q = q, .to = &d};

	if (q->format.bits <= 8) {
		for (uint32_t c = 0; c < 256; c++) {
			value[c] = (float)qb_format_code_value(&q->format, c);
		}
		d.value = value;
	}
	each_chunk(&chunk, NULL, blocks, outer, channels, inner, decode_chunk);
}

enum qb_err qb_blocks_init(struct qb_blocks *b, int64_t count, struct qb_errbuf *eb)
{
	*b = (struct qb_blocks){calloc((size_t)count + 1, sizeof(*b->scale)), calloc((size_t)count + 1, sizeof(*b->zero))};
	if (!b->scale || !b->zero) {
		qb_blocks_fini(b);
		return qb_fail(eb, QB_ENOMEM, "no memory for the scales of %lld blocks", (long long)count);
	}
	return QB_OK;
}

void qb_blocks_fini(struct qb_blocks *b)
{
	free(b->scale);
	free(b->zero);
	*b = (struct qb_blocks){0};
}

void qb_blocks_of(const struct qb_quantizer *q, const float *x, int64_t rows, int64_t n, const struct qb_blocks *out)
{
	int64_t blocks = qb_block_count(q, 1, 1, n);
	struct qb_grids g;

	qb__grids_init(&g, &q->format);
	for (int64_t r = 0; r < rows; r++) {
		qb__blocks_of_row(q, &g, x + r * n, (size_t)n, out->scale + r * blocks,
			q->format.asymmetric ? out->zero + r * blocks : NULL);
	}
}

int64_t qb_block_count(const struct qb_quantizer *q, int64_t outer, int64_t channels, int64_t inner)
{
	int64_t block = q->format.block;

	return block ? outer * channels * ((inner + block - 1) / block) : 0;
}

/* The grid's values on both sides of v, which lies inside the grid. */
static void neighbours(const struct qb_grid *g, float v, double *down, double *up)
{
	if (g->kind == QB_FORMAT_TABLE) {
		int i = 0;

		while (i + 1 < g->steps && isfinite(g->cut[i]) && g->value[i + 1] <= v) {
			i++;
		}
		*down = g->value[i];
		*up = v > g->value[i] ? g->value[i + 1] : g->value[i];
	} else if (g->kind == QB_FORMAT_INT) {
		*down = floorf(v);
		*up = ceilf(v);
	} else {
		double a = fabs((double)v), first = ilogbf(g->small), low, high, step;
		int e = a > 0 ? ilogb(a) : -200;

		step = ldexp(1, (int)fmax(e, first - 1) - (23 - g->drop));
		low = floor(a / step) * step;
		high = ceil(a / step) * step;
		if (low < g->flush) {
			high = low < high || low > 0 ? g->flush : 0;
			low = g->zero_to < 0 ? g->flush : 0;
		}
		*down = signbit(v) ? -high : low;
		*up = signbit(v) ? -low : high;
	}
}

/* v between the grid's ends and not on it: its neighbours; else what nearest rounding gives, twice. */
static void around(const struct chunk *chunk, size_t i, float v, double *down, double *up)
{
	static const float one = 1;
	const struct qb_grid *g = &chunk->g->element;
	float zero = (float)chunk->zero[i], near;
	struct qb_run_args a = {.x = &v, .y = &near, .n = 1, .scale = &one,
		.zero = &chunk->zero[i]};

	qb_kernels_at(0)->qdq(g, &a);
	*down = *up = near;
	if (v > g->lo - zero && v < g->hi - zero && v != near) {
		neighbours(g, v, down, up);
	}
}

struct drawing {
	float *y;
	const struct qb_draws *from;
};

static void stochastic_chunk(struct chunk *chunk)
{
	const struct drawing *d = chunk->to;

	for (size_t i = 0; i < chunk->n; i++) {
		uint64_t at = d->from->first + (uint64_t)chunk->at + i;
		float v = chunk->x[i] / chunk->scale[i];
		double down, up;

		around(chunk, i, v, &down, &up);
		if (up > down) {
			double chance = qb_random_u32(d->from->seed, d->from->stream, at) * 0x1p-32;

			down = chance * (up - down) < v - down ? up : down;
		}
		d->y[chunk->at + (int64_t)i] = (float)down * chunk->scale[i];
	}
}

void qb_qdq_stochastic(const struct qb_quantizer *q, const float *x, float *y, int64_t outer,
	int64_t channels, int64_t inner, const struct qb_draws *draws)
{
	struct qb_grids g;
	struct drawing d = {.y = y, .from = draws};
	struct chunk chunk = {.q = q, .g = &g, .to = &d};

	qb__grids_init(&g, &q->format);
	each_chunk(&chunk, x, NULL, outer, channels, inner, stochastic_chunk);
}

struct sides {
	float *down, *up;
};

static void neighbours_chunk(struct chunk *chunk)
{
	const struct sides *s = chunk->to;

	for (size_t i = 0; i < chunk->n; i++) {
		double down, up;

		around(chunk, i, chunk->x[i] / chunk->scale[i], &down, &up);
		s->down[chunk->at + (int64_t)i] = (float)down * chunk->scale[i];
		s->up[chunk->at + (int64_t)i] = (float)up * chunk->scale[i];
	}
}

void qb_neighbours(const struct qb_quantizer *q, const float *x, float *down, float *up, int64_t outer,
	int64_t channels, int64_t inner)
{
	struct qb_grids g;
	struct sides s = {down, up};
	struct chunk chunk = {.q = q, .g = &g, .to = &s};

	qb__grids_init(&g, &q->format);
	each_chunk(&chunk, x, NULL, outer, channels, inner, neighbours_chunk);
}
