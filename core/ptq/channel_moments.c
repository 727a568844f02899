/* SPDX-License-Identifier: Apache-2.0 */
#include "core/ptq/channel_moments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum qb_err qb_split_create(struct qb_split *out, const struct qb_graph *graph, int64_t batch,
	struct qb_errbuf *eb)
{
	struct qb_split s = {0};
	enum qb_err err;

	QB_TRY_OUT(qb_graph_clone(&s.graph, graph, eb));
	QB_TRY_OUT(qb_pass_split_activations(s.graph, eb));
	QB_TRY_OUT(qb_network_create(&s.network, s.graph, batch, 1, eb));
	*out = s;
	return QB_OK;
out:
	qb_split_fini(&s);
	return err;
}

void qb_split_fini(struct qb_split *s)
{
	qb_network_destroy(&s->network);
	qb_graph_destroy(&s->graph);
}

const struct qb_value *qb_split_output(const struct qb_split *s, const char *node)
{
	const struct qb_graph *g = s->network->graph;

	for (int i = 0; i < g->nodes; i++) {
		const struct qb_value *v = g->node[i]->outputs ? g->node[i]->output[0] : NULL;

		if (v && s->network->observed[v->index] && !strcmp(g->node[i]->name, node)) {
			return v;
		}
	}
	return NULL;
}

/* Sums and sums of squares, those in the deviations' places until all is seen. */
struct sums {
	struct qb_channels *c;
	int64_t rows;
};

static void add(double *sum, double *square, const float *x, int64_t rows, int64_t channels)
{
	for (int64_t r = 0; r < rows; r++) {
		for (int64_t c = 0; c < channels; c++) {
			double v = (double)x[r * channels + c];

			sum[c] += v;
			square[c] += v * v;
		}
	}
}

static enum qb_err add_batch(void *arg, const struct qb_visit *v, struct qb_errbuf *eb)
{
	struct sums *s = arg;

	(void)eb;
	add(s->c->mean, s->c->deviation, v->x, v->rows, v->channels);
	if (v->xq) {
		add(s->c->mean_q, s->c->deviation_q, v->xq, v->rows, v->channels);
	}
	s->rows += v->rows;
	return QB_OK;
}

static void finish(double *mean, double *deviation, int64_t channels, int64_t rows)
{
	for (int64_t c = 0; c < channels; c++) {
		mean[c] /= (double)rows;
		deviation[c] = sqrt(fmax(deviation[c] / (double)rows - mean[c] * mean[c], 0));
	}
}

enum qb_err qb_channels_create(struct qb_channels *out, const struct qb_calibration *c,
	const struct qb_split *s, const struct qb_overlay *overlay, const struct qb_value *value,
	struct qb_errbuf *eb)
{
	const struct qb_graph *g = s->network->graph;
	int64_t channels = value->shape.dim[value->shape.ndim > 3 ? 1 : value->shape.ndim - 1];
	struct qb_channels r = {.channels = channels};
	struct sums sums = {.c = &r};
	bool *wanted = calloc((size_t)g->values + 1, sizeof(*wanted));
	enum qb_err err = QB_OK;

	r.mean = calloc(4 * (size_t)channels + 1, sizeof(*r.mean));
	if (!wanted || !r.mean) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %lld channels", (long long)channels);
		goto out;
	}
	r.deviation = r.mean + channels;
	r.mean_q = overlay ? r.mean + 2 * channels : NULL;
	r.deviation_q = overlay ? r.mean + 3 * channels : NULL;
	wanted[value->index] = true;
	QB_TRY_OUT(qb_calibration_visit(c, s->network, overlay, wanted, 0, add_batch, &sums, eb));
	finish(r.mean, r.deviation, channels, sums.rows);
	if (overlay) {
		finish(r.mean_q, r.deviation_q, channels, sums.rows);
	}
	*out = r;
	r.mean = NULL;
out:
	free(wanted);
	free(r.mean);
	return err;
}

void qb_channels_fini(struct qb_channels *c)
{
	free(c->mean);
	*c = (struct qb_channels){0};
}
