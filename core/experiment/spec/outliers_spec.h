/* SPDX-License-Identifier: Apache-2.0
 *
 * What an outliers job asks for: trained networks to report on, or a training under several variants of attention; and schemes.
 */
#ifndef QB_EXPERIMENT_SPEC_OUTLIERS_SPEC_H
#define QB_EXPERIMENT_SPEC_OUTLIERS_SPEC_H

#include "core/experiment/spec/train_spec.h"

enum { QB_OUTLIERS_MODELS_MAX = 16, QB_OUTLIERS_CALIBRATIONS_MAX = 16, QB_OUTLIERS_METHODS_MAX = 8, QB_OUTLIERS_SEEDS_MAX = 8,
	QB_OUTLIERS_RUNS_MAX = QB_OUTLIERS_METHODS_MAX * QB_OUTLIERS_SEEDS_MAX };

/* A variant of attention that is trained. */
struct qb_outliers_method {
	char name[96];       /* unique in the job: the variant's, with its parameters where another one has that name */
	json_t *asked;       /* {"name": ...}, with the parameters that the job gives */
	struct qb_attention_spec attention;
};

struct qb_outliers_spec {
	struct qb_train_spec train;      /* first */
	bool trains;                     /* one network under each method with each seed; else there are models */
	int models;                      /* networks to report on */
	int methods, seeds;
	struct qb_outliers_method method[QB_OUTLIERS_METHODS_MAX];
	int64_t seed[QB_OUTLIERS_SEEDS_MAX];
	int calibrations;                /* each chooses its samples by a seed of its own, from 1 */
	bool head_float;                 /* the layer that makes the scores stays float */
	struct {
		const json_t *models;    /* NULL: the one "model" */
		const json_t *methods, *seeds;
	} asked;
	json_t *weights, *activations, *schemes; /* the job's own with what it leaves to the papers */
};

extern const struct qb_field qb_outliers_fields[];
void qb_outliers_spec_defaults(void *out);

/* Borrows from the job; qb_outliers_spec_fini frees the rest, also after an error. */
enum qb_err qb_outliers_spec_parse(struct qb_outliers_spec *out, const struct qb_job *job, struct qb_errbuf *eb);
void qb_outliers_spec_fini(struct qb_outliers_spec *s);
/* The i-th of the networks. */
enum qb_err qb_outliers_spec_model(const struct qb_outliers_spec *s, const struct qb_job *job, int i, const char **path,
	const char **name, struct qb_errbuf *eb);
/* The training of a method with a seed, a copy that borrows all from s. */
struct qb_train_spec qb_outliers_spec_train(const struct qb_outliers_spec *s, int method, int seed);

#endif
