/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/dense_plan.h"

#include <string.h>

#include "core/base/size.h"
#include "core/ops/f32_kernels.h"
#include "core/ops/plans.h"

enum {
	FEW_CHANNELS = 12,  /* fewer than this are copied into rows first: runs would be too short */
	TAPS_MAX = 64,      /* pointers to runs stand on the stack */
	PARALLEL_MACS = 100000,
};

struct layer {
	struct qb_dense d;
	int64_t depth, each; /* channels and outputs of a group */
	int64_t taps, rows;
	int threads;
	bool gathered, pointwise; /* pointwise: row i is pixel i */
	const float *zeros; /* a run outside the image */
	struct qb_act act;
	struct qb_tail tail;
	size_t group_weights; /* numbers in one group's panels */
};

enum { X, W, BIAS, ADD, SCRATCH, Y };

/* Where the rows [first, first + count) of group g are: a pointer for each tap and row. */
static void find_rows(const struct layer *l, const float *x, int64_t g, int64_t first, int64_t count,
	const float **row)
{
	const struct qb_dense *d = &l->d;
	int64_t plane = d->out_height * d->out_width;
	int64_t n = first / plane, oy = first % plane / d->out_width, ox = first % d->out_width;

	x += g * l->depth;
	for (int64_t i = 0; l->pointwise && i < count; i++) {
		row[i] = x + (first + i) * d->channels;
	}
	for (int64_t i = 0; !l->pointwise && i < count; i++) {
		int64_t t = 0;

		for (int64_t ky = 0; ky < d->kernel[0]; ky++) {
			int64_t iy = oy * d->stride[0] - d->pad[0] + ky * d->dilation[0];

			for (int64_t kx = 0; kx < d->kernel[1]; kx++, t++) {
				int64_t ix = ox * d->stride[1] - d->pad[1] + kx * d->dilation[1];
				bool inside = iy >= 0 && iy < d->height && ix >= 0 && ix < d->width;

				row[t * count + i] = !inside ? l->zeros
					: x + ((n * d->height + iy) * d->width + ix) * d->channels;
			}
		}
		if (++ox == d->out_width) {
			ox = 0;
			oy = oy + 1 == d->out_height ? 0 : oy + 1;
			n += oy == 0;
		}
	}
}

/* The runs of one pixel in a row of their own. Those of one line of the kernel lie together unless it is dilated. */
static void gather_pixel(const struct layer *l, const float *x, int64_t p, float *row)
{
	const struct qb_dense *d = &l->d;
	int64_t plane = d->out_height * d->out_width, n = p / plane;
	int64_t y0 = p % plane / d->out_width * d->stride[0] - d->pad[0];
	int64_t x0 = p % d->out_width * d->stride[1] - d->pad[1], line = d->kernel[1] * l->depth;
	bool together = d->dilation[1] == 1 && d->groups == 1 && x0 >= 0 &&
		x0 + d->kernel[1] <= d->width;

	for (int64_t ky = 0; ky < d->kernel[0]; ky++, row += line) {
		int64_t iy = y0 + ky * d->dilation[0];
		const float *from = x + (n * d->height + iy) * d->width * d->channels;

		if (iy < 0 || iy >= d->height) {
			memset(row, 0, (size_t)line * sizeof(*row));
		} else if (together) {
			memcpy(row, from + x0 * d->channels, (size_t)line * sizeof(*row));
		} else {
			for (int64_t kx = 0; kx < d->kernel[1]; kx++) {
				int64_t ix = x0 + kx * d->dilation[1];

				for (int64_t c = 0; c < l->depth; c++) {
					row[kx * l->depth + c] = ix < 0 || ix >= d->width ? 0 : from[ix * d->channels + c];
				}
			}
		}
	}
}

/* Rows [first, last) and panels [from, to) of one group, a block of rows at a time. */
static void run_share(const struct layer *l, void *const *buffer, float *scratch, int64_t g,
	int64_t first, int64_t last, int64_t from, int64_t to)
{
	const struct qb_dense *d = &l->d;
	struct qb_f32_product p = {.outputs = l->each, .runs = l->gathered ? 1 : l->taps,
		.depth = l->gathered ? l->taps * l->depth : l->depth,
		.weights = (const float *)buffer[W] + (size_t)g * l->group_weights, .act = l->act, .tail = l->tail};
	int64_t blocks = (last - first + QB_F32_ROWS - 1) / QB_F32_ROWS;

	for (int64_t k = 0; k < blocks; k++) {
		int64_t count = (last - first + blocks - k - 1) / (blocks - k);
		const float *row[TAPS_MAX * QB_F32_ROWS];
		int64_t at = first * d->outputs + g * l->each;

		p.bias = d->bias ? (const float *)buffer[BIAS] + g * l->each : NULL;
		if (l->tail.gain) {
			p.tail.gain = l->tail.gain + g * l->each;
			p.tail.shift = l->tail.shift + g * l->each;
		}
		if (l->gathered) {
			for (int64_t i = 0; i < count; i++) {
				row[i] = scratch + i * p.depth;
				gather_pixel(l, (const float *)buffer[X] + g * l->depth, first + i,
					scratch + i * p.depth);
			}
		} else {
			find_rows(l, buffer[X], g, first, count, row);
		}
		qb_f32_product(&p, row, count, from, to, d->add ? (const float *)buffer[ADD] + at : NULL,
			(float *)buffer[Y] + at, d->outputs);
		first += count;
	}
}

