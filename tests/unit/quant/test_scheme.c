/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/graph/op.h"
#include "core/quant/scheme_layers.h"
#include "core/quant/quantization.h"
#include "tests/unit/levels.h"

/* A network of hand-made nodes; every activation is [1,4]. */

static struct qb_value *activation(struct qb_graph *g, const char *name)
{
	struct qb_value *v = qb_graph_add_value(g, name, QB_F32);

	v->shape = (struct qb_shape){.known = true, .ndim = 2, .dim = {1, 4}};
	return v;
}

static struct qb_value *constant(struct qb_graph *g, const char *name, int ndim, const int64_t *dim)
{
	struct qb_tensor *t = qb_arena_alloc(g->arena, 1, sizeof(*t));

	t->dtype = QB_F32;
	t->ndim = ndim;
	memcpy(t->dim, dim, (size_t)ndim * sizeof(*dim));
	t->data = qb_arena_alloc(g->arena, qb_tensor_size(t), sizeof(float));
	for (size_t i = 0; i < qb_tensor_size(t); i++) {
		((float *)t->data)[i] = (float)((int)i % 7 - 3) / (float)(1 + i % 5);
	}
	return qb_graph_add_constant(g, name, t);
}

static void node(struct qb_graph *g, const char *type, int inputs, struct qb_value **in,
	struct qb_value *out)
{
	struct qb_node *n = qb_arena_alloc(g->arena, 1, sizeof(*n));

	n->op = qb_op_find("", type);
	assert_non_null(n->op);
	n->name = n->type = type;
	n->inputs = inputs;
	n->input = qb_arena_alloc(g->arena, (size_t)inputs, sizeof(*n->input));
	memcpy(n->input, in, (size_t)inputs * sizeof(*in));
	n->outputs = 1;
	n->output = qb_arena_alloc(g->arena, 1, sizeof(*n->output));
	n->output[0] = out;
	assert_true(qb_graph_append(g, n));
}

struct net {
	struct qb_graph *g;
	struct qb_value *x, *flat, *w, *bias, *mm, *add, *moved, *soft;
};

/* x -> Flatten -> MatMul(w, bias) -> Add(constant) -> Reshape -> Softmax */
static struct net make_net(void)
{
	struct net t = {.g = qb_graph_create()};
	const int64_t square[] = {4, 4}, row[] = {4};
	struct qb_value *c, *shape;

	t.x = activation(t.g, "x");
	t.flat = activation(t.g, "flat");
	t.w = constant(t.g, "w", 2, square);
	t.bias = constant(t.g, "bias", 1, row);
	t.mm = activation(t.g, "mm");
	c = constant(t.g, "c", 1, row);
	t.add = activation(t.g, "add");
	shape = constant(t.g, "shape", 1, row);
	t.moved = activation(t.g, "moved");
	t.soft = activation(t.g, "soft");
	node(t.g, "Flatten", 1, &t.x, t.flat);
	node(t.g, "MatMul", 3, (struct qb_value *[]){t.flat, t.w, t.bias}, t.mm);
	node(t.g, "Add", 2, (struct qb_value *[]){t.mm, c}, t.add);
	node(t.g, "Reshape", 2, (struct qb_value *[]){t.add, shape}, t.moved);
	node(t.g, "Softmax", 1, &t.moved, t.soft);
	t.g->input = qb_arena_alloc(t.g->arena, 1, sizeof(*t.g->input));
	t.g->input[0] = t.x;
	t.g->inputs = 1;
	t.g->output = qb_arena_alloc(t.g->arena, 1, sizeof(*t.g->output));
	t.g->output[0] = t.soft;
	t.g->outputs = 1;
	assert_int_equal(qb_graph_relink(t.g, NULL), QB_OK);
	return t;
}

