/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/im2col.h"

#include <string.h>

#include "core/base/size.h"
#include "core/graph/op.h"

static bool read_conv(struct qb_im2col *p, const struct qb_node *n)
{
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape;
	struct qb_window win;

	if (x->ndim < 3 || x->ndim > 5 || qb_window_conv(&win, n, x->ndim - 2, x->dim + 2, w->dim + 2, NULL) != QB_OK) {
		return false;
	}
	p->is_conv = true;
	p->groups = qb_node_int(n, "group", 1);
	p->channels = x->dim[1];
	p->k = w->dim[1];
	p->positions = x->dim[0];
	p->channels_last = x->ndim >= 4;
	for (int i = 0; i < 3; i++) {
		int j = i - (3 - win.ndim);

		p->in[i] = j < 0 ? 1 : win.in[j];
		p->out[i] = j < 0 ? 1 : win.out[j];
		p->kernel[i] = j < 0 ? 1 : win.kernel[j];
		p->stride[i] = j < 0 ? 1 : win.stride[j];
		p->dilation[i] = j < 0 ? 1 : win.dilation[j];
		p->pad[i] = j < 0 ? 0 : win.lo[j];
		p->k *= p->kernel[i];
		p->positions *= p->out[i];
	}
	return true;
}

static bool read_matrix(struct qb_im2col *p, const struct qb_node *n)
{
	const struct qb_shape *x = &n->input[0]->shape, *w = &n->input[1]->shape;
	bool gemm = qb_node_is(n, QB_OP_Gemm), last = x->ndim == 4 || x->ndim == 5;
	int64_t step = last ? x->dim[1] : 1;

	if (w->ndim != 2 || x->ndim < 2 || (gemm && qb_node_int(n, "transA", 0))) {
		return false;
	}
	p->groups = 1;
	p->k = x->dim[x->ndim - 1];
	p->ndim = x->ndim;
	p->positions = 1;
	for (int i = x->ndim - 1; i >= 0; i--) {
		p->dim[i] = x->dim[i];
		p->positions *= i + 1 < x->ndim ? x->dim[i] : 1;
		/* An ordered observer has dimension 1 innermost where there are 4 or 5. */
		p->step[i] = last && i == 1 ? 1 : step;
		step *= last && i == 1 ? 1 : x->dim[i];
	}
	return true;
}

bool qb_im2col_of(struct qb_im2col *p, const struct qb_node *n)
{
	memset(p, 0, sizeof(*p));
	if (n->inputs < 2 || !n->input[0] || !n->input[1] || !n->input[1]->constant) {
		return false;
	}
	if (qb_node_is(n, QB_OP_Conv)) {
		return read_conv(p, n);
	}
	return (qb_node_is(n, QB_OP_Gemm) || qb_node_is(n, QB_OP_MatMul)) && read_matrix(p, n);
}

/* One channel's window, in the weight's order. pixel: from one of its elements to the next. */
static float *gather_window(const struct qb_im2col *p, const float *x, const int64_t at[3], int64_t pixel, float *out)
{
	for (int64_t d = 0; d < p->kernel[0]; d++) {
		int64_t id = at[0] + d * p->dilation[0];

		for (int64_t h = 0; h < p->kernel[1]; h++) {
			int64_t ih = at[1] + h * p->dilation[1];
			bool row = id >= 0 && id < p->in[0] && ih >= 0 && ih < p->in[1];

			for (int64_t w = 0; w < p->kernel[2]; w++) {
				int64_t iw = at[2] + w * p->dilation[2];

				*out++ = row && iw >= 0 && iw < p->in[2]
					? x[((id * p->in[1] + ih) * p->in[2] + iw) * pixel] : 0;
			}
		}
	}
	return out;
}

static void gather_conv(const struct qb_im2col *p, const float *x, int64_t position, float *out, int64_t group_step)
{
	int64_t size = p->in[0] * p->in[1] * p->in[2], per_group = p->channels / p->groups, at[3];

	for (int i = 2; i >= 0; i--) {
		at[i] = position % p->out[i] * p->stride[i] - p->pad[i];
		position /= p->out[i];
	}
	x += position * size * p->channels;
	for (int64_t g = 0; g < p->groups; g++) {
		float *to = out + g * group_step;

		for (int64_t c = g * per_group; c < (g + 1) * per_group; c++) {
			to = gather_window(p, p->channels_last ? x + c : x + c * size, at,
				p->channels_last ? p->channels : 1, to);
		}
	}
}

void qb_im2col_row(const struct qb_im2col *p, const float *x, int64_t position, float *out, int64_t group_step)
{
	if (p->is_conv) {
		gather_conv(p, x, position, out, group_step);
		return;
	}
	for (int i = p->ndim - 2; i >= 0; i--) {
		x += position % p->dim[i] * p->step[i];
		position /= p->dim[i];
	}
	for (int64_t j = 0; j < p->k; j++) {
		out[j] = x[j * p->step[p->ndim - 1]];
	}
}
