/* SPDX-License-Identifier: Apache-2.0
 *
 * AveragePool, MaxPool, LpPool and their global forms; the gradients of the first two, and the rules that use them.
 */
#include <math.h>
#include <stdlib.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"
#include "core/ops/window.h"

enum qb_err qb__infer_pool(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_window w;
	struct qb_shape y;

	(void)g;
	QB_TRY(qb__op_need_rank(n, 0, 3, 5, eb));
	if (strcmp(n->type, "MaxPool") != 0 || (n->input[0]->dtype != QB_I8 && n->input[0]->dtype != QB_U8)) {
		QB_TRY(qb__op_need_float(n, 0, eb));
	}
	if (!x->known) {
		qb__op_set(n, 0, n->input[0]->dtype, qb_shape_unknown());
		qb__op_set(n, 1, QB_I64, qb_shape_unknown());
		return QB_OK;
	}
	QB_TRY(qb_window_pool(&w, n, x->ndim - 2, x->dim + 2, eb));
	y = *x;
	memcpy(y.dim + 2, w.out, sizeof(y.dim[0]) * (size_t)w.ndim);
	qb__op_set(n, 0, n->input[0]->dtype, y);
	qb__op_set(n, 1, QB_I64, y);
	return QB_OK;
}

enum qb_err qb__infer_global_pool(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_shape y = n->input[0]->shape;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	for (int i = 2; y.known && i < y.ndim; i++) {
		y.dim[i] = 1;
	}
	qb__op_set(n, 0, n->input[0]->dtype, y);
	return QB_OK;
}

/* ---- evaluation: every output visits its window, in up to three dimensions ---- */

enum pool_kind { POOL_AVERAGE, POOL_AVERAGE_PADDED, POOL_MAX, POOL_LP };

struct pool {
	enum pool_kind kind;
	int64_t in[3], out[3], kernel[3], stride[3], dilation[3], lo[3], hi[3];
	double p;
	bool column_major;
};

static void pool_init(struct pool *q, const struct qb_window *w)
{
	for (int i = 0; i < 3; i++) {
		int j = i - (3 - w->ndim);

		q->in[i] = j < 0 ? 1 : w->in[j];
		q->out[i] = j < 0 ? 1 : w->out[j];
		q->kernel[i] = j < 0 ? 1 : w->kernel[j];
		q->stride[i] = j < 0 ? 1 : w->stride[j];
		q->dilation[i] = j < 0 ? 1 : w->dilation[j];
		q->lo[i] = j < 0 ? 0 : w->lo[j];
		q->hi[i] = j < 0 ? 0 : w->hi[j];
	}
}

/* Kernel elements of output o along one dimension that lie in the image, and how many lie in the padded image. */
static int64_t count_kernel_elements(const struct pool *q, int i, int64_t o, int64_t *first, int64_t *last)
{
	int64_t begin = o * q->stride[i] - q->lo[i], d = q->dilation[i], padded = 0;

	*first = begin >= 0 ? 0 : (-begin + d - 1) / d;
	*last = q->in[i] - begin <= 0 ? 0 : QB_MIN(q->kernel[i], (q->in[i] - begin + d - 1) / d);
	if (q->in[i] + q->hi[i] - begin > 0) {
		padded = QB_MIN(q->kernel[i], (q->in[i] + q->hi[i] - begin + d - 1) / d);
	}
	return padded;
}

static double pool_one(const struct pool *q, const double *x, const int64_t o[3], int64_t *where)
{
	int64_t first[3], last[3], base[3], padded = 1, inside = 1;
	double sum = 0, best = -INFINITY;

	for (int i = 0; i < 3; i++) {
		padded *= count_kernel_elements(q, i, o[i], &first[i], &last[i]);
		inside *= QB_MAX(last[i] - first[i], 0);
		base[i] = o[i] * q->stride[i] - q->lo[i];
	}
	*where = 0;
	for (int64_t a = first[0]; a < last[0]; a++) {
		for (int64_t b = first[1]; b < last[1]; b++) {
			for (int64_t c = first[2]; c < last[2]; c++) {
				int64_t at = ((base[0] + a * q->dilation[0]) * q->in[1] + base[1] + b * q->dilation[1]) *
					q->in[2] + base[2] + c * q->dilation[2];
				double v = x[at];

				sum += q->kind == POOL_LP ? pow(fabs(v), q->p) : v;
				if (v > best || isnan(v)) {
					best = v;
					*where = at;
				}
			}
		}
	}
	switch (q->kind) {
	case POOL_MAX: return best;
	case POOL_LP: return pow(sum, 1 / q->p);
	case POOL_AVERAGE_PADDED: return padded ? sum / (double)padded : 0;
	default: return inside ? sum / (double)inside : 0;
	}
}

