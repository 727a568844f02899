/* SPDX-License-Identifier: Apache-2.0
 *
 * The end of a job, told to others: webhooks and mail, as the options of those names say. What is to be told is stored with the
 * job's end, sent by programs (quantbench post, sendmail), one at a time, and tried again with growing pauses. Loop thread only.
 */
#ifndef QB_DAEMON_DELIVERIES_H
#define QB_DAEMON_DELIVERIES_H

#include <jansson.h>
#include <stdint.h>

struct qb_daemon;
struct qb_deliveries;

struct qb_deliveries *qb_deliveries_create(struct qb_daemon *daemon);
void qb_deliveries_stop(struct qb_deliveries *d); /* the loop's handles close */
void qb_deliveries_destroy(struct qb_deliveries **d);

/* Within the transaction that ends the job. */
void qb_deliveries_add(struct qb_daemon *daemon, int64_t job, const char *state, const char *finished, const json_t *error);
/* Something was added, and committed. */
void qb_deliveries_wake(struct qb_deliveries *d);

#endif
