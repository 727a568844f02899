/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/variant.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

static const struct qb_method_list no_methods;

static const struct qb_method_list *methods_of(const struct qb_sweep_options *opt, int scheme)
{
	return opt->methods ? &opt->methods[scheme] : &no_methods;
}

/* Groups */

static bool add_scheme(struct qb_variant *v, int scheme, int room)
{
	if (!v->scheme) {
		v->scheme = calloc((size_t)room + 1, sizeof(*v->scheme));
	}
	if (v->scheme) {
		v->scheme[v->schemes++] = scheme;
	}
	return v->scheme;
}

/* The variant that has the methods of this scheme; a new one where there is none. */
static struct qb_variant *variant_for(struct qb_sweep *s, const struct qb_sweep_options *opt,
	int scheme)
{
	const struct qb_method_list *m = methods_of(opt, scheme);
	struct qb_variant *v;

	if (!qb_method_list_changes_graph(m)) {
		return &s->variant[0];
	}
	for (int i = 1; i < s->variants; i++) {
		v = &s->variant[i];
		if (qb_method_list_same_graph(m, methods_of(opt, v->scheme[0]))) {
			return v;
		}
	}
	return &s->variant[s->variants++];
}

static enum qb_err rewrite(struct qb_variant *v, const struct qb_graph *model,
	const struct qb_sweep_options *opt, const struct qb_calibration *calibration,
	struct qb_errbuf *eb)
{
	struct qb_method_graph m = {.calibration = calibration, .seed = opt->seed};

	QB_TRY(qb_graph_clone(&v->own, model, eb));
	v->model = m.graph = v->own;
	return qb_method_list_run_graph(methods_of(opt, v->scheme[0]), &m, v->reports, eb);
}

enum qb_err qb_variants_create(struct qb_sweep *s, const struct qb_graph *model,
	const struct qb_sweep_options *opt, struct qb_errbuf *eb)
{
	s->variant = calloc((size_t)opt->schemes + 1, sizeof(*s->variant));
	if (!s->variant) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", opt->schemes);
	}
	s->variants = 1;
	for (int i = 0; i < opt->schemes; i++) {
		struct qb_variant *v = variant_for(s, opt, i);

		s->row[i].variant = (int)(v - s->variant);
		s->row[i].at = v->schemes;
		if (!add_scheme(v, i, opt->schemes)) {
			return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", opt->schemes);
		}
	}
	s->variant[0].model = model;
	for (int i = 0; i < s->variants; i++) {
		s->variant[i].reports = json_object();
	}
	return QB_OK;
}

/* Calibration */

struct extent {
	float lo, hi; /* lo > hi: none */
};

struct observation {
	struct qb_lane *lane;
	struct qb_observer ***observer; /* [threads][values] */
	int values;
	double momentum;
	struct extent *extent; /* [window][values]: for the moving averages, which go by the order of the data */
	struct extent *united; /* [values]: of the batches since the averages last moved */
	int64_t batches, group; /* those batches; how many move the averages together */
};

struct batch_observer {
	struct qb_observer **observer;
	struct extent *extent;
};

static void observe(void *arg, int value, float *x, size_t n)
{
	struct batch_observer *t = arg;

	if (t->observer[value]) {
		qb_observer_update(t->observer[value], x, n);
		qb_observer_last(t->observer[value], &t->extent[value].lo, &t->extent[value].hi);
	}
}

static enum qb_err observe_batch(void *arg, const struct qb_batch *b, struct qb_errbuf *eb)
{
	struct observation *o = arg;
	struct qb_lane *l = &o->lane[b->thread];
	struct batch_observer observer = {o->observer[b->thread], o->extent + b->slot * o->values};
	struct qb_run run = {.input = b->input, .output = l->scratch, .observe = observe,
		.observe_arg = &observer};

	return qb_session_run(l->work, &run, eb);
}

static void move_averages(struct observation *o)
{
	for (int i = 0; i < o->values; i++) {
		struct extent *u = &o->united[i];

		if (o->observer[0][i] && u->lo <= u->hi) {
			qb_observer_run(o->observer[0][i], u->lo, u->hi, o->momentum);
		}
		*u = (struct extent){1, 0};
	}
	o->batches = 0;
}

