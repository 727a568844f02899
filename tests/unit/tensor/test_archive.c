/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <zip.h>

#include "core/base/size.h"
#include "core/tensor/archive.h"
#include "core/tensor/dataset.h"
#include "tests/unit/files.h"

static char path[64];

static int setup(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "test-archive-%ld.tmp", (long)getpid());
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

/* A .npy of the given version into out; returns its size. */
static size_t make_npy(unsigned char *out, int version, const char *header, const void *data,
	size_t bytes)
{
	size_t n = strlen(header), at = version == 1 ? 10 : 12;

	memcpy(out, "\x93NUMPY", 6);
	out[6] = (unsigned char)version;
	out[7] = 0;
	out[8] = (unsigned char)n;
	out[9] = (unsigned char)(n >> 8);
	if (version > 1) {
		out[10] = out[11] = 0;
	}
	memcpy(out + at, header, n);
	memcpy(out + at + n, data, bytes);
	return at + n + bytes;
}

static enum qb_err open_npy(int version, const char *header, const void *data, size_t bytes,
	struct qb_archive **a, struct qb_errbuf *eb)
{
	unsigned char file[4096];

	write_file(path, file, make_npy(file, version, header, data, bytes));
	return qb_archive_open(a, path, eb);
}

static void npy__every_version_and_order__reads_rows(void **state)
{
	const float want[6] = {1, 2, 3, 4, 5, -6.5f};
	unsigned char swapped[24];
	const unsigned char *w = (const unsigned char *)want;

	(void)state;
	for (int i = 0; i < 24; i++) {
		swapped[i] = w[i / 4 * 4 + 3 - i % 4];
	}
	for (int big = 0; big < 2; big++) {
		for (int version = 1; version <= 3; version++) {
			char header[128];
			struct qb_archive *a = NULL;
			struct qb_array *r = NULL;
			float x[6] = {0};

			snprintf(header, sizeof(header),
				"{'descr': '%cf4', 'fortran_order': False, 'shape': (3, 2), }   \n",
				big ? '>' : '<');
			assert_int_equal(open_npy(version, header, big ? (const void *)swapped : want, 24,
				&a, NULL), QB_OK);
			assert_int_equal(qb_archive_count(a), 1);
			assert_int_equal(qb_archive_entry(a, 0)->ndim, 2);
			assert_int_equal(qb_array_open(&r, a, 0, NULL), QB_OK);
			assert_int_equal(qb_array_read(r, 1, 2, x + 2, NULL), QB_OK);
			assert_int_equal(qb_array_read(r, 0, 1, x, NULL), QB_OK);
			assert_memory_equal(x, want, sizeof(want));
			assert_int_equal(qb_array_read(r, 2, 2, x, NULL), QB_EINVAL);
			qb_array_close(&r);
			qb_archive_close(&a);
		}
	}
}

static void npy__broken_headers__clear_errors(void **state)
{
	static const char *const headers[] = {
		"{'descr': '<f4', 'fortran_order': Maybe, 'shape': (3, 2), }",
		"{'descr': '<f4', 'fortran_order': True, 'shape': (3, 3), }",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2000000000), }",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 4), }",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 2), }",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 2), }",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2",
		"{'descr': 4, 'fortran_order': False, 'shape': (3, 2), }",
		"{'fortran_order': False, 'shape': (3, 2), 'descr': ",
		"{'descr': '<f4', 'shape': (3, 2), }",
		"{'fortran_order': False, 'shape': (3, 2), }",
		"not a dictionary at all",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 3), }",
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }",
	};
	const float data[6] = {0};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(headers); i++) {
		struct qb_archive *a = NULL;
		struct qb_errbuf eb = {0};

		if (open_npy(1, headers[i], data, sizeof(data), &a, &eb) == QB_OK) {
			fail_msg("accepted %s", headers[i]);
		}
		assert_true(strlen(eb.text) > 10);
		assert_null(a);
	}
}

/* 0, 1, 2, 3, 4, 5 as [3,2] and [1,3,2]; first dimension fastest. */
static void npy__fortran_order__reads_rows(void **state)
{
	static const char *const shapes[] = {"(3, 2)", "(1, 3, 2)", "(3, 1, 2)", "(6,)"};
	const float stored[6] = {0, 2, 4, 1, 3, 5}, plain[6] = {0, 1, 2, 3, 4, 5};
	char header[128];

	(void)state;
	for (size_t i = 0; i < QB_COUNT(shapes); i++) {
		struct qb_archive *a = NULL;
		struct qb_array *r = NULL;
		float x[6] = {0};
		int64_t rows;

		snprintf(header, sizeof(header), "{'descr': '<f4', 'fortran_order': True, 'shape': %s, }\n", shapes[i]);
		assert_int_equal(open_npy(1, header, i == 3 ? plain : stored, 24, &a, NULL), QB_OK);
		rows = qb_archive_entry(a, 0)->dim[0];
		assert_int_equal(qb_array_open(&r, a, 0, NULL), QB_OK);
		assert_int_equal(qb_array_read(r, rows - 1, 1, x + 6 - 6 / rows, NULL), QB_OK);
		assert_int_equal(qb_array_read(r, 0, rows - 1, x, NULL), QB_OK);
		assert_memory_equal(x, plain, sizeof(plain));
		assert_int_equal(qb_array_read_elements(r, 1, 3, x, NULL), QB_OK);
		assert_memory_equal(x, plain + 1, 12);
		qb_array_close(&r);
		qb_archive_close(&a);
	}
}

