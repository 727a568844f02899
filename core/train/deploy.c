/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/deploy.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/quant/scheme_layers.h"
#include "core/quant/weight.h"
#include "core/train/fold_factors.h"
#include "core/train/qat_state.h"
#include "core/train/trainer.h"

static enum qb_err no_memory(struct qb_errbuf *eb)
{
	return qb_fail(eb, QB_ENOMEM, "no memory to deploy a trained network");
}

/* The value of this name, as what the scheme quantizes. */
static enum qb_err find(const struct qb_graph *g, const char *name, bool constant, struct qb_value **out, struct qb_errbuf *eb)
{
	int at = qb_graph_find(g, name, 0);

	if (at < 0 || !g->value[at]->constant == constant) {
		return qb_fail(eb, QB_EINTERNAL, "the trained network has no %s %s", constant ? "weight" : "value", name);
	}
	*out = g->value[at];
	return QB_OK;
}

static struct qb_quantizer *new_quantizer(const struct qb_format *f, int axis, int64_t channels, bool zeros)
{
	struct qb_quantizer *q = calloc(1, sizeof(*q));

	if (q && qb_quantizer_alloc(q, f, axis, channels, zeros, NULL) != QB_OK) {
		free(q);
		return NULL;
	}
	return q;
}

/* ---- weights ---- */

/* What the integers of the training are on the folded scales; of other formats what lies there is on the grid but for rounding. */
static void decide(const struct qb_train_layer *l, const struct qb_quantizer *z, const double *factor, float *y)
{
	const int64_t width = l->q.width, inner = l->q.inner;

	for (int64_t i = 0; i < (int64_t)l->weight->size; i++) {
		const int64_t c = i / inner % width, at = z->channels > 1 ? c : 0;

		y[i] = l->code ? (float)(l->code[i] - (z->zero ? z->zero[at] : 0)) * z->scale[at] : (float)((double)l->fed[i] * factor[c]);
	}
	if (!l->code) {
		qb_qdq(z, y, y, l->q.outer, width, inner);
	}
}

static enum qb_err deploy_weight(struct qb_deployment *d, const struct qb__qat_weight *w, const struct qb_train_layer *l,
	struct qb_errbuf *eb)
{
	struct qb_quantizer *z = NULL;
	double *factor = calloc((size_t)l->q.width, sizeof(*factor));
	float *y = calloc(l->weight->size + 1, sizeof(*y));
	struct qb_value *v;
	bool each;
	enum qb_err err;

	if (!factor || !y) {
		err = no_memory(eb);
		goto out;
	}
	QB_TRY_OUT(find(d->bound, w->name, true, &v, eb));
	QB_TRY_OUT(qb_fold_factors(w->name, l->weight->value, v->constant->data, l->q.outer, l->q.width, l->q.inner, factor, eb));
	each = l->q.channels > 1;
	for (int64_t c = 0; c < l->q.width; c++) {
		each |= factor[c] != factor[0];
		if (!(factor[c] > 0)) {
			err = qb_fail(eb, QB_EINTERNAL, "weight %s: channel %lld is folded by %g", w->name, (long long)c, factor[c]);
			goto out;
		}
	}
	z = new_quantizer(&w->format, each ? w->axis : -1, each ? l->q.width : 1, l->q.zero != NULL);
	if (!z) {
		err = no_memory(eb);
		goto out;
	}
	for (int64_t c = 0; c < z->channels; c++) {
		int64_t from = l->q.channels > 1 ? c : 0;

		z->scale[c] = (float)((double)fmaxf(l->scales[from], QB_FAKE_QUANTIZE_SCALE_LEAST) * factor[c]);
		if (z->zero) {
			z->zero[c] = l->q.zero[from];
		}
	}
	decide(l, z, factor, y);
	d->quantization->q[v->index] = z;
	d->quantization->axis[v->index] = w->axis;
	z = NULL;
	err = qb_quantization_override(d->quantization, v, y, eb);
out:
	if (z) {
		qb_quantizer_fini(z);
		free(z);
	}
	free(factor);
	free(y);
	return err;
}

/* ---- activations ---- */

static enum qb_err deploy_activation(struct qb_deployment *d, const struct qb_qat_activation *a, struct qb_errbuf *eb)
{
	bool zeros = a->format.kind == QB_FORMAT_INT && a->format.asymmetric;
	struct qb_quantizer *z;
	struct qb_value *v;

	QB_TRY(find(d->bound, a->name, false, &v, eb));
	z = new_quantizer(&a->format, -1, 1, zeros);
	if (!z) {
		return no_memory(eb);
	}
	z->scale[0] = a->scale;
	if (zeros) {
		z->zero[0] = a->zero;
	}
	d->quantization->q[v->index] = z;
	return QB_OK;
}

/* Values that only move what others hold have their quantizers. */
static void share(struct qb_quantization *q, const struct qb_placement *p)
{
	for (int i = 0; i < p->values; i++) {
		if (p->shares[i] >= 0) {
			q->q[i] = q->q[p->shares[i]];
			q->shared[i] = true;
		}
	}
}

/* ---- all ---- */

static enum qb_err quantize(struct qb_deployment *d, const struct qb_qat *q, const struct qb_deploy_options *opt,
	const struct qb_placement *p, struct qb_errbuf *eb)
{
	QB_TRY(qb_quantization_init(d->quantization, d->bound, opt->scheme, eb));
	QB_TRY(qb_scheme_parts(opt->scheme, d->bound, p, d->quantization->part, eb));
	for (int i = 0; i < d->bound->values; i++) {
		d->quantization->axis[i] = p->weight_axis[i];
	}
	for (int i = 0; i < q->weights; i++) {
		QB_TRY(deploy_weight(d, &q->weight[i], &q->layer[i], eb));
	}
	for (int i = 0; i < q->activations; i++) {
		struct qb_qat_activation a = qb_qat_activation(q, i);

		QB_TRY(deploy_activation(d, &a, eb));
	}
	share(d->quantization, p);
	for (int i = 0; opt->float_biases && i < d->bound->values; i++) {
		d->quantization->bias[i].factor = 0;
	}
	return QB_OK;
}

enum qb_err qb_qat_deploy(struct qb_deployment *out, struct qb_qat *q, const struct qb_trainer *t,
	const struct qb_deploy_options *opt, struct qb_errbuf *eb)
{
	struct qb_deployment d = {0};
	struct qb_placement *p = NULL;
	enum qb_err err;

	qb_qat_feed(q);
	QB_TRY_OUT(qb_trainer_network(t, &d.model, eb));
	QB_TRY_OUT(qb_graph_prepare(d.model, eb));
	QB_TRY_OUT(qb_graph_bind(&d.bound, d.model, opt->batch, eb));
	QB_TRY_OUT(qb_placement_create(&p, d.bound, eb));
	d.quantization = calloc(1, sizeof(*d.quantization));
	if (!d.quantization) {
		err = no_memory(eb);
		goto out;
	}
	QB_TRY_OUT(quantize(&d, q, opt, p, eb));
	*out = d;
	d = (struct qb_deployment){0};
out:
	qb_placement_destroy(&p);
	qb_deployment_fini(&d);
	return err;
}

void qb_deployment_fini(struct qb_deployment *d)
{
	qb_quantization_destroy(&d->quantization);
	qb_graph_destroy(&d->bound);
	qb_graph_destroy(&d->model);
}
