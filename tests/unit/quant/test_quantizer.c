/* SPDX-License-Identifier: Apache-2.0
 *
 * Quantizers against their definition (the nearest of the listed values, in double precision) over every code and both
 * sides of every rounding threshold, and every instruction set against plain C.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/base/size.h"
#include "core/kernels/quantize/kernels.h"
#include "core/quant/pack.h"
#include "core/quant/quantizer.h"
#include "tests/unit/levels.h"

static const char *const names[] = {"int1", "int2", "int3", "int4", "int5", "int6", "int7", "int8",
	"int12", "int16", "uint1", "uint4", "uint8", "uint16", "int8_narrow", "E2", "E3", "E4", "E5",
	"uE4", "e4m3fn", "e4m3fnuz", "e4m3b11fnuz", "e4m3", "e3m4", "e5m2", "e5m2fnuz", "e3m2", "e2m3",
	"e2m1", "fp16", "bf16", "e8m0", "fp3_e1m1", "fp3_e2m0", "fp4_e3m0", "fp8_e1m6", "fp8_e6m1",
	"fp8_e7m0", "fp9_e8m0", "fp12_e8m3", "fp16_e1m14", "fp16_e8m7", "ufp16_e1m15", "ufp8_e4m4",
	"ufp8_e8m0", "fp8_e4m3_nosub", "fp8_e4m3_ieee_nosub_overflow", "fp8_e4m3_b11",
	"fp6_e3m2_fnuz", "fp12_e5m6_fn_overflow", "e4m3fn_overflow", "e5m2_overflow", "log2", "log4",
	"log8", "nf4", "values(-3,-0.1,0,1e-3,2,7.5)", "values(1,2)"};

static void make(struct qb_quantizer *q, const char *name, float factor)
{
	struct qb_format f;
	struct qb_errbuf eb;
	float lo, hi;

	if (qb_format_parse(&f, name, &eb) != QB_OK) {
		fail_msg("%s: %s", name, eb.text);
	}
	lo = (float)qb_format_min(&f) * factor;
	hi = (float)qb_format_max(&f) * factor;
	/* Two's complement's extra code does not stretch the range. */
	lo = hi > 0 ? fmaxf(lo, -hi) : lo;
	lo = fminf(lo, hi);
	assert_int_equal(qb_quantizer_init(q, &f, -1, 1, &lo, &hi, NULL), QB_OK);
}

static uint32_t bits_of(float x)
{
	uint32_t u;

	memcpy(&u, &x, 4);
	return u;
}

/* Nearest of a and b, neighbours on the grid; index is a's among the values. */
static double nearer(const struct qb_format *f, double a, double b, int index, double x)
{
	double da = x - a, db = b - x;
	uint32_t code;

	if (da != db) {
		return da < db ? a : b;
	}
	if (f->kind == QB_FORMAT_TABLE) {
		return index % 2 ? b : a;
	}
	if (f->kind == QB_FORMAT_INT) {
		return fmod(a, 2) == 0 ? a : b;
	}
	if (f->no_subnormals && (a == 0 || b == 0)) {
		return 0;
	}
	if (f->man_bits == 0) {
		return a == 0 || b == 0 ? 0 : fabs(a) > fabs(b) ? a : b;
	}
	code = qb_format_value_code(f, (float)a);
	return code % 2 ? b : a;
}

static void check(const struct qb_quantizer *q, float x, double expected, const char *name)
{
	float y, back;
	int32_t code;

	qb_qdq(q, &x, &y, 1, 1, 1);
	if (!((double)y == expected || (y != y && expected != expected))) {
		fail_msg("%s: %a became %a, expected %a", name, x, y, expected);
	}
	qb_encode(q, &x, &code, NULL, 1, 1, 1);
	qb_decode(q, &code, NULL, &back, 1, 1, 1);
	if (bits_of(back) != bits_of(y)) {
		fail_msg("%s: %a decodes to %a (code %x), simulation gives %a", name, x, back, (unsigned)code, y);
	}
}

static void quantizer__every_code_and_threshold__gives_the_nearest_value(void **state)
{
	(void)state;
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		struct qb_quantizer q;
		struct qb_format_info info;

		make(&q, names[k], 1);
		assert_true(q.scale[0] == 1);
		assert_int_equal(qb_format_describe(&q.format, &info, NULL), QB_OK);
		for (int i = 0; i < info.value_count; i++) {
			double a = info.values[i], b = i + 1 < info.value_count ? info.values[i + 1] : a;
			float middle = (float)((a + b) / 2);

			check(&q, (float)a, a, names[k]);
			if (a == b) {
				continue;
			}
			for (int side = 0; side < 3; side++) {
				float x = side == 0 ? nextafterf(middle, -INFINITY)
					: side == 1 ? middle : nextafterf(middle, INFINITY);

				if (x >= a && x <= b) {
					check(&q, x, nearer(&q.format, a, b, i, x), names[k]);
				}
			}
		}
		for (uint32_t c = 0; c < info.code_count; c++) {
			float v = (float)info.code_values[c];
			uint32_t code = qb_format_value_code(&q.format, v);

			if (v == v && (q.format.kind != QB_FORMAT_INT || v >= info.min) &&
				code != c && qb_format_code_value(&q.format, code) != v) {
				fail_msg("%s: code %x is %g, whose code is %x", names[k], c, v, code);
			}
		}
		qb_format_info_fini(&info);
		qb_quantizer_fini(&q);
	}
}

