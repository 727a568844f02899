/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/sqnr_json.h"

#include <math.h>
#include <stdio.h>

#include "core/json/number.h"

void qb_sqnr_interval_put(json_t *row, const char *name, const struct qb_sqnr_sums *s)
{
	double db = s ? qb_sqnr_sums_db(s) : NAN, half = s ? qb_sqnr_sums_half_db(s) : NAN;
	char key[64];

	snprintf(key, sizeof(key), "%.40s_low_db", name);
	json_object_set_new(row, key, qb_json_real(db - half));
	snprintf(key, sizeof(key), "%.40s_high_db", name);
	json_object_set_new(row, key, qb_json_real(db + half));
}

void qb_output_sqnr_put(json_t *row, const struct qb_sqnr_sums *output)
{
	json_object_set_new(row, "output_sqnr_db", qb_json_real(qb_sqnr_sums_db(output)));
	qb_sqnr_interval_put(row, "output_sqnr", output);
}
