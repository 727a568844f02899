/* SPDX-License-Identifier: Apache-2.0
 *
 * A variant of attention as a job describes it: "gated", or {"name": "clipped_softmax", "alpha": 4}.
 */
#ifndef QB_EXPERIMENT_SPEC_ATTENTION_SPEC_H
#define QB_EXPERIMENT_SPEC_ATTENTION_SPEC_H

#include <jansson.h>

#include "core/train/attention/attention_variant.h"

extern const struct qb_field qb_attention_entries[]; /* what describes one */

struct qb_attention_spec {
	const struct qb_attention_variant *variant; /* NULL: attention stays as the network has it */
	void *params;
};

/* v: NULL for none. at: its path in the job. qb_attention_spec_fini frees, also after an error. */
enum qb_err qb_attention_spec_read(struct qb_attention_spec *out, const json_t *v, const char *at, struct qb_errbuf *eb);
/* Rewrites the network; errors are of the job's field `at`. */
enum qb_err qb_attention_spec_apply(const struct qb_attention_spec *s, struct qb_graph *g, uint64_t seed, const char *at,
	struct qb_errbuf *eb);
void qb_attention_spec_fini(struct qb_attention_spec *s);

#endif