static void quantizer__beyond_the_range__saturates_or_overflows(void **state)
{
	static const struct {
		const char *name;
		float x;
		double y;
	} cases[] = {{"int8", INFINITY, 127}, {"int8", -INFINITY, -128}, {"int8", NAN, 0},
		{"uint8", -3, 0}, {"E4", INFINITY, 480}, {"E4", -1e9f, -480}, {"E4", NAN, 0},
		{"e4m3fn", 1e9f, 448}, {"e4m3fn", NAN, NAN}, {"e4m3fn_overflow", 464, 448},
		{"e4m3fn_overflow", 465, NAN}, {"e5m2", INFINITY, 57344}, {"e5m2_overflow", -61440, -INFINITY},
		{"fp16", 65519.9f, 65504}, {"fp16", 65520, INFINITY}, {"bf16", FLT_MAX, INFINITY},
		{"ufp8_e4m4", -1, 0}, {"e8m0", 0, NAN}, {"e8m0", -1, NAN}, {"e8m0", FLT_MIN / 8, 0x1p-127},
		{"nf4", NAN, 0}, {"nf4", INFINITY, 1}, {"e2m1", NAN, 0}, {"log4", 0, 0}};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		struct qb_quantizer q;

		make(&q, cases[i].name, 1);
		check(&q, cases[i].x, cases[i].y, cases[i].name);
		qb_quantizer_fini(&q);
	}
}

enum { MANY = 4096 };

/* Every magnitude of float32, ties of small integers, and what breaks programs. */
static void awkward(float *x, size_t n, uint64_t seed)
{
	static const float edges[] = {0.0f, -0.0f, INFINITY, -INFINITY, NAN, FLT_MIN, -FLT_MIN,
		0x1p-149f, -0x1p-149f, FLT_MAX, -FLT_MAX, 0.5f, 1.5f, -2.5f, 127.5f, -128.5f};

	for (size_t i = 0; i < n; i++) {
		uint32_t r = qb_random_u32(seed, 0, i);

		if (i % 3 == 0) {
			memcpy(&x[i], &r, 4);
		} else if (i % 17 == 1) {
			x[i] = edges[r % QB_COUNT(edges)];
		} else {
			x[i] = (float)qb_random_normal(seed, 1, i) * 20;
		}
	}
}

/* Sums of a plain loop in double precision. */
static struct qb_qdq_sums summed(const float *x, const float *ref, const float *y, size_t n)
{
	struct qb_qdq_sums s = {0};

	for (size_t i = 0; i < n; i++) {
		double v = x[i], q = (double)y[i] - v, r = ref[i], e = (double)y[i] - r;

		s.signal += v * v;
		s.noise += q * q;
		s.ref_signal += r * r;
		s.ref_noise += e * e;
	}
	return s;
}

/* The same without what makes every sum infinite or NaN. */
static void awkward_but_finite(float *x, size_t n, uint64_t seed)
{
	awkward(x, n, seed);
	for (size_t i = 0; i < n; i++) {
		x[i] = fabsf(x[i]) < 1e6f ? x[i] : (float)(i % 7);
	}
}

/* Sums that were compared where they say something. */
static long finite_sums;

/* Those of another path, and within float32's rounding those of a loop in double precision. y may be x: then
 * from says what it was. */
static void assert_sums(const struct qb_qdq_sums *got, const struct qb_qdq_sums *path, const float *from, const float *ref,
	const float *y, size_t n)
{
	static const float zeros[8192];
	struct qb_qdq_sums want;

	assert_true(n <= QB_COUNT(zeros));
	want = summed(from, ref ? ref : zeros, y, n);
	if (!ref) {
		want.ref_signal = want.ref_noise = 0;
	}
	for (int i = 0; i < 4; i++) {
		double g = (&got->signal)[i], p = (&path->signal)[i], w = (&want.signal)[i];

		assert_true(g == p || (g != g && p != p));
		finite_sums += isfinite(w) && w > 0;
		if (isfinite(w) && !(fabs(g - w) <= 2e-6 * w)) {
			fail_msg("sum %d of %zu elements: %.9g, is %.9g", i, n, g, w);
		}
	}
}

/* Beside plain C. */
static int paths(void)
{
	int n = 0;

	while (qb_kernels_at(n + 1)) {
		n++;
	}
	return n;
}

