/* SPDX-License-Identifier: Apache-2.0
 *
 * What, beside storage (daemon/storage.h), keeps the service from its work, for /readyz and /v1/system. Set on the loop thread, read on any. A condition is
 * logged when it begins and when it ends, however often it is set in between.
 */
#ifndef QB_DAEMON_HEALTH_H
#define QB_DAEMON_HEALTH_H

#include <jansson.h>
#include <stdbool.h>

#include "daemon/util.h"

/* name, code, meaning */
#define QB_CONDITIONS(X) \
	X(WORKERS, "worker_unavailable", "workers cannot be started") \
	X(EXCLUSIVE, "measurement_stalled", "a latency measurement is stalled, and all other jobs with it")

enum qb_condition {
#define X(name, code, meaning) QB_CONDITION_##name,
	QB_CONDITIONS(X)
#undef X
	QB_CONDITION_COUNT
};

struct qb_health;

struct qb_health *qb_health_create(void);
void qb_health_destroy(struct qb_health **health);

/* Loop thread. The sentence says what is wrong and what to do. */
void qb_health_set(struct qb_health *h, enum qb_condition c, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void qb_health_clear(struct qb_health *h, enum qb_condition c);

/* Any thread. */
bool qb_health_is(struct qb_health *h, enum qb_condition c);
/* true where nothing is wrong; else refuses with 503 and the first condition. */
bool qb_health_check(struct qb_health *h, struct qb_problem *p);
/* New array of {code, detail}. */
json_t *qb_health_list(struct qb_health *h);

#endif
