/* SPDX-License-Identifier: Apache-2.0
 *
 * Running statistics of batch norms: followed in training, and estimated anew.
 */
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/train/trainer_state.h"

/* Mean and unbiased variance of channel c in the batch that ran. */
static void batch_statistics(const struct qb_trainer *t, const struct qb_trained_norm *n, size_t c, double *mean,
	double *variance)
{
	const double *sums = t->output[0][n->sums];
	double count = (double)n->count;

	*mean = sums[c] / count;
	*variance = fmax(sums[n->mean->size + c] / count - *mean * *mean, 0) * count / (count - 1);
}

static float towards(float from, double to, double share)
{
	return (float)((1 - share) * from + share * to);
}

void qb__train_follow_statistics(struct qb_trainer *t, double momentum)
{
	for (int i = 0; i < t->graph->norms; i++) {
		const struct qb_trained_norm *n = &t->graph->norm[i];

		for (size_t c = 0; c < n->mean->size; c++) {
			double mean, variance;

			batch_statistics(t, n, c, &mean, &variance);
			n->mean->value[c] = towards(n->mean->value[c], mean, momentum);
			n->variance->value[c] = towards(n->variance->value[c], variance, momentum);
		}
	}
}

static void add_statistics(const struct qb_trainer *t, double *sum)
{
	for (int i = 0; i < t->graph->norms; i++) {
		const struct qb_trained_norm *n = &t->graph->norm[i];

		for (size_t c = 0; c < n->mean->size; c++, sum += 2) {
			double mean, variance;

			batch_statistics(t, n, c, &mean, &variance);
			sum[0] += mean;
			sum[1] += variance;
		}
	}
}

static void set_statistics(struct qb_trainer *t, const double *sum, int64_t batches)
{
	for (int i = 0; i < t->graph->norms; i++) {
		const struct qb_trained_norm *n = &t->graph->norm[i];

		for (size_t c = 0; c < n->mean->size; c++, sum += 2) {
			n->mean->value[c] = (float)(sum[0] / (double)batches);
			n->variance->value[c] = (float)(sum[1] / (double)batches);
		}
	}
}

enum qb_err qb_trainer_estimate_statistics(struct qb_trainer *t, int64_t batches, struct qb_errbuf *eb)
{
	int64_t most = t->an_epoch * t->config.accumulation, n = batches < most ? batches : most;
	size_t channels = 0;
	double *sum;
	enum qb_err err = QB_OK;

	if (t->config.batch_norm != QB_BATCH_NORM_TRAIN || batches < 1) {
		return qb_fail(eb, QB_EINVAL, "statistics of batch norms are estimated from at least one batch, where batch norms "
			"train");
	}
	for (int i = 0; i < t->graph->norms; i++) {
		channels += t->graph->norm[i].mean->size;
	}
	sum = calloc(2 * channels + 1, sizeof(*sum));
	if (!sum) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the statistics of batch norms");
	}
	for (int64_t i = 0; i < n && err == QB_OK && channels; i++) {
		/* Batches of the epoch after the last: of an order that training does not use. */
		err = qb__train_batch_read(t, t->steps + i / t->config.accumulation, i % t->config.accumulation, eb);
		err = err == QB_OK ? qb__train_run_shards(t, eb) : err;
		if (err == QB_OK) {
			add_statistics(t, sum);
		}
	}
	if (err == QB_OK && channels) {
		set_statistics(t, sum, n);
	}
	free(sum);
	return err;
}