static void kernels__every_instruction_set__equals_plain_c(void **state)
{
	static float x[MANY + 4], finite[MANY + 4], want[MANY + 4], got[MANY + 4], scale[MANY + 4];

	(void)state;
	awkward(x, QB_COUNT(x), 7);
	awkward_but_finite(finite, QB_COUNT(finite), 8);
	finite_sums = 0;
	for (size_t i = 0; i < QB_COUNT(scale); i++) {
		scale[i] = 0.01f + (float)qb_random_uniform(9, 0, i);
	}
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		struct qb_format f;
		struct qb_grid g;

		assert_int_equal(qb_format_parse(&f, names[k], NULL), QB_OK);
		qb_grid_init(&g, &f);
		for (int p = 1; qb_kernels_at(p); p++) {
			for (size_t n = 0; n <= 72; n++) {
				size_t count = n < 71 ? n : MANY, off = n % 4;
				struct qb_run_args a = {.x = x + off, .y = want + off, .n = count,
					.scale = scale + n, .stride = n % 2};
				struct qb_qdq_sums sc = {0}, sp = {0};

				a.scale = n % 2 ? scale : a.scale;
				memset(want, 1, sizeof(want));
				memset(got, 1, sizeof(got));
				qb_kernels_at(0)->qdq(&g, &a);
				a.y = got + off;
				qb_kernels_at(p)->qdq(&g, &a);
				if (memcmp(want, got, sizeof(want))) {
					for (size_t i = 0; i < QB_COUNT(want); i++) {
						if (bits_of(want[i]) != bits_of(got[i])) {
							fail_msg("%s, %s, n %zu: %a gives %a, plain C %a", names[k],
								qb_kernels_at(p)->name, count, x[i], got[i], want[i]);
						}
					}
				}
				a.ref = want;
				qb_kernels_at(p)->measure(&g, &a, &sp);
				assert_memory_equal(got + off, want + off, count * sizeof(float));
				a.x = finite + off;
				a.y = want + off;
				a.ref = n % 3 ? scale : NULL;
				qb_kernels_at(0)->measure(&g, &a, &sc);
				a.y = got + off;
				sp = (struct qb_qdq_sums){0};
				qb_kernels_at(p)->measure(&g, &a, &sp);
				assert_memory_equal(got + off, want + off, count * sizeof(float));
				assert_sums(&sp, &sc, a.x, a.ref, a.y, count);
			}
		}
	}
	assert_true(finite_sums >= 100 * (long)QB_COUNT(names) * paths());
}

/* Measuring is quantizing, with the same sums on every path: with a reference and none, in place and not. */
static void assert_measures_alike(const struct qb_grid *g, const struct qb_run_args *like, const float *want,
	int path)
{
	static float plain[1536], got[1536], place[1536];
	const float *from = like->x;

	for (int way = 0; way < 4; way++) {
		struct qb_run_args a = *like;
		struct qb_qdq_sums sums[2] = {{0}};

		memcpy(place, a.x, a.n * sizeof(float));
		a.ref = way % 2 ? like->ref : NULL;
		a.y = plain;
		qb_kernels_at(0)->measure(g, &a, &sums[0]);
		a.x = way / 2 ? place : a.x;
		a.y = way / 2 ? place : got;
		qb_kernels_at(path)->measure(g, &a, &sums[1]);
		assert_memory_equal(plain, want, a.n * sizeof(float));
		assert_memory_equal(a.y, want, a.n * sizeof(float));
		assert_sums(&sums[1], &sums[0], from, a.ref, a.y, a.n);
	}
}

/* Division by reciprocals against the divider's: scales of all kinds, elements around every half step. */
static void kernels__division_by_reciprocal__equals_the_divider(void **state)
{
	static const char *const some[] = {"int8", "int16", "uint4", "E2", "E4", "E5", "fp16", "e4m3fnuz", "uE4"};
	static const int32_t zeros[] = {3};
	static float x[1536], want[1536], got[1536], ref[1536];

	(void)state;
	finite_sums = 0;
	for (size_t k = 0; k < QB_COUNT(some); k++) {
		struct qb_format f;
		struct qb_grid g;

		assert_int_equal(qb_format_parse(&f, some[k], NULL), QB_OK);
		qb_grid_init(&g, &f);
		for (uint64_t r = 0; r < 300; r++) {
			float scale = ldexpf(1 + (float)qb_random_uniform(1, k, r), (int)(r % 70) - 35);
			float inverse = 1 / scale;
			struct qb_run_args a = {.x = x, .y = want, .n = QB_COUNT(x), .scale = &scale,
				.zero = g.kind == QB_FORMAT_INT && r % 2 ? zeros : NULL};

			assert_true(qb_grid_divides_fast(&g, scale));
			for (size_t i = 0; i + 3 <= QB_COUNT(x); i += 3) {
				float m = ((float)(i / 3) - 256 + 0.5f) * scale;

				m = i % 2 ? m : ldexpf(m, (int)(i % 19) - 12);
				x[i] = nextafterf(m, -INFINITY);
				x[i + 1] = m;
				x[i + 2] = nextafterf(m, INFINITY);
			}
			(r % 3 ? awkward_but_finite : awkward)(x, 32, r);
			for (size_t i = 0; i < QB_COUNT(x); i++) {
				ref[i] = 0.98f * x[i];
			}
			a.ref = ref;
			qb_kernels_at(0)->qdq(&g, &a);
			a.y = got;
			a.inverse = &inverse;
			for (int p = 1; qb_kernels_at(p); p++) {
				qb_kernels_at(p)->qdq(&g, &a);
				for (size_t i = 0; i < QB_COUNT(x); i++) {
					if (bits_of(want[i]) != bits_of(got[i])) {
						fail_msg("%s, %s, scale %a: %a gives %a, the divider %a", some[k],
							qb_kernels_at(p)->name, scale, x[i], got[i], want[i]);
					}
				}
				assert_measures_alike(&g, &a, want, p);
			}
		}
	}
	assert_true(finite_sums >= 1000 * (long)QB_COUNT(some) * paths());
}

