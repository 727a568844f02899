/* SPDX-License-Identifier: Apache-2.0
 *
 * Fully connected layers with rectifiers between them.
 */
#include "core/json/params.h"
#include "core/train/networks/architecture.h"
#include "core/train/networks/layers.h"

enum { LAYERS_MAX = 32 };

struct params {
	const json_t *asked; /* borrowed */
	int layers;
	int64_t width[LAYERS_MAX];
};

static const struct qb_field width[] = {{.kind = QB_FIELD_LONG, .low = 1, .high = 65536}, {0}};
static const struct qb_field fields[] = {
	{"layers", QB_FIELD_LIST, offsetof(struct params, asked), 0, LAYERS_MAX, .any = width,
		.takes = "widths of the layers before the last", .summary = "widths of the layers before the last; default: [128, 64]"},
	{0}};

static void set_defaults(void *params)
{
	struct params *p = params;

	p->layers = 2;
	p->width[0] = 128;
	p->width[1] = 64;
}

static enum qb_err check(void *params, const char *at, struct qb_errbuf *eb)
{
	struct params *p = params;

	if (!p->asked) {
		return QB_OK;
	}
	p->layers = (int)json_array_size(p->asked);
	for (int i = 0; i < p->layers; i++) {
		const json_t *v = json_array_get(p->asked, (size_t)i);

		if (!json_is_integer(v) || json_integer_value(v) < 1 || json_integer_value(v) > 65536) {
			return qb_fail_field(eb, QB_EJOB, at, "layers", "are widths, whole numbers from 1 to 65536");
		}
		p->width[i] = json_integer_value(v);
	}
	return QB_OK;
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	const struct params *p = params;
	struct qb_value *y = input->ndim == 1 ? x : qb__layer_flatten(l, x);

	for (int i = 0; i < p->layers; i++) {
		y = qb__layer_linear(l, y, p->width[i], NULL, "linear%d", i);
		y = qb__layer_relu(l, y, "relu%d", i);
	}
	return qb__layer_linear(l, y, input->classes, "logits", "linear%d", p->layers);
}

const struct qb_architecture qb_architecture_mlp = {
	.named = {.name = "mlp", .summary = "fully connected layers with rectifiers, for inputs of any shape",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults, .check = check},
	.usual = {1, {64}, 10}, .build = build,
};
