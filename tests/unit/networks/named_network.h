/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks by name and variants of attention from descriptions, as jobs have them; what goes wrong fails the test.
 */
#ifndef QB_TEST_NAMED_NETWORK_H
#define QB_TEST_NAMED_NETWORK_H

#include "core/graph/graph.h"

struct qb_graph *named_network(const char *description, uint64_t seed);
/* variant NULL: as it is. */
void set_attention(struct qb_graph *g, const char *variant, uint64_t seed);
/* The same, which fails by a sentence that holds `words`, of this field of the job. */
void expect_no_attention(struct qb_graph *g, const char *variant, const char *field, const char *words);

#endif