/* A scale of 1, which neither divides nor multiplies, against ones for all elements. */
static void kernels__scale_of_one__equals_scales_of_elements(void **state)
{
	static float x[1536], want[1536], got[1536], each[1536];
	const float one = 1;

	(void)state;
	for (size_t i = 0; i < QB_COUNT(each); i++) {
		each[i] = 1;
	}
	for (size_t k = 0; k < QB_COUNT(names); k++) {
		struct qb_format f;
		struct qb_grid g;

		assert_int_equal(qb_format_parse(&f, names[k], NULL), QB_OK);
		qb_grid_init(&g, &f);
		awkward(x, QB_COUNT(x), k);
		for (size_t i = 0; i + 2 < QB_COUNT(x); i += 9) {
			float end = g.hi * (1 + ldexpf(1, -(int)(i % 13)));

			x[i] = nextafterf(end, -INFINITY);
			x[i + 1] = -end;
			x[i + 2] = nextafterf(end, INFINITY);
		}
		qb_kernels_at(0)->qdq(&g, &(struct qb_run_args){.x = x, .y = want, .n = QB_COUNT(x), .scale = each, .stride = 1});
		for (int p = 0; qb_kernels_at(p); p++) {
			struct qb_run_args a = {.x = x, .y = got, .n = QB_COUNT(x), .scale = &one,
				.inverse = qb_grid_divides_fast(&g, 1) ? &one : NULL};

			qb_kernels_at(p)->qdq(&g, &a);
			for (size_t i = 0; i < QB_COUNT(x); i++) {
				if (bits_of(want[i]) != bits_of(got[i])) {
					fail_msg("%s, %s: %a gives %a, the divider %a", names[k], qb_kernels_at(p)->name, x[i], got[i],
						want[i]);
				}
			}
		}
	}
}

/* The largest finite magnitude of blocks, with infinities and NaN and none, against a loop. */
static void kernels__block_max__largest_finite_magnitude(void **state)
{
	static float x[40 * 64], max[40];
	static const size_t blocks[] = {1, 15, 16, 17, 33, 40}, sizes[] = {5, 16, 32, 64};

	(void)state;
	for (int p = 0; qb_kernels_at(p); p++) {
		for (uint64_t r = 0; r < QB_COUNT(blocks) * QB_COUNT(sizes) * 4; r++) {
			const size_t n = blocks[r % QB_COUNT(blocks)], size = sizes[r / QB_COUNT(blocks) % QB_COUNT(sizes)];

			(r % 4 ? awkward_but_finite : awkward)(x, QB_COUNT(x), r);
			qb_kernels_at(p)->block_max(x, n, size, max);
			for (size_t b = 0; b < n; b++) {
				float want = 0;

				for (size_t i = 0; i < size; i++) {
					const float v = fabsf(x[b * size + i]);

					want = isfinite(v) && v > want ? v : want;
				}
				if (max[b] != want) {
					fail_msg("%s: block %zu of %zu elements has %a, is %a", qb_kernels_at(p)->name, b, size, max[b],
						want);
				}
			}
		}
	}
}

/* A scale for each block against the same scale for each element, in place and not, past the caches and not. */
static void kernels__scale_of_a_block__equals_scales_of_its_elements(void **state)
{
	static float x[1024] __attribute__((aligned(64))), got[1024] __attribute__((aligned(64)));
	static float want[1024], scale[64], inverse[64], each[1024];
	int compared = 0;

	(void)state;
	finite_sums = 0;
	for (size_t k = 0; k < 4 * QB_COUNT(names); k++) {
		size_t block = 16u << k % 4;
		struct qb_format f;
		struct qb_grid g;
		bool fast;

		assert_int_equal(qb_format_parse(&f, names[k / 4], NULL), QB_OK);
		qb_grid_init(&g, &f);
		fast = g.nan == 0 && qb_grid_divides_fast(&g, 0.01f) && qb_grid_divides_fast(&g, 1.01f) && k % 3;
		(k / 4 % 2 ? awkward_but_finite : awkward)(x, QB_COUNT(x), k);
		for (size_t i = 0; i < QB_COUNT(each); i++) {
			double u = qb_random_uniform(2, k, i / block);

			/* Powers of two have reciprocals. */
			each[i] = k & 4 ? 0.01f + (float)u : ldexpf(1, (int)(u * 250) - 126);
			scale[i / block] = each[i];
			inverse[i / block] = 1 / each[i];
		}
		for (int p = 0; qb_kernels_at(p) && qb_grid_takes_blocks(&g, block); p++) {
			struct qb_run_args a = {.x = x, .y = want, .n = QB_COUNT(x), .scale = each, .stride = 1};
			struct qb_qdq_sums sums = {0}, plain = {0};

			qb_kernels_at(0)->qdq(&g, &a);
			a.y = got;
			qb_kernels_at(0)->measure(&g, &a, &plain);
			a = (struct qb_run_args){.x = x, .y = got, .n = a.n, .scale = scale, .block = block,
				.inverse = k & 4 && !fast ? NULL : inverse, .divides_fast = k & 4 && fast, .stream = p % 2};
			qb_kernels_at(p)->qdq(&g, &a);
			assert_memory_equal(got, want, sizeof(got));
			memcpy(got, x, sizeof(got));
			a.x = got;
			a.stream = false;
			qb_kernels_at(p)->measure(&g, &a, &sums);
			assert_memory_equal(got, want, sizeof(got));
			assert_sums(&sums, &plain, x, NULL, got, a.n);
			compared++;
		}
	}
	assert_true(compared > 0 && finite_sums > 2 * (long)QB_COUNT(names));
}

