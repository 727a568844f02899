/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers in training: the forward pass against qb_qdq bit for bit; gradients element by element against each estimator's
 * closed form, against finite differences of the surrogate that it defines, and in float32 against double precision.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cpu.h"
#include "core/base/random.h"
#include "core/base/size.h"
#include "core/exec/exec.h"
#include "core/graph/op.h"
#include "core/kernels/quantize/fake_quantize.h"
#include "core/quant/quantizer.h"
#include "tests/unit/levels.h"

static const char *const integers[] = {"int2", "int3", "int4", "int5", "int6", "int7", "int8", "uint2", "uint3", "uint4", "uint8",
	"int4_asym", "uint4_asym", "int8_asym", "uint8_asym"};
static const char *const floats[] = {"E2", "E3", "E4", "E5", "fp8_e4m3", "e2m1", "fp6_e2m3"};

static void *need(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	assert_non_null(p);
	return p;
}

static struct qb_format format_of(const char *name)
{
	struct qb_format f;

	if (qb_format_parse(&f, name, NULL) != QB_OK) {
		fail_msg("no format %s", name);
	}
	return f;
}

/* Normals with edges among them: zeros of both signs, what is half way, far outside, infinite and no number. */
static void fill(float *x, size_t n, uint64_t stream, float scale)
{
	const float edge[] = {0, -0.0f, 0.5f, 1.5f, -2.5f, 7, 7.5f, 8, 1e30f, -1e30f, INFINITY, -INFINITY, NAN};

	for (size_t i = 0; i < n; i++) {
		x[i] = i % 11 == 3 ? edge[i / 11 % QB_COUNT(edge)] * scale : (float)(4 * qb_random_normal(5, stream, i)) * scale;
	}
}

static void check_forward(const char *name, int64_t outer, int64_t channels, int64_t inner, bool learned_offset)
{
	struct qb_format f = format_of(name);
	size_t n = (size_t)(outer * channels * inner);
	float *x = need(n, sizeof(*x)), *y = need(n, sizeof(*y)), *want = need(n, sizeof(*want));
	float *scale = need((size_t)channels, sizeof(*scale)), *offset = need((size_t)channels, sizeof(*offset));
	int32_t *zero = need((size_t)channels, sizeof(*zero));
	struct qb_fake_quantizer q = {.format = f, .channels = channels, .scale = scale, .zero = zero};
	struct qb_quantizer plain = {.format = f, .axis = channels > 1 ? 1 : -1, .channels = channels, .scale = scale};

	for (int64_t c = 0; c < channels; c++) {
		scale[c] = (float)(0.05 + qb_random_uniform(6, 1, (uint64_t)c));
		offset[c] = f.asymmetric ? (float)(-3.3 * qb_random_uniform(6, 2, (uint64_t)c)) * scale[c] : 0;
		if (f.asymmetric) {
			double z = nearbyint(-(double)offset[c] / (double)scale[c]);

			zero[c] = (int32_t)fmin(fmax(z, qb_format_min(&f)), qb_format_max(&f));
		}
	}
	plain.zero = f.asymmetric ? zero : NULL;
	q.offset = learned_offset ? offset : NULL;
	fill(x, n, 17, scale[0]);
	qb_fake_quantize(&q, x, y, outer, inner);
	qb_qdq(&plain, x, want, outer, channels, inner);
	for (size_t i = 0; i < n; i++) {
		if (memcmp(&y[i], &want[i], sizeof(*y))) {
			fail_msg("%s [%d,%d,%d]: element %zu: x %a gives %a, qb_qdq %a", name, (int)outer, (int)channels, (int)inner, i,
				(double)x[i], (double)y[i], (double)want[i]);
		}
	}
	free(x); free(y); free(want); free(scale); free(offset); free(zero);
}

