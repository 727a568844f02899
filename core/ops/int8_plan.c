/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps: convolutions, matrix products, sums, pools on bytes. One that returns QB_EUNSUPPORTED stays float.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"
#include "core/ops/builder.h"
#include "core/ops/int8_kernels.h"
#include "core/ops/plans.h"
#include "core/ops/pixels.h"

/* The bytes an activation may leave: the quantizer's own, and the fused activation's bounds. */
static void byte_bounds(const struct qb_node *n, const struct qb_bytes *y, int *lo, int *hi)
{
	*lo = 0;
	*hi = y->top;
	if (n->act.kind != QB_ACT_NONE) {
		double a = rint(n->act.lo / (double)y->scale) + y->zero;
		double b = rint(n->act.hi / (double)y->scale) + y->zero;

		*lo = (int)fmin(fmax(a, 0), y->top);
		*hi = (int)fmin(fmax(b, 0), y->top);
	}
}

/* Weighted sums */

struct weighted {
	const int8_t *codes; /* [outputs][k] of the weight, k in the weight's own order */
	const struct qb_quantizer *q;
	const float *bias;
	int64_t outputs, k;
};

static float weight_scale(const struct weighted *w, int64_t o)
{
	return w->q->scale[w->q->channels > 1 ? o : 0];
}

/* sum * (sx * sw / sy) + bias / sy + zy, with room for whole blocks of 64 channels. */
static enum qb_err make_requant(struct qb_builder *b, struct qb_requant *r,
	const struct weighted *w, const struct qb_node *n, const struct qb_bytes *x,
	const struct qb_bytes *y, struct qb_errbuf *eb)
{
	size_t room = qb_align_up((size_t)w->outputs, 64);
	float *multiplier = qb_builder_alloc(b, room, sizeof(*multiplier));
	float *offset = qb_builder_alloc(b, room, sizeof(*offset));

	if (!multiplier || !offset) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t o = 0; o < w->outputs; o++) {
		multiplier[o] = (float)((double)x->scale * weight_scale(w, o) / y->scale);
		offset[o] = (float)((w->bias ? (double)w->bias[o] / y->scale : 0) + y->zero);
	}
	r->multiplier = multiplier;
	r->offset = offset;
	byte_bounds(n, y, &r->lo, &r->hi);
	return QB_OK;
}

static enum qb_err load_weight(struct qb_builder *b, const struct qb_node *n, struct weighted *w)
{
	w->q = qb_builder_weight_quantizer(b, n->input[1]);
	w->codes = w->q ? qb_builder_weight_codes(b, n->input[1]) : NULL;
	w->bias = NULL;
	if (n->inputs > 2 && n->input[2]) {
		if (!n->input[2]->constant || n->input[2]->dtype != QB_F32) {
			return QB_EUNSUPPORTED;
		}
		w->bias = qb_builder_constant(b, n->input[2]);
	}
	return w->codes ? QB_OK : QB_EUNSUPPORTED;
}

/* Convolution */

enum { PIXELS = 48, GATHERED_MAX = 4096 };

struct conv {
	struct qb_pixels p;
	const struct qb_int8_kernels *kernels;
	int64_t y_stride, channels;
	int64_t taps, chunk; /* of one row that the kernel reads: bytes a tap */
	bool pointwise;      /* 1x1, stride 1, no pads: pixels are rows */
	bool gather;         /* few channels: the taps of a pixel are copied side by side */
	struct qb_int8_matrix m;
	struct qb_requant r;
	struct qb_int8_channels depthwise;
	int threads, parts; /* parts: pieces of the outputs, where there are too few pixels for all threads */
};

/* n bytes; up to 31 more are copied, which both sides have room for. */
static void copy_line(uint8_t *to, const uint8_t *from, int64_t n)
{
	for (int64_t i = 0; i < n; i += 32) {
		memcpy(to + i, from + i, 32);
	}
}

