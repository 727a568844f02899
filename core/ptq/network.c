/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/network.h"

#include <stdlib.h>
#include <string.h>

int64_t qb_model_batch(const struct qb_graph *model)
{
	for (int i = 0; i < model->inputs; i++) {
		const struct qb_shape *s = &model->input[i]->shape;

		if (s->known && s->ndim > 0 && s->dim[0] > 0) {
			return s->dim[0];
		}
	}
	return 0;
}

bool qb_model_is_free(const struct qb_graph *model)
{
	for (int i = 0; i < model->inputs; i++) {
		const struct qb_shape *s = &model->input[i]->shape;

		if (!s->known) {
			return true;
		}
		for (int j = 0; j < s->ndim; j++) {
			if (s->dim[j] == QB_DIM_UNKNOWN) {
				return true;
			}
		}
	}
	return false;
}

json_t *qb_model_notes(const struct qb_graph *model)
{
	return model->converted ? json_pack("[s++]", "the network computes in ", model->converted,
		"; it is converted to float32 before it is measured, quantized or exported") : NULL;
}

void qb_network_destroy(struct qb_network **network)
{
	struct qb_network *n = *network;

	if (!n) {
		return;
	}
	for (int i = 0; i < n->schemes; i++) {
		qb_overlay_destroy(&n->overlay[i]);
		qb_quantization_destroy(&n->quantization[i]);
	}
	free(n->overlay);
	free(n->quantization);
	qb_plan_destroy(&n->plan);
	qb_placement_destroy(&n->placement);
	qb_graph_destroy(&n->graph);
	free(n->observed);
	free(n);
	*network = NULL;
}

/* chosen: NULL: what is quantized is observed. */
static bool is_observed(const struct qb_network *n, int value, const bool *chosen)
{
	const struct qb_value *v = n->graph->value[value];

	return chosen ? chosen[value] : n->placement->role[value] == QB_ROLE_ACTIVATION || (v->imported && !v->constant);
}

static enum qb_err create(struct qb_network **out, const struct qb_graph *model, int64_t batch,
	int threads, bool observed, const bool *chosen, struct qb_errbuf *eb)
{
	struct qb_network *n = calloc(1, sizeof(*n));
	enum qb_err err = QB_OK;

	if (!n) {
		return qb_fail(eb, QB_ENOMEM, "no memory for a network");
	}
	n->batch = batch;
	QB_TRY_OUT(qb_graph_bind(&n->graph, model, batch, eb));
	if (!observed) {
		QB_TRY_OUT(qb_pass_join_frozen(n->graph, eb));
	}
	QB_TRY_OUT(qb_placement_create(&n->placement, n->graph, eb));
	n->observed = calloc((size_t)n->graph->values + 1, sizeof(*n->observed));
	if (!n->observed) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for a network of %d values",
			n->graph->values);
		goto out;
	}
	for (int i = 0; i < n->graph->values; i++) {
		n->observed[i] = observed && is_observed(n, i, chosen);
	}
	QB_TRY_OUT(observed ? qb_plan_create(&n->plan, n->graph, QB_PLAN_OBSERVED, threads, n->observed, eb)
			  : qb_plan_create(&n->plan, n->graph, QB_PLAN_FROZEN, threads, NULL, eb));
	*out = n;
	n = NULL;
out:
	qb_network_destroy(&n);
	return err;
}

enum qb_err qb_network_create(struct qb_network **out, const struct qb_graph *model,
	int64_t batch, int threads, struct qb_errbuf *eb)
{
	return create(out, model, batch, threads, true, NULL, eb);
}

enum qb_err qb_network_create_observing(struct qb_network **out, const struct qb_graph *model,
	int64_t batch, int threads, const bool *chosen, struct qb_errbuf *eb)
{
	return create(out, model, batch, threads, true, chosen, eb);
}