static void forward__any_format_and_layout__equals_qdq_bit_for_bit(void **state)
{
	const char *const more[] = {"nf4", "log4", "e4m3fn", "e5m2fnuz", "bf16"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(integers) + QB_COUNT(floats) + QB_COUNT(more); i++) {
		const char *name = i < QB_COUNT(integers) ? integers[i] : i < QB_COUNT(integers) + QB_COUNT(floats)
			? floats[i - QB_COUNT(integers)] : more[i - QB_COUNT(integers) - QB_COUNT(floats)];

		for (int offset = 0; offset < 2; offset++) {
			check_forward(name, 1, 1, 1000, offset);
			check_forward(name, 3, 5, 77, offset);
			check_forward(name, 41, 7, 1, offset);
			check_forward(name, 3, 600, 1, offset);
			check_forward(name, 1, 1, 1, offset);
		}
	}
}

/* ---- element by element ---- */

struct want {
	double dx, ds, doffset;
};

/* The closed forms of the papers, written out for one element. [n, p]: codes; z: the zero point. */
static struct want closed_form(enum qb_estimator e, double x, double s, double z, double n, double p, bool learned, double delta,
	double g)
{
	double v = x / s, code = nearbyint(v) + z, end = 0;
	bool in = e == QB_ESTIMATOR_STE ? code >= n && code <= p :
		e == QB_ESTIMATOR_PACT ? v + z > n && v + z < p : v + z >= n && v + z <= p;

	if (!in) {
		end = (v + z >= p ? p : n) - (learned ? 0 : z);
		return (struct want){0, g * end, g};
	}
	switch (e) {
	case QB_ESTIMATOR_PACT:
		return (struct want){g, 0, 0};
	case QB_ESTIMATOR_EWGS: {
		double factor = g > 0 ? 1 + delta * (v - nearbyint(v)) : 1 - delta * (v - nearbyint(v));

		return (struct want){g * factor, g * (nearbyint(v) - factor * v), 0};
	}
	default:
		return (struct want){g, g * (nearbyint(v) - v), 0};
	}
}

static void near(double got, double want, double tolerance, const char *what, const char *name, double x)
{
	if (!(fabs(got - want) <= tolerance * fmax(1, fabs(want)))) {
		fail_msg("%s: %s at x = %.9g is %.12g, not %.12g", name, what, x, got, want);
	}
}

static void check_element(const char *name, enum qb_estimator e, double x, double s, double offset, bool learned, double g)
{
	struct qb_format f = format_of(name);
	double n = qb_format_min(&f), p = qb_format_max(&f), delta = 0.3, dx, ds, doffset;
	double z = f.asymmetric ? fmin(fmax(nearbyint(-offset / s), n), p) : 0;
	int32_t zero = (int32_t)z;
	float xf = (float)x, gf = (float)g, dxf, sf = (float)s, of = (float)offset;
	struct want w = closed_form(e, x, s, z, n, p, learned, delta, g);
	struct qb_fake_quantizer_f64 q = {.format = f, .estimator = e, .factor = delta, .channels = 1, .scale = &s,
		.offset = learned ? &offset : NULL, .zero = &zero};
	struct qb_fake_quantizer one = {.format = f, .estimator = e, .factor = (float)delta, .channels = 1, .scale = &sf,
		.offset = learned ? &of : NULL, .zero = &zero};
	struct qb_fake_quantizer_gradient sums = {&ds, &doffset, 0};

	qb_fake_quantize_gradient_f64(&q, &x, &g, &dx, 1, 1, &sums);
	near(dx, w.dx, 1e-12, "dx", name, x);
	near(ds, w.ds, 1e-12, "dscale", name, x);
	near(doffset, w.doffset, 1e-12, "doffset", name, x);
	qb_fake_quantize_gradient(&one, &xf, &gf, &dxf, 1, 1, &sums);
	near((double)dxf, w.dx, 1e-5, "float dx", name, x);
	near(ds, w.ds, 1e-5, "float dscale", name, x);
	near(doffset, w.doffset, 1e-6, "float doffset", name, x);
}

