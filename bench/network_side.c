/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/network_side.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/peak.h"
#include "core/base/size.h"

static enum qb_err load(struct network_side *n, struct qb_errbuf *eb)
{
	QB_TRY(qb_graph_import(&n->graph, n->model, eb));
	return qb_graph_prepare(n->graph, eb);
}

/* Ours */

static void observe(void *arg, int value, float *x, size_t n)
{
	struct qb_observer **o = arg;

	qb_observer_update(o[value], x, n);
}

/* Ranges from the one sample at hand: enough to time integer steps. */
static enum qb_err calibrate(const struct network_side *side, struct qb_errbuf *eb)
{
	struct qb_network *n = side->network;
	struct qb_observer **observer = calloc((size_t)n->graph->values + 1, sizeof(*observer));
	struct qb_run run = side->io.run;
	struct qb_session *s = NULL;
	struct qb_scheme scheme;
	enum qb_err err;

	if (!observer) {
		return qb_fail(eb, QB_ENOMEM, "no memory for observers");
	}
	for (int i = 0; i < n->graph->values; i++) {
		observer[i] = n->observed[i] ? qb_observer_create() : NULL;
	}
	run.observe = observe;
	run.observe_arg = observer;
	QB_TRY_OUT(qb_session_create(&s, n->plan, false, eb));
	QB_TRY_OUT(qb_session_run(s, &run, eb));
	QB_TRY_OUT(qb_scheme_parse(&scheme, side->scheme, eb));
	QB_TRY_OUT(qb_network_quantize(n, (const struct qb_scheme *const[]){&scheme}, 1, observer, eb));
out:
	qb_session_destroy(&s);
	for (int i = 0; i < n->graph->values; i++) {
		qb_observer_destroy(&observer[i]);
	}
	free(observer);
	return err;
}

static enum qb_err prepare_ours(void *arg, struct qb_errbuf *eb)
{
	struct network_side *n = arg;

	QB_TRY(load(n, eb));
	QB_TRY(n->scheme ? qb_network_create(&n->network, n->graph, 1, n->threads, eb)
			 : qb_network_create_frozen(&n->network, n->graph, 1, n->threads, eb));
	QB_TRY(io_init(&n->io, n->network->graph, n->graph, n->model, eb));
	n->plan = n->network->plan;
	if (n->scheme) {
		QB_TRY(calibrate(n, eb));
		QB_TRY(qb_plan_create_int8(&n->plan, n->network->graph, n->threads, n->network->quantization[0], NULL, eb));
	}
	return qb_session_create(&n->session, n->plan, false, eb);
}

static enum qb_err query_ours(void *arg, struct qb_errbuf *eb)
{
	struct network_side *n = arg;

	return qb_session_run(n->session, &n->io.run, eb);
}

static const float *output_ours(void *arg, size_t *count)
{
	struct network_side *n = arg;

	*count = qb_value_size(n->network->graph->output[0]);
	return n->io.run.output[0];
}

static enum qb_err report_ours(void *arg, struct qb_errbuf *eb)
{
	struct network_side *n = arg;
	double peak;

	if (!n->by_step && !n->by_kind) {
		return QB_OK;
	}
	peak = n->threads * (n->scheme ? peak_int8() : peak_float());
	printf("  peak of %d thread%s: %.1f GMAC/s\n", n->threads, n->threads > 1 ? "s" : "", peak);
	return print_steps(&(struct step_report){n->scheme ? n->scheme : "float", peak, n->by_step, n->by_kind}, n->plan,
		n->session, &n->io.run, eb);
}

struct side our_side(struct network_side *n, const char *name)
{
	return (struct side){.name = name, .prepare = prepare_ours, .query = query_ours, .output = output_ours,
		.finish = report_ours, .arg = n};
}

/* ONNX Runtime's */

static enum qb_err prepare_ort(void *arg, struct qb_errbuf *eb)
{
	struct network_side *n = arg;

	QB_TRY(load(n, eb));
	QB_TRY(qb_graph_bind(&n->bound, n->graph, 1, eb));
	QB_TRY(io_init(&n->io, n->bound, n->graph, n->model, eb));
	return ort_create(&n->ort, n->library, n->file, n->threads, n->bound, n->io.run.input, eb);
}

static enum qb_err query_ort(void *arg, struct qb_errbuf *eb)
{
	struct network_side *n = arg;

	return ort_run(n->ort, eb);
}

static const float *output_ort(void *arg, size_t *count)
{
	struct network_side *n = arg;

	*count = qb_value_size(n->bound->output[0]);
	return ort_output(n->ort);
}

struct side ort_side(struct network_side *n, const char *name)
{
	return (struct side){.name = name, .prepare = prepare_ort, .query = query_ort, .output = output_ort, .arg = n};
}

/* Both */

double sides_difference(const struct side *a, const struct side *b)
{
	double worst = 0, top = 0;

	for (size_t i = 0; i < QB_MIN(a->n, b->n); i++) {
		worst = fmax(worst, fabs((double)a->first[i] - (double)b->first[i]));
		top = fmax(top, fabs((double)b->first[i]));
	}
	return top > 0 ? worst / top : worst;
}

struct ratios side_ratios(const struct side *a, const struct side *b)
{
	return (struct ratios){(double)a->latency.p50_ns / (double)b->latency.p50_ns,
		(double)a->latency.min_ns / (double)b->latency.min_ns, (double)a->cpu_ns / (double)b->cpu_ns};
}
