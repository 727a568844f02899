/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker says of itself: its version, its kinds of job and its formats.
 */
#ifndef QB_ENGINE_INFO_H
#define QB_ENGINE_INFO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Brings a description to one form, and reads the schemas of its kinds of job; false, with the reason in why, where it is not
 * understood. */
bool qb_engine_info_normalize(json_t *info, char *why, size_t size);

#endif
