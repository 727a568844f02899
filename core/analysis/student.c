/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/student.h"

#include "core/base/size.h"

/* Below so many degrees of freedom the expansion is off by more than 2e-7 of the quantile. */
static const double few[] = {12.706204736, 4.302652730, 3.182446305, 2.776445105, 2.570581836, 2.446911851,
	2.364624252, 2.306004135, 2.262157163, 2.228138852, 2.200985160, 2.178812830,
	2.160368656, 2.144786688, 2.131449546, 2.119905299, 2.109815578, 2.100922040};

/* The Cornish-Fisher expansion from the normal quantile x (Abramowitz and Stegun, "Handbook of Mathematical Functions", 1964,
 * 26.7.5). */
double qb_student_quantile_975(int64_t freedom)
{
	const double x = 1.959963984540054, x2 = x * x, v = (double)freedom;

	if (freedom <= (int64_t)QB_COUNT(few)) {
		return few[QB_MAX(freedom, 1) - 1];
	}
	return x * (1 + ((x2 + 1) / 4 + (((5 * x2 + 16) * x2 + 3) / 96 + ((((3 * x2 + 19) * x2 + 17) * x2 - 15) / 384 +
		((((79 * x2 + 776) * x2 + 1482) * x2 - 1920) * x2 - 945) / 92160 / v) / v) / v) / v);
}
