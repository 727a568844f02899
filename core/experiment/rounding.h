/* SPDX-License-Identifier: Apache-2.0
 *
 * How number formats round numbers: a person types one, and sees what each format makes of it.
 */
#ifndef QB_EXPERIMENT_ROUNDING_H
#define QB_EXPERIMENT_ROUNDING_H

#include <jansson.h>

#include "core/base/err.h"

/* {"value": number or list, "formats": [names], "range": c}: {"rows": [...]}, as schema/openapi.yaml says. */
enum qb_err qb_round_values(const json_t *question, json_t **answer, struct qb_errbuf *eb);

#endif
