/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ops/conv_loops.h"

#include "core/ops/operands.h"

/* in and out: the window's sides that the convolution reads and writes. */
static void widen(struct qb__conv *q, const struct qb_window *w, const int64_t *in, const int64_t *out)
{
	q->in_size = q->out_size = q->kernel_size = 1;
	for (int i = 0; i < 3; i++) {
		int j = i - (3 - w->ndim);

		q->in[i] = j < 0 ? 1 : in[j];
		q->out[i] = j < 0 ? 1 : out[j];
		q->kernel[i] = j < 0 ? 1 : w->kernel[j];
		q->stride[i] = j < 0 ? 1 : w->stride[j];
		q->dilation[i] = j < 0 ? 1 : w->dilation[j];
		q->lo[i] = j < 0 ? 0 : w->lo[j];
		q->in_size *= q->in[i];
		q->out_size *= q->out[i];
		q->kernel_size *= q->kernel[i];
	}
}

enum qb_err qb__conv_of(struct qb__conv *q, const struct qb_node *n, const struct qb_tensor *x, const struct qb_tensor *w,
	struct qb_errbuf *eb)
{
	int64_t group = qb_node_int(n, "group", 1);
	struct qb_window win;

	QB_TRY(qb_window_conv(&win, n, x->ndim - 2, x->dim + 2, w->dim + 2, eb));
	*q = (struct qb__conv){.n = x->dim[0], .c = x->dim[1], .m = w->dim[0], .cg = x->dim[1] / group,
		.mg = w->dim[0] / group};
	widen(q, &win, win.in, win.out);
	return QB_OK;
}

enum qb_err qb__conv_of_transposed(struct qb__conv *q, const struct qb_node *n, const struct qb_tensor *x,
	const struct qb_tensor *w, const struct qb_tensor *y, struct qb_errbuf *eb)
{
	int64_t group = qb_node_int(n, "group", 1);
	struct qb_window win;

	QB_TRY(qb_window_transposed(&win, n, x->ndim - 2, x->dim + 2, w->dim + 2, eb));
	*q = (struct qb__conv){.n = x->dim[0], .c = y->dim[1], .m = x->dim[1], .cg = y->dim[1] / group,
		.mg = x->dim[1] / group};
	widen(q, &win, win.out, win.in);
	return QB_OK;
}

/* One kernel element: the outputs from[] to to[] whose input o * stride + at lies in the image. */
struct element {
	int64_t at[3], from[3], to[3];
};

static void element_init(struct element *e, const struct qb__conv *q, const int64_t k[3])
{
	for (int i = 0; i < 3; i++) {
		int64_t at = k[i] * q->dilation[i] - q->lo[i], s = q->stride[i];

		e->at[i] = at;
		e->from[i] = at >= 0 ? 0 : (-at + s - 1) / s;
		e->to[i] = q->in[i] - at <= 0 ? 0 : QB_MIN((q->in[i] - at + s - 1) / s, q->out[i]);
	}
}

/* Where the row of output (d, h) begins in the image. */
static int64_t row_of(const struct qb__conv *q, const struct element *e, int64_t d, int64_t h)
{
	return ((d * q->stride[0] + e->at[0]) * q->in[1] + h * q->stride[1] + e->at[1]) * q->in[2] + e->at[2];
}

typedef void element_fn(const struct qb__conv *q, const struct element *e, double *x, double *w, double *y);

static void each_element(const struct qb__conv *q, double *x, double *w, double *y, element_fn *fn)
{
	int64_t k[3];
	struct element e;

	for (k[0] = 0; k[0] < q->kernel[0]; k[0]++) {
		for (k[1] = 0; k[1] < q->kernel[1]; k[1]++) {
			for (k[2] = 0; k[2] < q->kernel[2]; k[2]++) {
				element_init(&e, q, k);
				fn(q, &e, x, w++, y);
			}
		}
	}
}

/* Steps of 1 are vectorized. */
static void add_row(double *a, const double *row, double weight, int64_t n, int64_t step)
{
	for (int64_t i = 0; step == 1 && i < n; i++) {
		a[i] += weight * row[i];
	}
	for (int64_t i = 0; step != 1 && i < n; i++) {
		a[i] += weight * row[i * step];
	}
}

static void add_element(const struct qb__conv *q, const struct element *e, double *x, double *w, double *y)
{
	int64_t s = q->stride[2];
	double weight = *w;

	for (int64_t d = e->from[0]; d < e->to[0]; d++) {
		for (int64_t h = e->from[1]; h < e->to[1]; h++) {
			add_row(y + (d * q->out[1] + h) * q->out[2] + e->from[2], x + row_of(q, e, d, h) + e->from[2] * s,
				weight, e->to[2] - e->from[2], s);
		}
	}
}

static void scatter_element(const struct qb__conv *q, const struct element *e, double *x, double *w, double *y)
{
	int64_t s = q->stride[2];
	double weight = *w;

	for (int64_t d = e->from[0]; d < e->to[0]; d++) {
		for (int64_t h = e->from[1]; h < e->to[1]; h++) {
			double *row = x + row_of(q, e, d, h);
			const double *a = y + (d * q->out[1] + h) * q->out[2];

			for (int64_t i = e->from[2]; i < e->to[2]; i++) {
				row[i * s] += weight * a[i];
			}
		}
	}
}

static void correlate_element(const struct qb__conv *q, const struct element *e, double *x, double *w, double *y)
{
	int64_t s = q->stride[2];
	double sum = 0;

	for (int64_t d = e->from[0]; d < e->to[0]; d++) {
		for (int64_t h = e->from[1]; h < e->to[1]; h++) {
			const double *row = x + row_of(q, e, d, h), *a = y + (d * q->out[1] + h) * q->out[2];

			for (int64_t i = e->from[2]; i < e->to[2]; i++) {
				sum += row[i * s] * a[i];
			}
		}
	}
	*w += sum;
}

void qb__conv_add(const struct qb__conv *q, const double *x, const double *w, double *y)
{
	each_element(q, (double *)x, (double *)w, y, add_element);
}

void qb__conv_scatter(const struct qb__conv *q, const double *y, const double *w, double *x)
{
	each_element(q, x, (double *)w, (double *)y, scatter_element);
}

void qb__conv_correlate(const struct qb__conv *q, const double *x, const double *y, double *w)
{
	each_element(q, (double *)x, w, (double *)y, correlate_element);
}
