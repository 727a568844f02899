/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/output_sqnr.h"

#include "core/json/number.h"

void qb_output_sqnr_put(json_t *row, const struct qb_sqnr_sums *output)
{
	double db = qb_sqnr_sums_db(output), half = qb_sqnr_sums_half_db(output);

	json_object_set_new(row, "output_sqnr_db", qb_json_real(db));
	json_object_set_new(row, "output_sqnr_low_db", qb_json_real(db - half));
	json_object_set_new(row, "output_sqnr_high_db", qb_json_real(db + half));
}
