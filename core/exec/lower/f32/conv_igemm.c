/* SPDX-License-Identifier: Apache-2.0 */
#include "core/exec/lower/f32/conv_igemm.h"
#include "core/exec/lower/f32/choice.h"

#include <string.h>

#include "core/base/size.h"
#include "core/exec/lower/f32/conv_output_tiles.h"
#include "core/kernels/f32/gemm.h"
#include "core/kernels/f32/inside.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum {
	SOME_CHANNELS = 64, /* with fewer than this a line of the kernel is one run, where it is no dilated one */
	GROUP_CHANNELS = 8, /* fewer in a group are left to others */
	HALF_PANEL = QB_F32_PANEL / 2,
	NEAR = 64 * 1024,   /* numbers of weights that stay in a second-level cache */
	PARALLEL_MACS = 100000,
};

/* How far apart weights lie by group, output, channel and kernel element, and where the first is. */
struct weight_strides {
	int64_t first, group, output, channel, element;
};

struct layer {
	struct qb_dense d;
	struct weight_strides w; /* of computed weights, in the node's groups */
	int64_t merged;      /* groups of the node in one of d's */
	int64_t halves;      /* 2: a group's panel is of two halves, each of its own channels */
	int64_t depth, each; /* channels of a half, outputs of a group */
	int64_t batches;     /* of groups that share what is found out about rows, and whose weights stay in the cache */
	int64_t kernel_elements, rows;
	int threads, tiles;
	const struct qb__output_tile *tile; /* one: all pixels and kernel elements, whether inside or not */
	bool im2col;             /* windows are copied into rows */
	bool pointwise;          /* row i is pixel i */
	bool lines;              /* runs are lines of the kernel, where they lie or copied */
	const float *zeros; /* a run outside the image */
	struct qb_epilogue epilogue;
	size_t group_weights; /* numbers in one group's panels */
};

/* Pixels [x, x + count) of line y of image n. */
struct row_segment {
	int64_t n, y, x, count;
};

static struct row_segment row_segment_at(int64_t pixel, int64_t most, int64_t height, int64_t width)
{
	struct row_segment s = {pixel / width / height, pixel / width % height, pixel % width, 0};

	s.count = QB_MIN(most, width - s.x);
	return s;
}

static void point(const float **row, int64_t from, int64_t to, const float *x, int64_t step)
{
	for (int64_t i = from; i < to; i++) {
		row[i] = x + i * step;
	}
}

/* Where the rows [first, first + count) of a tile are: a pointer for each kernel element and row, and the pixel. */
static void find_rows(const struct layer *l, const struct qb__output_tile *a, const float *x, int64_t first, int64_t count,
	const float **row, int64_t *pixel)
{
	const struct qb_dense *d = &l->d;
	struct row_segment s;

	for (int64_t i = 0; i < count; i += s.count) {
		s = row_segment_at(first + i, count - i, a->height, a->width);
		for (int64_t k = 0; k < s.count; k++) {
			pixel[i + k] = (s.n * d->out_height + a->y + s.y) * d->out_width + a->x + s.x + k;
		}
		for (int64_t t = 0; t < a->kernel_elements; t++) {
			int64_t iy = (a->y + s.y) * d->stride[0] - d->pad[0] + a->element[t] / d->kernel[1] * d->dilation[0];
			int64_t ix = (a->x + s.x) * d->stride[1] - d->pad[1] + a->element[t] % d->kernel[1] * d->dilation[1];
			const float **to = row + t * count + i;
			int64_t from = 0, end = 0;

			if (iy >= 0 && iy < d->height) {
				qb_f32_inside(ix, d->stride[1], s.count, d->width - 1, &from, &end);
			}
			point(to, 0, from, l->zeros, 0);
			point(to, from, end, x + ((s.n * d->height + iy) * d->width + ix) * d->channels,
				d->stride[1] * d->channels);
			point(to, end, s.count, l->zeros, 0);
		}
	}
}

/* The runs of one pixel in a row of their own. Those of one line of the kernel lie together unless it is dilated. */
static void copy_im2col_row(const struct layer *l, const float *x, int64_t p, float *row)
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

