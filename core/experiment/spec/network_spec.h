/* SPDX-License-Identifier: Apache-2.0
 *
 * A network by name as a job describes it: "resnet8", or {"name": "mobilenetv2", "width": 0.5, "classes": 10}.
 */
#ifndef QB_EXPERIMENT_SPEC_NETWORK_SPEC_H
#define QB_EXPERIMENT_SPEC_NETWORK_SPEC_H

#include <jansson.h>

#include "core/train/networks/architecture.h"

extern const struct qb_field qb_network_entries[]; /* what describes one */

struct qb_network_spec {
	const struct qb_architecture *architecture;
	struct qb_architecture_input input; /* classes 0, ndim 0: as the data has it */
	void *params;
};

/* at: its path in the job. qb_network_spec_fini frees, also after an error; params borrow from v. */
enum qb_err qb_network_spec_read(struct qb_network_spec *out, const json_t *v, const char *at, struct qb_errbuf *eb);
/* The network with fresh weights. What the description leaves open is as `data` has it, or, where that is NULL, as the
 * architecture was published. */
enum qb_err qb_network_spec_build(struct qb_graph **out, const struct qb_network_spec *s,
	const struct qb_architecture_input *data, uint64_t seed, struct qb_errbuf *eb);
void qb_network_spec_fini(struct qb_network_spec *s);

#endif