/* All taps of a pixel side by side: lines of the window in one piece where they are inside. */
static void gather_taps(const struct conv *c, const uint8_t *image, int64_t oy, int64_t ox,
	uint8_t *to)
{
	const struct qb_pixels *p = &c->p;
	int64_t y = oy * p->sh - p->top, x = ox * p->sw - p->left, line = p->kw * c->channels;
	bool inside = p->dw == 1 && x >= 0 && x + p->kw <= p->iw;

	for (int64_t ky = 0; ky < p->kh; ky++, to += line) {
		int64_t iy = y + ky * p->dh;

		if (inside && iy >= 0 && iy < p->ih) {
			copy_line(to, image + (iy * p->iw + x) * p->stride, line);
			continue;
		}
		for (int64_t kx = 0; kx < p->kw; kx++) {
			const uint8_t *from = qb_pixel_at(p, image, iy, x + kx * p->dw);

			for (int64_t i = 0; i < c->channels; i++) {
				to[kx * c->channels + i] = from[i];
			}
		}
	}
}

/* The part-th piece of the outputs, whole blocks of 16. */
static int64_t part_of(struct qb_int8_matrix *m, struct qb_requant *r, const struct conv *c, int part)
{
	int64_t blocks = (c->m.outputs + 15) / 16;
	int64_t from = blocks * part / c->parts * 16, to = blocks * (part + 1) / c->parts * 16;

	*m = c->m;
	*r = c->r;
	m->outputs = QB_MIN(to, c->m.outputs) - from;
	m->packed = (int8_t *)c->m.packed + from * c->m.k;
	m->start += from;
	r->multiplier += from;
	r->offset += from;
	return from;
}

/* Pixels [from, to) of one image, in any rows. */
static void conv_pixels(const struct conv *c, const struct qb_int8_matrix *m,
	const struct qb_requant *r, const uint8_t *image, uint8_t *y, int64_t from, int64_t to)
{
	const uint8_t *row[PIXELS * QB_TAPS_MAX];
	uint8_t gathered[GATHERED_MAX + 32];
	int64_t oy = from / c->p.ow, ox = from % c->p.ow;
	int64_t many = c->gather ? GATHERED_MAX / c->chunk : (int64_t)(PIXELS * QB_TAPS_MAX) / c->taps;

	many = QB_MIN(many / 12 * 12, (int64_t)PIXELS);
	for (int64_t p = from; p < to; p += many) {
		int64_t n = QB_MIN(many, to - p);

		for (int64_t i = 0; i < n; i++) {
			if (c->pointwise) {
				row[i] = image + (p + i) * c->p.stride;
				continue;
			}
			if (c->gather) {
				row[i] = gathered + i * c->chunk;
				gather_taps(c, image, oy, ox, gathered + i * c->chunk);
			} else {
				qb_pixel_taps(&c->p, image, oy, ox, row + i * c->taps);
			}
			ox++;
			if (ox == c->p.ow) {
				ox = 0;
				oy++;
			}
		}
		c->kernels->conv(m, row, n, c->taps, c->chunk, r, y + p * c->y_stride, c->y_stride);
	}
}

static void run_conv(const void *context, void *const *buffer)
{
	const struct conv *c = context;
	int64_t pixels = c->p.oh * c->p.ow;
	/* Pieces of whole tiles, several a thread. */
	int64_t piece = c->threads > 1 && c->parts == 1
		? (pixels / (4 * c->threads) + 11) / 12 * 12 : pixels;

	piece = QB_MAX(piece, 12);
#pragma omp parallel for collapse(3) schedule(static) if (c->threads > 1)
	for (int64_t i = 0; i < c->p.images; i++) {
		for (int part = 0; part < c->parts; part++) {
			for (int64_t p = 0; p < pixels; p += piece) {
				struct qb_int8_matrix m;
				struct qb_requant r;
				int64_t first = part_of(&m, &r, c, part);

				conv_pixels(c, &m, &r,
					(const uint8_t *)buffer[0] + i * qb_pixels_image_bytes(&c->p),
					(uint8_t *)buffer[1] + i * pixels * c->y_stride + first, p,
					QB_MIN(p + piece, pixels));
			}
		}
	}
}

