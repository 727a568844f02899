/* SPDX-License-Identifier: Apache-2.0
 *
 * Questions that are answered at once: what the engine can do, number formats, rounding, and the kinds of job whose
 * numbers a page shows while a slider moves. A question is {"ask": name, ...}: the rest is what it takes.
 */
#ifndef QB_EXPERIMENT_QUESTION_H
#define QB_EXPERIMENT_QUESTION_H

#include <jansson.h>

#include "core/base/err.h"

/* *answer is a new reference. version: the engine's. threads: that may be used. */
enum qb_err qb_question_answer(const json_t *question, const char *version, int threads,
	json_t **answer, struct qb_errbuf *eb);

#endif
