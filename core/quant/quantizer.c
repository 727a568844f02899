/* SPDX-License-Identifier: Apache-2.0 */
#include "core/quant/quantizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

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

enum qb_err qb_quantizer_alloc(struct qb_quantizer *q, const struct qb_format *f, int axis, int64_t channels, bool zeros,
	struct qb_errbuf *eb)
{
	struct qb_quantizer r = {.format = *f, .axis = axis, .channels = channels};

	r.scale = channels > 0 ? calloc((size_t)channels, sizeof(*r.scale)) : NULL;
	r.zero = zeros && r.scale ? calloc((size_t)channels, sizeof(*r.zero)) : NULL;
	if (!r.scale || (zeros && !r.zero)) {
		qb_quantizer_fini(&r);
		return qb_fail(eb, QB_ENOMEM, "no memory for a quantizer of %lld channels",
			(long long)channels);
	}
	*q = r;
	return QB_OK;
}

enum qb_err qb_quantizer_init(struct qb_quantizer *q, const struct qb_format *f, int axis,
	int64_t channels, const float *lo, const float *hi, struct qb_errbuf *eb)
{
	bool zeros = f->kind == QB_FORMAT_INT && f->asymmetric && !f->block; /* else the blocks have them */
	struct qb_quantizer r;

	QB_TRY(qb_quantizer_alloc(&r, f, axis, channels, zeros, eb));
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

/* Four pages, which are streamed in turns. */
enum { CHUNK = 4096 };

/* zero[i / block], of blocks * block elements */
static void spread_zeros(const int32_t *zero, size_t blocks, size_t block, int32_t *each)
{
	for (size_t b = 0; b < blocks; b++) {
		for (size_t j = 0; j < block; j++) {
			each[b * block + j] = zero[b];
		}
	}
}

/* Of scales that are e4m3fn's numbers times the quantizer's. */
static bool blocks_divide_fast(const struct qb_quantizer *q, const struct qb_grid *g)
{
	return q->format.block_scale == QB_SCALE_E4M3 && g->nan == 0 && qb_grid_divides_fast(g, q->scale[0] * 0x1p-9f) &&
		qb_grid_divides_fast(g, q->scale[0] * 448);
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
		part.divides_fast = blocks_divide_fast(q, &g->element);
		if (q->format.block_scale == QB_SCALE_E8M0 || part.divides_fast) {
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
