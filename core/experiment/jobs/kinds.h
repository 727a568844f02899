/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of job kinds. A kind needs a line here, qb_experiment_<name>() and qb_check_<name>() in <name>.c, and its description's JSON
 * Schema in schema/jobs/<name>.json.
 */
#ifndef QB_JOBS_KINDS_H
#define QB_JOBS_KINDS_H

#include "core/experiment/experiment.h"

/* name, uploads it takes, internal, live, summary */
#define QB_EXPERIMENTS(X) \
	X(ptq, "model data", false, false, "post-training quantization: what each format costs a network") \
	X(diagnose, "model data", false, false, "where a scheme loses what it loses, and mixed precision") \
	X(sqnr, "model data", false, true, "what formats cost on distributions: the exact expected error") \
	X(tensor, "data model", false, false, "what formats cost on the tensors of a file, and their outliers") \
	X(hwcost, "model", false, true, "gates of the multiply-accumulate units that number formats need") \
	X(inspect, "model data", true, false, "what an upload holds, or what is wrong with it")

#define X(name, inputs, internal, live, text) \
	enum qb_err qb_experiment_##name(struct qb_job *job, json_t **result, struct qb_errbuf *eb); \
	enum qb_err qb_check_##name(struct qb_job *job, struct qb_errbuf *eb);
QB_EXPERIMENTS(X)
#undef X

#endif
