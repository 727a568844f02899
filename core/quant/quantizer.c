/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/quantizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/scale.h"

static bool is_range(float lo, float hi)
{
	return isfinite(lo) && isfinite(hi) && lo <= hi;
}

bool qb_quantizer_scale(const struct qb_format *f, float lo, float hi, float *scale, int32_t *zero)
{
	*zero = 0;
	*scale = is_range(lo, hi) ? qb__scale_of_range(f, lo, hi, zero) : 0;
	return *scale > 0;
}

enum qb_err qb_quantizer_init(struct qb_quantizer *q, const struct qb_format *f, int axis,
	int64_t channels, const float *lo, const float *hi, struct qb_errbuf *eb)
{
	struct qb_quantizer r = {.format = *f, .axis = axis, .channels = channels};
	bool zeros = f->kind == QB_FORMAT_INT && f->asymmetric && !f->block; /* else the blocks have them */

	r.scale = channels > 0 ? calloc((size_t)channels, sizeof(*r.scale)) : NULL;
	r.zero = zeros && r.scale ? calloc((size_t)channels, sizeof(*r.zero)) : NULL;
	if (!r.scale || (zeros && !r.zero)) {
		qb_quantizer_fini(&r);
		return qb_fail(eb, QB_ENOMEM, "no memory for a quantizer of %lld channels",
			(long long)channels);
	}
	for (int64_t c = 0; c < channels; c++) {
		if (!is_range(lo[c], hi[c])) {
			qb_quantizer_fini(&r);
			return qb_fail(eb, QB_EINVAL, "channel %lld has the range %g to %g", (long long)c,
				lo[c], hi[c]);
		}
		r.scale[c] = qb__scale_of_range(f, lo[c], hi[c], zeros ? &r.zero[c] : NULL);
	}
	*q = r;
	return QB_OK;
}

void qb_quantizer_fini(struct qb_quantizer *q)
{
	free(q->scale);
	free(q->zero);
	q->scale = NULL;
	q->zero = NULL;
}

/* Outputs larger than this are not read again from a cache; writing past the caches saves reading them first. */
static const int64_t STREAM_BYTES = 32 << 20;

static void run(const struct qb_grid *g, const struct qb_run_args *a, struct qb_qdq_sums *s)
{
	if (s) {
		qb_kernels()->measure(g, a, s);
	} else {
		qb_kernels()->qdq(g, a);
	}
}

/* The first elements up to a 64-byte boundary of y, then the rest by non-temporal stores. */
static void run_streaming(const struct qb_grid *g, const struct qb_run_args *a)
{
	struct qb_run_args head = *a, rest = *a;

	head.n = QB_MIN(a->n, (64 - ((uintptr_t)a->y & 63)) / sizeof(float) % 16);
	rest.x += head.n;
	rest.y += head.n;
	rest.n -= head.n;
	rest.stream = true;
	if (a->stride) {
		rest.scale += head.n;
		rest.zero = a->zero ? a->zero + head.n : NULL;
	}
	run(g, &head, NULL);
	run(g, &rest, NULL);
}

enum { CHUNK = 1024 };

/* zero[i / block], of blocks * block numbers */
static void spread_zeros(const int32_t *zero, size_t blocks, size_t block, int32_t *each)
{
	for (size_t b = 0; b < blocks; b++) {
		for (size_t j = 0; j < block; j++) {
			each[b * block + j] = zero[b];
		}
	}
}

/* At most a chunk of whole blocks, the last of which may be short; a->scale and a->zero are the blocks'. */
static void run_chunk(const struct qb_quantizer *q, const struct qb_grids *g, const struct qb_run_args *a,
	struct qb_qdq_sums *s)
{
	size_t block = (size_t)q->format.block, blocks = (a->n + block - 1) / block, whole = 0;
	float inverse[CHUNK / 2], each[2 * CHUNK];
	int32_t zero[2 * CHUNK];
	struct qb_run_args part = *a;

