/* SPDX-License-Identifier: Apache-2.0
 *
 * Is a value what a JSON Schema describes? As far as daemon/schema.h understands schemas.
 */
#ifndef QB_DAEMON_VALIDATE_H
#define QB_DAEMON_VALIDATE_H

#include <jansson.h>
#include <stdbool.h>

/* schema has passed qb_schema_check. Appends {field, pointer, detail} to errors for everything wrong with value; true
 * when nothing is. */
bool qb_validate(const json_t *schema, const json_t *value, json_t *errors);

/* "/schemes/2/weights" (RFC 6901) as people read it: "schemes[2].weights". New reference. */
json_t *qb_field_name(const char *pointer);

#endif