static enum qb_err add_extents(void *arg, int64_t batches, const double *labels,
	struct qb_errbuf *eb)
{
	struct observation *o = arg;

	(void)labels;
	(void)eb;
	for (int64_t k = 0; k < batches; k++) {
		for (int i = 0; i < o->values; i++) {
			const struct extent *e = &o->extent[k * o->values + i];
			struct extent *u = &o->united[i];

			if (e->lo <= e->hi) {
				*u = u->lo > u->hi ? *e : (struct extent){QB_MIN(u->lo, e->lo), QB_MAX(u->hi, e->hi)};
			}
		}
		if (++o->batches == o->group) {
			move_averages(o);
		}
	}
	return QB_OK;
}

static void observers_free(struct qb_observer **o, int values)
{
	for (int i = 0; o && i < values; i++) {
		qb_observer_destroy(&o[i]);
	}
	free(o);
}

static struct qb_observer **observers_create(const struct qb_network *n)
{
	struct qb_observer **o = calloc((size_t)n->graph->values + 1, sizeof(*o));

	for (int i = 0; o && i < n->graph->values; i++) {
		if (n->observed[i]) {
			o[i] = qb_observer_create();
			if (!o[i]) {
				observers_free(o, n->graph->values);
				return NULL;
			}
		}
	}
	return o;
}

static enum qb_err observe_samples(const struct qb_variant *v, const struct qb_calibration *c,
	struct observation *o, int64_t first, int64_t count, struct qb_errbuf *eb)
{
	struct qb_network *own = NULL;
	const struct qb_network *n = v->network;
	const struct qb_stream_work work = {.run = observe_batch, .close = add_extents, .arg = o};
	enum qb_err err;

	if (count < n->batch) {
		QB_TRY_OUT(qb_network_create_rest(&own, v->model, count, v->network, eb));
		n = own;
	}
	QB_TRY_OUT(qb_lanes_create(&o->lane, n, c->stream->threads, false, eb));
	QB_TRY_OUT(qb_stream_run(c->stream, first, n->batch, count / n->batch, &work, eb));
out:
	qb_lanes_destroy(&o->lane, n, c->stream->threads);
	qb_network_destroy(&own);
	return err;
}

static enum qb_err calibrate(struct qb_variant *v, const struct qb_calibration *c,
	const struct qb_sweep_options *opt, struct qb_errbuf *eb)
{
	int threads = c->stream->threads, values = v->network->graph->values;
	struct observation o = {.observer = calloc((size_t)threads, sizeof(*o.observer)),
		.values = values, .momentum = opt->momentum,
		.extent = calloc((size_t)c->stream->window * (size_t)values + 1, sizeof(*o.extent)),
		.united = calloc((size_t)values + 1, sizeof(*o.united)), .group = 1};
	int64_t rest = c->samples % v->network->batch, batches = c->samples / v->network->batch;
	enum qb_err err = o.observer && o.extent && o.united ? QB_OK : QB_ENOMEM;

	for (int t = 0; err == QB_OK && t < threads; t++) {
		o.observer[t] = observers_create(v->network);
		err = o.observer[t] ? QB_OK : QB_ENOMEM;
	}
	if (err != QB_OK) {
		qb_fail(eb, err, "no memory for the observers of %d values", values);
		goto out;
	}
	if (opt->range_updates) {
		o.group = QB_MAX((batches + opt->range_updates - 1) / opt->range_updates, (int64_t)1);
	}
	for (int i = 0; i < values; i++) {
		o.united[i] = (struct extent){1, 0};
	}
	QB_TRY_OUT(observe_samples(v, c, &o, 0, c->samples - rest, eb));
	if (rest) {
		QB_TRY_OUT(observe_samples(v, c, &o, c->samples - rest, rest, eb));
	}
	move_averages(&o);
	for (int t = 1; t < threads; t++) {
		for (int i = 0; i < values; i++) {
			if (o.observer[0][i]) {
				qb_observer_merge(o.observer[0][i], o.observer[t][i]);
			}
		}
	}
	v->observer = o.observer[0];
	o.observer[0] = NULL;
out:
	for (int t = 0; o.observer && t < threads; t++) {
		observers_free(o.observer[t], values);
	}
	free(o.observer);
	free(o.extent);
	free(o.united);
	return err;
}