/* Scales that are powers of two: ends and halves are met exactly. */
static void gradient__integers__every_eighth_of_a_step_is_the_closed_form(void **state)
{
	const enum qb_estimator closed[] = {QB_ESTIMATOR_STE, QB_ESTIMATOR_LSQ, QB_ESTIMATOR_PACT, QB_ESTIMATOR_EWGS};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(integers); i++) {
		struct qb_format f = format_of(integers[i]);
		double n = qb_format_min(&f), p = qb_format_max(&f);

		for (double v = n - p - 3; v <= 2 * p + 3; v += p > 20 ? 0.375 : 0.125) {
			for (size_t e = 0; e < QB_COUNT(closed); e++) {
				double offset = f.asymmetric ? -2.75 * 0.25 : 0;

				check_element(integers[i], closed[e], v * 0.25, 0.25, offset, false, 1.5);
				check_element(integers[i], closed[e], v * 0.25, 0.25, offset, f.asymmetric, -0.5);
			}
		}
	}
}

/* ---- finite differences ---- */

/* Gong et al.: the soft staircase. */
static double soft(double v, double alpha)
{
	double S = 1 / (1 - alpha), k = log(2 / alpha - 1), m = floor(v) + 0.5;

	return m + S / 2 * tanh(k * (v - m));
}

/* The five-point stencil. */
static const double nodes[4] = {-2, -1, 1, 2};

static double difference(const double d[4], double h)
{
	return (d[0] - 8 * d[1] + 8 * d[2] - d[3]) / (12 * h);
}

static void gradient__dsq__is_that_of_the_soft_function(void **state)
{
	const double ha = 1e-5, g = 0.7;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(integers); i++) {
		struct qb_format f = format_of(integers[i]);
		double n = qb_format_min(&f), p = qb_format_max(&f);

		for (int k = 0; k < 400; k++) {
			double s = 0.1 + qb_random_uniform(3, 1, (uint64_t)k), alpha = 0.05 + 0.45 * qb_random_uniform(3, 2, (uint64_t)k);
			double v = n + (p - n) * qb_random_uniform(3, 3, (uint64_t)k), x = v * s, r = nearbyint(v) - soft(v, alpha);
			double dx, ds, d[4], hx = 1e-3 * s, hs = 1e-3 * s / (1 + fabs(v));
			struct qb_fake_quantizer_f64 q = {.format = f, .estimator = QB_ESTIMATOR_DSQ, .factor = alpha, .channels = 1,
				.scale = &s};
			struct qb_fake_quantizer_gradient sums = {&ds, NULL, 0};

			if (fabs(v - nearbyint(v)) < 1e-2 || fabs(v - floor(v) - 0.5) < 1e-2) {
				continue; /* near an integer the steps meet, half way the remainder jumps */
			}
			qb_fake_quantize_gradient_f64(&q, &x, &g, &dx, 1, 1, &sums);
			for (int j = 0; j < 4; j++) {
				d[j] = s * soft((x + nodes[j] * hx) / s, alpha);
			}
			near(dx, g * difference(d, hx), 1e-6, "dx", integers[i], x);
			for (int j = 0; j < 4; j++) {
				d[j] = (s + nodes[j] * hs) * (soft(x / (s + nodes[j] * hs), alpha) + r);
			}
			near(ds, g * difference(d, hs), 1e-6, "dscale", integers[i], x);
			for (int j = 0; j < 4; j++) {
				d[j] = s * soft(v, alpha + nodes[j] * ha);
			}
			near(sums.factor, g * difference(d, ha), 1e-6, "dalpha", integers[i], x);
		}
	}
}

/* Kuzmin et al.: b = 2^E - log2(c) + log2(2 - 2^-M) - 1, p = max(floor(log2|xc| + b), 1), Q = 2^(p - b - M) round(...). With p
 * and the remainder of round() held, by c. */