/* What cannot be read is listed by its name; reading it is the error. */
static void npy__types_that_are_none_of_ours__are_listed_and_not_read(void **state)
{
	static const struct {
		const char *descr, *shape, *name;
	} rows[] = {
		{"'<U5'", "(3,)", "str"}, {"'|S1'", "(3, 2)", "bytes"}, {"'|O'", "()", "object"}, {"'<c8'", "(3,)", "complex64"},
		{"'>c16'", "(1,)", "complex128"}, {"'<M8[ns]'", "(3,)", "datetime64"}, {"'|V8'", "(3,)", "void"},
		{"'<f16'", "(1,)", "float128"}, {"[('shape', '<f4'), ('b', '|u1')]", "(6,)", "structured"},
		{"'<f4'", "(1,1,1,1,1,1,1,1,6)", "float32 in 9 dimensions"},
	};
	const float data[6] = {0};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(rows); i++) {
		struct qb_archive *a = NULL;
		struct qb_array *r = NULL;
		struct qb_errbuf eb = {0};
		char header[200];

		snprintf(header, sizeof(header), "{'descr': %s, 'fortran_order': False, 'shape': %s, }\n", rows[i].descr, rows[i].shape);
		assert_int_equal(open_npy(2, header, data, sizeof(data), &a, &eb), QB_OK);
		assert_string_equal(qb_archive_entry(a, 0)->unreadable, rows[i].name);
		assert_int_equal(qb_array_open(&r, a, 0, &eb), QB_EUNSUPPORTED);
		assert_non_null(strstr(eb.text, rows[i].name));
		qb_archive_close(&a);
	}
}

static void archive__every_truncation__fails_cleanly(void **state)
{
	unsigned char file[512];
	const float data[6] = {1, 2, 3, 4, 5, 6};
	size_t n = make_npy(file, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", data,
		sizeof(data));

	(void)state;
	for (size_t k = 0; k < n; k++) {
		struct qb_archive *a = NULL;

		write_file(path, file, k);
		assert_int_not_equal(qb_archive_open(&a, path, NULL), QB_OK);
	}
}

static void write_npz(const char *const *name, unsigned char *const *data, const size_t *size,
	int count, int method)
{
	zip_t *z;

	unlink(path);
	z = zip_open(path, ZIP_CREATE | ZIP_TRUNCATE, NULL);
	assert_non_null(z);
	for (int i = 0; i < count; i++) {
		zip_source_t *s = zip_source_buffer(z, data[i], size[i], 0);
		zip_int64_t at = zip_file_add(z, name[i], s, 0);

		assert_true(at >= 0);
		assert_int_equal(zip_set_file_compression(z, (zip_uint64_t)at, method, 0), 0);
	}
	assert_int_equal(zip_close(z), 0);
}

static void npz__stored_and_deflated__feed_a_dataset(void **state)
{
	const uint8_t pixels[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 255};
	const int64_t labels[3] = {2, 0, 1};
	unsigned char x[512], y[512];
	const char *const name[] = {"x.npy", "y.npy"};
	unsigned char *const data[] = {x, y};
	const float scale = 2, mean[2] = {1, 3}, std = 4;
	const struct qb_preprocess p = {1, 2, 1, &scale, mean, &std};
	const struct qb_input_spec spec = {"input", QB_F32, 3, {1, 2, 2}};

	(void)state;
	for (int deflated = 0; deflated < 2; deflated++) {
		size_t size[2];
		struct qb_dataset *d = NULL;
		struct qb_dataset_reader *r = NULL;
		float in[8];
		void *const input[] = {in};
		double label[2];

		size[0] = make_npy(x, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (3, 2, 2), }",
			pixels, 12);
		size[1] = make_npy(y, 1, "{'descr': '<i8', 'fortran_order': False, 'shape': (3,), }",
			labels, 24);
		write_npz(name, data, size, 2, deflated ? ZIP_CM_DEFLATE : ZIP_CM_STORE);
		assert_int_equal(qb_dataset_open(&d, path, &spec, 1, &p, NULL), QB_OK);
		assert_int_equal(qb_dataset_count(d), 3);
		assert_int_equal(qb_dataset_reader_create(&r, d, NULL), QB_OK);
		assert_int_equal(qb_dataset_read(r, 1, 2, input, label, NULL), QB_OK);
		for (int i = 0; i < 8; i++) {
			assert_true(in[i] == ((float)pixels[4 + i] * scale - mean[i / 2 % 2]) / std);
		}
		assert_true(label[0] == 0 && label[1] == 1);
		assert_int_equal(qb_dataset_read(r, 0, 1, input, label, NULL), QB_OK);
		assert_true(label[0] == 2);
		qb_dataset_reader_destroy(&r);
		qb_dataset_close(&d);
	}
}