/* The sums of a scale and its grid's zero point by the quantizer itself, in double precision. */
static struct qb_fit plain_fit(const struct qb_grid *g, const float *x, size_t n, float scale, int32_t zero,
	double weight)
{
	static float y[1000];
	const float lo = (g->lo - (float)zero) * scale, hi = (g->hi - (float)zero) * scale;
	const struct qb_run_args a = {.x = x, .y = y, .n = n, .scale = &scale,
		.zero = g->kind == QB_FORMAT_INT ? &zero : NULL};
	struct qb_fit f = {0, 0, 0};

	qb_kernels_at(0)->qdq(g, &a);
	for (size_t i = 0; i < n; i++) {
		double e = (double)y[i] - x[i], w = x[i] < lo || x[i] > hi ? weight : 1;

		f.noise += w * e * e;
		f.cross += w * e * y[i];
		f.power += (double)y[i] * y[i];
	}
	return f;
}

static void kernels__fit__sums_of_the_quantizer_alike_on_every_path(void **state)
{
	static const char *const some[] = {"int8", "int2", "uint4_asym", "E2", "E5", "uE4", "e4m3fn", "e2m1"};
	enum { N = 1000, COUNT = 2 * QB_FIT_LANES };
	static float x[N];
	float scale[COUNT], zero[COUNT];
	struct qb_fit want[COUNT], got[COUNT];

	(void)state;
	for (size_t i = 0; i < N; i++) {
		x[i] = (float)qb_random_normal(8, 2, i);
	}
	for (size_t k = 0; k < 4 * QB_COUNT(some); k++) {
		struct qb_fit_args a = {x, k % 2 ? N : 9, COUNT, scale, zero, k & 2 ? 3 : 1};
		struct qb_format f;
		struct qb_grid g;

		assert_int_equal(qb_format_parse(&f, some[k / 4], NULL), QB_OK);
		qb_grid_init(&g, &f);
		assert_true(qb_grid_fits(&g));
		for (int i = 0; i < COUNT; i++) {
			scale[i] = (float)(5 / qb_format_max(&f) * exp2(-i / 8.0));
			zero[i] = (float)(f.asymmetric ? i % 8 : 0);
		}
		qb_kernels_at(0)->fit(&g, &a, want);
		for (int i = 0; i < COUNT; i++) {
			struct qb_fit p = plain_fit(&g, x, a.n, scale[i], (int32_t)zero[i], a.clip_weight);
			double tolerance = 1e-5 * p.noise + 1e-9 * p.power, root = sqrt(p.noise * p.power);

			assert_true(fabs(want[i].noise - p.noise) <= tolerance && fabs(want[i].power - p.power) <= 1e-5 * p.power);
			assert_true(fabs(want[i].cross - p.cross) <= 1e-5 * root + tolerance);
		}
		for (int path = 1; qb_kernels_at(path); path++) {
			qb_kernels_at(path)->fit(&g, &a, got);
			assert_memory_equal(got, want, sizeof(want));
		}
	}
}

/* Normal numbers at 2^exponent; mixed: every 40th 2^70 times larger or smaller. */
static void normals_at(float *x, float *ref, size_t n, int exponent, bool mixed)
{
	for (size_t i = 0; i < n; i++) {
		int e = exponent + (mixed && i % 40 == 7 ? (exponent > 0 ? -70 : 70) : 0);

		x[i] = ldexpf((float)qb_random_normal(4, 1, i), e);
		x[i] = i / 64 % 3 == 1 ? 0 : x[i];
		ref[i] = x[i] * (1 + 0.02f * (float)qb_random_uniform(4, 2, i));
	}
}