static void gradient__floats__is_that_of_a_learned_range(void **state)
{
	const double g = -1.3;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(floats); i++) {
		struct qb_format f = format_of(floats[i]);
		double M = f.man_bits, hi = qb_format_max(&f);

		for (int k = 0; k < 2000; k++) {
			double c = 0.5 + 2 * qb_random_uniform(4, 1, (uint64_t)k), x = 0.7 * c * qb_random_normal(4, 2, (uint64_t)k);
			double h = 1e-6 * c, s = c / hi, top = floor(log2(hi)), up, down, dx, ds, e, b, p, step, r, y;
			struct qb_fake_quantizer_f64 q = {.format = f, .estimator = QB_ESTIMATOR_LSQ, .channels = 1, .scale = &s};
			struct qb_fake_quantizer_gradient sums = {&ds, NULL, 0};

			/* The largest octave is the top of the grid: b follows from it as the paper has it for grids without specials. */
			b = (top + f.bias) + log2(hi / exp2(top)) - log2(c);
			qb_fake_quantize_gradient_f64(&q, &x, &g, &dx, 1, 1, &sums);
			if (fabs(x) > c) {
				near(dx, 0, 0, "dx", floats[i], x);
				near(ds / hi, g * (x > 0 ? 1 : -1), 1e-9, "dc", floats[i], x);
				continue;
			}
			e = floor(log2(fabs(x)) + b);
			p = fmax(e, 1);
			step = exp2(p - b - M);
			r = nearbyint(x / step) - x / step;
			qb_fake_quantize_f64(&q, &x, &y, 1, 1);
			near(y, step * nearbyint(x / step), 1e-9, "Q", floats[i], x);
			b = (top + f.bias) + log2(hi / exp2(top)) - log2(c + h);
			up = x + exp2(p - b - M) * r;
			b = (top + f.bias) + log2(hi / exp2(top)) - log2(c - h);
			down = x + exp2(p - b - M) * r;
			near(dx, g, 1e-12, "dx", floats[i], x);
			near(ds / hi, g * (up - down) / (2 * h), 1e-6, "dc", floats[i], x);
		}
	}
}

/* ---- tensors ---- */

struct result {
	float *dx;
	double *ds, *doffset;
	double factor;
};

static struct result run(const struct qb_fake_quantizer *q, const float *x, const float *g, int64_t outer, int64_t inner)
{
	struct result r = {need((size_t)(outer * q->channels * inner), sizeof(*r.dx)), need((size_t)q->channels, sizeof(*r.ds)),
		need((size_t)q->channels, sizeof(*r.doffset)), 0};
	struct qb_fake_quantizer_gradient sums = {r.ds, r.doffset, 0};

	qb_fake_quantize_gradient(q, x, g, r.dx, outer, inner, &sums);
	r.factor = sums.factor;
	return r;
}

static void release(struct result *r)
{
	free(r->dx);
	free(r->ds);
	free(r->doffset);
}