/* Fewer multiplications than this are not worth the waking of a thread. */
enum { WORTH_A_THREAD = 40000, TILES_A_THREAD = 2 };

static void share_out(struct conv *c, struct qb_builder *b, int64_t outputs)
{
	int64_t blocks = (outputs + 15) / 16, pixels = c->p.images * c->p.oh * c->p.ow;

	c->threads = qb_builder_threads(b);
	if (pixels * outputs * c->taps * c->chunk < WORTH_A_THREAD) {
		c->threads = 1;
	}
	c->parts = pixels < 12 * TILES_A_THREAD * c->threads && c->threads > 1
		? (int)QB_MIN(blocks, c->threads) : 1;
}

static void depthwise_run(const void *arg, const uint8_t *const *row, int64_t ox, int64_t pixels,
	void *out)
{
	const struct conv *c = arg;

	c->kernels->depthwise(&c->depthwise, row, c->p.sw * c->p.stride, pixels,
		(uint8_t *)out + ox * c->y_stride, c->y_stride);
}

static void run_depthwise(const void *context, void *const *buffer)
{
	const struct conv *c = context;
	const struct qb_pixels *p = &c->p;

#pragma omp parallel for collapse(2) schedule(static) if (c->threads > 1)
	for (int64_t i = 0; i < p->images; i++) {
		for (int64_t oy = 0; oy < p->oh; oy++) {
			qb_pixel_runs(p, (const uint8_t *)buffer[0] + i * qb_pixels_image_bytes(p), oy,
				depthwise_run, c,
				(uint8_t *)buffer[1] + (i * p->oh + oy) * p->ow * c->y_stride);
		}
	}
}

static enum qb_err shape_conv(struct conv *c, struct qb_builder *b, const struct qb_node *n,
	const struct qb_bytes *x, const struct qb_bytes *y, bool depthwise, struct qb_errbuf *eb)
{
	struct qb_window w;

	QB_TRY(qb_window_conv(&w, n, 2, n->input[0]->shape.dim + 2, n->input[1]->shape.dim + 2, eb));
	memset(c, 0, sizeof(*c));
	QB_TRY(qb_pixels_init(&c->p, b, n, &w, x->stride, x->zero, eb));
	c->y_stride = y->stride;
	c->channels = x->channels;
	c->threads = qb_builder_threads(b);
	c->kernels = qb_int8_kernels();
	c->gather = !depthwise && c->channels % 4;
	c->taps = c->gather ? 1 : c->p.taps;
	c->chunk = c->gather ? (int64_t)qb_align_up((size_t)(c->p.taps * c->channels), 4) : x->stride;
	c->pointwise = !c->gather && c->p.taps == 1 && c->p.sh == 1 && c->p.sw == 1 && !w.lo[0] &&
		!w.lo[1] && !w.hi[0] && !w.hi[1];
	return c->gather && c->chunk * 12 > GATHERED_MAX ? QB_EUNSUPPORTED : QB_OK;
}

/* Outputs' weights as [taps][channels padded to the stride], and what sums begin with: -zero * sum of weights. */
static enum qb_err pack_conv(struct qb_builder *b, struct conv *c, const struct weighted *w,
	int zero, struct qb_errbuf *eb)
{
	struct qb_int8_matrix *m = &c->m;
	int8_t *rows;

	m->outputs = w->outputs;
	m->k = c->taps * c->chunk;
	m->packed = qb_builder_alloc(b, qb_int8_packed_bytes(m->outputs, m->k), 1);
	m->start = qb_builder_alloc(b, qb_align_up((size_t)m->outputs, 16), sizeof(*m->start));
	if (m->k > QB_INT8_K_MAX) {
		return QB_EUNSUPPORTED;
	}
	rows = calloc((size_t)(m->outputs * m->k), 1);
	if (!m->packed || !m->start || !rows) {
		free(rows);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t o = 0; o < w->outputs; o++) {
		for (int64_t i = 0; i < c->channels; i++) {
			for (int64_t t = 0; t < c->p.taps; t++) {
				int8_t v = w->codes[(o * c->channels + i) * c->p.taps + t];

				rows[o * m->k + t * (c->gather ? c->channels : c->chunk) + i] = v;
				m->start[o] -= zero * v;
			}
		}
	}
	c->kernels->pack(m, rows);
	free(rows);
	share_out(c, b, m->outputs);
	return QB_OK;
}

