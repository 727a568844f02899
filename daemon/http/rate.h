/* SPDX-License-Identifier: Apache-2.0
 *
 * How often somebody may do something: token buckets by name. Those of names not seen for long make room for new ones.
 * Any thread.
 */
#ifndef QB_DAEMON_HTTP_RATE_H
#define QB_DAEMON_HTTP_RATE_H

#include <stdbool.h>
#include <stdint.h>

struct qb_rates;

struct qb_rates *qb_rates_create(void);
void qb_rates_destroy(struct qb_rates **rates);
/* Takes one of a minute's share, which may be used up at once; false where there is none, and in how many whole seconds
 * there will be. */
bool qb_rate_take(struct qb_rates *r, const char *name, int64_t per_minute, double now, int *retry_after_s);

#endif