/* float32 against double within what is left of the elements' own precision, and every level against plain C. */
static void check_tensor(const char *name, enum qb_estimator e, int64_t outer, int64_t channels, int64_t inner)
{
	struct qb_format f = format_of(name);
	size_t n = (size_t)(outer * channels * inner), c = (size_t)channels;
	float *x = need(n, sizeof(*x)), *g = need(n, sizeof(*g)), *scale = need(c, sizeof(*scale)), *offset = need(c, sizeof(*offset));
	double *xd = need(n, sizeof(*xd)), *gd = need(n, sizeof(*gd)), *dx = need(n, sizeof(*dx)), *sd = need(c, sizeof(*sd));
	double *od = need(c, sizeof(*od)), *ds = need(c, sizeof(*ds)), *doff = need(c, sizeof(*doff)), *size = need(c, sizeof(*size));
	struct qb_fake_quantizer q = {f, e, 0.25f, channels, scale, f.asymmetric ? offset : NULL, NULL};
	struct qb_fake_quantizer_f64 wide = {f, e, 0.25, channels, sd, f.asymmetric ? od : NULL, NULL};
	struct qb_fake_quantizer_gradient sums = {ds, doff, 0};
	enum qb_cpu_level level = qb_cpu_level();
	struct result here, plain;

	for (size_t i = 0; i < c; i++) {
		sd[i] = (double)(scale[i] = (float)(0.05 + qb_random_uniform(6, 1, i)));
		od[i] = (double)(offset[i] = -1.3f * scale[i]);
	}
	for (size_t i = 0; i < n; i++) {
		double v;

		size_t at = i / (size_t)inner % c;

		/* Away from ends and halves, where the two precisions may differ. */
		v = floor(qb_format_max(&f) * 1.2 * qb_random_normal(6, 3, i)) + 0.1 + 0.35 * qb_random_uniform(6, 4, i);
		xd[i] = (double)(x[i] = (float)(v * sd[at]));
		gd[i] = (double)(g[i] = (float)qb_random_normal(6, 5, i));
		size[at] += fabs(gd[i]) * fmax(qb_format_max(&f), 1);
	}
	here = run(&q, x, g, outer, inner);
	qb_fake_quantize_gradient_f64(&wide, xd, gd, dx, outer, inner, &sums);
	for (size_t i = 0; i < n; i++) {
		near((double)here.dx[i], dx[i], 2e-5, "dx", name, xd[i]);
	}
	for (size_t i = 0; i < c; i++) {
		near(here.ds[i] / size[i], ds[i] / size[i], 1e-5, "dscale", name, (double)i);
		near(here.doffset[i] / size[i], doff[i] / size[i], 1e-5, "doffset", name, (double)i);
	}
	near(here.factor, sums.factor, 2e-5 * (double)n, "dfactor", name, 0);
	qb_cpu_mask(QB_CPU_PLAIN);
	plain = run(&q, x, g, outer, inner);
	qb_cpu_mask(level);
	assert_memory_equal(here.dx, plain.dx, n * sizeof(*plain.dx));
	assert_memory_equal(here.ds, plain.ds, c * sizeof(*plain.ds));
	assert_memory_equal(here.doffset, plain.doffset, c * sizeof(*plain.doffset));
	assert_memory_equal(&here.factor, &plain.factor, sizeof(plain.factor));
	release(&here);
	release(&plain);
	free(x); free(g); free(scale); free(offset); free(xd); free(gd); free(dx); free(sd); free(od); free(ds); free(doff); free(size);
}

static void gradient__tensors__equal_double_precision_and_every_level(void **state)
{
	const char *const names[] = {"int2", "int4", "uint4", "int8", "uint4_asym", "E2", "E4"};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(names); i++) {
		for (int e = 0; qb_estimator_name(e); e++) {
			struct qb_format f = format_of(names[i]);

			if (qb_fake_quantizer_check(&f, (enum qb_estimator)e, NULL) != QB_OK) {
				continue;
			}
			check_tensor(names[i], (enum qb_estimator)e, 1, 1, 1003);
			check_tensor(names[i], (enum qb_estimator)e, 3, 5, 77);
			check_tensor(names[i], (enum qb_estimator)e, 41, 7, 1);
			check_tensor(names[i], (enum qb_estimator)e, 3, 600, 1);
		}
	}
}

static void check__what_cannot_be_trained__is_refused_with_the_reason(void **state)
{
	struct qb_format f = format_of("mxfp4");
	struct qb_errbuf eb;

	(void)state;
	assert_int_equal(qb_fake_quantizer_check(&f, QB_ESTIMATOR_LSQ, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "block"));
	f = format_of("E4");
	assert_int_equal(qb_fake_quantizer_check(&f, QB_ESTIMATOR_DSQ, &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "integers"));
	assert_int_equal(qb_fake_quantizer_check(&f, QB_ESTIMATOR_LSQ, &eb), QB_OK);
	f = format_of("e5m2");
	assert_int_equal(qb_fake_quantizer_check(&f, QB_ESTIMATOR_LSQ, &eb), f.overflows ? QB_EUNSUPPORTED : QB_OK);
}

/* ---- in graphs and plans ---- */

static struct qb_value *value(struct qb_graph *g, const char *name, enum qb_dtype t, int ndim, const int64_t *dim)
{
	struct qb_value *v = qb_graph_add_value(g, name, t);

	assert_non_null(v);
	v->shape = (struct qb_shape){.known = true, .ndim = ndim};
	memcpy(v->shape.dim, dim, (size_t)ndim * sizeof(*dim));
	return v;
}

