/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of job kinds. A kind is one file NAME_job.c with one struct qb_experiment, and one row here.
 */
#ifndef QB_JOBS_KINDS_H
#define QB_JOBS_KINDS_H

#include "core/experiment/experiment.h"

/* One line a kind, in the order in which they are listed; each is `const struct qb_experiment qb_experiment_NAME`. */
#define QB_EXPERIMENTS(X) \
	X(ptq) \
	X(diagnose) \
	X(train) \
	X(qat) \
	X(outliers) \
	X(sqnr) \
	X(tensor) \
	X(hwcost) \
	X(toy) \
	X(inspect)

#define X(name) extern const struct qb_experiment qb_experiment_##name;
QB_EXPERIMENTS(X)
#undef X

#endif