/* Lines of the kernel for pixels [first, first + count): as they lie, or copied where some of their pixels are outside. */
static void find_lines(const struct layer *l, const float *x, int64_t first, int64_t count, const float **row,
	float *scratch)
{
	const struct qb_dense *d = &l->d;
	int64_t line = d->kernel[1] * l->depth, size = d->kernel[0] * line, from, end;
	struct row_segment s;

	for (int64_t i = 0; i < count; i += s.count, scratch += s.count * size) {
		int64_t ix;

		s = row_segment_at(first + i, count - i, d->out_height, d->out_width);
		ix = s.x * d->stride[1] - d->pad[1];
		qb_f32_inside(ix, d->stride[1], s.count, d->width - d->kernel[1], &from, &end);
		for (int64_t k = 0; k < s.count; k++) {
			k = k == from ? end : k;
			if (k < s.count) {
				copy_im2col_row(l, x, first + i + k, scratch + k * size);
			}
		}
		for (int64_t ky = 0; ky < d->kernel[0]; ky++) {
			int64_t iy = s.y * d->stride[0] - d->pad[0] + ky * d->dilation[0];
			bool inside = iy >= 0 && iy < d->height;
			const float **to = row + ky * count + i;

			point(to, 0, from, scratch + ky * line, size);
			point(to, from, end, inside ? x + ((s.n * d->height + iy) * d->width + ix) * d->channels : l->zeros,
				inside ? d->stride[1] * d->channels : 0);
			point(to, end, s.count, scratch + ky * line, size);
		}
	}
}

/* What one thread does: rows [first, last) of a tile, groups [g, groups) and panels [from, to) of each. */
struct thread_tile {
	int64_t g, groups, first, last, from, to;
	float *scratch;
};

/* Rows of several lines lie apart: their sums are made in scratch [QB_F32_ROWS][each], their residuals copied there. */
static void run_apart(const struct layer *l, const struct qb_f32_gemm *p, const struct qb_operands *at,
	const struct thread_tile *s, int64_t g, const float *const *row, const int64_t *pixel, int64_t count)
{
	const struct qb_dense *d = &l->d;
	int64_t first = s->from * QB_F32_PANEL, width = QB_MIN(s->to * QB_F32_PANEL, l->each) - first;
	float *y = s->scratch, *residual = y + QB_F32_ROWS * l->each;

	for (int64_t i = 0; d->residual && i < count; i++) {
		const float *from = (const float *)at->read[QB_DENSE_RESIDUAL] + pixel[i] * d->outputs + g * l->each;

		memcpy(residual + i * l->each + first, from + first, (size_t)width * sizeof(*residual));
	}
	qb_f32_gemm(p, row, count, s->from, s->to, d->residual ? residual : NULL, y, l->each);
	for (int64_t i = 0; i < count; i++) {
		memcpy((float *)at->write[0] + pixel[i] * d->outputs + g * l->each + first, y + i * l->each + first,
			(size_t)width * sizeof(*y));
	}
}

static struct qb_f32_gemm gemm_of(const struct layer *l, const struct qb__output_tile *a, const struct qb_operands *at, int64_t g)
{
	const struct qb_dense *d = &l->d;
	int64_t outputs = QB_MIN(l->each, d->outputs - g * l->each); /* of an odd group without its half: half */
	struct qb_f32_gemm p = {.outputs = outputs, .runs = l->lines ? d->kernel[0] : l->im2col ? 1 : a->kernel_elements,
		.depth = l->depth * (l->lines ? d->kernel[1] : l->im2col ? l->kernel_elements : 1),
		.x_offset = l->im2col ? 0 : g * l->halves * l->depth,
		.upper_offset = l->halves > 1 && outputs == l->each ? l->depth : 0,
		.run_index = a->kernel_elements < l->kernel_elements ? a->element : NULL, .packed_runs = l->kernel_elements,
		.weights = (const float *)at->read[QB_DENSE_WEIGHT] + (size_t)g * l->group_weights,
		.epilogue = l->epilogue};

	p.epilogue.bias = d->bias ? (const float *)at->read[QB_DENSE_BIAS] + g * l->each : NULL;
	if (p.epilogue.affine.scale) {
		p.epilogue.affine.scale += g * l->each;
		p.epilogue.affine.shift += g * l->each;
	}
	return p;
}