/* Indices count from the start of the whole tensor; with storage_order 1 within each image by columns. */
static int64_t index_of(const struct pool *q, int64_t at)
{
	int64_t w = at % q->in[2], h = at / q->in[2] % q->in[1], d = at / q->in[2] / q->in[1];

	return q->column_major ? (w * q->in[1] + h) * q->in[0] + d : at;
}

static void pool_plane(const struct pool *q, const double *x, double *y, int64_t *index, int64_t base)
{
	int64_t o[3], where;

	for (o[0] = 0; o[0] < q->out[0]; o[0]++) {
		for (o[1] = 0; o[1] < q->out[1]; o[1]++) {
			for (o[2] = 0; o[2] < q->out[2]; o[2]++) {
				*y++ = pool_one(q, x, o, &where);
				if (index) {
					*index++ = base + index_of(q, where);
				}
			}
		}
	}
}

/* Of a pool's node, or a gradient's, and the larger tensor. */
static enum qb_err pool_of(struct pool *q, const struct qb_node *n, const struct qb_tensor *x, struct qb_errbuf *eb)
{
	struct qb_window w;

	*q = (struct pool){.p = (double)qb_node_int(n, "p", 2), .column_major = qb_node_int(n, "storage_order", 0)};
	q->kind = strncmp(n->type, "MaxPool", 7) == 0 ? POOL_MAX : strcmp(n->type, "LpPool") == 0 ? POOL_LP :
		qb_node_int(n, "count_include_pad", 0) ? POOL_AVERAGE_PADDED : POOL_AVERAGE;
	QB_TRY(qb_window_pool(&w, n, x->ndim - 2, x->dim + 2, eb));
	pool_init(q, &w);
	return QB_OK;
}

static enum qb_err pool_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	const struct qb_tensor *x = in[0];
	struct pool q;
	int64_t planes = x->dim[0] * x->dim[1], in_size, out_size;

	QB_TRY(pool_of(&q, n, x, eb));
	in_size = op_span(x, 2, x->ndim);
	out_size = op_span(&out[0], 2, out[0].ndim);
	for (int64_t i = 0; i < planes; i++) {
		pool_plane(&q, (const double *)x->data + i * in_size, (double *)out[0].data + i * out_size,
			op_wants(n, out, 1) ? (int64_t *)out[1].data + i * out_size : NULL, i * in_size);
	}
	return QB_OK;
}

/* int8 and uint8 are exact in float64. */
static enum qb_err pool_bytes(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct qb_tensor x = *in[0], y[2] = { out[0], op_wants(n, out, 1) ? out[1] : (struct qb_tensor){ 0 } };
	const struct qb_tensor *args[1] = { &x };
	enum qb_err err = QB_ENOMEM;

	x.dtype = y[0].dtype = QB_F64;
	x.data = qb_aligned_alloc(qb_tensor_size(&x), sizeof(double));
	y[0].data = qb_aligned_alloc(qb_tensor_size(&y[0]), sizeof(double));
	if (x.data && y[0].data) {
		qb__op_to_f64(in[0], x.data);
		err = pool_f64(n, args, y, eb);
	} else {
		err = qb__op_no_memory(n, eb);
	}
	if (err == QB_OK) {
		qb__op_from_f64(y[0].data, &out[0]);
	}
	free(x.data);
	free(y[0].data);
	return err;
}

enum qb_err qb__eval_pool(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	if (!op_is_float(in[0]->dtype)) {
		return pool_bytes(n, in, out, eb);
	}
	return qb__op_as_f64(pool_f64, n, in, out, eb);
}

static enum qb_err global_pool_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t planes = op_span(in[0], 0, 2), size = op_span(in[0], 2, in[0]->ndim);
	bool max = strcmp(n->type, "GlobalMaxPool") == 0, lp = strcmp(n->type, "GlobalLpPool") == 0;
	double p = (double)qb_node_int(n, "p", 2);

	(void)eb;
	for (int64_t i = 0; i < planes; i++) {
		const double *x = (const double *)in[0]->data + i * size;
		double sum = 0, best = -INFINITY;

		for (int64_t j = 0; j < size; j++) {
			sum += lp ? pow(fabs(x[j]), p) : x[j];
			best = x[j] > best || isnan(x[j]) ? x[j] : best;
		}
		((double *)out[0].data)[i] = max ? best : lp ? pow(sum, 1 / p) : sum / (double)size;
	}
	return QB_OK;
}

enum qb_err qb__eval_global_pool(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(global_pool_f64, n, in, out, eb);
}

