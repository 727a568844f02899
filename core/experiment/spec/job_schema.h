/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON Schemas of the kinds of job, from their tables of fields.
 */
#ifndef QB_EXPERIMENT_SPEC_JOB_SCHEMA_H
#define QB_EXPERIMENT_SPEC_JOB_SCHEMA_H

#include <jansson.h>

#include "core/experiment/experiment.h"

/* Whole in itself: what several fields share is among its own $defs. New reference. */
json_t *qb_job_schema(const struct qb_experiment *kind);

/* The fields that hold uploads: ["model", "data"]. New reference. */
json_t *qb_job_inputs(const struct qb_experiment *kind);

#endif