/* A block of rows at a time. */
static void run_thread_tile(const struct layer *l, const struct qb__output_tile *a, const struct qb_operands *at, struct thread_tile s)
{
	const struct qb_dense *d = &l->d;
	int64_t blocks = (s.last - s.first + QB_F32_ROWS - 1) / QB_F32_ROWS;

	for (int64_t k = 0; k < blocks; k++) {
		int64_t count = (s.last - s.first + blocks - k - 1) / (blocks - k);
		const float *row[QB__KERNEL_ELEMENTS_MAX * QB_F32_ROWS];
		int64_t pixel[QB_F32_ROWS];

		if (l->lines) {
			find_lines(l, at->read[QB_DENSE_X], s.first, count, row, s.scratch);
		} else if (!l->im2col) {
			find_rows(l, a, at->read[QB_DENSE_X], s.first, count, row, pixel);
		}
		for (int64_t g = s.g; g < s.groups; g++) {
			struct qb_f32_gemm p = gemm_of(l, a, at, g);
			int64_t offset = s.first * d->outputs + g * l->each;

			for (int64_t i = 0; l->im2col && !l->lines && i < count; i++) {
				row[i] = s.scratch + i * p.depth;
				copy_im2col_row(l, (const float *)at->read[QB_DENSE_X] + g * l->depth, s.first + i, s.scratch + i * p.depth);
			}
			if (l->tiles > 1) {
				run_apart(l, &p, at, &s, g, row, pixel, count);
			} else {
				qb_f32_gemm(&p, row, count, s.from, s.to, d->residual ? (const float *)at->read[QB_DENSE_RESIDUAL] + offset : NULL,
					(float *)at->write[0] + offset, d->outputs);
			}
		}
		s.first += count;
	}
}

/* Numbers of a thread's scratch. */
static size_t scratch_part(const struct layer *l)
{
	return (size_t)(l->im2col || l->lines ? l->kernel_elements * l->depth : l->tiles > 1 ? 2 * l->each : 0) * QB_F32_ROWS;
}

/* ---- weights ---- */

struct merging {
	int64_t groups, merged, halves, kernel_elements, depth, each; /* depth, each: of the node's groups */
	struct weight_strides from;
};

/* [groups * each][depth][kernel_elements] to [groups / merged][1][kernel_elements][merged / halves * depth][16]. */
static void merge_weights(const void *context, const float *from, float *to)
{
	const struct merging *m = context;
	int64_t run = m->merged / m->halves * m->depth;

	for (int64_t i = 0; i < m->groups * m->each * m->depth * m->kernel_elements; i++) {
		int64_t t = i % m->kernel_elements, k = i / m->kernel_elements % m->depth, o = i / m->kernel_elements / m->depth, g = o / m->each;
		int64_t in = g % m->merged, at = in % (m->merged / m->halves) * m->depth + k;

		to[((g / m->merged * m->kernel_elements + t) * run + at) * QB_F32_PANEL + in * m->each + o % m->each] =
			from[m->from.first + g * m->from.group + o % m->each * m->from.output + k * m->from.channel + t * m->from.element];
	}
}

static struct merging merging_of(const struct layer *l)
{
	return (struct merging){l->d.outputs / (l->each / l->merged), l->merged, l->halves, l->kernel_elements,
		l->depth * l->halves / l->merged, l->each / l->merged, l->w};
}

/* Computed weights, as constants are packed once. */
static void pack_weights(const void *context, const struct qb_operands *at)
{
	const struct layer *l = context;
	const float *from = at->read[0];
	float *to = at->write[0];
	struct merging m = merging_of(l);
	const struct weight_strides *s = &l->w;

	if (l->merged > 1) {
		memset(to, 0, (size_t)l->d.groups * l->group_weights * sizeof(*to));
		merge_weights(&m, from, to);
		return;
	}
	for (int64_t g = 0; g < l->d.groups; g++) {
		for (int64_t o = 0; o < l->each; o += QB_F32_PANEL) {
			for (int64_t t = 0; t < l->kernel_elements; t++, to += l->depth * QB_F32_PANEL) {
				qb_f32_pack(from + s->first + g * s->group + o * s->output + t * s->element, s->channel, s->output, l->depth,
					QB_MIN((int64_t)QB_F32_PANEL, l->each - o), to);
			}
		}
	}
}

