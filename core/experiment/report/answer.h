/* SPDX-License-Identifier: Apache-2.0
 *
 * What a ptq job answers: the cheapest scheme that loses at most a point (of a metric that is not in per cent, a hundredth), what it costs, and why the next
 * cheaper one fails. The page of the job opens with the same sentences (web/src/pages/answer.ts), for any limit.
 */
#ifndef QB_EXPERIMENT_REPORT_ANSWER_H
#define QB_EXPERIMENT_REPORT_ANSWER_H

#include <jansson.h>
#include <stdio.h>

/* Writes a heading and paragraphs of HTML; nothing where there is no memory for them. */
void qb__answer_write(FILE *f, const json_t *result);

#endif