static enum qb_err pack_depthwise(struct qb_builder *b, struct conv *c, const struct weighted *w,
	int zero, struct qb_errbuf *eb)
{
	size_t room = qb_align_up((size_t)c->channels, 64);
	int8_t *packed = qb_builder_alloc(b, c->kernels->depthwise_bytes(c->channels, c->p.taps), 1);
	int32_t *start = qb_builder_alloc(b, room, sizeof(*start));
	int32_t *from = qb_builder_alloc(b, room, sizeof(*from));
	float *multiplier = qb_builder_alloc(b, room, sizeof(*multiplier));
	float *offset = qb_builder_alloc(b, room, sizeof(*offset));
	int8_t *by_tap = malloc((size_t)(c->channels * c->p.taps));

	if (!packed || !start || !from || !multiplier || !offset || !by_tap) {
		free(by_tap);
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	for (int64_t i = 0; i < c->channels; i++) {
		for (int64_t t = 0; t < c->p.taps; t++) {
			by_tap[t * c->channels + i] = w->codes[i * c->p.taps + t];
			from[i] -= zero * w->codes[i * c->p.taps + t];
		}
	}
	c->kernels->pack_depthwise(packed, by_tap, c->channels, c->p.taps);
	free(by_tap);
	qb_int8_unpacked_order(c->kernels, from, start, c->channels);
	qb_int8_unpacked_order(c->kernels, c->r.multiplier, multiplier, c->channels);
	qb_int8_unpacked_order(c->kernels, c->r.offset, offset, c->channels);
	c->depthwise = (struct qb_int8_channels){packed, start, multiplier, offset, c->r.lo, c->r.hi,
		c->channels, c->p.taps};
	return QB_OK;
}

enum qb_err qb__plan_int8_conv(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *ws = &n->input[1]->shape;
	int64_t groups = qb_node_int(n, "group", 1);
	struct weighted w = {.outputs = ws->dim[0]};
	struct qb_bytes x, y;
	struct conv c;
	int buffer[2];
	bool depthwise = groups > 1 && groups == ws->dim[0] && ws->dim[1] == 1;

	if (n->input[0]->shape.ndim != 4 || (groups > 1 && !depthwise)) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(load_weight(b, n, &w));
	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	QB_TRY(shape_conv(&c, b, n, &x, &y, depthwise, eb));
	QB_TRY(make_requant(b, &c.r, &w, n, &x, &y, eb));
	buffer[0] = x.buffer;
	buffer[1] = y.buffer;
	if (depthwise) {
		QB_TRY(pack_depthwise(b, &c, &w, x.zero, eb));
		return qb_builder_call(b, n, "int8 depthwise", run_depthwise, &c, sizeof(c), buffer, 2, 1,
			eb);
	}
	QB_TRY(pack_conv(b, &c, &w, x.zero, eb));
	return qb_builder_call(b, n, "int8 convolution", run_conv, &c, sizeof(c), buffer, 2, 1, eb);
}

/* Matrix products with constant weights: a convolution of pixels with one tap. */

static enum qb_err plan_product(struct qb_builder *b, const struct qb_node *n, bool transposed,
	struct qb_errbuf *eb)
{
	const struct qb_shape *ws = &n->input[1]->shape;
	struct weighted w = {.outputs = ws->dim[transposed ? 0 : 1]};
	int64_t k = ws->dim[transposed ? 1 : 0];
	struct qb_bytes x, y;
	struct conv c = {0};
	int8_t *turned;
	int buffer[2];

	QB_TRY(load_weight(b, n, &w));
	if (w.bias && qb_tensor_size(n->input[2]->constant) != (size_t)w.outputs) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	if (x.channels != k || x.channels != x.stride || n->input[0]->shape.ndim == 4) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (!transposed) {
		turned = qb_builder_alloc(b, (size_t)(k * w.outputs), 1);
		if (!turned) {
			return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
		}
		for (int64_t o = 0; o < w.outputs; o++) {
			for (int64_t i = 0; i < k; i++) {
				turned[o * k + i] = w.codes[i * w.outputs + o];
			}
		}
		w.codes = turned;
	}
	c = (struct conv){.p = {.images = 1, .oh = 1, .ow = x.pixels, .ih = 1, .iw = x.pixels, .taps = 1,
				  .stride = x.stride}, .taps = 1, .pointwise = true, .y_stride = y.stride,
		.channels = x.channels, .chunk = x.stride, .kernels = qb_int8_kernels()};
	QB_TRY(make_requant(b, &c.r, &w, n, &x, &y, eb));
	QB_TRY(pack_conv(b, &c, &w, x.zero, eb));
	buffer[0] = x.buffer;
	buffer[1] = y.buffer;
	return qb_builder_call(b, n, "int8 matrix product", run_conv, &c, sizeof(c), buffer, 2, 1, eb);
}

enum qb_err qb__plan_int8_gemm(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	if (qb_node_int(n, "transA", 0) || qb_node_float(n, "alpha", 1) != 1 ||
		qb_node_float(n, "beta", 1) != 1 || !n->input[1]->constant) {
		return QB_EUNSUPPORTED;
	}
	return plan_product(b, n, qb_node_int(n, "transB", 0), eb);
}

enum qb_err qb__plan_int8_matmul(struct qb_builder *b, const struct qb_node *n,
	struct qb_errbuf *eb)
{
	if (!n->input[1]->constant || n->input[1]->shape.ndim != 2) {
		return QB_EUNSUPPORTED;
	}
	return plan_product(b, n, false, eb);
}

/* Sums */

struct add {
	const struct qb_int8_kernels *kernels;
	struct qb_int8_add p;
	int64_t n;
};

static void run_add(const void *context, void *const *buffer)
{
	const struct add *a = context;

	a->kernels->add(&a->p, buffer[0], buffer[1], buffer[2], (size_t)a->n);
}

enum qb_err qb__plan_int8_add(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_value *u = n->input[0], *v = n->input[1];
	struct qb_bytes x, z, y;
	struct add a;
	int buffer[3];

	if (n->inputs != 2 || u->shape.ndim != v->shape.ndim ||
		memcmp(u->shape.dim, v->shape.dim, (size_t)u->shape.ndim * sizeof(*u->shape.dim))) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, u, &x, eb));
	QB_TRY(qb_builder_bytes(b, v, &z, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	a.p.ma = x.scale / y.scale;
	a.p.mb = z.scale / y.scale;
	a.p.offset = (float)(y.zero - (double)a.p.ma * x.zero - (double)a.p.mb * z.zero);
	byte_bounds(n, &y, &a.p.lo, &a.p.hi);
	a.n = y.pixels * y.stride;
	a.kernels = qb_int8_kernels();
	buffer[0] = x.buffer;
	buffer[1] = z.buffer;
	buffer[2] = y.buffer;
	return qb_builder_call(b, n, "int8 add", run_add, &a, sizeof(a), buffer, 3, 1, eb);
}

/* Pools */

struct pool {
	const struct qb_int8_kernels *kernels;
	struct qb_pixels p;
	int64_t channels, y_stride;
	bool average, include_pads;
	float multiplier;
	int zero_x, zero_y, lo, hi, threads;
};

static void pool_pixel(const struct pool *c, const uint8_t *image, int64_t oy, int64_t ox,
	uint8_t *y)
{
	const uint8_t *row[QB_TAPS_MAX];
	int64_t n = 0;

	qb_pixel_taps(&c->p, image, oy, ox, row);
	for (int64_t t = 0; t < c->p.taps; t++) {
		row[n] = row[t];
		n += row[t] != c->p.pad;
	}
	if (c->average) {
		double count = c->include_pads ? (double)c->p.taps : (double)n;

		/* Pads are the real 0, that is the zero point. */
		c->kernels->average(row, n, c->channels, (float)(c->multiplier / count),
			(float)(c->zero_y - (double)c->multiplier * c->zero_x * (double)n / count), c->lo,
			c->hi, y);
	} else {
		c->kernels->max(row, n, c->channels, y);
	}
}

static void run_pool(const void *context, void *const *buffer)
{
	const struct pool *c = context;
	const struct qb_pixels *p = &c->p;
	int64_t pixels = p->oh * p->ow;

#pragma omp parallel for collapse(2) schedule(static) if (c->threads > 1 && pixels > 16)
	for (int64_t i = 0; i < p->images; i++) {
		for (int64_t o = 0; o < pixels; o++) {
			pool_pixel(c, (const uint8_t *)buffer[0] + i * qb_pixels_image_bytes(p), o / p->ow,
				o % p->ow, (uint8_t *)buffer[1] + (i * pixels + o) * c->y_stride);
		}
	}
}

static enum qb_err plan_pool(struct qb_builder *b, const struct qb_node *n,
	const struct qb_window *w, bool average, struct qb_errbuf *eb)
{
	struct qb_bytes x, y;
	struct pool p = {.kernels = qb_int8_kernels(), .average = average, .include_pads = qb_node_int(n, "count_include_pad", 0),
		.threads = qb_builder_threads(b)};
	int buffer[2];

	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_pixels_init(&p.p, b, n, w, x.stride, x.zero, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (!average && (x.scale != y.scale || x.zero != y.zero)) {
		return QB_EUNSUPPORTED;
	}
	p.multiplier = x.scale / y.scale;
	p.zero_x = x.zero;
	p.zero_y = y.zero;
	p.channels = x.channels;
	p.y_stride = y.stride;
	byte_bounds(n, &y, &p.lo, &p.hi);
	buffer[0] = x.buffer;
	buffer[1] = y.buffer;
	return qb_builder_call(b, n, "int8 pool", run_pool, &p, sizeof(p), buffer, 2, 1, eb);
}

enum qb_err qb__plan_int8_pool(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	bool average = !strcmp(n->type, "AveragePool");
	struct qb_window w;

	if (n->input[0]->shape.ndim != 4 || (!average && strcmp(n->type, "MaxPool")) ||
		(n->outputs > 1 && n->output[1]) ||
		(qb_node_int(n, "ceil_mode", 0) && qb_node_int(n, "count_include_pad", 0))) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_window_pool(&w, n, 2, n->input[0]->shape.dim + 2, eb));
	return plan_pool(b, n, &w, average, eb);
}

enum qb_err qb__plan_int8_global_pool(struct qb_builder *b, const struct qb_node *n,
	struct qb_errbuf *eb)
{
	const struct qb_shape *s = &n->input[0]->shape;
	struct qb_window w = {.ndim = 2};

	if (s->ndim != 4 || (strcmp(n->type, "GlobalAveragePool") && strcmp(n->type, "GlobalMaxPool"))) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 2; i++) {
		w.in[i] = w.kernel[i] = s->dim[2 + i];
		w.stride[i] = w.dilation[i] = w.out[i] = 1;
	}
	return plan_pool(b, n, &w, !strcmp(n->type, "GlobalAveragePool"), eb);
}

/* New shapes on the same bytes */
enum qb_err qb__plan_int8_alias(struct qb_builder *b, const struct qb_node *n,
	struct qb_errbuf *eb)
{
	return qb_builder_alias_bytes(b, n->output[0], n->input[0], eb);
}
