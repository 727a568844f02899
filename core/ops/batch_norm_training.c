/* SPDX-License-Identifier: Apache-2.0
 *
 * Batch normalization with the statistics of the batch (Ioffe and Szegedy, arXiv 1502.03167), in pieces, so that a batch
 * may be spread over shards: each shard sums its part up, ShardSum adds the sums of all, and every shard normalizes with
 * the same statistics. Channels are dimension 1; sums are float64 [2,C]; `count` is the number of elements a channel has in
 * all shards. mean = sums[0] / count, variance = max(sums[1] / count - mean^2, 0), xhat = (x - mean) / sqrt(variance +
 * epsilon).
 */
#include <math.h>

#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"
#include "core/ops/shape_rule.h"

struct layout {
	int64_t outer, channels, inner;
};

static struct layout layout_of(const struct qb_tensor *x)
{
	return (struct layout){.outer = x->dim[0], .channels = x->dim[1], .inner = op_span(x, 2, x->ndim)};
}

struct statistics {
	double mean, inverse;
};

static struct statistics statistics_of(const struct qb_node *n, const struct qb_tensor *sums, int64_t c)
{
	const double *s = sums->data;
	double count = (double)qb_node_int(n, "count", 1), mean = s[c] / count;
	double variance = fmax(s[sums->dim[1] + c] / count - mean * mean, 0);

	return (struct statistics){mean, 1 / sqrt(variance + (double)qb_node_float(n, "epsilon", 1e-5f))};
}

/* Input i is float64 [2,C]. */
static enum qb_err need_sums(const struct qb_node *n, int i, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_dtype(n, i, QB_F64, eb));
	QB_TRY(qb__op_need_rank(n, i, 2, 2, eb));
	QB_TRY(qb__op_need_dim(n, i, 0, 2, eb));
	return qb__op_need_dim(n, i, 1, n->input[0]->shape.dim[1], eb);
}

static enum qb_err check_input(const struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(qb__op_need_float(n, 0, eb));
	QB_TRY(qb__op_need_rank(n, 0, 2, QB_MAX_DIMS, eb));
	if (!qb_shape_concrete(&n->input[0]->shape)) {
		return qb_node_fail(eb, QB_ESHAPE, n, "the shape of its input %s is not known", n->input[0]->name);
	}
	return QB_OK;
}

static enum qb_err check_count(const struct qb_node *n, struct qb_errbuf *eb)
{
	return qb_node_int(n, "count", 0) > 0 ? QB_OK : qb_node_fail(eb, QB_EONNX, n, "the attribute count is missing or not "
		"positive");
}

static enum qb_err check_gradient(const struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(check_input(n, eb));
	QB_TRY(check_count(n, eb));
	QB_TRY(qb__op_need_same(n, 1, eb));
	return qb_shape_equal(&n->input[0]->shape, &n->input[1]->shape) ? QB_OK : qb_node_fail(eb, QB_ESHAPE, n, "its input and "
		"its gradient differ in shape");
}

static void set_sums(struct qb_node *n)
{
	qb__op_set(n, 0, QB_F64, qb_shape_make(2, (int64_t[]){2, n->input[0]->shape.dim[1]}));
}

/* ---- BatchStatistics(x) -> sums: of x and of x^2 ---- */

enum qb_err qb__infer_batch_statistics(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(check_input(n, eb));
	set_sums(n);
	return QB_OK;
}