static void run_layer(const void *context, void *const *buffer)
{
	const struct layer *l = context;
	int64_t panels = (l->each + QB_F32_PANEL - 1) / QB_F32_PANEL;
	/* Threads share the larger side, so that each reads all of the smaller only. */
	bool by_panel = panels >= l->threads && l->each >= l->rows;
	size_t part = (size_t)(l->taps * l->depth * QB_F32_ROWS);

#pragma omp parallel for schedule(static) if (l->threads > 1) num_threads(l->threads)
	for (int t = 0; t < l->threads; t++) {
		float *scratch = (float *)buffer[SCRATCH] + (l->gathered ? (size_t)t * part : 0);

		for (int64_t g = 0; g < l->d.groups; g++) {
			if (by_panel) {
				run_share(l, buffer, scratch, g, 0, l->rows, panels * t / l->threads,
					panels * (t + 1) / l->threads);
			} else {
				run_share(l, buffer, scratch, g, l->rows * t / l->threads,
					l->rows * (t + 1) / l->threads, 0, panels);
			}
		}
	}
}

/* [groups][outputs / 16][kernel...][channels][16]. */
static enum qb_err panels_md(const struct qb_dense *d, dnnl_memory_desc_t *out, struct qb_errbuf *eb)
{
	static const dnnl_format_tag_t one[] = {dnnl_Acb16a, dnnl_Acdb16a}, many[] = {dnnl_aBdc16b,
		dnnl_aBdec16b};
	int spatial = d->w_as.ndims - 2 - (d->groups > 1);

	memset(out, 0, sizeof(*out));
	return qb_dnn_check(dnnl_memory_desc_init_by_tag(out, d->w_as.ndims, d->w_as.dims, dnnl_f32,
				    (d->groups > 1 ? many : one)[spatial - 1]),
		"weights", eb);
}

static enum qb_err find_buffers(struct qb_builder *b, const struct qb_dense *d, const struct layer *l,
	int buffer[6], struct qb_errbuf *eb)
{
	dnnl_memory_desc_t md;
	struct qb_place place;
	int id;

	QB_TRY(panels_md(d, &md, eb));
	QB_TRY(qb_builder_weight(b, d->w, &d->w_as, &md, &id, eb));
	buffer[W] = QB_CALL_WEIGHT(id);
	buffer[BIAS] = buffer[W];
	if (d->bias) {
		struct qb_shape s = {.known = true, .ndim = 1, .dim = {d->outputs}};

		md = qb_dnn_dense(&s);
		QB_TRY(qb_builder_weight(b, d->bias, &md, &md, &id, eb));
		buffer[BIAS] = QB_CALL_WEIGHT(id);
	}
	QB_TRY(qb_builder_source(b, d->x, &d->x_md, &place, eb));
	buffer[X] = buffer[ADD] = buffer[SCRATCH] = place.buffer;
	if (d->add) {
		QB_TRY(qb_builder_source(b, d->add, &d->y_md, &place, eb));
		buffer[ADD] = place.buffer;
	}
	if (l->gathered) {
		QB_TRY(qb_builder_scratch(b,
			(size_t)(l->threads * l->taps * l->depth * QB_F32_ROWS) * sizeof(float), &buffer[SCRATCH],
			eb));
	}
	QB_TRY(qb_builder_define(b, d->y, &d->y_md, &place, eb));
	buffer[Y] = place.buffer;
	return QB_OK;
}

enum qb_err qb_plan_dense(struct qb_builder *b, const struct qb_node *n, const struct qb_dense *d,
	struct qb_errbuf *eb)
{
	struct layer l = {.d = *d, .act = n->act, .tail = n->tail, .depth = d->channels / d->groups, .each = d->outputs / d->groups,
		.taps = d->kernel[0] * d->kernel[1], .rows = d->images * d->out_height * d->out_width};
	int buffer[6];

	l.pointwise = l.taps == 1 && d->stride[0] == 1 && d->stride[1] == 1 && !d->pad[0] && !d->pad[1] &&
		d->height == d->out_height && d->width == d->out_width;
	l.gathered = l.taps > 1 && l.depth < FEW_CHANNELS;
	if (!qb_f32_is_fast() || !l.rows || !l.depth || !l.each || (!l.gathered && l.taps > TAPS_MAX)) {
		return QB_EUNSUPPORTED;
	}
	l.threads = l.rows * l.each * l.depth * l.taps < PARALLEL_MACS ? 1 : qb_builder_threads(b);
	l.group_weights = qb_align_up((size_t)l.each, QB_F32_PANEL) * (size_t)(l.taps * l.depth);
	l.zeros = qb_builder_alloc(b, (size_t)l.depth, sizeof(float));
	if (!l.zeros) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	QB_TRY(find_buffers(b, d, &l, buffer, eb));
	return qb_builder_call(b, n, l.gathered ? "tiles, gathered" : "tiles", run_layer, &l, sizeof(l),
		buffer, 6, 1, eb);
}