static struct weight_strides weight_strides(const struct qb_dense *d)
{
	const int64_t *stride = d->w_as.stride;
	int at = d->groups > 1;
	struct weight_strides s = {0, at ? stride[0] : 0, stride[at], stride[at + 1], stride[d->w_as.ndim - 1]};

	if (d->turned) {
		s.first = (d->kernel[0] * d->kernel[1] - 1) * s.element;
		s.element = -s.element;
	}
	return s;
}

static void run_part(const void *context, const struct qb_operands *at, int64_t t)
{
	const struct layer *l = context;
	int64_t panels = (l->each + QB_F32_PANEL - 1) / QB_F32_PANEL;
	/* Threads share the larger side, so that each reads all of the smaller only. */
	bool by_panel = panels >= l->threads && l->each >= l->rows;
	struct thread_tile s = {.from = 0, .to = panels, .scratch = (float *)at->scratch[0] + (size_t)t * scratch_part(l)};

	for (int64_t i = 0; i < l->batches * l->tiles; i++) {
		const struct qb__output_tile *a = &l->tile[i % l->tiles];
		int64_t rows = l->d.images * a->height * a->width, batch = i / l->tiles;

		s.g = l->d.groups * batch / l->batches;
		s.groups = l->d.groups * (batch + 1) / l->batches;
		s.first = by_panel ? 0 : rows * t / l->threads;
		s.last = by_panel ? rows : rows * (t + 1) / l->threads;
		if (by_panel) {
			s.from = panels * t / l->threads;
			s.to = panels * (t + 1) / l->threads;
		}
		run_thread_tile(l, a, at, s);
	}
}

static void run_layer(const void *context, const struct qb_operands *at)
{
	const struct layer *l = context;

	qb_threads_loop(l->threads, l->threads, run_part, l, at);
}

/* [groups][outputs / 16][kernel...][channels][16]. */
enum qb_err qb_dense_weight(struct qb_builder *b, const struct qb_dense *d, int *id, struct qb_errbuf *eb)
{
	static const int order[2][2][5] = {{{0, 2, 1}, {0, 2, 3, 1}}, {{0, 1, 3, 2}, {0, 1, 3, 4, 2}}};
	bool grouped = d->groups > 1;
	int ndim = d->w_as.ndim;
	struct qb_layout want = qb_layout_ordered(ndim, d->w_as.dim, order[grouped][ndim - 3 - grouped], grouped, QB_F32_PANEL);

	return qb_builder_weight(b, d->w, &d->w_as, &want, id, eb);
}

enum qb_err qb_dense_bias(struct qb_builder *b, const struct qb_dense *d, int *read, struct qb_errbuf *eb)
{
	struct qb_layout layout = qb_layout_vector(d->outputs);
	struct qb_place place;

	QB_TRY(qb_builder_operand(b, d->bias, &layout, &layout, &place, eb));
	*read = place.buffer;
	return QB_OK;
}

enum qb_err qb_dense_operands(struct qb_builder *b, const struct qb_dense *d, struct qb_call *call, struct qb_errbuf *eb)
{
	struct qb_place place;

	QB_TRY(qb_builder_source(b, d->x, &d->x_layout, &place, eb));
	call->reads[QB_DENSE_X] = place.buffer;
	if (d->bias) {
		QB_TRY(qb_dense_bias(b, d, &call->reads[QB_DENSE_BIAS], eb));
	}
	if (d->residual) {
		QB_TRY(qb_builder_source(b, d->residual, &d->y_layout, &place, eb));
		call->reads[QB_DENSE_RESIDUAL] = place.buffer;
	}
	QB_TRY(qb_builder_define(b, d->y, &d->y_layout, &place, eb));
	call->writes[0] = place.buffer;
	return QB_OK;
}

/* ---- small groups ---- */

/* Some groups as one, with zeros between them: half a panel has room for 8 outputs, a whole one for 16, and runs are
 * longer. Two that fill half a panel each share it. */