/* ---- MaxPoolGradient(x, dy) -> dx: an output's gradient goes to the first maximum of its window in row-major order.
 * Attributes: MaxPool's. ---- */

enum qb_err qb__infer_max_pool_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[0]->shape, *dy = &n->input[1]->shape;
	struct qb_window w;
	bool fits = qb_shape_concrete(x) && qb_shape_concrete(dy) && x->ndim == dy->ndim;

	QB_TRY(qb__op_need_rank(n, 0, 3, 5, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	QB_TRY(qb_window_pool(&w, n, x->ndim - 2, x->dim + 2, eb));
	for (int i = 0; fits && i < x->ndim; i++) {
		fits = dy->dim[i] == (i < 2 ? x->dim[i] : w.out[i - 2]);
	}
	if (!fits) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the gradient has not the shape of the pool's output");
	}
	return qb__op_infer_float_same(g, n, eb);
}

static void max_plane_gradient(const struct pool *q, const double *x, const double *dy, double *dx)
{
	int64_t o[3], where;

	for (o[0] = 0; o[0] < q->out[0]; o[0]++) {
		for (o[1] = 0; o[1] < q->out[1]; o[1]++) {
			for (o[2] = 0; o[2] < q->out[2]; o[2]++) {
				pool_one(q, x, o, &where);
				dx[where] += *dy++;
			}
		}
	}
}

static enum qb_err max_pool_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t planes = op_span(in[0], 0, 2), size = op_span(in[0], 2, in[0]->ndim), out_size = op_span(in[1], 2, in[1]->ndim);
	struct pool q;

	QB_TRY(pool_of(&q, n, in[0], eb));
	for (int64_t i = 0; i < planes; i++) {
		max_plane_gradient(&q, (const double *)in[0]->data + i * size, (const double *)in[1]->data + i * out_size,
			(double *)out[0].data + i * size);
	}
	return QB_OK;
}

enum qb_err qb__eval_max_pool_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(max_pool_gradient_f64, n, in, out, eb);
}

/* ---- AveragePoolGradient(dy) -> dx [shape]. Attributes: AveragePool's; shape. ---- */

enum qb_err qb__infer_average_pool_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *dy = &n->input[0]->shape;
	struct qb_window w;
	struct qb_shape x;
	bool fits;

	(void)g;
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 3, 5, eb));
	QB_TRY(qb__op_shape_attr(n, &x, eb));
	fits = qb_shape_concrete(dy) && x.ndim == dy->ndim;
	if (fits) {
		QB_TRY(qb_window_pool(&w, n, x.ndim - 2, x.dim + 2, eb));
	}
	for (int i = 0; fits && i < x.ndim; i++) {
		fits = dy->dim[i] == (i < 2 ? x.dim[i] : w.out[i - 2]);
	}
	if (!fits) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the gradient has not the shape of the pool's output");
	}
	qb__op_set(n, 0, n->input[0]->dtype, x);
	return QB_OK;
}

/* dx += dy over the elements of its window */
static void spread_one(const struct pool *q, const int64_t o[3], double dy, double *dx)
{
	int64_t first[3], last[3], base[3], padded = 1, inside = 1;

	for (int i = 0; i < 3; i++) {
		padded *= count_kernel_elements(q, i, o[i], &first[i], &last[i]);
		inside *= QB_MAX(last[i] - first[i], 0);
		base[i] = o[i] * q->stride[i] - q->lo[i];
	}
	if (inside == 0) {
		return;
	}
	dy /= (double)(q->kind == POOL_AVERAGE_PADDED ? padded : inside);
	for (int64_t a = first[0]; a < last[0]; a++) {
		for (int64_t b = first[1]; b < last[1]; b++) {
			for (int64_t c = first[2]; c < last[2]; c++) {
				dx[((base[0] + a * q->dilation[0]) * q->in[1] + base[1] + b * q->dilation[1]) * q->in[2] +
					base[2] + c * q->dilation[2]] += dy;
			}
		}
	}
}

static enum qb_err average_pool_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	int64_t planes = op_span(&out[0], 0, 2), size = op_span(&out[0], 2, out[0].ndim), o[3];
	const double *dy = in[0]->data;
	struct pool q;

	QB_TRY(pool_of(&q, n, &out[0], eb));
	for (int64_t i = 0; i < planes; i++) {
		for (o[0] = 0; o[0] < q.out[0]; o[0]++) {
			for (o[1] = 0; o[1] < q.out[1]; o[1]++) {
				for (o[2] = 0; o[2] < q.out[2]; o[2]++) {
					spread_one(&q, o, *dy++, (double *)out[0].data + i * size);
				}
			}
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_average_pool_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(average_pool_gradient_f64, n, in, out, eb);
}

/* ---- rules ---- */

#define RULE(name) \
	enum qb_err qb__gradient_##name(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, \
		const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)