static void dataset__channels_last__names_both_shapes_and_the_remedy(void **state)
{
	unsigned char x[512];
	const uint8_t pixels[2 * 4 * 5 * 3] = {0};
	const struct qb_input_spec spec = {"input", QB_F32, 4, {1, 3, 4, 5}};
	struct qb_dataset *d = NULL;
	struct qb_errbuf eb;

	(void)state;
	write_file(path, x, make_npy(x, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 4, 5, 3), }",
		pixels, sizeof(pixels)));
	assert_int_equal(qb_dataset_open(&d, path, &spec, 1, NULL, &eb), QB_EJOB);
	assert_non_null(strstr(eb.text, "[2,4,5,3]"));
	assert_non_null(strstr(eb.text, "[N,3,4,5]"));
	assert_non_null(strstr(eb.text, "transpose"));
}

static void npz__size_that_lies__is_refused(void **state)
{
	unsigned char x[512];
	const char *const name[] = {"x.npy"};
	unsigned char *const data[] = {x};
	const uint8_t pixels[4] = {0};
	struct qb_archive *a = NULL;
	size_t size = make_npy(x, 1,
		"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }", pixels, 4);

	(void)state;
	write_npz(name, data, &size, 1, ZIP_CM_DEFLATE);
	assert_int_equal(qb_archive_open(&a, path, NULL), QB_EFORMAT);
}

static enum qb_err open_safetensors(const char *json, size_t bytes, struct qb_archive **a,
	struct qb_errbuf *eb)
{
	unsigned char file[1024] = {0};
	size_t n = strlen(json);

	file[0] = (unsigned char)n;
	file[1] = (unsigned char)(n >> 8);
	memcpy(file + 8, json, n);
	for (size_t i = 0; i < bytes; i++) {
		file[8 + n + i] = (unsigned char)i;
	}
	write_file(path, file, 8 + n + bytes);
	return qb_archive_open(a, path, eb);
}

static void safetensors__mixed_types__reads_what_it_can(void **state)
{
	struct qb_archive *a = NULL;
	struct qb_array *r = NULL;
	struct qb_errbuf eb;
	uint8_t x[4];

	(void)state;
	assert_int_equal(open_safetensors("{\"__metadata__\":{\"k\":\"v\"},"
		"\"a\":{\"dtype\":\"U8\",\"shape\":[2,2],\"data_offsets\":[0,4]},"
		"\"b\":{\"dtype\":\"F6_E3M2\",\"shape\":[4],\"data_offsets\":[4,8]}}", 8, &a, NULL), QB_OK);
	assert_int_equal(qb_archive_count(a), 2);
	assert_int_equal(qb_array_open(&r, a, qb_archive_find(a, "a"), NULL), QB_OK);
	assert_int_equal(qb_array_read(r, 1, 1, x, NULL), QB_OK);
	assert_true(x[0] == 2 && x[1] == 3);
	qb_array_close(&r);
	assert_int_equal(qb_array_open(&r, a, qb_archive_find(a, "b"), &eb), QB_EUNSUPPORTED);
	assert_non_null(strstr(eb.text, "F6_E3M2"));
	qb_archive_close(&a);
}

static void safetensors__hostile_headers__clear_errors(void **state)
{
	static const char *const headers[] = {
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,9]}}",
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[-4,0]}}",
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,0]}}",
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[-4],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[\"4\"],\"data_offsets\":[0,4]}}",
		"{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,8]}}",
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
		"\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[2,6]}}",
		"{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]},"
		"\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
		"{\"a\":{}}", "{\"a\":3}", "{\"a\"", "{{{{{{{{",
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(headers); i++) {
		struct qb_archive *a = NULL;
		struct qb_errbuf eb = {0};

		if (open_safetensors(headers[i], 8, &a, &eb) == QB_OK) {
			fail_msg("accepted %s", headers[i]);
		}
		assert_true(strlen(eb.text) > 10);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(npy__every_version_and_order__reads_rows),
		cmocka_unit_test(npy__fortran_order__reads_rows),
		cmocka_unit_test(npy__types_that_are_none_of_ours__are_listed_and_not_read),
		cmocka_unit_test(npy__broken_headers__clear_errors),
		cmocka_unit_test(archive__every_truncation__fails_cleanly),
		cmocka_unit_test(npz__stored_and_deflated__feed_a_dataset),
		cmocka_unit_test(dataset__channels_last__names_both_shapes_and_the_remedy),
		cmocka_unit_test(npz__size_that_lies__is_refused),
		cmocka_unit_test(safetensors__mixed_types__reads_what_it_can),
		cmocka_unit_test(safetensors__hostile_headers__clear_errors),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