static void choose_merged(const struct qb_dense *d, struct layer *l)
{
	int64_t depth = d->channels / d->groups, each = d->outputs / d->groups, n;

	l->merged = l->halves = 1;
	if (d->groups == 1 || depth < 2 || each < 1 || (each > GROUP_CHANNELS && depth > GROUP_CHANNELS)) {
		return;
	}
	n = HALF_PANEL / each;
	n = n * depth < GROUP_CHANNELS ? QB_F32_PANEL / each : n;
	for (; n > 1 && d->groups % n; n--) {
	}
	l->merged = QB_MAX(n, INT64_C(1));
	if (l->merged * each == HALF_PANEL && l->merged * depth >= GROUP_CHANNELS && d->groups > l->merged) {
		l->halves = 2;
		l->merged *= 2;
	}
}

static enum qb_err find_weight(struct qb_builder *b, const struct qb_dense *d, const struct layer *l, int *id,
	struct qb_errbuf *eb)
{
	struct merging m = merging_of(l);

	if (l->merged == 1) {
		return qb_dense_weight(b, d, id, eb);
	}
	return qb_builder_made_weight(b, d->w, merge_weights, &m, sizeof(m), (size_t)d->groups * l->group_weights, id, eb);
}

/* ---- two pixels in a panel ---- */

struct pairing {
	int64_t kernel[2], channels, step; /* kernel: the node's */
	struct weight_strides from;
};

/* [8][channels][kernel...] to [kernel[0]][kernel[1] + step][channels][16]: the outputs of a pixel, then those of the next one,
 * which begins a step further; zeros for what only one of them reads. */
static void pair_weights(const void *context, const float *from, float *to)
{
	const struct pairing *p = context;
	const int64_t width = p->kernel[1] + p->step;

	for (int64_t i = 0; i < QB_F32_PANEL * p->kernel[0] * p->kernel[1] * p->channels; i++) {
		const int64_t o = i % QB_F32_PANEL, c = i / QB_F32_PANEL % p->channels, t = i / QB_F32_PANEL / p->channels;
		const int64_t ky = t / p->kernel[1], kx = t % p->kernel[1] + o / HALF_PANEL * p->step;

		to[((ky * width + kx) * p->channels + c) * QB_F32_PANEL + o] =
			from[p->from.first + o % HALF_PANEL * p->from.output + c * p->from.channel + t * p->from.element];
	}
}

static void pair_bias(const void *context, const float *from, float *to)
{
	(void)context;
	memcpy(to, from, HALF_PANEL * sizeof(*to));
	memcpy(to + HALF_PANEL, from, HALF_PANEL * sizeof(*to));
}

/* A convolution whose outputs fill half a panel, by another that computes two pixels side by side as one: their outputs lie
 * together. The windows of the two overlap, so that fewer weights are multiplied than one after the other. */
static bool pair_pixels(struct qb_dense *d, const struct qb_lowered *op)
{
	const int64_t kernel = d->kernel[1], step = d->stride[1];

	if (d->groups > 1 || d->outputs != HALF_PANEL || d->w_at || d->out_width % 2 || d->dilation[1] > 1 || op->affine.scale ||
		10 * (kernel + step) > 9 * 2 * kernel || d->channels >= SOME_CHANNELS || (d->bias && !d->bias->constant)) {
		return false;
	}
	d->kernel[1] += step;
	d->stride[1] *= 2;
	d->out_width /= 2;
	d->outputs *= 2;
	return true;
}

/* Weights and bias of pairs. */
static enum qb_err read_pairs(struct qb_builder *b, const struct qb_dense *node, const struct layer *l, struct qb_call *call,
	struct qb_errbuf *eb)
{
	const struct pairing p = {{node->kernel[0], node->kernel[1]}, node->channels, node->stride[1], l->w};
	int id;

	QB_TRY(qb_builder_made_weight(b, node->w, pair_weights, &p, sizeof(p), l->group_weights, &id, eb));
	call->reads[QB_DENSE_WEIGHT] = QB_CALL_WEIGHT(id);
	if (node->bias) {
		QB_TRY(qb_builder_made_weight(b, node->bias, pair_bias, &p, sizeof(p), QB_F32_PANEL, &id, eb));
		call->reads[QB_DENSE_BIAS] = QB_CALL_WEIGHT(id);
	}
	return QB_OK;
}

/* A step that packs computed weights: of parameters, once for all shards of a batch. */
static enum qb_err add_packing(struct qb_builder *b, const struct qb_node *n, const struct layer *l, int *packed,
	struct qb_errbuf *eb)
{
	struct qb_call call = {.name = "packed weights", .fn = pack_weights, .context = l, .context_bytes = sizeof(*l), .reads = {l->d.w_at}};

