/* SPDX-License-Identifier: Apache-2.0
 *
 * The planned steps that the table of core/ops/ops.h names.
 */
#ifndef QB_OPS_PLANS_H
#define QB_OPS_PLANS_H

#include "core/ops/op.h"

#endif
