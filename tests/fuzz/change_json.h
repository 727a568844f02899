/* SPDX-License-Identifier: Apache-2.0
 *
 * Damage of bytes rarely leaves valid JSON of another structure: this makes it.
 */
#ifndef QB_TESTS_CHANGE_JSON_H
#define QB_TESTS_CHANGE_JSON_H

#include <jansson.h>
#include <stddef.h>

/* Calls with(value) once for each member of value at any depth, up to a bound, while that member is another, unusual
 * value. turn: other ones for other numbers. */
void change_json(json_t *value, size_t turn, void (*with)(const json_t *value));

#endif
