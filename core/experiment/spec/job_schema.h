/* SPDX-License-Identifier: Apache-2.0
 *
 * The JSON Schemas of the kinds of job: schema/jobs, one file a kind, and common.json with what several of them take.
 */
#ifndef QB_EXPERIMENT_SPEC_JOB_SCHEMA_H
#define QB_EXPERIMENT_SPEC_JOB_SCHEMA_H

#include <jansson.h>

/* Whole in itself: what it refers to in common.json is among its own $defs, and a list of methods knows each method and
 * its parameters. New reference; NULL: there is no such kind. */
json_t *qb_job_schema(const char *type);

#endif
