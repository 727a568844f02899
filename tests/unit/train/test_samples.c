/* SPDX-License-Identifier: Apache-2.0
 *
 * core/train: the order of an epoch, augmentation, and batches of a data set in memory.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/train/augment.h"
#include "core/train/held_out.h"
#include "core/train/permutation.h"
#include "core/train/samples.h"
#include "tests/unit/files.h"

/* ---- permutations ---- */

static void permutation__any_epoch__has_each_once_and_differs(void **state)
{
	enum { N = 1000 };
	int64_t a[N], b[N], again[N];
	bool seen[N] = {false};
	int same = 0;

	(void)state;
	qb_permutation(5, 0, N, a);
	qb_permutation(5, 1, N, b);
	qb_permutation(5, 0, N, again);
	assert_memory_equal(a, again, sizeof(a));
	for (int i = 0; i < N; i++) {
		assert_in_range(a[i], 0, N - 1);
		assert_false(seen[a[i]]);
		seen[a[i]] = true;
		same += a[i] == b[i];
	}
	assert_in_range(same, 0, 10);
}

static void permutation__three_elements__all_orders_are_as_likely(void **state)
{
	int count[27] = {0};

	(void)state;
	for (int64_t seed = 0; seed < 6000; seed++) {
		int64_t p[3];

		qb_permutation((uint64_t)seed, 3, 3, p);
		count[p[0] * 9 + p[1] * 3 + p[2]]++;
	}
	/* 1,000 each, deviation 29. */
	for (int i = 0; i < 27; i++) {
		bool order = i / 9 != i / 3 % 3 && i / 3 % 3 != i % 3 && i % 3 != i / 9;

		assert_in_range(count[i], order ? 880 : 0, order ? 1120 : 0);
	}
}

/* ---- held-out samples ---- */

/* 90 of class 0, 9 of class 1, one of class 2, interleaved. */
static void held_out__classes__has_of_each_as_many_to_a_sample(void **state)
{
	enum { N = 100, COUNT = 20 };
	double label[N];
	bool held[N], again[N], other[N];
	int of[3] = {0};

	(void)state;
	for (int i = 0; i < N; i++) {
		label[i] = i % 10 ? 0 : i / 10 ? 1 : 2;
	}
	assert_int_equal(qb_held_out(3, N, label, COUNT, held, NULL), QB_OK);
	assert_int_equal(qb_held_out(3, N, label, COUNT, again, NULL), QB_OK);
	assert_int_equal(qb_held_out(4, N, label, COUNT, other, NULL), QB_OK);
	assert_memory_equal(held, again, sizeof(held));
	assert_memory_not_equal(held, other, sizeof(held));
	for (int i = 0; i < N; i++) {
		of[(int)label[i]] += held[i];
	}
	assert_int_equal(of[0] + of[1] + of[2], COUNT);
	assert_int_equal(of[0], 18);
	assert_in_range(of[1], 1, 2);
}

static void held_out__without_classes__every_sample_is_as_likely(void **state)
{
	int count[10] = {0};

	(void)state;
	for (uint64_t seed = 0; seed < 1000; seed++) {
		bool held[10];
		int sum = 0;

		assert_int_equal(qb_held_out(seed, 10, NULL, 3, held, NULL), QB_OK);
		for (int i = 0; i < 10; i++) {
			sum += held[i];
			count[i] += held[i];
		}
		assert_int_equal(sum, 3);
	}
	/* 300 each, deviation 14.5. */
	for (int i = 0; i < 10; i++) {
		assert_in_range(count[i], 240, 360);
	}
}

/* ---- augmentation ---- */

enum { C = 2, H = 5, W = 4 };

/* The move as the header tells it, with what was drawn found by trying all. */
static bool is_move(const uint8_t *src, const uint8_t *out, int dy, int dx, bool flip)
{
	for (int c = 0; c < C; c++) {
		for (int y = 0; y < H; y++) {
			for (int x = 0; x < W; x++) {
				int sy = y + dy, sx = (flip ? W - 1 - x : x) + dx;
				bool inside = sy >= 0 && sy < H && sx >= 0 && sx < W;

				if (out[(c * H + y) * W + x] != (inside ? src[(c * H + sy) * W + sx] : 0)) {
					return false;
				}
			}
		}
	}
	return true;
}

static void augment_move__images__are_flipped_and_cropped(void **state)
{
	const struct qb_augment_config c = {.flip = true, .crop = 2};
	const int64_t dim[] = {C, H, W};
	uint8_t src[C * H * W], out[C * H * W];
	int seen[2][5][5] = {0}, kinds = 0;

	(void)state;
	for (int i = 0; i < C * H * W; i++) {
		src[i] = (uint8_t)(i + 1);
	}
	for (int64_t sample = 0; sample < 1000; sample++) {
		const struct qb_augment_sample s = {.seed = 9, .epoch = 2, .sample = sample, .ndim = 3, .dim = dim,
			.element_bytes = 1};
		int found = 0;

		qb_augment_move(&c, &s, src, out);
		for (int k = 0; k < 50; k++) {
			if (is_move(src, out, k / 2 % 5 - 2, k / 10 - 2, k % 2)) {
				found++;
				seen[k % 2][k / 2 % 5][k / 10]++;
			}
		}
		assert_int_equal(found, 1);
	}
	for (int k = 0; k < 50; k++) {
		kinds += seen[k % 2][k / 2 % 5][k / 10] > 0;
		assert_in_range(seen[k % 2][k / 2 % 5][k / 10], 2, 50);
	}
	assert_int_equal(kinds, 50);
}

