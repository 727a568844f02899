/* SPDX-License-Identifier: Apache-2.0
 *
 * A scheme as a job describes it. Words about weights or activations come from five places, each more particular than
 * the one before: defaults, the scheme's name, the job's own "weights" and "activations", the scheme's, and those of one
 * of its "layers". Of each word the most particular one holds, and what a place does not say it leaves as it was.
 *
 * What a scheme or a layer says is done or refused. The job's words are for all schemes: those that have no meaning for a
 * format (a range for mxfp4, a zero point for E4) are passed over.
 */
#ifndef QB_EXPERIMENT_SPEC_SCHEME_SPEC_H
#define QB_EXPERIMENT_SPEC_SCHEME_SPEC_H

#include <jansson.h>

#include "core/json/fields.h"
#include "core/quant/scheme.h"

enum { QB_METHODS_MAX = 16 }; /* of a scheme */

/* What describes a scheme; weights or activations for all schemes; a list of methods. */
extern const struct qb_field qb_scheme_entries[], qb_part_entry[];
extern const struct qb_object qb_methods_object;

/* The job's own "weights" and "activations"; either may be NULL. */
struct qb_job_halves {
	const json_t *weights, *activations;
};

/* v: a name or an object; at: its path in the job. Layers are allocated: free((void *)out->layer) whether it succeeds or
 * not. Names of layers are borrowed from v. */
enum qb_err qb_scheme_read(struct qb_scheme *out, const json_t *v, const char *at,
	const struct qb_job_halves *job, struct qb_errbuf *eb);

/* A half as a scheme's or a layer's words that read back as the same half: null, or an object. New reference. */
json_t *qb_scheme_part_words(const struct qb_scheme_part *part);

#endif
