/* SPDX-License-Identifier: Apache-2.0
 *
 * core/train/augment_warp: images rotated, sheared, scaled and brightened, against sums over all pixels and closed forms.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/train/augment_warp.h"
#include "core/train/samples.h"

enum { C = 2, H = 7, W = 6, N = C * H * W };

static const int64_t dim[] = {C, H, W};
static const struct qb_augment_image floats = {QB_F32, C, H, W}, bytes = {QB_U8, C, H, W};

static struct qb_augment_sample sample_of(int64_t sample)
{
	return (struct qb_augment_sample){.seed = 5, .epoch = 3, .sample = sample, .ndim = 3, .dim = dim, .element_bytes = 1};
}

static void fill(float *x)
{
	for (int i = 0; i < N; i++) {
		x[i] = (float)qb_random_normal(3, 1, (uint64_t)i);
	}
}

/* Bilinear interpolation as the sum over all pixels, each weighted by a tent of its distances. */
static double tent(const float *channel, double y, double x)
{
	double sum = 0;

	for (int i = 0; i < H; i++) {
		for (int k = 0; k < W; k++) {
			sum += (double)channel[i * W + k] * fmax(0, 1 - fabs(y - i)) * fmax(0, 1 - fabs(x - k));
		}
	}
	return sum;
}

static void warp__any_map__is_the_sum_over_all_pixels(void **state)
{
	float x[N], y[N];

	(void)state;
	fill(x);
	for (uint64_t trial = 0; trial < 50; trial++) {
		double map[4];

		for (uint64_t i = 0; i < 4; i++) {
			map[i] = qb_random_normal(7, trial, i);
		}
		qb_augment_warp(&floats, map, x, y);
		for (int i = 0; i < N; i++) {
			double row = i / W % H - (H - 1) / 2., column = i % W - (W - 1) / 2.;
			double want = tent(x + i / (H * W) * (H * W), (H - 1) / 2. + map[2] * column + map[3] * row,
				(W - 1) / 2. + map[0] * column + map[1] * row);

			assert_float_equal(y[i], want, 1e-5);
		}
	}
}

static void warp__identity_and_half_turn__move_pixels_exactly(void **state)
{
	uint8_t x[N], y[N], z[N];
	const double same[4] = {1, 0, 0, 1}, turned[4] = {-1, 0, 0, -1};

	(void)state;
	for (int i = 0; i < N; i++) {
		x[i] = (uint8_t)(i * 37);
	}
	qb_augment_warp(&bytes, same, x, y);
	assert_memory_equal(x, y, sizeof(x));
	qb_augment_warp(&bytes, turned, x, z);
	for (int i = 0; i < N; i++) {
		int at = i % (H * W);

		assert_int_equal(z[i], x[i - at + H * W - 1 - at]);
	}
}

/* The map's parts, found from it by the formulas of a decomposition: its first column is (1 + s) (cos a, sin a). */
static void map__many_samples__is_within_and_fills_its_bounds(void **state)
{
	const struct qb_augment_config c = {.rotate = 30, .shear = 0.4, .scale = 0.2};
	double least[3] = {INFINITY, INFINITY, INFINITY}, most[3] = {-INFINITY, -INFINITY, -INFINITY}, mean[3] = {0};
	const double reach[3] = {30, 0.4, 0.2};

	(void)state;
	for (int64_t i = 0; i < 2000; i++) {
		struct qb_augment_sample s = sample_of(i);
		double map[4], size, part[3];

		qb_augment_map(&c, &s, map);
		size = hypot(map[0], map[2]);
		part[0] = atan2(map[2], map[0]) * 180 / 3.14159265358979323846;
		part[1] = (map[0] * map[1] + map[2] * map[3]) / (size * size);
		part[2] = size - 1;
		/* A shear keeps areas. */
		assert_float_equal(map[0] * map[3] - map[1] * map[2], size * size, 1e-12);
		for (int k = 0; k < 3; k++) {
			least[k] = fmin(least[k], part[k]);
			most[k] = fmax(most[k], part[k]);
			mean[k] += part[k] / 2000;
		}
	}
	for (int k = 0; k < 3; k++) {
		assert_true(least[k] >= -reach[k] - 1e-9 && least[k] < -0.98 * reach[k]);
		assert_true(most[k] <= reach[k] + 1e-9 && most[k] > 0.98 * reach[k]);
		assert_float_equal(mean[k], 0, 0.05 * reach[k]);
	}
}

static void map__nothing_asked__is_the_identity(void **state)
{
	const struct qb_augment_config none = {.flip = true, .brightness = 0.5}, rotates = {.rotate = 1};
	struct qb_augment_sample s = sample_of(1);
	double map[4];

	(void)state;
	assert_false(qb_augment_warps(&none));
	assert_true(qb_augment_warps(&rotates));
	qb_augment_map(&none, &s, map);
	assert_true(map[0] == 1 && map[1] == 0 && map[2] == 0 && map[3] == 1);
}

static void brighten__bytes_and_floats__have_one_factor_a_sample(void **state)
{
	const struct qb_augment_config c = {.brightness = 0.5};
	double least = INFINITY, most = -INFINITY;

	(void)state;
	for (int64_t i = 0; i < 500; i++) {
		struct qb_augment_sample s = sample_of(i);
		float x[N], y[N];
		uint8_t b[N];
		double factor;

		fill(x);
		memcpy(y, x, sizeof(x));
		qb_augment_brighten(&c, &s, &floats, y);
		factor = (double)y[0] / (double)x[0];
		least = fmin(least, factor);
		most = fmax(most, factor);
		for (int k = 0; k < N; k++) {
			assert_float_equal(y[k], x[k] * factor, 1e-5);
			b[k] = (uint8_t)(3 * k);
		}
		qb_augment_brighten(&c, &s, &bytes, b);
		for (int k = 0; k < N; k++) {
			double want = (uint8_t)(3 * k) * factor;

			assert_true(fabs(b[k] - fmin(want, 255)) <= 0.5 + 1e-4);
		}
	}
	assert_true(least >= 0.5 && least < 0.51 && most <= 1.5 && most > 1.49);
}

static void augment_check__maps_of_what_is_no_image__are_refused(void **state)
{
	const struct qb_augment_config rotate = {.rotate = 10}, brighten = {.brightness = 0.1};
	const int64_t sound[] = {1, 100};
	struct qb_errbuf eb = {0};

	(void)state;
	assert_int_equal(qb_augment_check(&rotate, 3, dim, NULL), QB_OK);
	assert_int_equal(qb_augment_check(&rotate, 2, sound, &eb), QB_EINVAL);
	assert_non_null(strstr(eb.text, "rotate"));
	assert_int_equal(qb_augment_check(&brighten, 2, sound, NULL), QB_EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warp__any_map__is_the_sum_over_all_pixels),
		cmocka_unit_test(warp__identity_and_half_turn__move_pixels_exactly),
		cmocka_unit_test(map__many_samples__is_within_and_fills_its_bounds),
		cmocka_unit_test(map__nothing_asked__is_the_identity),
		cmocka_unit_test(brighten__bytes_and_floats__have_one_factor_a_sample),
		cmocka_unit_test(augment_check__maps_of_what_is_no_image__are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
