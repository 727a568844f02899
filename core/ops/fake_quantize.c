/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers within training graphs (core/kernels/quantize/fake_quantize.h).
 *
 * FakeQuantize(x, scale, offset, factor) -> y; scale, offset [channels], factor [1]; offset and factor may be absent.
 * FakeQuantizeGradient(x, scale, offset, factor, dy) -> dx, dscale, doffset, dfactor.
 * Attributes: format, estimator (names), axis (-1: per tensor), zero (ints [channels], the fixed zero points where offset is
 * absent), factor (a float, where the input is absent).
 */
#include <inttypes.h>
#include <stdlib.h>

#include "core/kernels/quantize/fake_quantize.h"
#include "core/ops/element.h"
#include "core/ops/fake_quantize.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

enum { INPUT, SCALE, OFFSET, FACTOR, DY };
enum { DX, DSCALE, DOFFSET, DFACTOR };

enum qb_err qb_fake_quantize_node(const struct qb_node *n, struct qb_fake_quantize_node *out, struct qb_errbuf *eb)
{
	struct qb_fake_quantize_node f = {.axis = (int)qb_node_int(n, "axis", -1), .factor = qb_node_float(n, "factor", 0)};

	if (qb_format_parse(&f.format, qb_node_string(n, "format", ""), eb) != QB_OK ||
		qb_estimator_parse(&f.estimator, qb_node_string(n, "estimator", "lsq"), eb) != QB_OK ||
		qb_fake_quantizer_check(&f.format, f.estimator, eb) != QB_OK) {
		return qb_fail_in(eb, QB_EINVAL, "node %s", n->name);
	}
	f.zeros = qb_node_ints(n, "zero", &f.zero);
	*out = f;
	return QB_OK;
}

/* Channels of x, 1 per tensor. */
static enum qb_err check(const struct qb_node *n, int64_t *channels, struct qb_errbuf *eb)
{
	const struct qb_shape *x = &n->input[INPUT]->shape;
	struct qb_fake_quantize_node f;

	QB_TRY(qb_fake_quantize_node(n, &f, eb));
	QB_TRY(qb__op_need_float(n, INPUT, eb));
	if (f.axis < -1 || (x->known && f.axis >= x->ndim)) {
		return qb_node_fail(eb, QB_EINVAL, n, "axis %d of %d dimensions", f.axis, x->ndim);
	}
	*channels = f.axis < 0 ? 1 : x->known ? x->dim[f.axis] : QB_DIM_UNKNOWN;
	for (int i = SCALE; i <= FACTOR; i++) {
		if (op_in(n, i)) {
			QB_TRY(qb__op_need_same(n, i, eb));
			QB_TRY(qb__op_need_vector(n, i, i == FACTOR ? 1 : *channels, eb));
		}
	}
	if (f.zeros && qb_dim_number(*channels) && f.zeros != *channels) {
		return qb_node_fail(eb, QB_EINVAL, n, "%d zero points for %" PRId64 " channels", f.zeros, *channels);
	}
	return QB_OK;
}

enum qb_err qb__infer_fake_quantize(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	int64_t channels;

	(void)g;
	QB_TRY(check(n, &channels, eb));
	qb__op_set(n, 0, n->input[INPUT]->dtype, n->input[INPUT]->shape);
	return QB_OK;
}

enum qb_err qb__infer_fake_quantize_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	enum qb_dtype t = n->input[INPUT]->dtype;
	int64_t channels;

	(void)g;
	QB_TRY(check(n, &channels, eb));
	QB_TRY(qb__op_need_same(n, DY, eb));
	qb__op_set(n, DX, t, n->input[INPUT]->shape);
	qb__op_set(n, DSCALE, t, (struct qb_shape){.known = true, .ndim = 1, .dim = {channels}});
	qb__op_set(n, DOFFSET, t, (struct qb_shape){.known = true, .ndim = 1, .dim = {channels}});
	qb__op_set(n, DFACTOR, t, (struct qb_shape){.known = true, .ndim = 1, .dim = {1}});
	return QB_OK;
}

/* ---- evaluation ---- */

/* A node on tensors: x seen as [outer, channels, inner]. */
struct work {
	struct qb_fake_quantize_node f;
	int64_t outer, channels, inner;
	int32_t *zero;
	double *sums; /* [2][channels] */
};

static enum qb_err begin(const struct qb_node *n, const struct qb_tensor *x, struct work *w, struct qb_errbuf *eb)
{
	*w = (struct work){.channels = 1};
	QB_TRY(qb_fake_quantize_node(n, &w->f, eb));
	w->outer = (int64_t)qb_tensor_size(x);
	w->inner = 1;
	if (w->f.axis >= 0) {
		w->outer = op_span(x, 0, w->f.axis);
		w->channels = x->dim[w->f.axis];
		w->inner = op_span(x, w->f.axis + 1, x->ndim);
	}
	w->zero = calloc((size_t)w->channels + 1, sizeof(*w->zero));
	w->sums = calloc(2 * (size_t)w->channels + 1, sizeof(*w->sums));
	if (!w->zero || !w->sums) {
		free(w->zero);
		free(w->sums);
		return qb__op_no_memory(n, eb);
	}
	for (int64_t c = 0; c < w->channels && w->f.zeros; c++) {
		w->zero[c] = (int32_t)w->f.zero[c];
	}
	return QB_OK;
}