static void measure__any_magnitude__sums_of_double_precision(void **state)
{
	static const char *const some[] = {"int8", "uint4_asym", "E2", "E5", "nf4", "int4_g32", "mxint8", "uint4_asym_g32",
		"int8_asym_g50"};
	enum { N = 6 * 16 * 30 };
	static float x[N], ref[N], y[N];

	(void)state;
	for (size_t k = 0; k < QB_COUNT(some) * 3 * 2; k++) {
		int channels = k / 2 % 3 == 0 ? 1 : 6, inner = k / 2 % 3 == 1 ? 1 : N / 36;
		bool mixed = k % 2;

		for (int e = -140; e <= 120; e += 10) {
			float lo[6], hi[6];
			struct qb_quantizer q;
			struct qb_format f;
			struct qb_qdq_sums got = {0}, want;

			normals_at(x, ref, N, e, mixed);
			for (int c = 0; c < 6; c++) {
				lo[c] = -ldexpf(3, e);
				hi[c] = ldexpf(3.5f + (float)c, e);
			}
			assert_int_equal(qb_format_parse(&f, some[k / 6], NULL), QB_OK);
			assert_int_equal(qb_quantizer_init(&q, &f, channels > 1 ? 1 : -1, channels, lo, hi, NULL), QB_OK);
			memcpy(y, x, sizeof(y));
			qb_qdq_measure(&q, y, ref, y, N / channels / inner, channels, inner, &got);
			want = summed(x, ref, y, N);
			for (int i = 0; i < 4; i++) {
				double g = (&got.signal)[i], w = (&want.signal)[i];

				if (!(fabs(g - w) <= 2e-6 * w)) {
					fail_msg("%s, %d channels, 2^%d, sum %d: %.9g, is %.9g", some[k / 6], channels, e, i, g, w);
				}
			}
			qb_quantizer_fini(&q);
		}
	}
}

static void scale__range_near_float32s_ends__grid_is_the_range(void **state)
{
	static const char *const some[] = {"int8", "uint4_asym", "E2", "e4m3fn", "nf4"};

	(void)state;
	for (size_t k = 0; k < QB_COUNT(some); k++) {
		struct qb_format f;

		assert_int_equal(qb_format_parse(&f, some[k], NULL), QB_OK);
		for (int e = -130; e <= 128; e++) {
			float hi = e == 128 ? FLT_MAX : ldexpf(1, e), lo = f.asymmetric ? 0 : -hi, scale, end;
			int32_t zero;

			assert_true(qb_quantizer_scale(&f, lo, hi, &scale, &zero));
			end = (float)(qb_format_max(&f) - zero) * scale;
			assert_true(isfinite(end) && fabsf(end / hi - 1) < 0.01f);
		}
	}
}

static void quantizer__scaled__decodes_to_the_simulation(void **state)
{
	static const char *const more[] = {"mxfp8_e4m3", "mxfp8_e5m2", "mxfp6_e3m2", "mxfp6_e2m3", "mxfp4",
		"mxint8", "nvfp4", "int4_g32", "E4_g100", "int8_asym", "uint4_asym", "int16_asym",
		"int4_asym_g32", "uint4_asym_g32", "uint8_asym_g7", "uint1_asym_g2", "int16_asym_g100"};
	enum { BLOCKS = 6 * 5 * 65 };
	static float x[6 * 5 * 130], y[6 * 5 * 130], z[6 * 5 * 130], scale[BLOCKS];
	static int32_t codes[6 * 5 * 130], zero[BLOCKS];
	struct qb_blocks blocks = {scale, zero};

	(void)state;
	awkward(x, QB_COUNT(x), 3);
	for (size_t k = 0; k < QB_COUNT(names) + QB_COUNT(more); k++) {
		const char *name = k < QB_COUNT(names) ? names[k] : more[k - QB_COUNT(names)];

		for (int inner = 1; inner <= 130; inner += 43) {
			float lo[5] = {-1, -20, -0.3f, 0, 0}, hi[5] = {1, 35, 0.7f, 0, 3};
			struct qb_quantizer q;
			struct qb_format f;

			assert_int_equal(qb_format_parse(&f, name, NULL), QB_OK);
			assert_int_equal(qb_quantizer_init(&q, &f, 1, 5, lo, hi, NULL), QB_OK);
			assert_true(qb_block_count(&q, 6, 5, inner) <= BLOCKS);
			qb_qdq(&q, x, y, 6, 5, inner);
			qb_encode(&q, x, codes, &blocks, 6, 5, inner);
			qb_decode(&q, codes, &blocks, z, 6, 5, inner);
			for (int i = 0; i < 30 * inner; i++) {
				if (bits_of(y[i]) != bits_of(z[i])) {
					fail_msg("%s, inner %d, element %d: %a simulated %a, decoded %a", name,
						inner, i, x[i], y[i], z[i]);
				}
			}
			memcpy(z, x, sizeof(z));
			qb_qdq(&q, z, z, 6, 5, inner);
			assert_memory_equal(y, z, (size_t)(30 * inner) * sizeof(*y));
			qb_quantizer_fini(&q);
		}
	}
}

