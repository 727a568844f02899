/* SPDX-License-Identifier: Apache-2.0
 *
 * Latency of a network in float and under its schemes: real int8 where the scheme and the processor allow it,
 * otherwise the simulation, which is marked emulated.
 */
#ifndef QB_JOBS_PTQ_LATENCY_H
#define QB_JOBS_PTQ_LATENCY_H

#include <jansson.h>

#include "core/analysis/latency.h"
#include "core/experiment/spec/ptq_spec.h"

struct qb_ptq_latency {
	struct qb_latency latency;
	bool native;
	int threads;
	char why_emulated[256];
	json_t *integer; /* what runs in integers; NULL where nothing does */
	json_t *profile; /* of native execution, where it was asked for; or NULL */
};

struct qb_ptq_latency_options {
	struct qb_job *job;
	const struct qb_ptq_spec *spec; /* of the job: its "latency" says what is measured */
	enum qb_err (*progress)(void *arg, double fraction, struct qb_errbuf *eb);
	void *arg;
};

/* Where the job wants it, while nothing else runs; else *out stays as it is. model: as the sweep ran it. *out [1 + schemes], float first.
 * sweep NULL: float alone. */
enum qb_err qb_ptq_latency_run(struct qb_ptq_latency **out, const struct qb_graph *model,
	const struct qb_dataset *data, const struct qb_sweep *sweep, const struct qb_ptq_latency_options *opt,
	struct qb_errbuf *eb);

void qb_ptq_latency_destroy(struct qb_ptq_latency **rows, int n);

json_t *qb_ptq_latency_json(const struct qb_ptq_latency *l);

#endif
