/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/attention_spec.h"

#include <stdlib.h>

static json_t *schema(void)
{
	json_t *any = json_array();

	for (int i = 0; i < qb_attention_variants.count; i++) {
		json_array_append_new(any, qb_named_schema(qb_attention_variants.entry[i]));
	}
	return json_pack("{s:o}", "anyOf", any);
}

static const struct qb_object variant = {.name = "attention", .schema = schema};
#define X(name) #name,
static const char *const names[] = {QB_ATTENTION_VARIANTS(X) NULL};
#undef X
const struct qb_field qb_attention_entries[] = {
	{.kind = QB_FIELD_CHOICE, .choices = names}, {.kind = QB_FIELD_OBJECT, .object = &variant}, {0}};

enum qb_err qb_attention_spec_read(struct qb_attention_spec *out, const json_t *v, const char *at, struct qb_errbuf *eb)
{
	int index;

	*out = (struct qb_attention_spec){0};
	if (!v) {
		return QB_OK;
	}
	QB_TRY(qb_named_read(&index, &out->params, &qb_attention_variants, v, at, NULL, eb));
	out->variant = qb_attention_variant_at(index);
	return QB_OK;
}

enum qb_err qb_attention_spec_apply(const struct qb_attention_spec *s, struct qb_graph *g, uint64_t seed, const char *at,
	struct qb_errbuf *eb)
{
	enum qb_err err = s->variant ? qb_graph_set_attention(g, s->variant, s->params, seed, eb) : QB_OK;

	return err == QB_EJOB ? qb_fail_in_field(eb, err, "", at) : err;
}

void qb_attention_spec_fini(struct qb_attention_spec *s)
{
	free(s->params);
	s->params = NULL;
}