static void placement__small_net__follows_the_rule(void **state)
{
	struct net t = make_net();
	struct qb_placement *p;

	(void)state;
	assert_int_equal(qb_placement_create(&p, t.g, NULL), QB_OK);
	assert_int_equal(p->role[t.x->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->shares[t.x->index], -1);
	assert_int_equal(p->role[t.flat->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->shares[t.flat->index], t.x->index);
	assert_int_equal(p->role[t.w->index], QB_ROLE_WEIGHT);
	assert_int_equal(p->weight_axis[t.w->index], 1);
	assert_int_equal(p->role[t.bias->index], QB_ROLE_FLOAT);
	assert_int_equal(p->role[t.mm->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->role[t.add->index], QB_ROLE_ACTIVATION);
	assert_int_equal(p->shares[t.moved->index], t.add->index);
	assert_int_equal(p->role[t.soft->index], QB_ROLE_FLOAT);
	qb_placement_destroy(&p);
	qb_graph_destroy(&t.g);
}

/* ids (integers) -> Cast -> Mul(c) is a mask; x -> MatMul(w) -> Add(mask) -> Reshape -> Softmax -> MatMul(w). With
 * ids an input of float instead, there is none. */
static void placement__attention_mask__stays_float(void **state)
{
	(void)state;
	for (int integers = 0; integers < 2; integers++) {
		struct net t = {.g = qb_graph_create()};
		const int64_t square[] = {4, 4}, row[] = {4};
		struct qb_value *ids, *cast, *mask, *score, *sum, *moved, *soft, *out, *w, *c, *shape;
		struct qb_placement *p;

		t.x = activation(t.g, "x");
		ids = activation(t.g, "ids");
		ids->dtype = integers ? QB_I64 : QB_F32;
		cast = activation(t.g, "cast");
		mask = activation(t.g, "mask");
		score = activation(t.g, "score");
		sum = activation(t.g, "sum");
		moved = activation(t.g, "moved");
		soft = activation(t.g, "soft");
		out = activation(t.g, "out");
		w = constant(t.g, "w", 2, square);
		c = constant(t.g, "c", 1, row);
		shape = constant(t.g, "shape", 1, row);
		node(t.g, "Cast", 1, &ids, cast);
		node(t.g, "Mul", 2, (struct qb_value *[]){cast, c}, mask);
		node(t.g, "MatMul", 2, (struct qb_value *[]){t.x, w}, score);
		node(t.g, "Add", 2, (struct qb_value *[]){score, mask}, sum);
		node(t.g, "Reshape", 2, (struct qb_value *[]){sum, shape}, moved);
		node(t.g, "Softmax", 1, &moved, soft);
		node(t.g, "MatMul", 2, (struct qb_value *[]){soft, w}, out);
		t.g->input = qb_arena_alloc(t.g->arena, 2, sizeof(*t.g->input));
		t.g->input[0] = t.x;
		t.g->input[1] = ids;
		t.g->inputs = 2;
		t.g->output = qb_arena_alloc(t.g->arena, 1, sizeof(*t.g->output));
		t.g->output[0] = out;
		t.g->outputs = 1;
		assert_int_equal(qb_graph_relink(t.g, NULL), QB_OK);
		assert_int_equal(qb_placement_create(&p, t.g, NULL), QB_OK);
		assert_int_equal(p->role[score->index], QB_ROLE_ACTIVATION);
		assert_int_equal(p->role[soft->index], QB_ROLE_ACTIVATION);
		assert_int_equal(p->role[out->index], QB_ROLE_ACTIVATION);
		assert_int_equal(p->role[mask->index], integers ? QB_ROLE_FLOAT : QB_ROLE_ACTIVATION);
		assert_int_equal(p->role[cast->index], integers ? QB_ROLE_FLOAT : QB_ROLE_ACTIVATION);
		assert_int_equal(p->role[sum->index], integers ? QB_ROLE_FLOAT : QB_ROLE_ACTIVATION);
		assert_int_equal(p->role[moved->index], integers ? QB_ROLE_FLOAT : QB_ROLE_ACTIVATION);
		qb_placement_destroy(&p);
		qb_graph_destroy(&t.g);
	}
}

static void quantization__small_net__quantizes_channels_and_shares(void **state)
{
	struct net t = make_net();
	struct qb_placement *p;
	struct qb_quantization *q;
	struct qb_scheme s;
	struct qb_observer *observer[32] = {0};
	const float both[] = {-1, 0.5f, 2}, positive[] = {0, 1, 3};

	(void)state;
	assert_true(t.g->values <= 32);
	assert_int_equal(qb_placement_create(&p, t.g, NULL), QB_OK);
	for (int i = 0; i < t.g->values; i++) {
		if (p->role[i] == QB_ROLE_ACTIVATION && p->shares[i] < 0) {
			observer[i] = qb_observer_create();
			qb_observer_update(observer[i], i == t.x->index ? both : positive, 3);
		}
	}
	assert_int_equal(qb_scheme_parse(&s, "int8", NULL), QB_OK);
	assert_int_equal(qb_quantization_create(&q, &s, t.g, p, observer, NULL), QB_OK);
	assert_int_equal(q->q[t.w->index]->channels, 4);
	assert_null(q->q[t.w->index]->zero);
	assert_null(q->q[t.soft->index]);
	assert_ptr_equal(q->q[t.flat->index], q->q[t.x->index]);
	assert_false(q->q[t.x->index]->format.is_signed);
	assert_true(q->q[t.x->index]->zero[0] > 0);
	assert_int_equal(q->q[t.mm->index]->zero[0], 0);
	qb_quantization_destroy(&q);
	assert_int_equal(qb_scheme_parse(&s, "E4", NULL), QB_OK);
	assert_int_equal(qb_quantization_create(&q, &s, t.g, p, observer, NULL), QB_OK);
	assert_true(q->q[t.x->index]->format.is_signed);
	assert_false(q->q[t.mm->index]->format.is_signed);
	assert_int_equal(q->q[t.mm->index]->format.man_bits, 4);
	qb_quantization_destroy(&q);
	s.activations.granularity = QB_PER_CHANNEL;
	assert_int_equal(qb_quantization_create(&q, &s, t.g, p, observer, NULL), QB_EUNSUPPORTED);
	for (int i = 0; i < t.g->values; i++) {
		qb_observer_destroy(&observer[i]);
	}
	qb_placement_destroy(&p);
	qb_graph_destroy(&t.g);
}

static void scheme_parse__names__give_both_halves(void **state)
{
	struct qb_scheme s;
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_scheme_parse(&s, "w4a8", NULL), QB_OK);
	assert_int_equal(s.weights.format.bits, 4);
	assert_true(s.weights.format.is_signed && !s.weights.format.asymmetric);
	assert_int_equal(s.activations.format.bits, 8);
	assert_true(s.activations.format.asymmetric && !s.activations.format.is_signed);
	assert_int_equal(s.weights.granularity, QB_PER_CHANNEL);
	assert_int_equal(s.activations.granularity, QB_PER_TENSOR);
	assert_int_equal(qb_scheme_parse(&s, "w8a32", NULL), QB_OK);
	assert_false(s.activations.quantized);
	assert_int_equal(qb_scheme_parse(&s, "int4/E4", NULL), QB_OK);
	assert_int_equal(s.weights.format.kind, QB_FORMAT_INT);
	assert_int_equal(s.activations.format.kind, QB_FORMAT_FLOAT);
	assert_int_equal(qb_scheme_parse(&s, "mxfp4", NULL), QB_OK);
	assert_int_equal(s.weights.granularity, QB_PER_BLOCK);
	assert_int_equal(qb_scheme_parse(&s, "w4a99", &eb), QB_EINVAL);
	assert_int_equal(qb_scheme_parse(&s, "", &eb), QB_EINVAL);
	assert_int_equal(qb_scheme_parse(&s, "int4/", &eb), QB_EINVAL);
}

static void scheme_parts__layers__names_before_patterns(void **state)
{
	struct net t = make_net();
	struct qb_placement *p;
	struct qb_scheme s, e4, w4;
	struct qb_scheme_layer layer[3];
	const struct qb_scheme_part *part[32] = {0};
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_placement_create(&p, t.g, NULL), QB_OK);
	assert_int_equal(qb_scheme_parse(&s, "int8", NULL), QB_OK);
	assert_int_equal(qb_scheme_parse(&e4, "E4", NULL), QB_OK);
	assert_int_equal(qb_scheme_parse(&w4, "w4a32", NULL), QB_OK);
	layer[0] = (struct qb_scheme_layer){"M*M*", e4.weights, e4.activations};
	layer[1] = (struct qb_scheme_layer){"MatMul", w4.weights, w4.activations};
	layer[2] = (struct qb_scheme_layer){"add", e4.weights, e4.activations};
	s.layer = layer;
	s.layers = 3;
	assert_int_equal(qb_scheme_parts(&s, t.g, p, part, NULL), QB_OK);
	assert_ptr_equal(part[t.w->index], &layer[1].weights);
	assert_null(part[t.mm->index]);     /* w4a32 leaves activations float */
	assert_ptr_equal(part[t.add->index], &layer[2].activations);
	assert_ptr_equal(part[t.x->index], &s.activations);
	assert_null(part[t.moved->index]);  /* shares that of add */
	assert_null(part[t.bias->index]);
	s.layers = 1;
	assert_int_equal(qb_scheme_parts(&s, t.g, p, part, NULL), QB_OK);
	assert_ptr_equal(part[t.mm->index], &layer[0].activations);
	layer[0].name = "MatMull";
	assert_int_equal(qb_scheme_parts(&s, t.g, p, part, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "near it are MatMul"));
	layer[0].name = "moved";
	assert_int_equal(qb_scheme_parts(&s, t.g, p, part, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "\"add\""));
	qb_placement_destroy(&p);
	qb_graph_destroy(&t.g);
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placement__small_net__follows_the_rule),
		cmocka_unit_test(placement__attention_mask__stays_float),
		cmocka_unit_test(quantization__small_net__quantizes_channels_and_shares),
		cmocka_unit_test(scheme_parse__names__give_both_halves),
		cmocka_unit_test(scheme_parts__layers__names_before_patterns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