static enum qb_err batch_statistics_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct layout l = layout_of(in[0]);
	double *sums = out[0].data;

	(void)n, (void)eb;
	for (int64_t i = 0; i < l.outer * l.channels; i++) {
		const double *x = (const double *)in[0]->data + i * l.inner;

		for (int64_t j = 0; j < l.inner; j++) {
			sums[i % l.channels] += x[j];
			sums[l.channels + i % l.channels] += x[j] * x[j];
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_batch_statistics(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(batch_statistics_f64, n, in, out, eb);
}

/* ---- BatchNormalizationTraining(x, gain [C], offset [C], sums) -> y = gain * xhat + offset ---- */

enum qb_err qb__infer_batch_norm_training(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(check_input(n, eb));
	QB_TRY(check_count(n, eb));
	QB_TRY(need_sums(n, 3, eb));
	for (int i = 1; i < 3; i++) {
		QB_TRY(qb__op_need_same(n, i, eb));
		QB_TRY(qb__op_need_vector(n, i, n->input[0]->shape.dim[1], eb));
	}
	return qb__op_infer_same(g, n, eb);
}

static enum qb_err batch_norm_training_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct layout l = layout_of(in[0]);

	(void)eb;
	for (int64_t i = 0; i < l.outer * l.channels; i++) {
		struct statistics s = statistics_of(n, in[3], i % l.channels);
		double gain = ((const double *)in[1]->data)[i % l.channels];
		double offset = ((const double *)in[2]->data)[i % l.channels];
		const double *x = (const double *)in[0]->data + i * l.inner;
		double *y = (double *)out[0].data + i * l.inner;

		for (int64_t j = 0; j < l.inner; j++) {
			y[j] = gain * ((x[j] - s.mean) * s.inverse) + offset;
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_batch_norm_training(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(batch_norm_training_f64, n, in, out, eb);
}

/* ---- BatchNormalizationTrainingSums(x, dy, sums) -> gradient sums: of dy (the gradient of offset) and of dy * xhat (that
 * of gain) ---- */

enum qb_err qb__infer_batch_norm_training_sums(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	(void)g;
	QB_TRY(check_gradient(n, eb));
	QB_TRY(need_sums(n, 2, eb));
	set_sums(n);
	return QB_OK;
}

static enum qb_err batch_norm_training_sums_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct layout l = layout_of(in[0]);
	double *sums = out[0].data;

	(void)eb;
	for (int64_t i = 0; i < l.outer * l.channels; i++) {
		struct statistics s = statistics_of(n, in[2], i % l.channels);
		const double *x = (const double *)in[0]->data + i * l.inner, *dy = (const double *)in[1]->data + i * l.inner;

		for (int64_t j = 0; j < l.inner; j++) {
			sums[i % l.channels] += dy[j];
			sums[l.channels + i % l.channels] += dy[j] * ((x[j] - s.mean) * s.inverse);
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_batch_norm_training_sums(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(batch_norm_training_sums_f64, n, in, out, eb);
}

/* ---- BatchNormalizationTrainingGradient(x, dy, gain [C], sums, gradient_sums) -> dx, through the statistics as well:
 * dx = gain * inverse * (dy - gradient_sums[0] / count - xhat * gradient_sums[1] / count); gradient_sums of all shards ---- */

enum qb_err qb__infer_batch_norm_training_gradient(struct qb_graph *g, struct qb_node *n, struct qb_errbuf *eb)
{
	QB_TRY(check_gradient(n, eb));
	QB_TRY(qb__op_need_same(n, 2, eb));
	QB_TRY(qb__op_need_vector(n, 2, n->input[0]->shape.dim[1], eb));
	QB_TRY(need_sums(n, 3, eb));
	QB_TRY(need_sums(n, 4, eb));
	return qb__op_infer_same(g, n, eb);
}

static enum qb_err batch_norm_training_gradient_f64(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	struct layout l = layout_of(in[0]);
	double count = (double)qb_node_int(n, "count", 1);
	const double *g = in[4]->data;

	(void)eb;
	for (int64_t i = 0; i < l.outer * l.channels; i++) {
		int64_t c = i % l.channels;
		struct statistics s = statistics_of(n, in[3], c);
		double gain = ((const double *)in[2]->data)[c];
		const double *x = (const double *)in[0]->data + i * l.inner, *dy = (const double *)in[1]->data + i * l.inner;
		double *dx = (double *)out[0].data + i * l.inner;

		for (int64_t j = 0; j < l.inner; j++) {
			double xhat = (x[j] - s.mean) * s.inverse;

			dx[j] = gain * s.inverse * (dy[j] - g[c] / count - xhat * (g[l.channels + c] / count));
		}
	}
	return QB_OK;
}

enum qb_err qb__eval_batch_norm_training_gradient(const struct qb_node *n, const struct qb_tensor *const in[],
	struct qb_tensor out[], struct qb_errbuf *eb)
{
	return qb__op_as_f64(batch_norm_training_gradient_f64, n, in, out, eb);
}

/* ---- rules ---- */

static void copy_statistics(struct qb_node *to, const struct qb_node *from)
{
	static const char *const names[] = {"count", "epsilon", NULL};

	qb__rule_copy_attrs(to, from, names);
}

/* Row i of float64 sums [2,C] as a vector of like's type */
static struct qb_value *row_of(struct qb__rule *r, struct qb_value *sums, int64_t i, struct qb_value *like)
{
	struct qb_value *row = qb__rule_slice(r, sums, 0, i, i + 1);

	return qb__rule_as(r, qb__rule_reshape(r, row, &like->shape), like);
}

/* The path through the statistics is part of dx, so that the sums get no gradient of their own. */
enum qb_err qb__gradient_batch_norm_training(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy,
	const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *x = n->input[0], *gain = n->input[1], *sums = n->input[3], *own, *all;
	struct qb_node *s = qb__rule_begin(&r, QB_OP_BatchNormalizationTrainingSums, 3, (struct qb_value *[]){x, dy[0], sums},
		1);

	copy_statistics(s, n);
	own = qb__rule_end(&r, s);
	if (wanted[0]) {
		all = qb__rule_1(&r, QB_OP_ShardSum, own);
		s = qb__rule_begin(&r, QB_OP_BatchNormalizationTrainingGradient, 5,
			(struct qb_value *[]){x, dy[0], gain, sums, all}, 1);
		copy_statistics(s, n);
		dx[0] = qb__rule_end(&r, s);
	}
	if (wanted[1]) {
		dx[1] = row_of(&r, own, 1, gain);
	}
	if (wanted[2]) {
		dx[2] = row_of(&r, own, 0, n->input[2]);
	}
	return r.err;
}

/* What of the sums is used elsewhere than in batch normalization: d sum(x) = 1, d sum(x^2) = 2 x */
enum qb_err qb__gradient_batch_statistics(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy,
	const bool *wanted, struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *x = n->input[0], *row[2];
	struct qb_shape wide = x->shape;

	(void)wanted;
	for (int i = 0; i < wide.ndim; i++) {
		wide.dim[i] = i == 1 ? wide.dim[i] : 1;
	}
	for (int i = 0; i < 2; i++) {
		row[i] = qb__rule_reshape(&r, qb__rule_slice(&r, dy[0], 0, i, i + 1), &wide);
		row[i] = qb__rule_as(&r, row[i], x);
	}
	dx[0] = qb__rule_add(&r, row[0], qb__rule_mul(&r, row[1], qb__rule_scale(&r, x, 2)));
	return r.err;
}
