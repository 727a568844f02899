/* SPDX-License-Identifier: Apache-2.0
 *
 * Mixed precision: which layer should follow which scheme under a budget, as the front of what is to be had and as a ptq
 * job that is ready to run.
 */
#ifndef QB_JOBS_DIAGNOSE_MIXED_H
#define QB_JOBS_DIAGNOSE_MIXED_H

#include "core/json/fields.h"
#include "core/mixed/layer_costs.h"
#include "core/mixed/sensitivity.h"

/* What a job's "mixed" says. */
struct qb_mixed_spec {
	int kind, most_threads;   /* of the budget, an enum qb_budget_kind; of the host */
	const json_t *candidates; /* schemes, borrowed; NULL: there is no "mixed" */
	struct qb_budget budget;
};

/* The fields of "mixed", which fill a struct qb_mixed_spec that begins like this. */
extern const struct qb_object qb_mixed_object;
void qb_mixed_defaults(struct qb_mixed_spec *out);
/* What the fields alone cannot say, after they have been read. */
enum qb_err qb_mixed_check(struct qb_mixed_spec *spec, struct qb_errbuf *eb);

/* A sweep of the scheme in question and of the candidates after it, and what its layers do alone. */
struct qb_mixed_args {
	struct qb_job *job;
	const json_t *ptq; /* the ptq job of the sweep; the job's own "model" and "data" name the uploads */
	const struct qb_scheme *scheme; /* [sensitivity->schemes] */
	const struct qb_graph *model;
	const struct qb_dataset *data;
	const struct qb_sweep *sweep;
	const struct qb_mixture_layers *layers;
	struct qb_mixture_eval *eval;
	const struct qb_sensitivity *sensitivity;
};

/* *out is a new reference: {"candidates", "budget_kind", "budget", "float_cost", "front": [...], "chosen", "job"}. */
enum qb_err qb_mixed_run(json_t **out, const struct qb_mixed_spec *spec,
	const struct qb_mixed_args *w, struct qb_errbuf *eb);

#endif
