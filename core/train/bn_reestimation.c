/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/bn_reestimation.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/train/trainer.h"

/* Variances below count as this, as a batch norm has it. */
static const double EPSILON = 1e-5;

double qb_gaussian_divergence(double m1, double v1, double m2, double v2, double epsilon)
{
	v1 = fmax(v1, epsilon);
	v2 = fmax(v2, epsilon);
	return log(v2 / v1) / 2 + (v1 + (m1 - m2) * (m1 - m2)) / (2 * v2) - 0.5;
}

void qb_norm_divergences_fini(struct qb_norm_divergences *d)
{
	free(d->norm);
	*d = (struct qb_norm_divergences){0};
}

/* A batch norm's running statistics: parameters of the roles MEAN and VARIANCE of one layer. */
struct norm {
	const struct qb_parameter *mean, *variance;
	float *before; /* [2][channels] */
};

struct norms {
	int count;
	struct norm *norm;
};

static void fini(struct norms *n)
{
	for (int i = 0; i < n->count; i++) {
		free(n->norm[i].before);
	}
	free(n->norm);
}

static const struct qb_parameter *variance_of(const struct qb_trainer *t, const struct qb_parameter *mean)
{
	for (int i = 0; i < qb_trainer_parameters(t); i++) {
		const struct qb_parameter *p = qb_trainer_parameter(t, i);

		if (p->role == QB_PARAMETER_ROLE_VARIANCE && !strcmp(p->layer, mean->layer) && p->size == mean->size) {
			return p;
		}
	}
	return NULL;
}

/* Copies what runs. */
static enum qb_err keep(struct norms *n, const struct qb_trainer *t, struct qb_errbuf *eb)
{
	n->norm = calloc((size_t)qb_trainer_parameters(t) + 1, sizeof(*n->norm));
	for (int i = 0; n->norm && i < qb_trainer_parameters(t); i++) {
		const struct qb_parameter *mean = qb_trainer_parameter(t, i);
		const struct qb_parameter *variance = mean->role == QB_PARAMETER_ROLE_MEAN ? variance_of(t, mean) : NULL;
		float *before;

		if (!variance) {
			continue;
		}
		before = malloc(2 * (mean->size + 1) * sizeof(*before));
		if (!before) {
			return qb_fail(eb, QB_ENOMEM, "no memory for the statistics of batch norms");
		}
		memcpy(before, mean->value, mean->size * sizeof(*before));
		memcpy(before + mean->size, variance->value, mean->size * sizeof(*before));
		n->norm[n->count++] = (struct norm){mean, variance, before};
	}
	return n->norm ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the statistics of batch norms");
}

static struct qb_norm_divergence compare(const struct norm *n)
{
	struct qb_norm_divergence d = {.layer = n->mean->layer, .channels = (int64_t)n->mean->size};

	for (size_t c = 0; c < n->mean->size; c++) {
		double v = qb_gaussian_divergence((double)n->before[c], (double)n->before[n->mean->size + c], (double)n->mean->value[c],
			(double)n->variance->value[c], EPSILON);

		d.mean += v / (double)n->mean->size;
		if (v > d.most) {
			d.most = v;
			d.most_channel = (int64_t)c;
		}
	}
	return d;
}

enum qb_err qb_train_reestimate(struct qb_trainer *t, int64_t batches, struct qb_norm_divergences *out, struct qb_errbuf *eb)
{
	struct qb_norm_divergences d = {0};
	struct norms n = {0};
	enum qb_err err;

	QB_TRY_OUT(keep(&n, t, eb));
	if (n.count) {
		QB_TRY_OUT(qb_trainer_estimate_statistics(t, batches, eb));
	}
	d.norm = calloc((size_t)n.count + 1, sizeof(*d.norm));
	if (!d.norm) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the divergence of %d batch norms", n.count);
		goto out;
	}
	for (int i = 0; i < n.count; i++) {
		d.norm[d.count++] = compare(&n.norm[i]);
	}
	if (out) {
		*out = d;
		d = (struct qb_norm_divergences){0};
	}
out:
	qb_norm_divergences_fini(&d);
	fini(&n);
	return err;
}

static void put_back(const struct norms *n)
{
	for (int i = 0; i < n->count; i++) {
		const struct norm *one = &n->norm[i];
		const size_t channels = one->mean->size;

		memcpy(one->mean->value, one->before, channels * sizeof(*one->before));
		memcpy(one->variance->value, one->before + channels, channels * sizeof(*one->before));
	}
}

enum qb_err qb_train_try_reestimated(struct qb_trainer *t, int64_t batches, enum qb_err (*measure)(void *arg, struct qb_errbuf *eb),
	void *arg, struct qb_errbuf *eb)
{
	struct norms n = {0};
	enum qb_err err;

	QB_TRY_OUT(keep(&n, t, eb));
	QB_TRY_OUT(qb_trainer_estimate_statistics(t, batches, eb));
	err = measure(arg, eb);
	put_back(&n);
out:
	fini(&n);
	return err;
}

bool qb_train_has_norms(const struct qb_trainer *t)
{
	for (int i = 0; i < qb_trainer_parameters(t); i++) {
		if (qb_trainer_parameter(t, i)->role == QB_PARAMETER_ROLE_MEAN) {
			return true;
		}
	}
	return false;
}
