/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of job kinds. A kind needs a line here, qb_experiment_<name>() in <name>.c, and its description's JSON
 * Schema in schema/jobs/<name>.json.
 */
#ifndef QB_EXPERIMENT_KINDS_H
#define QB_EXPERIMENT_KINDS_H

#include "core/experiment/experiment.h"

/* name, uploads it takes, internal, summary */
#define QB_EXPERIMENTS(X) \
	X(ptq, "model data", false, "post-training quantization: what each format costs a network") \
	X(hwcost, "model", false, "gates of the multiply-accumulate units that number formats need") \
	X(inspect, "model data", true, "what an upload holds, or what is wrong with it")

#define X(name, inputs, internal, text) \
	enum qb_err qb_experiment_##name(struct qb_job *job, json_t **result, struct qb_errbuf *eb);
QB_EXPERIMENTS(X)
#undef X

#endif