/* Quantizers */

/* A part of the sweep's progress. */
struct span {
	const struct qb_sweep_options *opt;
	double from, width;
	const char *scheme;
};

static enum qb_err layer_progress(void *arg, const char *method, int done, int layers, struct qb_errbuf *eb)
{
	const struct span *s = arg;
	char detail[160];

	snprintf(detail, sizeof(detail), "%.100s, layer %d of %d", s->scheme, done + 1, layers);
	return s->opt->progress(s->opt->arg, method, s->from + s->width * done / layers, detail, eb);
}

static enum qb_err run_weight_methods(struct qb_sweep *s, struct qb_variant *v, int at,
	struct span *span, const struct qb_calibration *calibration, struct qb_errbuf *eb)
{
	const struct qb_sweep_options *opt = span->opt;
	int scheme = v->scheme[at];
	struct qb_method_weights m = {
		.network = v->network,
		.quantization = v->network->quantization[at],
		.overlay = v->network->overlay[at],
		.calibration = calibration,
		.seed = opt->seed,
		.progress = layer_progress,
		.progress_arg = span,
	};

	span->scheme = opt->scheme[scheme].name;
	return qb_method_list_run_weights(methods_of(opt, scheme), &m, s->row[scheme].reports, eb);
}

static enum qb_err quantize(struct qb_sweep *s, struct qb_variant *v, const struct span *whole,
	const struct qb_calibration *calibration, struct qb_errbuf *eb)
{
	const struct qb_sweep_options *opt = whole->opt;
	const struct qb_scheme **scheme = calloc((size_t)v->schemes + 1, sizeof(*scheme));
	enum qb_err err;

	if (!scheme) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d schemes", v->schemes);
	}
	for (int i = 0; i < v->schemes; i++) {
		scheme[i] = &opt->scheme[v->scheme[i]];
	}
	err = qb_network_quantize(v->network, scheme, v->schemes, v->observer, eb);
	free(scheme);
	for (int i = 0; err == QB_OK && i < v->schemes; i++) {
		struct span part = {opt, whole->from + whole->width * i / v->schemes, whole->width / v->schemes, NULL};

		err = run_weight_methods(s, v, i, &part, calibration, eb);
	}
	return err;
}

enum qb_err qb_variants_quantize(struct qb_sweep *s, const struct qb_sweep_options *opt,
	const struct qb_calibration *calibration, struct qb_errbuf *eb)
{
	double share = qb_sweep_calibration_share(opt) / s->variants;

	for (int i = 0; i < s->variants; i++) {
		struct qb_variant *v = &s->variant[i];
		struct span quantizing = {opt, share * (i + 0.25), share * 0.75, NULL};

		QB_TRY(opt->progress(opt->arg, "calibrate", share * i, NULL, eb));
		if (i > 0) {
			QB_TRY(rewrite(v, s->variant[0].model, opt, calibration, eb));
			QB_TRY(qb_network_create(&v->network, v->model, s->variant[0].network->batch, 1,
				eb));
		}
		if (!v->schemes) {
			continue;
		}
		QB_TRY(calibrate(v, calibration, opt, eb));
		QB_TRY(opt->progress(opt->arg, "quantize", quantizing.from, NULL, eb));
		if (opt->given) {
			QB_TRY(qb_network_quantize_as(v->network, opt->given, opt->given_of, eb));
			continue;
		}
		QB_TRY(quantize(s, v, &quantizing, calibration, eb));
	}
	return QB_OK;
}

void qb_variants_destroy(struct qb_sweep *s)
{
	for (int i = 0; i < s->variants; i++) {
		struct qb_variant *v = &s->variant[i];

		if (v->network) {
			observers_free(v->observer, v->network->graph->values);
		}
		qb_network_destroy(&v->network);
		qb_graph_destroy(&v->own);
		json_decref(v->reports);
		free(v->scheme);
	}
	free(s->variant);
	s->variant = NULL;
	s->variants = 0;
}