	if (!a->zero && qb_grid_takes_blocks(&g->element, block)) {
		whole = a->n - a->n % QB_MAX(block, 64);
		part.n = whole;
		part.block = block;
		if (q->format.block_scale == QB_SCALE_E8M0) {
			for (size_t i = 0; i < blocks; i++) {
				inverse[i] = 1 / a->scale[i];
			}
			part.inverse = inverse;
		}
		run(&g->element, &part, s);
	}
	if (whole < a->n) {
		qb_kernels()->spread(a->scale + whole / block, blocks - whole / block, block, each);
		part = *a;
		part.x += whole;
		part.ref = a->ref ? a->ref + whole : NULL;
		part.y += whole;
		part.n -= whole;
		part.scale = each;
		part.stride = 1;
		if (a->zero) {
			spread_zeros(a->zero, blocks, block, zero); /* of all: none is behind */
			part.zero = zero;
		}
		run(&g->element, &part, s);
	}
}

static void run_row(const struct qb_quantizer *q, const struct qb_grids *g, const struct qb_run_args *a,
	struct qb_qdq_sums *s, bool stream)
{
	size_t block = (size_t)q->format.block;
	/* Whole blocks at a time; a block larger than a chunk is a run of its own. */
	size_t step = block > CHUNK ? block : CHUNK / block * block;
	float scale[CHUNK / 2];
	int32_t zero[CHUNK / 2];

	for (size_t i = 0; i < a->n; i += step) {
		struct qb_run_args part = {.x = a->x + i, .ref = a->ref ? a->ref + i : NULL,
			.y = a->y + i, .n = QB_MIN(step, a->n - i), .scale = scale,
			.zero = q->format.asymmetric ? zero : NULL};

		qb__blocks_of_row(q, g, part.x, part.n, scale, zero);
		part.stream = stream && ((uintptr_t)part.y & 63) == 0;
		if (block <= CHUNK) {
			run_chunk(q, g, &part, s);
		} else {
			run(&g->element, &part, s);
		}
	}
}

static void run_blocks(const struct qb_quantizer *q, const struct qb_grids *g, const float *x,
	const float *ref, float *y, int64_t rows, int64_t width, struct qb_qdq_sums *s)
{
	bool stream = x != y && !s && rows * width * (int64_t)sizeof(*y) >= STREAM_BYTES;

	if (width % q->format.block == 0) {
		/* Blocks end with the rows: one long row. */
		width *= rows;
		rows = 1;
	}
	for (int64_t r = 0; r < rows && width > 0; r++) {
		struct qb_run_args a = {.x = x + r * width, .ref = ref ? ref + r * width : NULL,
			.y = y + r * width, .n = (size_t)width};

		run_row(q, g, &a, s, stream);
	}
}

static void whole(const struct qb_quantizer *q, const float *x, const float *ref, float *y,
	int64_t outer, int64_t channels, int64_t inner, struct qb_qdq_sums *s)
{
	struct qb_grids g;
	int64_t rows = outer * channels, width = inner;
	bool stream = x != y && !s && rows * inner * (int64_t)sizeof(*y) >= STREAM_BYTES;

	qb__grids_init(&g, &q->format);
	if (q->format.block) {
		run_blocks(q, &g, x, ref, y, rows, inner, s);
		return;
	}
	if (q->channels == 1) {
		width *= rows;
		rows = 1;
	} else if (inner == 1) {
		/* Channels last: a row of scales for a row of elements. */
		width = channels;
		rows = outer;
	}
	for (int64_t r = 0; r < rows; r++) {
		int64_t at = r * width, c = q->channels == 1 || inner == 1 ? 0 : r % channels;
		float inverse = 1 / q->scale[c];
		struct qb_run_args a = {.x = x + at, .ref = ref ? ref + at : NULL, .y = y + at,
			.n = (size_t)width, .scale = q->scale + c,
			.zero = q->zero ? q->zero + c : NULL, .stride = q->channels > 1 && inner == 1};

		if (!a.stride && qb_grid_divides_fast(&g.element, q->scale[c])) {
			a.inverse = &inverse;
		}
		if (stream && width >= CHUNK) {
			run_streaming(&g.element, &a);
		} else {
			run(&g.element, &a, s);
		}
	}
}

