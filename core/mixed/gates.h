/* SPDX-License-Identifier: Apache-2.0
 *
 * Gates of the multiply-accumulate units that a scheme needs on a network.
 */
#ifndef QB_MIXED_GATES_H
#define QB_MIXED_GATES_H

#include <jansson.h>

#include "core/ptq/network.h"

/* {"unit": gates of one unit of the scheme's own formats, "network": the sum over all multiply-accumulates of one
 * sample of the gates of the unit that each needs}; null where no unit multiplies the formats. quantization NULL:
 * the float network. New reference. */
json_t *qb_gates_json(const struct qb_network *network, const struct qb_quantization *quantization);

#endif
