/* SPDX-License-Identifier: Apache-2.0
 *
 * An operator: one row in the table of core/ops/ops.h, one place for everything about it.
 * The struct itself is core/graph/op.h, for the graph's passes use it too.
 */
#ifndef QB_OPS_OP_H
#define QB_OPS_OP_H

#include "core/graph/op.h"

#endif
