/* SPDX-License-Identifier: Apache-2.0
 *
 * Ours or oneDNN's: which implementation of a float technique a plan takes at the CPU level in force. It is the one that costs
 * less by the table of choice.c, and ours in a build without oneDNN. That holds constants: the same level plans the same steps, whatever the machine is doing.
 */
#ifndef QB_EXEC_LOWER_F32_CHOICE_H
#define QB_EXEC_LOWER_F32_CHOICE_H

#include <stdbool.h>

enum qb_f32_technique {
	QB_F32_LAYERS,    /* dense layers and convolutions as GEMM and implicit GEMM: all is channels last then */
	QB_F32_DEPTHWISE, /* and what is fused with it by lines */
	QB_F32_WINOGRAD,
	QB_F32_STRASSEN,
	QB_F32_BATCHED,   /* products of two activations */
	QB_F32_CONCAT,
	QB_F32_TECHNIQUES
};

bool qb_f32_ours(enum qb_f32_technique t);
const char *qb_f32_technique_name(enum qb_f32_technique t);

/* What plans made from now on take where a level has both, to measure one beside the other. Not while other threads plan. */
enum qb_f32_preference { QB_F32_BY_COST, QB_F32_OURS, QB_F32_ONEDNN };
void qb_f32_prefer(enum qb_f32_technique t, enum qb_f32_preference p);

#endif