static void augment_move__sound__shifts_in_time(void **state)
{
	const struct qb_augment_config c = {.shift = 3};
	const int64_t dim[] = {10};
	float src[10], out[10];
	int seen[7] = {0};

	(void)state;
	for (int i = 0; i < 10; i++) {
		src[i] = (float)(i + 1);
	}
	for (int64_t epoch = 0; epoch < 200; epoch++) {
		const struct qb_augment_sample s = {.seed = 1, .epoch = epoch, .sample = 4, .ndim = 1, .dim = dim,
			.element_bytes = sizeof(float)};
		int d;

		qb_augment_move(&c, &s, src, out);
		d = (int)(out[5] - src[5]);
		assert_in_range(d + 3, 0, 6);
		seen[d + 3]++;
		for (int i = 0; i < 10; i++) {
			assert_true(out[i] == (i + d >= 0 && i + d < 10 ? src[i + d] : 0));
		}
	}
	for (int i = 0; i < 7; i++) {
		assert_in_range(seen[i], 5, 80);
	}
}

static void augment_check__unfit_samples__are_refused(void **state)
{
	const struct qb_augment_config flip = {.flip = true}, crop = {.crop = 9};
	const int64_t image[] = {3, 8, 8}, sound[] = {1, 100};

	(void)state;
	assert_int_equal(qb_augment_check(&flip, 3, image, NULL), QB_OK);
	assert_int_equal(qb_augment_check(&flip, 2, sound, NULL), QB_EINVAL);
	assert_int_equal(qb_augment_check(&crop, 3, image, NULL), QB_EINVAL);
}

static void augment_noise__many__is_normal(void **state)
{
	enum { N = 20000 };
	const struct qb_augment_config c = {.noise = 0.5};
	const struct qb_augment_sample s = {.seed = 3, .sample = 1};
	float *x = calloc(N, sizeof(*x));
	double sum = 0, squares = 0;

	(void)state;
	qb_augment_noise(&c, &s, x, N);
	for (int i = 0; i < N; i++) {
		sum += x[i];
		squares += (double)x[i] * x[i];
	}
	free(x);
	assert_true(fabs(sum / N) < 0.02);
	assert_true(fabs(sqrt(squares / N) - 0.5) < 0.02);
}

/* ---- samples ---- */

static const float scale = 0.5f, mean = 1, deviation = 2;
static const struct qb_preprocess preprocess = {.scales = 1, .means = 1, .stds = 1, .scale = &scale, .mean = &mean,
	.std = &deviation};

static char path[32];

/* x [6,1,2,2] uint8, sample i holds 10 i + 0 ... 3. */
static struct qb_dataset *open_samples(void)
{
	const struct qb_input_spec input = {.name = "x", .dtype = QB_F32, .ndim = 4, .dim = {-1, 1, 2, 2}};
	struct qb_dataset *d = NULL;
	uint8_t x[24];
	int fd;

	strcpy(path, "samples-XXXXXX.npy");
	fd = mkstemps(path, 4);
	assert_true(fd >= 0);
	close(fd);
	for (int i = 0; i < 24; i++) {
		x[i] = (uint8_t)(i / 4 * 10 + i % 4);
	}
	write_npy(path, "|u1", "(6, 1, 2, 2)", x, sizeof(x));
	assert_int_equal(qb_dataset_open(&d, path, &input, 1, &preprocess, NULL), QB_OK);
	return d;
}

static void samples_read__any_order__equals_reading_in_order(void **state)
{
	const struct qb_augment_config none = {0};
	const int64_t order[] = {4, 0, 5};
	const struct qb_samples_pick pick = {.sample = order, .count = 3};
	struct qb_dataset *d = open_samples();
	struct qb_dataset_reader *r = NULL;
	struct qb_samples *s = NULL;
	float all[24], got[12];
	void *whole[] = {all}, *input[] = {got};

	(void)state;
	assert_int_equal(qb_samples_create(&s, d, 1, &none, 2, NULL), QB_OK);
	assert_int_equal(qb_samples_count(s), 6);
	assert_int_equal(qb_samples_bytes(s), 24);
	assert_int_equal(qb_samples_row_bytes(s, 0), 16);
	assert_int_equal(qb_dataset_reader_create(&r, d, NULL), QB_OK);
	assert_int_equal(qb_dataset_read(r, 0, 6, whole, NULL, NULL), QB_OK);
	assert_int_equal(qb_samples_read(s, &pick, input, NULL, NULL), QB_OK);
	for (int i = 0; i < 12; i++) {
		int k = (int)order[i / 4];

		assert_true(got[i] == all[k * 4 + i % 4]);
		assert_true(got[i] == ((float)(k * 10 + i % 4) * 0.5f - 1) / 2);
	}
	qb_samples_destroy(&s);
	qb_dataset_reader_destroy(&r);
	qb_dataset_close(&d);
	unlink(path);
}

