/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer steps of what looks at a whole line: Softmax and LayerNormalization along the last dimension. Exponentials of
 * bytes are a table; sums and squares of bytes are exact.
 */
#if defined(__GNUC__) && !defined(__clang__)
/* At -O2 GCC vectorises next to nothing. */
#pragma GCC optimize("tree-vectorize,vect-cost-model=dynamic")
#endif

#include <math.h>
#include <string.h>

#include "core/base/size.h"
#include "core/ops/int8_kernels.h"
#include "core/ops/int8_plan.h"
#include "core/ops/plans.h"

enum { LINE = 256 };

/* Is the axis the last dimension, and bytes lie along it? */
static bool along_lines(const struct qb_node *n, const struct qb_bytes *x, const struct qb_bytes *y,
	int64_t fallback)
{
	int64_t axis = qb_node_int(n, "axis", fallback), ndim = n->input[0]->shape.ndim;

	return (axis == -1 || axis == ndim - 1) && x->inner == 1 && y->inner == 1;
}

struct softmax {
	const struct qb_int8_kernels *kernels;
	struct qb_bytes x, y;
	float power[256]; /* exp(-scale * i) */
	int threads;
};

static void softmax_line(const struct softmax *c, const uint8_t *x, uint8_t *y)
{
	int64_t n = c->x.channels;
	float sum = 0, value[256];
	uint8_t byte[256];
	int32_t count[256] = {0};
	int top = 0;

	for (int64_t i = 0; i < n; i++) {
		count[x[i]]++;
	}
	for (int i = 0; i < 256; i++) {
		top = count[i] ? i : top;
	}
	for (int i = 0; i <= top; i++) {
		sum += (float)count[i] * c->power[top - i];
	}
	for (int i = 0; i <= top; i++) {
		value[i] = c->power[top - i] / sum;
	}
	c->kernels->quantize(value, byte, (size_t)top + 1, c->y.scale, c->y.zero, c->y.top);
	for (int64_t i = 0; i < n; i++) {
		y[i] = byte[x[i]];
	}
}

static void run_softmax(const void *context, void *const *buffer)
{
	const struct softmax *c = context;

#pragma omp parallel for schedule(static) if (c->threads > 1 && c->x.pixels * c->x.channels > 16384)
	for (int64_t p = 0; p < c->x.pixels; p++) {
		softmax_line(c, (const uint8_t *)buffer[0] + p * c->x.stride,
			(uint8_t *)buffer[1] + p * c->y.stride);
	}
}

enum qb_err qb__plan_int8_softmax(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct softmax c = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b)};
	int buffer[2];

	/* Before opset 13 the axis is 1 by default and takes all that follows in one. */
	if (strcmp(n->type, "Softmax") || !qb_node_attr(n, "axis")) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	if (!along_lines(n, &c.x, &c.y, -1)) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < 256; i++) {
		c.power[i] = (float)exp(-(double)c.x.scale * i);
	}
	buffer[0] = c.x.buffer;
	buffer[1] = c.y.buffer;
	return qb_builder_call(b, n, "int8 softmax", run_softmax, &c, sizeof(c), buffer, 2, 1, eb);
}

struct layer_norm {
	const struct qb_int8_kernels *kernels;
	struct qb_bytes x, y;
	const float *gain, *bias; /* [channels] */
	float epsilon;
	int threads;
};

static void layer_norm_line(const struct layer_norm *c, const uint8_t *x, uint8_t *y)
{
	int64_t n = c->x.channels;
	uint32_t sum = 0, squares = 0;
	double mean, variance;
	float shift, factor;

	for (int64_t i = 0; i < n; i++) {
		sum += x[i];
		squares += (uint32_t)x[i] * x[i];
	}
	mean = (double)sum / (double)n;
	variance = fmax((double)squares / (double)n - mean * mean, 0) * c->x.scale * c->x.scale;
	factor = (float)(c->x.scale / sqrt(variance + (double)c->epsilon));
	shift = (float)mean;
	for (int64_t from = 0; from < n; from += LINE) {
		int64_t many = QB_MIN(LINE, n - from);
		float line[LINE];

		for (int64_t i = 0; i < many; i++) {
			line[i] = ((float)x[from + i] - shift) * factor * c->gain[from + i] +
				c->bias[from + i];
		}
		c->kernels->quantize(line, y + from, (size_t)many, c->y.scale, c->y.zero, c->y.top);
	}
}

static void run_layer_norm(const void *context, void *const *buffer)
{
	const struct layer_norm *c = context;

#pragma omp parallel for schedule(static) if (c->threads > 1 && c->x.pixels * c->x.channels > 16384)
	for (int64_t p = 0; p < c->x.pixels; p++) {
		layer_norm_line(c, (const uint8_t *)buffer[0] + p * c->x.stride,
			(uint8_t *)buffer[1] + p * c->y.stride);
	}
}

static bool is_constant_line(const struct qb_value *v, int64_t n)
{
	return v && v->constant && v->dtype == QB_F32 && (int64_t)qb_tensor_size(v->constant) == n;
}

enum qb_err qb__plan_int8_layer_norm(struct qb_builder *b, const struct qb_node *n,
	struct qb_errbuf *eb)
{
	struct layer_norm c = {.kernels = qb_int8_kernels(), .threads = qb_builder_threads(b),
		.epsilon = qb_node_float(n, "epsilon", 1e-5f)};
	bool biased = n->inputs > 2 && n->input[2];
	int buffer[2];

	for (int i = 1; i < n->outputs; i++) {
		if (n->output[i]) {
			return QB_EUNSUPPORTED;
		}
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &c.x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &c.y, eb));
	/* 65536 squares of bytes fit 32 bits. */
	if (!along_lines(n, &c.x, &c.y, -1) || c.x.channels > 65536 ||
		!is_constant_line(n->input[1], c.x.channels) ||
		(biased && !is_constant_line(n->input[2], c.x.channels))) {
		return QB_EUNSUPPORTED;
	}
	c.gain = qb_builder_constant(b, n->input[1]);
	c.bias = biased ? qb_builder_constant(b, n->input[2])
			: qb_builder_alloc(b, (size_t)c.x.channels, sizeof(*c.bias));
	if (!c.bias) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a plan");
	}
	buffer[0] = c.x.buffer;
	buffer[1] = c.y.buffer;
	return qb_builder_call(b, n, "int8 layer norm", run_layer_norm, &c, sizeof(c), buffer, 2, 1, eb);
}