enum qb_err qb_network_create_frozen(struct qb_network **out, const struct qb_graph *model,
	int64_t batch, int threads, struct qb_errbuf *eb)
{
	return create(out, model, batch, threads, false, NULL, eb);
}

static enum qb_err make_room(struct qb_network *n, int schemes, struct qb_errbuf *eb)
{
	n->quantization = calloc((size_t)schemes, sizeof(*n->quantization));
	n->overlay = calloc((size_t)schemes, sizeof(*n->overlay));
	if (!n->quantization || !n->overlay) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", schemes);
	}
	n->schemes = schemes;
	return QB_OK;
}

enum qb_err qb_network_quantize(struct qb_network *n, const struct qb_scheme *const *scheme, int schemes,
	struct qb_observer *const *observer, struct qb_errbuf *eb)
{
	QB_TRY(make_room(n, schemes, eb));
	for (int i = 0; i < schemes; i++) {
		QB_TRY(qb_quantization_create(&n->quantization[i], scheme[i], n->graph,
			n->placement, observer, eb));
		QB_TRY(qb_overlay_create(&n->overlay[i], n->plan, n->quantization[i], eb));
	}
	return QB_OK;
}

/* The quantizers and constants of `from`, as the values of `to` are numbered. */
static enum qb_err view(struct qb_quantization **out, const struct qb_quantization *q, const struct qb_graph *from,
	const struct qb_graph *to, struct qb_errbuf *eb)
{
	struct qb_quantization *v = calloc(1, sizeof(*v));
	enum qb_err err = v ? qb_quantization_init(v, to, &q->scheme, eb)
		: qb_fail(eb, QB_ENOMEM, "no memory for %d quantizers", to->values);

	if (err != QB_OK) {
		free(v);
		return err;
	}
	v->borrows = true;
	for (int i = 0; i < to->values; i++) {
		int k = qb_graph_find(from, to->value[i]->name, i);

		v->q[i] = k >= 0 ? q->q[k] : NULL;
		v->shared[i] = k >= 0 && q->shared[k];
		v->axis[i] = k >= 0 ? q->axis[k] : 0;
		v->constant[i] = k >= 0 ? q->constant[k] : NULL;
	}
	*out = v;
	return QB_OK;
}

enum qb_err qb_network_quantize_as(struct qb_network *n, const struct qb_quantization *q,
	const struct qb_graph *of, struct qb_errbuf *eb)
{
	QB_TRY(make_room(n, 1, eb));
	QB_TRY(view(&n->quantization[0], q, of, n->graph, eb));
	return qb_overlay_create(&n->overlay[0], n->plan, n->quantization[0], eb);
}

enum qb_err qb_network_quantize_like(struct qb_network *n, const struct qb_network *other,
	struct qb_errbuf *eb)
{
	QB_TRY(make_room(n, other->schemes, eb));
	for (int i = 0; i < n->schemes; i++) {
		QB_TRY(view(&n->quantization[i], other->quantization[i], other->graph, n->graph, eb));
		QB_TRY(qb_overlay_create(&n->overlay[i], n->plan, n->quantization[i], eb));
	}
	return QB_OK;
}

enum qb_err qb_network_create_rest(struct qb_network **out, const struct qb_graph *model,
	int64_t rest, const struct qb_network *main, struct qb_errbuf *eb)
{
	struct qb_network *n = NULL;
	enum qb_err err;

	QB_TRY_OUT(qb_network_create(&n, model, rest, 1, eb));
	if (n->graph->values != main->graph->values) {
		err = qb_fail(eb, QB_EINTERNAL, "the network has %d values at batch %lld and %d at %lld",
			n->graph->values, (long long)rest, main->graph->values, (long long)main->batch);
		goto out;
	}
	if (main->schemes) {
		QB_TRY_OUT(qb_network_quantize_like(n, main, eb));
	}
	*out = n;
	n = NULL;
out:
	qb_network_destroy(&n);
	return err;
}
