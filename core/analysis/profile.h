/* SPDX-License-Identifier: Apache-2.0
 *
 * Why is it slower: where the time of one run goes, step by step, what stays float in an integer plan and why, and
 * what the conversions between the two cost.
 */
#ifndef QB_ANALYSIS_PROFILE_H
#define QB_ANALYSIS_PROFILE_H

#include <jansson.h>

#include "core/exec/exec.h"

/* Runs the session up to half a second (at least thrice). *out is a new reference: {"runs", "total_ns",
 * "conversions_ns", "float_ns", "steps": [{"node", "type", "kind", "implementation", "ns", "share", "macs"}],
 * "types": [{"type", "kind", "ns", "share", "steps"}], "stayed_float": [{"node", "type", "why", "ns"}]}; ns are medians
 * over the runs. */
enum qb_err qb_profile(json_t **out, const struct qb_plan *plan, struct qb_session *session,
	const struct qb_run *run, struct qb_errbuf *eb);

/* The same of times that are known: ns[steps of the plan] is their sum over so many runs. NULL without memory. */
json_t *qb_profile_of_times(const struct qb_plan *plan, const int64_t *ns, int runs);

#endif
