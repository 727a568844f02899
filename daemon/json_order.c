/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/json_order.h"

#include <stdlib.h>
#include <string.h>

static int compare_doubles(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_numbers(const json_t *a, const json_t *b)
{
	if (json_is_integer(a) && json_is_integer(b)) {
		json_int_t x = json_integer_value(a), y = json_integer_value(b);

		return (x > y) - (x < y);
	}
	return compare_doubles(json_number_value(a), json_number_value(b));
}

static int compare_arrays(const json_t *a, const json_t *b)
{
	size_t na = json_array_size(a), nb = json_array_size(b);
	int order = (na > nb) - (na < nb);

	for (size_t i = 0; !order && i < na; i++) {
		order = qb_json_compare(json_array_get(a, i), json_array_get(b, i));
	}
	return order;
}

static int compare_keys(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **sorted_keys(const json_t *object)
{
	const char **keys = malloc((json_object_size(object) + 1) * sizeof(*keys)), *key;
	json_t *v;
	size_t n = 0;

	if (!keys) {
		abort();
	}
	json_object_foreach((json_t *)object, key, v) {
		keys[n++] = key;
	}
	qsort(keys, n, sizeof(*keys), compare_keys);
	return keys;
}

static int compare_objects(const json_t *a, const json_t *b)
{
	size_t na = json_object_size(a), nb = json_object_size(b);
	const char **ka, **kb;
	int order = (na > nb) - (na < nb);

	if (order) {
		return order;
	}
	ka = sorted_keys(a);
	kb = sorted_keys(b);
	for (size_t i = 0; !order && i < na; i++) {
		order = strcmp(ka[i], kb[i]);
		order = order ? order : qb_json_compare(json_object_get(a, ka[i]), json_object_get(b, kb[i]));
	}
	free(ka);
	free(kb);
	return order;
}

static int rank(const json_t *v)
{
	return json_is_real(v) ? JSON_INTEGER : (int)json_typeof(v);
}

int qb_json_compare(const json_t *a, const json_t *b)
{
	if (rank(a) != rank(b)) {
		return rank(a) - rank(b);
	}
	switch (json_typeof(a)) {
	case JSON_OBJECT:
		return compare_objects(a, b);
	case JSON_ARRAY:
		return compare_arrays(a, b);
	case JSON_STRING:
		return strcmp(json_string_value(a), json_string_value(b));
	case JSON_INTEGER:
	case JSON_REAL:
		return compare_numbers(a, b);
	default:
		return 0;
	}
}

static int compare_elements(const void *a, const void *b)
{
	return qb_json_compare(*(const json_t *const *)a, *(const json_t *const *)b);
}

bool qb_json_all_differ(const json_t *array)
{
	size_t n = json_array_size(array), i;
	const json_t **sorted = malloc((n + 1) * sizeof(*sorted)), *v;
	bool differ = true;

	if (!sorted) {
		abort();
	}
	json_array_foreach(array, i, v) {
		sorted[i] = v;
	}
	qsort(sorted, n, sizeof(*sorted), compare_elements);
	for (i = 1; differ && i < n; i++) {
		differ = qb_json_compare(sorted[i - 1], sorted[i]) != 0;
	}
	free(sorted);
	return differ;
}