static struct qb_fake_quantizer single(const struct work *w, const struct qb_tensor *const *in, int inputs)
{
	return (struct qb_fake_quantizer){.format = w->f.format, .estimator = w->f.estimator, .channels = w->channels,
		.factor = inputs > FACTOR && in[FACTOR] ? *(const float *)in[FACTOR]->data : w->f.factor,
		.scale = in[SCALE]->data, .offset = inputs > OFFSET && in[OFFSET] ? in[OFFSET]->data : NULL, .zero = w->zero};
}

static struct qb_fake_quantizer_f64 twofold(const struct work *w, const struct qb_tensor *const *in, int inputs)
{
	return (struct qb_fake_quantizer_f64){.format = w->f.format, .estimator = w->f.estimator, .channels = w->channels,
		.factor = inputs > FACTOR && in[FACTOR] ? *(const double *)in[FACTOR]->data : (double)w->f.factor,
		.scale = in[SCALE]->data, .offset = inputs > OFFSET && in[OFFSET] ? in[OFFSET]->data : NULL, .zero = w->zero};
}

static enum qb_err forward_f32(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_fake_quantizer q;
	struct work w;

	QB_TRY(begin(n, in[INPUT], &w, eb));
	q = single(&w, in, n->inputs);
	qb_fake_quantize(&q, in[INPUT]->data, out[0].data, w.outer, w.inner);
	free(w.zero);
	free(w.sums);
	return QB_OK;
}

static enum qb_err forward_f64(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_fake_quantizer_f64 q;
	struct work w;

	QB_TRY(begin(n, in[INPUT], &w, eb));
	q = twofold(&w, in, n->inputs);
	qb_fake_quantize_f64(&q, in[INPUT]->data, out[0].data, w.outer, w.inner);
	free(w.zero);
	free(w.sums);
	return QB_OK;
}

enum qb_err qb__eval_fake_quantize(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return in[INPUT]->dtype == QB_F64 ? forward_f64(n, in, out, eb) : qb__op_as_f32(forward_f32, n, in, out, eb);
}

static void store_sums(const struct qb_node *n, const struct work *w, double factor, struct qb_tensor out[])
{
	for (int64_t c = 0; c < w->channels; c++) {
		if (op_wants(n, out, DSCALE)) {
			qb__op_store(out[DSCALE].dtype, out[DSCALE].data, (size_t)c, w->sums[c]);
		}
		if (op_wants(n, out, DOFFSET)) {
			qb__op_store(out[DOFFSET].dtype, out[DOFFSET].data, (size_t)c, w->sums[w->channels + c]);
		}
	}
	if (op_wants(n, out, DFACTOR)) {
		qb__op_store(out[DFACTOR].dtype, out[DFACTOR].data, 0, factor);
	}
}

static enum qb_err backward_f32(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_fake_quantizer_gradient sums;
	struct qb_fake_quantizer q;
	struct work w;

	QB_TRY(begin(n, in[INPUT], &w, eb));
	sums = (struct qb_fake_quantizer_gradient){w.sums, w.sums + w.channels, 0};
	q = single(&w, in, n->inputs);
	qb_fake_quantize_gradient(&q, in[INPUT]->data, in[DY]->data, out[DX].data, w.outer, w.inner, &sums);
	store_sums(n, &w, sums.factor, out);
	free(w.zero);
	free(w.sums);
	return QB_OK;
}

static enum qb_err backward_f64(const struct qb_node *n, const struct qb_tensor *const in[], struct qb_tensor out[],
	struct qb_errbuf *eb)
{
	struct qb_fake_quantizer_gradient sums;
	struct qb_fake_quantizer_f64 q;
	struct work w;

	QB_TRY(begin(n, in[INPUT], &w, eb));
	sums = (struct qb_fake_quantizer_gradient){w.sums, w.sums + w.channels, 0};
	q = twofold(&w, in, n->inputs);
	qb_fake_quantize_gradient_f64(&q, in[INPUT]->data, in[DY]->data, out[DX].data, w.outer, w.inner, &sums);
	store_sums(n, &w, sums.factor, out);
	free(w.zero);
	free(w.sums);
	return QB_OK;
}

enum qb_err qb__eval_fake_quantize_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return in[INPUT]->dtype == QB_F64 ? backward_f64(n, in, out, eb) : qb__op_as_f32(backward_f32, n, in, out, eb);
}

/* ---- the gradient ---- */

enum qb_err qb__gradient_fake_quantize(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	static const char *const names[] = {"format", "estimator", "axis", "zero", "factor", NULL};
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_node *d = qb__rule_begin(&r, QB_OP_FakeQuantizeGradient, 5, (struct qb_value *[]){n->input[INPUT], n->input[SCALE],
		op_in(n, OFFSET), op_in(n, FACTOR), dy[0]}, 4);

	qb__rule_copy_attrs(d, n, names);
	qb__rule_end(&r, d);
	for (int i = INPUT; r.err == QB_OK && i < n->inputs; i++) {
		dx[i] = wanted[i] ? d->output[i] : NULL;
	}
	return r.err;
}