static void quantizer_attributes(struct qb_node *n, const char *format, const char *estimator, int axis)
{
	qb_node_add_string(n, "format", format);
	qb_node_add_string(n, "estimator", estimator);
	qb_node_add_int(n, "axis", axis);
}

enum { BATCH = 2, CHANNELS = 24, SIDE = 6, INPUTS = 5 };
static const int64_t image[] = {BATCH, CHANNELS, SIDE, SIDE};

/* y = FakeQuantize(Conv(x, w)), and the gradient by what goes in from dy; the convolution chooses the layout. */
static struct qb_graph *quantized_conv(enum qb_dtype t, const char *format, const char *estimator, int axis)
{
	const int64_t channels = axis < 0 ? 1 : image[axis], one = 1;
	struct qb_graph *g = qb_graph_create();
	struct qb_value *in[6], *out[6], *args[5];
	struct qb_node *n[3];
	struct qb_tensor *weight;

	assert_non_null(g);
	g->opset = 17;
	in[0] = value(g, "x", t, 4, image);
	weight = qb_arena_alloc(g->arena, 1, sizeof(*weight));
	*weight = (struct qb_tensor){.dtype = t, .ndim = 4, .dim = {CHANNELS, CHANNELS, 1, 1},
		.data = qb_arena_alloc(g->arena, CHANNELS * CHANNELS, sizeof(float))};
	for (int i = 0; i < CHANNELS * CHANNELS; i++) {
		((float *)weight->data)[i] = (float)qb_random_normal(9, 77, (uint64_t)i);
	}
	in[1] = qb_graph_add_constant(g, "w", weight);
	in[2] = value(g, "scale", t, 1, &channels);
	in[3] = value(g, "offset", t, 1, &channels);
	in[4] = value(g, "factor", t, 1, &one);
	in[5] = value(g, "dy", t, 4, image);
	for (int i = 0; i < 6; i++) {
		out[i] = qb_graph_add_value(g, (const char *const[]){"c", "y", "dx", "dscale", "doffset", "dfactor"}[i], t);
	}
	n[0] = qb_node_create(g, QB_OP_Conv, "conv", 17, 2, in, 1, &out[0]);
	memcpy(args, (struct qb_value *[]){out[0], in[2], in[3], in[4], in[5]}, sizeof(args));
	n[1] = qb_node_create(g, QB_OP_FakeQuantize, "q", 1, 4, args, 1, &out[1]);
	n[2] = qb_node_create(g, QB_OP_FakeQuantizeGradient, "dq", 1, 5, args, 4, &out[2]);
	quantizer_attributes(n[1], format, estimator, axis);
	quantizer_attributes(n[2], format, estimator, axis);
	g->input = qb_arena_alloc(g->arena, INPUTS, sizeof(*g->input));
	g->output = qb_arena_alloc(g->arena, 5, sizeof(*g->output));
	memcpy(g->input, (struct qb_value *[]){in[0], in[2], in[3], in[4], in[5]}, INPUTS * sizeof(*in));
	memcpy(g->output, out + 1, 5 * sizeof(*out));
	for (int i = 0; i < 3; i++) {
		assert_true(qb_graph_append(g, n[i]));
	}
	g->inputs = INPUTS;
	g->outputs = 5;
	assert_int_equal(qb_graph_relink(g, NULL), QB_OK);
	assert_int_equal(qb_graph_infer(g, NULL), QB_OK);
	return g;
}

