/* SPDX-License-Identifier: Apache-2.0
 *
 * What a list says of a job's result.
 */
#ifndef QB_DAEMON_BEST_H
#define QB_DAEMON_BEST_H

#include <jansson.h>

/* New reference: {scheme, metric, value, delta, delta_low, delta_high} of the best of a result, or null as JSON where
 * its kind has none. Of a ptq job it is the smallest of the schemes whose metric is the best or no worse by what the samples
 * can tell; of a training, what it ended with. */
json_t *qb_best_of(const char *type, const json_t *result);

#endif
