/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Schema, as far as the descriptions of jobs use it: type, const, enum, required, properties,
 * additionalProperties, items, minItems, maxItems, minimum, maximum, exclusiveMinimum, exclusiveMaximum,
 * minLength, maxLength, pattern, anyOf, oneOf, allOf, not and $ref into the same schema.
 */
#ifndef QB_DAEMON_VALIDATE_H
#define QB_DAEMON_VALIDATE_H

#include <jansson.h>
#include <stdbool.h>

/* Appends {field, detail} to errors for everything wrong with value; true when nothing is. */
bool qb_validate(const json_t *schema, const json_t *value, json_t *errors);

#endif
