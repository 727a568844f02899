/* SPDX-License-Identifier: Apache-2.0 */
#include "core/json/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

json_t *qb_json_real(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

json_t *qb_json_float(float value)
{
	char text[32];

	for (int digits = 1; digits <= 9; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, (double)value);
		if (strtof(text, NULL) == value) {
			break;
		}
	}
	return isfinite(value) ? json_real(strtod(text, NULL)) : json_null();
}