void qb_qdq(const struct qb_quantizer *q, const float *x, float *y, int64_t outer, int64_t channels,
	int64_t inner)
{
	whole(q, x, NULL, y, outer, channels, inner, NULL);
}

void qb_qdq_measure(const struct qb_quantizer *q, const float *x, const float *ref, float *y,
	int64_t outer, int64_t channels, int64_t inner, struct qb_qdq_sums *s)
{
	whole(q, x, ref, y, outer, channels, inner, s);
}

/* Codes, and stochastic rounding: a chunk of elements at a time, each with its scale. */

/* Calls turn for every run of at most CHUNK elements, with scale and zero point of each element. For block
 * formats these come from x, or where x is NULL from blocks; with x and blocks they are kept there. */
struct turn {
	const struct qb_quantizer *q;
	const struct qb_grids *g;
	const float *x; /* the elements of the run, their index in the tensor, how many */
	int64_t at;
	size_t n;
	float scale[CHUNK];
	int32_t zero[CHUNK];
	void *to;
};

/* Scale and zero point of a block: of its numbers x [n], or where x is NULL those kept. */
static void begin_block(const struct turn *t, const float *x, int64_t n, const struct qb_blocks *blocks, int64_t at,
	float *scale, int32_t *zero)
{
	bool zeros = t->q->format.asymmetric;

	if (!x) {
		*scale = blocks->scale[at];
		*zero = zeros ? blocks->zero[at] : 0;
		return;
	}
	qb__blocks_of_row(t->q, t->g, x, (size_t)n, scale, zero);
	if (blocks) {
		blocks->scale[at] = *scale;
	}
	if (blocks && zeros) {
		blocks->zero[at] = *zero;
	}
}

static void each_chunk(struct turn *t, const float *x, const struct qb_blocks *blocks, int64_t outer,
	int64_t channels, int64_t inner, void (*turn)(struct turn *t))
{
	const struct qb_quantizer *q = t->q;
	int64_t block = q->format.block, per_row = block ? (inner + block - 1) / block : 0;

	for (int64_t r = 0; r < outer * channels; r++) {
		int64_t c = q->channels == 1 ? 0 : r % channels, n;
		int32_t zero = q->zero ? q->zero[c] : 0;
		float scale = q->scale[c];

		for (int64_t i = 0; i < inner; i += n) {
			t->at = r * inner + i;
			t->x = x ? x + t->at : NULL;
			n = QB_MIN(inner - i, CHUNK);
			if (block && i % block == 0) {
				begin_block(t, t->x, QB_MIN(inner - i, block), blocks, r * per_row + i / block, &scale,
					&zero);
			}
			if (block) {
				/* The run ends with the block, and a block begun keeps its scale. */
				n = QB_MIN(n, (i / block + 1) * block - i);
			}
			t->n = (size_t)n;
			for (int64_t j = 0; j < n; j++) {
				t->scale[j] = scale;
				t->zero[j] = zero;
			}
			turn(t);
		}
	}
}

static void encode_turn(struct turn *t)
{
	static const float one = 1;
	const struct qb_format *f = &t->q->format;
	int32_t *codes = (int32_t *)t->to + t->at;
	float v[CHUNK];
	struct qb_run_args a = {.x = v, .y = v, .n = t->n, .scale = &one, .zero = t->zero};

	/* The kernel with a scale of 1 leaves x / scale on the canonical grid. */
	for (size_t i = 0; i < t->n; i++) {
		v[i] = t->x[i] / t->scale[i];
	}
	qb_kernels()->qdq(&t->g->element, &a);
	for (size_t i = 0; i < t->n; i++) {
		codes[i] = f->kind == QB_FORMAT_INT ? (int32_t)v[i] + t->zero[i]
						    : (int32_t)qb_format_value_code(f, v[i]);
	}
}

