/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/job_schema.h"

/* What every job has. */
static void set_common(json_t *properties, const struct qb_experiment *kind)
{
	json_object_set_new(properties, "workdir", json_pack("{s:s, s:s}", "type", "string", "description",
		"where artifacts are written; the server's own"));
	json_object_set_new(properties, "checkpoints", json_pack("{s:s, s:s}", "type", "string", "description",
		"where checkpoints are left and looked for; the server's own"));
	if (!kind->internal) {
		json_object_set_new(properties, "fresh", json_pack("{s:s, s:b, s:s}", "type", "boolean", "default", 0,
			"description", "run even if an identical job has a result"));
	}
}

json_t *qb_job_schema(const struct qb_experiment *kind)
{
	json_t *defs = json_object(), *object = qb_object_schema(&kind->job, NULL, defs), *own = json_object_get(object, "properties");
	json_t *schema = json_pack("{s:s, s:s}", "$schema", "https://json-schema.org/draft/2020-12/schema", "title", kind->type);
	json_t *properties = json_pack("{s:{s:s}}", "type", "const", kind->type), *required = json_pack("[s]", "type");

	json_object_update(schema, object);
	json_object_update(properties, own);
	set_common(properties, kind);
	json_object_set_new(schema, "properties", properties);
	json_array_extend(required, json_object_get(object, "required"));
	json_object_set_new(schema, "required", required);
	if (json_object_size(defs)) {
		json_object_set(schema, "$defs", defs);
	}
	json_decref(defs);
	json_decref(object);
	return schema;
}

json_t *qb_job_inputs(const struct qb_experiment *kind)
{
	json_t *all = json_array();

	for (const struct qb_field *f = kind->job.fields; f->name; f++) {
		if (f->kind == QB_FIELD_UPLOAD || f->kind == QB_FIELD_UPLOADS) {
			json_array_append_new(all, json_string(f->name));
		}
	}
	return all;
}