	QB_TRY(qb_builder_room(b, (size_t)l->d.groups * l->group_weights * sizeof(float), packed, eb));
	call.writes[0] = *packed;
	return qb_builder_call(b, n, &call, eb);
}

/* Weights as they are, or of several groups. */
static enum qb_err read_weight(struct qb_builder *b, const struct qb_node *n, const struct layer *l, struct qb_call *call,
	struct qb_errbuf *eb)
{
	const struct qb_dense *d = &l->d;
	int id;

	if (d->w_at) {
		return add_packing(b, n, l, &call->reads[QB_DENSE_WEIGHT], eb);
	}
	QB_TRY(find_weight(b, d, l, &id, eb));
	call->reads[QB_DENSE_WEIGHT] = QB_CALL_WEIGHT(id);
	return QB_OK;
}

enum qb_err qb_plan_dense(struct qb_builder *b, const struct qb_lowered *op, const struct qb_dense *dense,
	struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	struct layer l = {.d = *dense, .epilogue = qb_lowered_epilogue(op), .w = weight_strides(dense)};
	struct qb_dense *d = &l.d;
	struct qb__output_tile *tile;
	struct qb_call call = {.fn = run_layer, QB_CONTEXT(l)};
	const bool pairs = pair_pixels(d, op);
	const struct qb_dense whole = *d;

	l.kernel_elements = d->kernel[0] * d->kernel[1];
	l.rows = d->images * d->out_height * d->out_width;
	choose_merged(&whole, &l);
	l.depth = d->channels / d->groups * (l.merged / l.halves);
	l.each = d->outputs / d->groups * l.merged;
	d->groups = (d->groups + l.merged - 1) / l.merged;
	l.pointwise = l.kernel_elements == 1 && d->stride[0] == 1 && d->stride[1] == 1 && !d->pad[0] && !d->pad[1] &&
		d->height == d->out_height && d->width == d->out_width;
	l.im2col = l.kernel_elements > 1 && l.depth < QB__FEW_CHANNELS;
	l.lines = l.kernel_elements > 1 && l.depth < SOME_CHANNELS && d->groups == 1 && d->dilation[1] == 1 &&
		d->kernel[0] <= QB__KERNEL_ELEMENTS_MAX;
	if ((!qb_f32_ours(QB_F32_LAYERS) && !d->w_at) || (d->groups > 1 && l.depth < GROUP_CHANNELS) || !l.rows || !l.depth || !l.each ||
		(!l.im2col && l.kernel_elements > QB__KERNEL_ELEMENTS_MAX)) {
		return QB_EUNSUPPORTED;
	}
	l.threads = l.rows * l.each * l.depth * l.kernel_elements < PARALLEL_MACS ? 1 : qb_builder_threads(b);
	l.group_weights = qb_align_up((size_t)l.each, QB_F32_PANEL) * (size_t)(l.kernel_elements * l.depth);
	l.batches = QB_MIN((d->groups * (int64_t)l.group_weights + NEAR - 1) / NEAR, d->groups);
	l.zeros = qb_builder_alloc(b, (size_t)(d->channels * d->kernel[1]), sizeof(float));
	tile = qb_builder_alloc(b, QB__OUTPUT_TILES_MAX, sizeof(*tile));
	if (!l.zeros || !tile) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	l.tile = tile;
	l.tiles = qb__output_tiles(d, tile);
	l.lines = l.lines && l.tiles == 1;
	QB_TRY(pairs ? read_pairs(b, dense, &l, &call, eb) : read_weight(b, n, &l, &call, eb));
	/* The bias of pairs is there already. */
	d->bias = pairs ? NULL : dense->bias;
	QB_TRY(qb_dense_operands(b, d, &call, eb));
	d->bias = dense->bias;
	call.name = l.lines ? "implicit gemm by kernel row" : l.im2col ? "im2col gemm"
		: l.tile[0].kernel_elements < l.kernel_elements ? "implicit gemm by output tile" : l.pointwise ? "gemm" : "implicit gemm";
	call.scratch[0] = (size_t)l.threads * scratch_part(&l) * sizeof(float);
	return qb_builder_call(b, n, &call, eb);
}