void qb_encode(const struct qb_quantizer *q, const float *x, int32_t *codes, const struct qb_blocks *blocks,
	int64_t outer, int64_t channels, int64_t inner)
{
	struct qb_grids g;
	struct turn t = {.q = q, .g = &g, .to = codes};

	qb__grids_init(&g, &q->format);
	each_chunk(&t, x, blocks, outer, channels, inner, encode_turn);
}

struct decoding {
	const int32_t *codes;
	float *x;
	const float *value; /* of the 2^bits codes; NULL for wider formats and integers */
};

static void decode_turn(struct turn *t)
{
	const struct qb_format *f = &t->q->format;
	const struct decoding *d = t->to;
	const int32_t *codes = d->codes + t->at;
	float *x = d->x + t->at;

	for (size_t i = 0; i < t->n; i++) {
		float v;

		if (f->kind == QB_FORMAT_INT) {
			v = (float)(codes[i] - t->zero[i]);
		} else if (d->value) {
			v = d->value[codes[i] & 255];
		} else {
			v = (float)qb_format_code_value(f, (uint32_t)codes[i]);
		}
		x[i] = v * t->scale[i];
	}
}

void qb_decode(const struct qb_quantizer *q, const int32_t *codes, const struct qb_blocks *blocks,
	float *x, int64_t outer, int64_t channels, int64_t inner)
{
	float value[256];
	struct decoding d = {.codes = codes, .x = x};
	/* without x the blocks are only read */
	struct turn t = {.q = q, .to = &d};

	if (q->format.bits <= 8) {
		for (uint32_t c = 0; c < 256; c++) {
			value[c] = (float)qb_format_code_value(&q->format, c);
		}
		d.value = value;
	}
	each_chunk(&t, NULL, blocks, outer, channels, inner, decode_turn);
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
static void around(const struct turn *t, size_t i, float v, double *down, double *up)
{
	static const float one = 1;
	const struct qb_grid *g = &t->g->element;
	float zero = (float)t->zero[i], near;
	struct qb_run_args a = {.x = &v, .y = &near, .n = 1, .scale = &one,
		.zero = &t->zero[i]};

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

static void stochastic_turn(struct turn *t)
{
	const struct drawing *d = t->to;

	for (size_t i = 0; i < t->n; i++) {
		uint64_t at = d->from->first + (uint64_t)t->at + i;
		float v = t->x[i] / t->scale[i];
		double down, up;

		around(t, i, v, &down, &up);
		if (up > down) {
			double chance = qb_random_u32(d->from->seed, d->from->stream, at) * 0x1p-32;

			down = chance * (up - down) < v - down ? up : down;
		}
		d->y[t->at + (int64_t)i] = (float)down * t->scale[i];
	}
}

void qb_qdq_stochastic(const struct qb_quantizer *q, const float *x, float *y, int64_t outer,
	int64_t channels, int64_t inner, const struct qb_draws *draws)
{
	struct qb_grids g;
	struct drawing d = {.y = y, .from = draws};
	struct turn t = {.q = q, .g = &g, .to = &d};

	qb__grids_init(&g, &q->format);
	each_chunk(&t, x, NULL, outer, channels, inner, stochastic_turn);
}

struct sides {
	float *down, *up;
};

static void neighbours_turn(struct turn *t)
{
	const struct sides *s = t->to;

	for (size_t i = 0; i < t->n; i++) {
		double down, up;

		around(t, i, t->x[i] / t->scale[i], &down, &up);
		s->down[t->at + (int64_t)i] = (float)down * t->scale[i];
		s->up[t->at + (int64_t)i] = (float)up * t->scale[i];
	}
}

void qb_neighbours(const struct qb_quantizer *q, const float *x, float *down, float *up, int64_t outer,
	int64_t channels, int64_t inner)
{
	struct qb_grids g;
	struct sides s = {down, up};
	struct turn t = {.q = q, .g = &g, .to = &s};

	qb__grids_init(&g, &q->format);
	each_chunk(&t, x, NULL, outer, channels, inner, neighbours_turn);
}
