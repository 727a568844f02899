/* SPDX-License-Identifier: Apache-2.0
 *
 * ViT (Dosovitskiy et al., 2021): patches of an image by a convolution, learned positions, layer norms before attention and
 * feed-forward blocks, Gelu; classes from a token of their own, or from the mean of the patches. A layer norm behind the patches
 * is not in the paper: without it outliers begin there (Bondarenko et al., 2023).
 */
#include "core/graph/shape.h"
#include "core/train/networks/transformer.h"

static const float EPSILON = 1e-6f;
enum { POOL_CLASS, POOL_MEAN };

struct params {
	struct qb__transformer transformer; /* first */
	int64_t patch;
	bool patch_norm;
	int pool;
};

static const char *const pools[] = {[POOL_CLASS] = "class", [POOL_MEAN] = "mean", NULL};
static const struct qb_field fields[] = {
	QB__TRANSFORMER_FIELDS,
	{"patch", QB_FIELD_LONG, offsetof(struct params, patch), 1, 1024, .summary = "rows and columns of a patch; they divide the image's"},
	{"patch_norm", QB_FIELD_BOOL, offsetof(struct params, patch_norm), .summary = "a layer norm behind the patches"},
	{"pool", QB_FIELD_CHOICE, offsetof(struct params, pool), .choices = pools,
		.summary = "classes from a token of their own, or from the mean of the patches"},
	{0}};

static void set_defaults(void *params)
{
	*(struct params *)params = (struct params){.transformer = {.layers = 6, .width = 192, .heads = 3}, .patch = 4};
}

/* [N, channels, H, W] to [N, patches, width]. */
static struct qb_value *patches(struct qb__layers *l, struct qb_value *x, const struct params *p)
{
	const struct qb__conv conv = {.outputs = p->transformer.width, .kernel = {p->patch, p->patch}, .stride = p->patch,
		.valid = true, .bias = true};

	x = qb__layer_conv(l, x, &conv, "patches");
	x = qb__layer_reshape(l, x, 3, (const int64_t[]){0, 0, -1}, "patches.flat");
	return qb__layer_transpose(l, x, 3, (const int64_t[]){0, 2, 1}, "patches.places");
}

/* A learned place before the others, the same for all samples. */
static struct qb_value *prepend_class(struct qb__layers *l, struct qb_value *x, int64_t width)
{
	struct qb_value *in[2] = {x}, *token;
	struct qb_node *n = x ? qb__layer_begin(l, QB_OP_Shape, "class.batch", NULL, 1, in) : NULL;

	if (!n) {
		return NULL;
	}
	qb_node_add_int(n, "start", 0);
	qb_node_add_int(n, "end", 1);
	in[0] = qb__layer_end(l, n);
	in[1] = qb__layer_integers(l, 2, (const int64_t[]){1, width}, "class", "size");
	n = in[0] ? qb__layer_begin(l, QB_OP_Concat, "class.size", NULL, 2, in) : NULL;
	if (!n) {
		return NULL;
	}
	qb_node_add_int(n, "axis", 0);
	in[0] = qb__layer_constant(l, QB_F32, 3, (const int64_t[]){1, 1, width}, "class", "weight");
	if (in[0]) {
		*(float *)in[0]->constant->data = 1; /* until it is drawn: zeros would be padding (core/train/training_network.h) */
	}
	in[1] = qb__layer_end(l, n);
	token = in[1] ? qb__layer_end(l, qb__layer_begin(l, QB_OP_Expand, "class.token", NULL, 2, in)) : NULL;
	if (!token) {
		return NULL;
	}
	token->shape = qb_shape_make(3, (const int64_t[]){-1, 1, width});
	in[0] = token;
	in[1] = x;
	n = qb__layer_begin(l, QB_OP_Concat, "class", NULL, 2, in);
	if (n) {
		qb_node_add_int(n, "axis", 1);
	}
	return qb__layer_end(l, n);
}

/* [N, places, width] to [N, width]. */
static struct qb_value *pool(struct qb__layers *l, struct qb_value *x, bool mean)
{
	struct qb_value *in[2] = {x};
	struct qb_node *n;

	if (x && mean) {
		in[1] = qb__layer_integers(l, 1, (const int64_t[]){1}, "pool", "axes");
		n = in[1] ? qb__layer_begin(l, QB_OP_ReduceMean, "pool", NULL, 2, in) : NULL;
		if (n) {
			n->opset = 18; /* since which axes are an input */
			qb_node_add_int(n, "keepdims", 0);
		}
		return qb__layer_end(l, n);
	}
	in[1] = x ? qb__layer_index(l, 0, "pool", "place") : NULL;
	n = in[1] ? qb__layer_begin(l, QB_OP_Gather, "pool", NULL, 2, in) : NULL;
	if (n) {
		qb_node_add_int(n, "axis", 1);
	}
	return qb__layer_end(l, n);
}

static struct qb_value *build(struct qb__layers *l, struct qb_value *x, const struct qb_architecture_input *input,
	const void *params)
{
	const struct params *p = params;
	const struct qb__blocks blocks = {.size = &p->transformer, .before = true, .bias = true, .gelu = true, .epsilon = EPSILON};
	struct qb_value *y;

	if (input->dim[1] % p->patch || input->dim[2] % p->patch) {
		l->err = qb_fail_field(l->eb, QB_EJOB, "", "patch", "of %lld does not divide an image of %lld x %lld", (long long)p->patch,
			(long long)input->dim[1], (long long)input->dim[2]);
		return NULL;
	}
	y = patches(l, x, p);
	y = p->patch_norm ? qb__layer_norm(l, y, EPSILON, true, "patch_norm") : y;
	y = p->pool == POOL_CLASS ? prepend_class(l, y, p->transformer.width) : y;
	y = qb__layer_blocks(l, qb__layer_positions(l, y, "positions"), &blocks);
	y = pool(l, qb__layer_norm(l, y, EPSILON, true, "norm"), p->pool == POOL_MEAN);
	return qb__layer_linear(l, y, input->classes, "logits", "linear");
}

const struct qb_architecture qb_architecture_vit = {
	.named = {.name = "vit", .summary = "a transformer of an image's patches",
		.params_bytes = sizeof(struct params), .fields = fields, .defaults = set_defaults, .check = qb__transformer_check},
	.usual = {3, {3, 32, 32}, 10}, .build = build,
};