static void quantizer__large_output__equals_small_runs(void **state)
{
	size_t n = (9 << 20) + 5;
	float *x = malloc((n + 3) * sizeof(*x)), *y = malloc((n + 3) * sizeof(*y));
	static const char *const some[] = {"int8", "E4", "mxfp4", "uint4_asym_g32"};

	(void)state;
	assert_true(x && y);
	for (size_t i = 0; i < n + 3; i++) {
		x[i] = (float)((int64_t)(i * 2654435761u % 100003) - 50000) * 0.01f;
	}
	for (size_t k = 0; k < QB_COUNT(some); k++) {
		struct qb_quantizer q;
		float part[4096];

		make(&q, some[k], 1);
		qb_qdq(&q, x + 1, y + 3, 1, 1, (int64_t)n);
		for (size_t i = 0; i + 4096 <= n; i += 4096 * 31) {
			qb_qdq(&q, x + 1 + i, part, 1, 1, 4096);
			assert_memory_equal(part, y + 3 + i, sizeof(part));
		}
		qb_quantizer_fini(&q);
	}
	free(x);
	free(y);
}

static void quantizer__mx_block__has_the_specified_scale(void **state)
{
	float x[64] = {0}, y[64], scale[2];
	int32_t codes[64];
	struct qb_quantizer q;

	(void)state;
	/* floor(log2 13) - 2 = 1, so 13 saturates at 6 * 2. */
	x[3] = 13;
	x[5] = -1;
	make(&q, "mxfp4", 1);
	qb_encode(&q, x, codes, &(struct qb_blocks){scale, NULL}, 1, 1, 64);
	assert_true(scale[0] == 2 && scale[1] == 1);
	qb_qdq(&q, x, y, 1, 1, 64);
	assert_true(y[3] == 12 && y[5] == -1);
	qb_quantizer_fini(&q);
}

static void quantizer__asymmetric__represents_zero_exactly(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		float lo = (float)qb_random_normal(1, 0, (uint64_t)i), hi = lo + (float)qb_random_uniform(1, 1, (uint64_t)i);
		float zero = 0, y;
		struct qb_format f;
		struct qb_quantizer q;

		assert_int_equal(qb_format_parse(&f, "uint8_asym", NULL), QB_OK);
		assert_int_equal(qb_quantizer_init(&q, &f, -1, 1, &lo, &hi, NULL), QB_OK);
		qb_qdq(&q, &zero, &y, 1, 1, 1);
		assert_true(y == 0);
		qb_qdq(&q, &hi, &y, 1, 1, 1);
		assert_true(fabsf(y - hi) <= q.scale[0] * 1.01f || hi < 0);
		qb_quantizer_fini(&q);
	}
}

/* Blocks of 8: mixed, constant of either sign, zeros, one sign, nothing finite, one element, float32's ends; and a short one. */
static const float asymmetric_rows[] = {
	-1, 3, 0.5f, 0.4f, -0.2f, 2.9f, 1.5f, 0,  0.7f, 0.7f, 0.7f, 0.7f, 0.7f, 0.7f, 0.7f, 0.7f,
	-2, -2, -2, -2, -2, -2, -2, -2,  0, 0, -0.0f, 0, 0, 0, 0, 0,  4, 5, 6, 7, 8, 9, 10, 11,
	-0.4f, -0.5f, -0.6f, -0.7f, -0.8f, -0.9f, -1, -1.1f,  NAN, INFINITY, -INFINITY, NAN, NAN, NAN, NAN, NAN,
	NAN, 1, INFINITY, -3, -INFINITY, 0.1f, 2, 0,  0, 0, 0, -7, 0, 0, 0, 0,
	FLT_MAX, -FLT_MAX, 0, 1, FLT_MAX / 2, 0, 0, 0,  FLT_TRUE_MIN, 0, -FLT_TRUE_MIN, 0, FLT_MIN, 0, 0, 0,  -3, 5, 0.25f};

static void quantizer__asymmetric_block__has_the_range_of_what_it_holds(void **state)
{
	static const char *const some[] = {"uint4_asym_g8", "int4_asym_g8", "int8_asym_g8", "uint1_asym_g8", "int16_asym_g8"};
	enum { N = QB_COUNT(asymmetric_rows), BLOCKS = (N + 7) / 8 };

	(void)state;
	for (size_t k = 0; k < QB_COUNT(some); k++) {
		float y[N], scale[BLOCKS];
		int32_t codes[N], zero[BLOCKS];
		struct qb_quantizer q;
		double min, max;

		make(&q, some[k], 1);
		assert_null(q.zero);
		min = qb_format_min(&q.format);
		max = qb_format_max(&q.format);
		qb_encode(&q, asymmetric_rows, codes, &(struct qb_blocks){scale, zero}, 1, 1, N);
		qb_qdq(&q, asymmetric_rows, y, 1, 1, N);
		for (int i = 0; i < N; i++) {
			double lo = 0, hi = 0, s, z, v = asymmetric_rows[i];

			for (int j = i / 8 * 8; j < N && j < i / 8 * 8 + 8; j++) {
				double w = isfinite(asymmetric_rows[j]) ? asymmetric_rows[j] : 0;

				lo = fmin(lo, w);
				hi = fmax(hi, w);
			}
			/* All of the grid is finite under it. */
			s = fmin((hi - lo) / (max - min), nextafterf((float)(FLT_MAX / (max - min)), 0));
			s = hi > lo ? fmax((float)s, FLT_TRUE_MIN) : 1;
			z = fmin(fmax(rint(min - lo / s), min), max);
			assert_true(scale[i / 8] == s && zero[i / 8] == z);
			v = isnan(v) ? 0 : rint(fmin(fmax(asymmetric_rows[i] / (float)s, -1e6), 1e6));
			v = fmin(fmax(v + z, min), max);
			assert_true(codes[i] == v && y[i] == (float)(v - z) * (float)s);
		}
		qb_quantizer_fini(&q);
	}
}

