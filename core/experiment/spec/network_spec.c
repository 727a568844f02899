/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/network_spec.h"

#include <stdlib.h>
#include <string.h>

#include "core/json/params.h"

/* Of every network. */
struct common {
	int64_t classes;
	const json_t *input;
};

static const struct qb_field dimension[] = {{.kind = QB_FIELD_LONG, .low = 1, .high = 65536}, {0}};
static const struct qb_field common_fields[] = {
	{"classes", QB_FIELD_LONG, offsetof(struct common, classes), 2, 1000000,
		.summary = "default: one more than the largest label"},
	{"input", QB_FIELD_LIST, offsetof(struct common, input), 1, QB_MAX_DIMS - 1, .any = dimension,
		.takes = "dimensions of one sample, such as [3, 32, 32]",
		.summary = "the dimensions of one sample; default: as the data has them"},
	{0}};

/* ---- schema ---- */

static json_t *schema(void)
{
	const struct common none = {0};
	json_t *any = json_array(), *common = qb_fields_schema(common_fields, &none, NULL);

	for (int i = 0; i < qb_architectures.count; i++) {
		json_t *one = qb_named_schema(qb_architectures.entry[i]);

		json_object_update(json_object_get(one, "properties"), common);
		json_array_append_new(any, one);
	}
	json_decref(common);
	return json_pack("{s:o}", "anyOf", any);
}

static const struct qb_object network = {.name = "network", .schema = schema};
#define X(name) #name,
static const char *const network_names[] = {QB_ARCHITECTURES(X) NULL};
#undef X
const struct qb_field qb_network_entries[] = {
	{.kind = QB_FIELD_CHOICE, .choices = network_names}, {.kind = QB_FIELD_OBJECT, .object = &network}, {0}};

/* ---- reading ---- */

/* The fields that are not the architecture's, without those that are. */
static enum qb_err read_common(struct qb_network_spec *out, const json_t *obj, const char *at, struct qb_errbuf *eb)
{
	struct common c = {0};
	json_t *mine = json_object();
	enum qb_err err;

	for (const struct qb_field *f = common_fields; f->name; f++) {
		json_t *v = json_object_get(obj, f->name);

		if (v) {
			json_object_set(mine, f->name, v);
		}
	}
	err = qb_fields_read(&c, mine, at, common_fields, NULL, eb);
	out->input.classes = c.classes;
	out->input.ndim = (int)json_array_size(c.input);
	for (int i = 0; err == QB_OK && i < out->input.ndim; i++) {
		const json_t *d = json_array_get(c.input, (size_t)i);

		if (!json_is_integer(d) || json_integer_value(d) < 1 || json_integer_value(d) > 65536) {
			err = qb_fail_field(eb, QB_EJOB, at, "input", "has dimensions that are whole numbers from 1 to 65536");
			break;
		}
		out->input.dim[i] = json_integer_value(d);
	}
	json_decref(mine);
	return err;
}

enum qb_err qb_network_spec_read(struct qb_network_spec *out, const json_t *v, const char *at, struct qb_errbuf *eb)
{
	static const char *const also[] = {"name", "classes", "input", NULL};
	int index;

	*out = (struct qb_network_spec){0};
	QB_TRY(qb_named_read(&index, &out->params, &qb_architectures, v, at, also, eb));
	out->architecture = qb_architecture_at(index);
	return json_is_object(v) ? read_common(out, v, at, eb) : QB_OK;
}

enum qb_err qb_network_spec_build(struct qb_graph **out, const struct qb_network_spec *s,
	const struct qb_architecture_input *data, uint64_t seed, struct qb_errbuf *eb)
{
	struct qb_architecture_input in = data ? *data : s->architecture->usual;

	if (s->input.ndim) {
		in.ndim = s->input.ndim;
		memcpy(in.dim, s->input.dim, sizeof(in.dim));
	}
	in.classes = s->input.classes ? s->input.classes : in.classes;
	if (s->architecture->input) {
		s->architecture->input(&in, s->params);
	}
	return qb_architecture_build(out, s->architecture, &in, s->params, seed, eb);
}

void qb_network_spec_fini(struct qb_network_spec *s)
{
	free(s->params);
	s->params = NULL;
}
