/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of the sqnr job: what is asked for, and its rows.
 */
#ifndef QB_JOBS_SQNR_H
#define QB_JOBS_SQNR_H

#include "core/analysis/sqnr.h"
#include "core/experiment/jobs/kinds.h"
#include "core/experiment/spec/distributions.h"

enum { QB_SQNR_FORMATS_MAX = 64, QB_SQNR_VALUES_MAX = 256 };

/* What a sweep varies. */
enum qb_sqnr_parameter { QB_SQNR_BITS, QB_SQNR_NU, QB_SQNR_CLIP, QB_SQNR_RANGE, QB_SQNR_OUTLIER_MASS };
extern const char *const qb__sqnr_parameters[]; /* their names; NULL at the end */

struct qb_sqnr_row {
	bool there;  /* false: the format does not exist at this value */
	bool exact, best;
	double bits;
	char format[QB_FORMAT_NAME_MAX];
	struct qb_sqnr s;
	double dot_mse, dot_power;
	double measured_mse, measured_db, measured_half_db; /* half: of the 95 % interval around it */
};

struct qb_sqnr_job {
	struct qb_job *job;
	struct { /* as it is asked for; NULL: it is not */
		const json_t *distributions, *formats, *range, *values, *dot_distribution;
		const char *dot_format;
	} asked;
	int distributions, formats, values;
	struct qb_named_distribution *distribution; /* [distributions] and the dot's own */
	struct qb_format format[QB_SQNR_FORMATS_MAX];
	double range; /* 0: the best one */
	bool swept;
	int parameter; /* enum qb_sqnr_parameter */
	double value[QB_SQNR_VALUES_MAX], outlier_sigma;
	bool dot_distribution, dot_format; /* the other operand has its own */
	struct qb_named_distribution *other;
	struct qb_format other_format;
	int64_t length, samples, seed;
	bool density;
	struct qb_sqnr_row *row; /* [distributions][values][formats] */
};

static inline struct qb_sqnr_row *qb__sqnr_row_at(const struct qb_sqnr_job *s, int d, int v, int f)
{
	return &s->row[((size_t)d * (size_t)s->values + (size_t)v) * (size_t)s->formats + (size_t)f];
}

/* The expected SQNR of a row, or the measured one where there is none. */
double qb__sqnr_row_db(const struct qb_sqnr_row *r);
/* Fills the rows, on the job's threads. */
enum qb_err qb__sqnr_run_points(const struct qb_sqnr_job *s, struct qb_errbuf *eb);
/* The job's result, a new reference; NULL when memory ends. */
json_t *qb__sqnr_result(const struct qb_sqnr_job *s);

#endif
