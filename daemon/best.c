/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/best.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static double number_of(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return json_is_number(v) ? json_number_value(v) : INFINITY;
}

static const json_t *smallest_of_best(const json_t *schemes)
{
	const json_t *row, *least = NULL;
	size_t i;

	json_array_foreach(schemes, i, row) {
		if (json_is_true(json_object_get(row, "best")) && json_is_number(json_object_get(row, "metric")) &&
			(!least || number_of(row, "size_bytes") < number_of(least, "size_bytes"))) {
			least = row;
		}
	}
	return least;
}

json_t *qb_best_of(const char *type, const json_t *result)
{
	const bool sweep = !strcmp(type, "ptq"), training = !strcmp(type, "qat") || !strcmp(type, "train");
	const json_t *row = sweep ? smallest_of_best(json_object_get(result, "schemes"))
		: training ? json_object_get(result, "final") : NULL;

	if (!json_is_number(json_object_get(row, "metric"))) {
		return json_null();
	}
	return json_pack("{s:O?, s:O?, s:O, s:O?, s:O?, s:O?}", "scheme", json_object_get(row, "scheme"),
		"metric", json_object_get(result, "metric_name"), "value", json_object_get(row, "metric"),
		"delta", json_object_get(row, "delta"), "delta_low", json_object_get(row, "delta_low"),
		"delta_high", json_object_get(row, "delta_high"));
}