static void check_plan(const char *format, const char *estimator, int axis)
{
	struct qb_graph *g = quantized_conv(QB_F32, format, estimator, axis);
	struct qb_plan *plan = NULL;
	struct qb_session *session = NULL;
	struct qb_tensor in[INPUTS], out[5];
	const struct qb_tensor *args[INPUTS];
	const void *input[INPUTS];
	void *output[5];
	struct qb_errbuf eb = {0};

	for (int i = 0; i < INPUTS; i++) {
		in[i] = (struct qb_tensor){.dtype = QB_F32, .ndim = g->input[i]->shape.ndim};
		memcpy(in[i].dim, g->input[i]->shape.dim, sizeof(in[i].dim));
		in[i].data = need(qb_tensor_size(&in[i]), sizeof(float));
		for (size_t k = 0; k < qb_tensor_size(&in[i]); k++) {
			double r = qb_random_uniform(9, (uint64_t)i, k);

			((float *)in[i].data)[k] = (float)(i == 1 ? 0.1 + r : i == 2 ? -0.3 * r : i == 3 ? 0.3 : 2 * r - 1);
		}
		args[i] = &in[i];
		input[i] = in[i].data;
	}
	assert_int_equal(qb_graph_eval(g, args, out, &eb), QB_OK);
	assert_int_equal(qb_plan_create(&plan, g, QB_PLAN_OBSERVED, 1, NULL, &eb), QB_OK);
	for (int i = 0; i < qb_plan_steps(plan); i++) {
		assert_string_not_equal(qb_plan_step(plan, i).implementation, "plain C");
	}
	assert_int_equal(qb_session_create(&session, plan, false, &eb), QB_OK);
	assert_int_equal(qb_session_check_steps(session, &eb), QB_OK);
	for (int i = 0; i < 5; i++) {
		output[i] = need(qb_tensor_size(&out[i]), sizeof(float));
	}
	assert_int_equal(qb_session_run(session, &(struct qb_run){.input = input, .output = output}, &eb), QB_OK);
	for (int i = 0; i < 5; i++) {
		int differ = 0;

		for (size_t k = 0; k < qb_tensor_size(&out[i]); k++) {
			double a = (double)((float *)output[i])[k], b = (double)((float *)out[i].data)[k];

			differ += !(fabs(a - b) <= 1e-4 * fmax(1, fabs(b)));
		}
		/* A convolution rounded otherwise may move an element across a threshold. */
		if (differ > (int)qb_tensor_size(&out[i]) / 200) {
			fail_msg("%s, %s, axis %d: %d elements of %s differ", format, estimator, axis, differ, g->output[i]->name);
		}
		free(output[i]);
		free(out[i].data);
	}
	for (int i = 0; i < INPUTS; i++) {
		free(in[i].data);
	}
	qb_session_destroy(&session);
	qb_plan_destroy(&plan);
	qb_graph_destroy(&g);
}

static void plan__any_layout__gives_what_the_evaluation_gives(void **state)
{
	(void)state;
	for (int axis = -1; axis < 4; axis++) {
		check_plan("int4", "lsq", axis);
		check_plan("uint4_asym", "lsq", axis);
		check_plan("int4", "dsq", axis);
		check_plan("E3", "lsq", axis);
	}
}

static void infer__wrong_attributes__name_the_node(void **state)
{
	struct qb_graph *g = quantized_conv(QB_F32, "int4", "lsq", -1);
	struct qb_errbuf eb;

	(void)state;
	g->node[1]->attr[0].s = "int99x";
	assert_int_equal(qb_graph_infer(g, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "node q"));
	g->node[1]->attr[0].s = "int4";
	g->node[1]->attr[1].s = "magic";
	assert_int_equal(qb_graph_infer(g, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "dsq"));
	g->node[1]->attr[1].s = "lsq";
	g->node[1]->attr[2].i = 1;
	assert_int_equal(qb_graph_infer(g, &eb), QB_ESHAPE);
	qb_graph_destroy(&g);
}

static int tests(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(forward__any_format_and_layout__equals_qdq_bit_for_bit),
		cmocka_unit_test(gradient__integers__every_eighth_of_a_step_is_the_closed_form),
		cmocka_unit_test(gradient__dsq__is_that_of_the_soft_function),
		cmocka_unit_test(gradient__floats__is_that_of_a_learned_range),
		cmocka_unit_test(gradient__tensors__equal_double_precision_and_every_level),
		cmocka_unit_test(check__what_cannot_be_trained__is_refused_with_the_reason),
		cmocka_unit_test(plan__any_layout__gives_what_the_evaluation_gives),
		cmocka_unit_test(infer__wrong_attributes__name_the_node),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests);
}
