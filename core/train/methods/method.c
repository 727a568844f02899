/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/methods/method.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/size.h"

#define X(name) extern const struct qb_train_method qb_train_method_##name;
QB_TRAIN_METHODS(X)
#undef X

static const struct qb_train_method *const methods[] = {
#define X(name) &qb_train_method_##name,
	QB_TRAIN_METHODS(X)
#undef X
};

static const struct qb_named *const named[] = {
#define X(name) &qb_train_method_##name.named,
	QB_TRAIN_METHODS(X)
#undef X
};
static const struct qb_named_table table = {"method of training", QB_COUNT(named), named};

const struct qb_train_method *qb_train_method_at(int i)
{
	return i >= 0 && i < table.count ? methods[i] : NULL;
}

const struct qb_train_method *qb_train_method_find(const char *name)
{
	return qb_train_method_at(qb_named_index(&table, name));
}

json_t *qb_train_method_descriptions(void)
{
	json_t *all = json_array();

	for (int i = 0; i < table.count; i++) {
		json_array_append_new(all, json_pack("{s:s, s:s, s:s}", "name", named[i]->name, "summary", named[i]->summary,
			"kind", methods[i]->kind == QB_TRAIN_METHOD_QUANTIZERS ? "quantizers" : "regularizer"));
	}
	return all;
}

json_t *qb_train_method_schema(void)
{
	return qb_named_table_schema(&table);
}

/* ---- lists in jobs ---- */

static enum qb_err read_use(struct qb_train_method_use *use, const json_t *v, const char *at, struct qb_errbuf *eb)
{
	int index;

	QB_TRY(qb_named_read(&index, &use->params, &table, v, at, NULL, eb));
	use->method = methods[index];
	return QB_OK;
}

/* Twice the same, two that say how quantizers learn, and what does not go together. */
static enum qb_err check_pair(const struct qb_train_method_list *l, int i, const char *at, struct qb_errbuf *eb)
{
	const struct qb_train_method *m = l->use[i].method;

	for (int k = 0; k < i; k++) {
		const struct qb_train_method *other = l->use[k].method;
		bool one_is_pact = !strcmp(m->named.name, "pact") || !strcmp(other->named.name, "pact");

		if (other == m) {
			return qb_fail_field(eb, QB_EJOB, at, "", "%s is there twice", m->named.name);
		}
		if (other->kind == QB_TRAIN_METHOD_QUANTIZERS && m->kind == QB_TRAIN_METHOD_QUANTIZERS) {
			return qb_fail_field(eb, QB_EJOB, at, "", "%s and %s both say how quantizers learn; take one of them", other->named.name,
				m->named.name);
		}
		if (one_is_pact) {
			return qb_fail_field(eb, QB_EJOB, at, "", "%s and %s do not go together: pact's weights are quantized behind a tanh; "
				"take lsq, lsq_plus, dsq or ewgs", other->named.name, m->named.name);
		}
	}
	return QB_OK;
}

/* The method of quantizers in front; lsq where there is none. */
static enum qb_err put_first(struct qb_train_method_list *l, struct qb_errbuf *eb)
{
	for (int i = 0; i < l->count; i++) {
		struct qb_train_method_use use = l->use[i];

		if (use.method->kind == QB_TRAIN_METHOD_QUANTIZERS) {
			memmove(&l->use[1], &l->use[0], (size_t)i * sizeof(use));
			l->use[0] = use;
			return QB_OK;
		}
	}
	memmove(&l->use[1], &l->use[0], (size_t)l->count * sizeof(l->use[0]));
	l->use[0] = (struct qb_train_method_use){.method = qb_train_method_find("lsq")};
	l->count++;
	return qb_named_defaults(&l->use[0].params, &l->use[0].method->named, eb);
}

enum qb_err qb_train_method_list_parse(struct qb_train_method_list *out, const json_t *list, const char *at,
	struct qb_errbuf *eb)
{
	struct qb_train_method_list l = {0};
	size_t n = json_array_size(list);
	enum qb_err err = QB_OK;
	char here[128];

	for (size_t i = 0; err == QB_OK && i < n; i++) {
		snprintf(here, sizeof(here), "%.100s[%zu]", at, i);
		if (l.count == QB_TRAIN_METHODS_MAX - 1) {
			err = qb_fail_field(eb, QB_EJOB, here, "", "more than %d methods", QB_TRAIN_METHODS_MAX - 1);
			break;
		}
		err = read_use(&l.use[l.count++], json_array_get(list, i), here, eb);
		err = err == QB_OK ? check_pair(&l, l.count - 1, here, eb) : err;
	}
	err = err == QB_OK ? put_first(&l, eb) : err;
	if (err != QB_OK) {
		qb_train_method_list_fini(&l);
		return err;
	}
	*out = l;
	return QB_OK;
}

void qb_train_method_list_fini(struct qb_train_method_list *list)
{
	for (int i = 0; i < list->count; i++) {
		free(list->use[i].params);
	}
	*list = (struct qb_train_method_list){0};
}

/* ---- at work ---- */

void qb_train_quantizers_of(const struct qb_train_method_list *list, struct qb_train_quantizers *q)
{
	*q = (struct qb_train_quantizers){.weights = QB_ESTIMATOR_STE, .activations = QB_ESTIMATOR_STE,
		.range = QB_WEIGHT_RANGE_MSE, .factor_most = 1};
	for (int i = 0; i < list->count; i++) {
		if (list->use[i].method->quantizers) {
			list->use[i].method->quantizers(list->use[i].params, q);
		}
	}
}

enum qb_err qb_train_methods_observe(const struct qb_train_method_list *list, struct qb_train_layers *l, struct qb_errbuf *eb)
{
	for (int i = 0; i < list->count; i++) {
		if (list->use[i].method->observe) {
			QB_TRY(list->use[i].method->observe(list->use[i].params, l, eb));
		}
	}
	return QB_OK;
}

enum qb_err qb_train_methods_penalise(const struct qb_train_method_list *list, struct qb_train_layers *l, double *penalty,
	struct qb_errbuf *eb)
{
	for (int i = 0; i < list->count; i++) {
		if (list->use[i].method->penalise) {
			QB_TRY(list->use[i].method->penalise(list->use[i].params, l, penalty, eb));
		}
	}
	return QB_OK;
}

double qb_train_methods_threshold(const struct qb_train_method_list *list, const struct qb_train_position *at)
{
	double least = INFINITY;

	for (int i = 0; i < list->count; i++) {
		if (list->use[i].method->threshold) {
			least = fmin(least, list->use[i].method->threshold(list->use[i].params, at));
		}
	}
	return least;
}

bool qb_train_methods_regularise(const struct qb_train_method_list *list)
{
	return list->count > 1;
}

bool qb_train_anneal(const struct qb_train_position *at, double begin, double from, double to, double *v)
{
	double t0 = begin * (double)at->steps, t = (double)at->step, r;

	if (t < t0 || at->steps < 1) {
		return false;
	}
	r = (t - t0) / ((double)at->steps - t0);
	*v = to + (from - to) * (1 + cos(3.14159265358979323846 * r)) / 2;
	return true;
}
