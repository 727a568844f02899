/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers in results.
 */
#ifndef QB_JSON_NUMBER_H
#define QB_JSON_NUMBER_H

#include <jansson.h>

/* New references. JSON has no infinities and no NaN: those become null. */
json_t *qb_json_real(double value);
/* The same of a float: the fewest digits that read back as the same float, so that 0.3f is 0.3. */
json_t *qb_json_float(float value);

#endif