static const char *const window_attrs[] = {"kernel_shape", "strides", "dilations", "pads", "auto_pad", "ceil_mode",
	"count_include_pad", NULL};

RULE(average_pool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *p = qb__rule_begin(&r, QB_OP_AveragePoolGradient, 1, (struct qb_value *[]){dy[0]}, 1);

	(void)wanted;
	qb__rule_copy_attrs(p, n, window_attrs);
	qb__rule_shape(&r, p, &n->input[0]->shape);
	dx[0] = qb__rule_end(&r, p);
	return r.err;
}

RULE(max_pool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *p = qb__rule_begin(&r, QB_OP_MaxPoolGradient, 2, (struct qb_value *[]){n->input[0], dy[0]}, 1);

	(void)wanted;
	qb__rule_copy_attrs(p, n, window_attrs);
	dx[0] = qb__rule_end(&r, p);
	return r.err;
}

RULE(global_average_pool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_value *count = qb__rule_number(&r, dy[0], (double)qb_shape_product(x, 2, x->ndim));

	(void)wanted;
	dx[0] = qb__rule_expand(&r, qb__rule_div(&r, dy[0], count), x);
	return r.err;
}

/* A MaxPool whose window is the whole image, laid out as a row. */
RULE(global_max_pool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	int64_t size = qb_shape_product(x, 2, x->ndim);
	struct qb_shape row = qb_shape_make(3, (int64_t[]){x->dim[0], x->dim[1], size}), one = row;
	struct qb_node *p;

	(void)wanted;
	one.dim[2] = 1;
	p = qb__rule_begin(&r, QB_OP_MaxPoolGradient, 2, (struct qb_value *[]){qb__rule_reshape(&r, n->input[0], &row),
		qb__rule_reshape(&r, dy[0], &one)}, 1);
	qb__rule_ints(&r, p, "kernel_shape", 1, &size);
	dx[0] = qb__rule_reshape(&r, qb__rule_end(&r, p), x);
	return r.err;
}

/* y = (sum of |x|^p)^(1/p): dx = sign(x) |x|^(p-1) * (what of dy y^(1-p) the element's windows have) */
static struct qb_value *lp_gradient(struct qb__rule *r, const struct qb_node *n, struct qb_value *spread)
{
	double p = (double)qb_node_int(n, "p", 2);
	struct qb_value *x = n->input[0], *power;

	power = qb__rule_2(r, QB_OP_Pow, qb__rule_1(r, QB_OP_Abs, x), qb__rule_number(r, x, p - 1));
	return qb__rule_mul(r, qb__rule_mul(r, qb__rule_1(r, QB_OP_Sign, x), power), spread);
}

static struct qb_value *lp_output_gradient(struct qb__rule *r, const struct qb_node *n, struct qb_value *dy)
{
	struct qb_value *p = qb__rule_number(r, dy, 1 - (double)qb_node_int(n, "p", 2));

	return qb__rule_mul(r, dy, qb__rule_2(r, QB_OP_Pow, n->output[0], p));
}

RULE(global_lp_pool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	(void)wanted;
	dx[0] = lp_gradient(&r, n, lp_output_gradient(&r, n, dy[0]));
	return r.err;
}

/* Sums over windows are a depthwise convolution by ones; its pads at the end make it as large as the pool's output. */
RULE(lp_pool)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	const struct qb_shape *x = &n->input[0]->shape;
	struct qb_shape kernel = *x;
	struct qb_value *in[2];
	struct qb_window w;
	struct qb_node *c;

	(void)wanted;
	QB_TRY(qb_window_pool(&w, n, x->ndim - 2, x->dim + 2, eb));
	kernel.dim[0] = x->dim[1];
	kernel.dim[1] = 1;
	for (int i = 0; i < w.ndim; i++) {
		kernel.dim[2 + i] = w.kernel[i];
		w.hi[i] = QB_MAX((w.out[i] - 1) * w.stride[i] + qb_window_extent(&w, i) - w.in[i] - w.lo[i], 0);
	}
	in[0] = lp_output_gradient(&r, n, dy[0]);
	in[1] = qb__rule_expand(&r, qb__rule_number(&r, dy[0], 1), &kernel);
	c = qb__rule_begin(&r, QB_OP_ConvInputGradient, 2, in, 1);
	qb__rule_window(&r, c, &w, x->dim[1]);
	qb__rule_shape(&r, c, x);
	dx[0] = lp_gradient(&r, n, qb__rule_end(&r, c));
	return r.err;
}
