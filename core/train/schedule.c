/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/schedule.h"

#include <math.h>

double qb_schedule_factor(const struct qb_schedule_config *c, int64_t step, int64_t steps, int64_t an_epoch)
{
	int64_t epoch = step / an_epoch, at = c->by_epoch ? epoch * an_epoch : step;
	double r = 0;

	if (step < c->warm_up) {
		return (double)(step + 1) / (double)c->warm_up;
	}
	if (at > c->warm_up) {
		r = (double)(at - c->warm_up) / (double)(steps - c->warm_up);
	}
	switch (c->kind) {
	case QB_SCHEDULE_COSINE:
		return c->final + (1 - c->final) * (1 + cos(3.14159265358979323846 * r)) / 2;
	case QB_SCHEDULE_LINEAR:
		return 1 - (1 - c->final) * r;
	case QB_SCHEDULE_STEP:
		return pow(c->factor, (double)(epoch / c->every));
	default:
		return 1;
	}
}
