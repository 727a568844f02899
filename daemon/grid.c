/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "daemon/grid.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where the job has an object of that name, or gets one. NULL where it has something else there. */
static json_t *inner(json_t *job, const char *name)
{
	json_t *v = json_object_get(job, name);

	if (!v) {
		json_object_set_new(job, name, json_object());
	}
	v = json_object_get(job, name);
	return json_is_object(v) ? v : NULL;
}

static bool set(json_t *job, const char *path, json_t *value)
{
	char *words = strdup(path), *rest = NULL, *name = words ? strtok_r(words, ".", &rest) : NULL, *next;
	bool ok;

	for (; name && (next = strtok_r(NULL, ".", &rest)) != NULL && job; name = next) {
		job = inner(job, name);
	}
	ok = job && name && json_object_set(job, name, value) == 0;
	free(words);
	return ok;
}

static bool is_well_formed(const json_t *grid, size_t *count, struct qb_problem *p)
{
	json_t *over = json_object_get(grid, "over"), *job = json_object_get(grid, "job"), *values;
	const char *path;

	*count = 1;
	if (!json_is_object(job) || !json_is_object(over) || json_object_size(grid) != 2) {
		return qb_refuse(p, 422, "bad_grid", "a grid is an object of job, which is a job, and over, which has a list of values for each "
			"field: {\"job\": {\"type\": \"ptq\", ...}, \"over\": {\"model\": [\"m1\", \"m2\"]}}");
	}
	if (json_object_size(over) == 0 || json_object_size(over) > QB_GRID_FIELDS_MAX) {
		return qb_refuse(p, 422, "bad_grid", "over: must name 1 to %d fields", QB_GRID_FIELDS_MAX);
	}
	json_object_foreach(over, path, values) {
		const size_t n = json_array_size(values);

		if (n == 0 || *count * n > QB_GRID_JOBS_MAX) {
			return n ? qb_refuse(p, 422, "bad_grid", "over: these are more than %d jobs; submit several grids", QB_GRID_JOBS_MAX)
				: qb_refuse(p, 422, "bad_grid", "over: %.60s must be a list of at least one value", path);
		}
		*count *= n;
	}
	return true;
}

/* Combination k. */
static json_t *combine(const json_t *grid, size_t count, size_t k, struct qb_problem *p)
{
	json_t *over = json_object_get(grid, "over"), *job = json_deep_copy(json_object_get(grid, "job")), *at = json_object(), *values;
	const char *path;

	json_object_foreach(over, path, values) {
		json_t *value;

		count /= json_array_size(values);
		value = json_array_get(values, k / count);
		k %= count;
		json_object_set(at, path, value);
		if (!set(job, path, value)) {
			qb_refuse(p, 422, "bad_grid", "over: %.60s is no field of the job, which has something else than an object there", path);
		}
	}
	return json_pack("{s:o, s:o}", "job", job, "at", at);
}

json_t *qb_grid_expand(const json_t *grid, struct qb_problem *p)
{
	json_t *all = json_array();
	size_t count;

	if (is_well_formed(grid, &count, p)) {
		for (size_t k = 0; k < count && !p->status; k++) {
			json_array_append_new(all, combine(grid, count, k, p));
		}
	}
	if (p->status) {
		json_decref(all);
		return NULL;
	}
	return all;
}
