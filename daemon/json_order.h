/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_DAEMON_JSON_ORDER_H
#define QB_DAEMON_JSON_ORDER_H

#include <jansson.h>
#include <stdbool.h>

/* A total order of JSON values, in which equal is what JSON Schema calls equal: 1 and 1.0 are, whatever the order of
 * members. */
int qb_json_compare(const json_t *a, const json_t *b);

/* No two elements of an array are equal. */
bool qb_json_all_differ(const json_t *array);

#endif
