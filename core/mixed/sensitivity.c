/* SPDX-License-Identifier: Apache-2.0 */
#include "core/mixed/sensitivity.h"

#include <math.h>
#include <stdlib.h>

#include "core/analysis/sqnr_db.h"
#include "core/base/size.h"

enum { GROUP = 8, GROUP_BYTES = 512 << 20 };

/* All layers one way, but one of them the other way. */
struct request {
	int all, layer, other; /* layer -1: none */
	struct qb_mixture_result *out;
};

static enum qb_err run_group(struct qb_mixture_eval *eval, int layers, const struct request *r, int count,
	struct qb_errbuf *eb)
{
	int *choice = malloc((size_t)(layers * count + 1) * sizeof(*choice));
	struct qb_mixture_result result[GROUP];
	const int *each[GROUP];
	enum qb_err err;

	if (!choice) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d layers", layers);
	}
	for (int k = 0; k < count; k++) {
		each[k] = choice + k * layers;
		for (int l = 0; l < layers; l++) {
			choice[k * layers + l] = l == r[k].layer ? r[k].other : r[k].all;
		}
	}
	err = qb_mixture_eval_run(eval, each, count, result, eb);
	for (int k = 0; err == QB_OK && k < count; k++) {
		*r[k].out = result[k];
	}
	free(choice);
	return err;
}

/* Which mixtures are run, in this order. r is large enough for all; returns their number. */
static int list_requests(struct request *r, struct qb_sensitivity *s)
{
	int n = 0;

	r[n++] = (struct request){QB_MIXTURE_FLOAT, -1, 0, &s->floats};
	r[n++] = (struct request){0, -1, 0, &s->all};
	for (int l = 0; s->alone && l < s->layers; l++) {
		r[n++] = (struct request){0, l, QB_MIXTURE_FLOAT, &s->but[l]};
		for (int k = 0; k < s->schemes; k++) {
			r[n++] = (struct request){QB_MIXTURE_FLOAT, l, k, &s->only[k * s->layers + l]};
		}
	}
	return n;
}

static enum qb_err run_all(struct qb_sensitivity *s, struct qb_mixture_eval *eval,
	const struct qb_sensitivity_options *opt, struct qb_errbuf *eb)
{
	/* As many at a time as there is memory for their weights. */
	int size = (int)QB_MAX(QB_MIN(GROUP_BYTES / (opt->model_bytes + 1), (size_t)GROUP), (size_t)1);
	struct request *r = calloc((size_t)s->layers * (size_t)(s->schemes + 1) + 2, sizeof(*r));
	enum qb_err err = QB_OK;
	int n;

	if (!r) {
		return qb_fail(eb, QB_ENOMEM, "no memory for %d layers", s->layers);
	}
	n = list_requests(r, s);
	for (int k = 0; err == QB_OK && k < n; k += size) {
		err = opt->heard(opt->arg, r[k].layer, (double)k / n, eb);
		err = err == QB_OK ? run_group(eval, s->layers, r + k, QB_MIN(size, n - k), eb) : err;
	}
	free(r);
	return err;
}

enum qb_err qb_sensitivity_create(struct qb_sensitivity **out, struct qb_mixture_eval *eval,
	const struct qb_mixture_layers *layers, const struct qb_sensitivity_options *opt, struct qb_errbuf *eb)
{
	struct qb_sensitivity *s = calloc(1, sizeof(*s));
	size_t n = (size_t)layers->count;
	enum qb_err err;

	if (s) {
		s->layers = layers->count;
		s->schemes = opt->schemes;
		s->alone = opt->alone;
		s->only = calloc(n * (size_t)opt->schemes + 1, sizeof(*s->only));
		s->but = calloc(n + 1, sizeof(*s->but));
	}
	if (!s || !s->only || !s->but) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for %d layers", layers->count);
		goto out;
	}
	QB_TRY_OUT(run_all(s, eval, opt, eb));
	*out = s;
	s = NULL;
out:
	qb_sensitivity_destroy(&s);
	return err;
}

void qb_sensitivity_destroy(struct qb_sensitivity **sensitivity)
{
	struct qb_sensitivity *s = *sensitivity;

	if (s) {
		free(s->only);
		free(s->but);
		free(s);
		*sensitivity = NULL;
	}
}
