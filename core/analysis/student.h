/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QB_ANALYSIS_STUDENT_H
#define QB_ANALYSIS_STUDENT_H

#include <stdint.h>

/* The 0.975 quantile of Student's t with so many degrees of freedom, at least 1: a 95 % interval reaches so many standard errors
 * to both sides. To 2e-7 of itself. */
double qb_student_quantile_975(int64_t freedom);

#endif
