/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/sqnr_sums.h"

#include <math.h>

#include "core/analysis/sqnr_db.h"
#include "core/analysis/student.h"

struct qb_sqnr_part qb_sqnr_part_of(const float *ref, const float *x, size_t n)
{
	struct qb_sqnr_part part = {0};

	for (size_t i = 0; i < n; i++) {
		double d = (double)x[i] - ref[i];

		part.signal += (double)ref[i] * ref[i];
		part.noise += d * d;
	}
	return part;
}

void qb_sqnr_sums_add(struct qb_sqnr_sums *s, const struct qb_sqnr_part *part)
{
	s->parts++;
	s->signal += part->signal;
	s->noise += part->noise;
	s->signal_squares += part->signal * part->signal;
	s->noise_squares += part->noise * part->noise;
	s->products += part->signal * part->noise;
}

double qb_sqnr_sums_db(const struct qb_sqnr_sums *s)
{
	return qb_sqnr_db(s->signal, s->noise);
}

/* The variance of a ratio estimate (Cochran, "Sampling Techniques", 1977, section 6.3) on a logarithmic scale: the
 * logarithm of sum s / sum n moves with part i by u_i = s_i / sum s - n_i / sum n, whose sum is 0. Of few parts the variance
 * itself is uncertain: the quantile is Student's. */
double qb_sqnr_sums_half_db(const struct qb_sqnr_sums *s)
{
	double squares, parts = (double)s->parts;

	if (s->parts < 2 || !isfinite(qb_sqnr_sums_db(s))) {
		return NAN;
	}
	squares = s->signal_squares / s->signal / s->signal + s->noise_squares / s->noise / s->noise -
		2 * s->products / s->signal / s->noise;
	return qb_student_quantile_975(s->parts - 1) * 10 / M_LN10 * sqrt(fmax(squares, 0) * parts / (parts - 1));
}