static void dataset_choose__some_samples__are_all_that_is_read(void **state)
{
	const struct qb_augment_config none = {0};
	const int64_t chosen[] = {0, 1, 3, 5}, of_those[] = {1, 3}, order[] = {1, 0};
	const struct qb_samples_pick pick = {.sample = order, .count = 2};
	struct qb_dataset *d = open_samples();
	struct qb_dataset_reader *r = NULL;
	struct qb_samples *s = NULL;
	float got[16], beyond[20];
	void *input[] = {got}, *more[] = {beyond};

	(void)state;
	assert_int_equal(qb_dataset_choose(d, chosen, 4, NULL), QB_OK);
	assert_int_equal(qb_dataset_count(d), 4);
	assert_int_equal(qb_dataset_reader_create(&r, d, NULL), QB_OK);
	assert_int_equal(qb_dataset_read(r, 0, 4, input, NULL, NULL), QB_OK);
	for (int i = 0; i < 16; i++) {
		assert_true(got[i] == ((float)(chosen[i / 4] * 10 + i % 4) * 0.5f - 1) / 2);
	}
	assert_int_equal(qb_dataset_read(r, 1, 4, more, NULL, NULL), QB_EINVAL);
	/* Chosen among those that were chosen, and as they are stored. */
	assert_int_equal(qb_dataset_choose(d, of_those, 2, NULL), QB_OK);
	assert_int_equal(qb_samples_create(&s, d, 1, &none, 1, NULL), QB_OK);
	assert_int_equal(qb_samples_count(s), 2);
	assert_int_equal(qb_samples_read(s, &pick, input, NULL, NULL), QB_OK);
	for (int i = 0; i < 8; i++) {
		assert_true(got[i] == ((float)(chosen[of_those[order[i / 4]]] * 10 + i % 4) * 0.5f - 1) / 2);
	}
	qb_samples_destroy(&s);
	qb_dataset_reader_destroy(&r);
	qb_dataset_close(&d);
	unlink(path);
}

static void samples_read__augmented__same_for_any_threads_and_batch(void **state)
{
	const struct qb_augment_config c = {.flip = true, .crop = 1, .rotate = 20, .shear = 0.2, .scale = 0.1, .brightness = 0.3,
		.noise = 0.1}, none = {0};
	const int64_t order[] = {0, 1, 2, 3, 4, 5};
	struct qb_samples_pick pick = {.sample = order, .count = 6, .seed = 4, .epoch = 1};
	struct qb_dataset *d = open_samples();
	struct qb_samples *s = NULL, *unaugmented = NULL;
	float whole[24], one[4], plain[24];
	void *input[] = {whole}, *single[] = {one}, *same[] = {plain};

	(void)state;
	assert_int_equal(qb_samples_create(&s, d, 1, &c, 3, NULL), QB_OK);
	assert_int_equal(qb_samples_read(s, &pick, input, NULL, NULL), QB_OK);
	assert_int_equal(qb_samples_create(&unaugmented, d, 1, &none, 3, NULL), QB_OK);
	assert_int_equal(qb_samples_read(unaugmented, &pick, same, NULL, NULL), QB_OK);
	assert_memory_not_equal(whole, plain, sizeof(plain));
	qb_samples_destroy(&unaugmented);
	pick.count = 1;
	for (int i = 0; i < 6; i++) {
		pick.sample = order + i;
		assert_int_equal(qb_samples_read(s, &pick, single, NULL, NULL), QB_OK);
		assert_memory_equal(one, whole + 4 * i, sizeof(one));
	}
	qb_samples_destroy(&s);
	qb_dataset_close(&d);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(permutation__any_epoch__has_each_once_and_differs),
		cmocka_unit_test(permutation__three_elements__all_orders_are_as_likely),
		cmocka_unit_test(held_out__classes__has_of_each_as_many_to_a_sample),
		cmocka_unit_test(held_out__without_classes__every_sample_is_as_likely),
		cmocka_unit_test(augment_move__images__are_flipped_and_cropped),
		cmocka_unit_test(augment_move__sound__shifts_in_time),
		cmocka_unit_test(augment_check__unfit_samples__are_refused),
		cmocka_unit_test(augment_noise__many__is_normal),
		cmocka_unit_test(samples_read__any_order__equals_reading_in_order),
		cmocka_unit_test(dataset_choose__some_samples__are_all_that_is_read),
		cmocka_unit_test(samples_read__augmented__same_for_any_threads_and_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