static void stochastic__many_draws__are_unbiased_and_repeatable(void **state)
{
	static const char *const some[] = {"int8", "E4", "fp8_e4m3_nosub", "nf4", "uint4"};
	static float x[20000], y[20000], z[20000];

	(void)state;
	for (size_t k = 0; k < QB_COUNT(some); k++) {
		struct qb_quantizer q;
		double at[] = {0.3, 0.77, 0.001}, mean;

		make(&q, some[k], 1);
		for (size_t v = 0; v < QB_COUNT(at); v++) {
			double low = INFINITY, high = -INFINITY, sd;

			for (size_t i = 0; i < QB_COUNT(x); i++) {
				x[i] = (float)at[v];
			}
			qb_qdq_stochastic(&q, x, y, 1, 1, QB_COUNT(x), &(struct qb_draws){42, v, 0});
			qb_qdq_stochastic(&q, x, z, 1, 1, 777, &(struct qb_draws){42, v, 0});
			qb_qdq_stochastic(&q, x, z + 777, 1, 1, QB_COUNT(x) - 777, &(struct qb_draws){42, v, 777});
			assert_memory_equal(y, z, sizeof(y));
			mean = 0;
			for (size_t i = 0; i < QB_COUNT(y); i++) {
				mean += y[i] / (double)QB_COUNT(y);
				low = fmin(low, y[i]);
				high = fmax(high, y[i]);
			}
			sd = sqrt((high - x[0]) * (x[0] - low) / (double)QB_COUNT(y));
			if (fabs(mean - x[0]) > 5 * sd + 1e-9) {
				fail_msg("%s: %g has the mean %g (%g, %g)", some[k], x[0], mean, low, high);
			}
		}
		/* Numbers on the grid stay. */
		x[0] = (float)qb_format_smallest(&q.format);
		qb_qdq_stochastic(&q, x, y, 1, 1, 1, &(struct qb_draws){1, 1, 1});
		assert_true(x[0] == y[0]);
		qb_quantizer_fini(&q);
	}
}

static void pack__every_width__unpacks_to_the_same_codes(void **state)
{
	int32_t codes[67], back[67];
	uint8_t packed[160];

	(void)state;
	for (int bits = 1; bits <= 16; bits++) {
		for (size_t n = 0; n <= QB_COUNT(codes); n++) {
			for (int is_signed = 0; is_signed < 2; is_signed++) {
				for (size_t i = 0; i < n; i++) {
					codes[i] = (int32_t)(qb_random_u32(5, 0, i) & ((1u << bits) - 1)) -
						(is_signed << (bits - 1));
				}
				memset(packed, 0xab, sizeof(packed));
				qb_pack(codes, n, bits, packed);
				assert_int_equal(packed[qb_packed_bytes(n, bits)], 0xab);
				qb_unpack(packed, n, bits, is_signed, back);
				assert_memory_equal(codes, back, n * sizeof(*codes));
			}
		}
	}
}

static int tests_at_a_level(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantizer__every_code_and_threshold__gives_the_nearest_value),
		cmocka_unit_test(quantizer__beyond_the_range__saturates_or_overflows),
		cmocka_unit_test(kernels__every_instruction_set__equals_plain_c),
		cmocka_unit_test(kernels__division_by_reciprocal__equals_the_divider),
		cmocka_unit_test(kernels__scale_of_one__equals_scales_of_elements),
		cmocka_unit_test(kernels__block_max__largest_finite_magnitude),
		cmocka_unit_test(kernels__scale_of_a_block__equals_scales_of_its_elements),
		cmocka_unit_test(kernels__fit__sums_of_the_quantizer_alike_on_every_path),
		cmocka_unit_test(measure__any_magnitude__sums_of_double_precision),
		cmocka_unit_test(scale__range_near_float32s_ends__grid_is_the_range),
		cmocka_unit_test(quantizer__scaled__decodes_to_the_simulation),
		cmocka_unit_test(quantizer__large_output__equals_small_runs),
		cmocka_unit_test(quantizer__mx_block__has_the_specified_scale),
		cmocka_unit_test(quantizer__asymmetric__represents_zero_exactly),
		cmocka_unit_test(quantizer__asymmetric_block__has_the_range_of_what_it_holds),
		cmocka_unit_test(stochastic__many_draws__are_unbiased_and_repeatable),
		cmocka_unit_test(pack__every_width__unpacks_to_the_same_codes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
	return run_at_every_level(tests_at_a_level);
}
