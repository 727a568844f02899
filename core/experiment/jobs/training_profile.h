/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the time of a training goes: its steps on the clock, evaluations apart, and the steps of the plan that shards run.
 */
#ifndef QB_JOBS_TRAINING_PROFILE_H
#define QB_JOBS_TRAINING_PROFILE_H

#include <jansson.h>

#include "core/train/trainer.h"

struct qb_training_profile {
	int64_t *step_ns; /* [steps of the plan]; NULL: nothing is measured */
	double mark;      /* seconds: when the step that runs began; 0: it is not counted */
	double seconds;   /* of the steps that were */
	double *each;     /* [steps of the training], of `steps` of them */
	int64_t steps;
};

enum qb_err qb_training_profile_begin(struct qb_training_profile *p, struct qb_trainer *t, struct qb_errbuf *eb);
void qb_training_profile_fini(struct qb_training_profile *p);
/* A step has ended; something else has: the next step begins now. */
void qb_training_profile_step(struct qb_training_profile *p);
void qb_training_profile_pause(struct qb_training_profile *p);
/* {"steps", "seconds", "seconds_per_step" (median), "samples_per_second", "threads", "plan": as of latency}; batch: samples of a step. New reference; null
 * where nothing was measured. */
json_t *qb_training_profile_json(const struct qb_training_profile *p, const struct qb_trainer *t, int64_t batch, int threads);

#endif
