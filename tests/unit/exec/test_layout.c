/* SPDX-License-Identifier: Apache-2.0
 *
 * Layouts against oneDNN's memory descriptors of the same: places, sizes, equality, and which strides are refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dnnl.h>

#include "core/base/size.h"
#include "core/exec/layout.h"

static uint64_t state_of_random = 1;

static int64_t pick(int64_t n)
{
	state_of_random = state_of_random * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)(state_of_random >> 33) % n;
}

/* Field by field, as dnnl_types.h has them. */
static void assert_described(const struct qb_layout *l, const dnnl_memory_desc_t *md)
{
	const dnnl_blocking_desc_t *b = &md->format_desc.blocking;

	assert_int_equal(l->ndim, md->ndims);
	assert_int_equal(l->blocks, b->inner_nblks);
	for (int d = 0; d < l->ndim; d++) {
		assert_int_equal(l->dim[d], md->dims[d]);
		assert_int_equal(l->padded[d], md->padded_dims[d]);
		assert_int_equal(l->stride[d], b->strides[d]);
	}
	for (int i = 0; i < l->blocks; i++) {
		assert_int_equal(l->block[i].dim, b->inner_idxs[i]);
		assert_int_equal(l->block[i].size, b->inner_blks[i]);
	}
	assert_int_equal(qb_layout_bytes(l), dnnl_memory_desc_get_size(md));
}

/* oneDNN reads arrays of as many dimensions as it has. */
static dnnl_status_t by_tag(dnnl_memory_desc_t *md, const struct qb_shape *s, dnnl_format_tag_t tag)
{
	dnnl_dims_t dims = {0};

	memcpy(dims, s->dim, (size_t)s->ndim * sizeof(*dims));
	return dnnl_memory_desc_init_by_tag(md, s->ndim, dims, dnnl_f32, tag);
}

static dnnl_status_t by_strides(dnnl_memory_desc_t *md, const struct qb_shape *s, const dnnl_dims_t stride)
{
	dnnl_dims_t dims = {0};

	memcpy(dims, s->dim, (size_t)s->ndim * sizeof(*dims));
	return dnnl_memory_desc_init_by_strides(md, s->ndim, dims, dnnl_f32, stride);
}

static struct qb_shape random_shape(int ndim)
{
	struct qb_shape s = {.known = true, .ndim = ndim};

	for (int d = 0; d < ndim; d++) {
		s.dim[d] = 1 + pick(5);
	}
	return s;
}

static void layout__of_a_tag__is_that_of_onednn(void **state)
{
	static const struct {
		dnnl_format_tag_t tag;
		int ndim, order[5], blocked;
		int64_t size;
	} tags[] = {
		{dnnl_a, 1, {0}, 0, 1},
		{dnnl_ab, 2, {0, 1}, 0, 1},
		{dnnl_ba, 2, {1, 0}, 0, 1},
		{dnnl_acdb, 4, {0, 2, 3, 1}, 0, 1},
		{dnnl_aBc16b, 3, {0, 1, 2}, 1, 16},
		{dnnl_aBcd8b, 4, {0, 1, 2, 3}, 1, 8},
		{dnnl_Acb16a, 3, {0, 2, 1}, 0, 16},
		{dnnl_Acdb16a, 4, {0, 2, 3, 1}, 0, 16},
		{dnnl_aBdc16b, 4, {0, 1, 3, 2}, 1, 16},
		{dnnl_aBdec16b, 5, {0, 1, 3, 4, 2}, 1, 16},
	};

	(void)state;
	for (size_t i = 0; i < QB_COUNT(tags); i++) {
		for (int k = 0; k < 200; k++) {
			struct qb_shape s = random_shape(tags[i].ndim);
			struct qb_layout l;
			dnnl_memory_desc_t md;

			s.dim[tags[i].blocked] += pick(3) * 16;
			l = qb_layout_ordered(s.ndim, s.dim, tags[i].order, tags[i].blocked, tags[i].size);
			assert_int_equal(by_tag(&md, &s, tags[i].tag), dnnl_success);
			assert_described(&l, &md);
			assert_int_equal(qb_layout_is_padded(&l), s.dim[tags[i].blocked] % tags[i].size != 0);
		}
	}
}

static void layout__dense_and_channels_last__are_those_of_onednn(void **state)
{
	static const dnnl_format_tag_t dense[] = {dnnl_a, dnnl_ab, dnnl_abc, dnnl_abcd, dnnl_abcde};
	static const dnnl_format_tag_t channels_last[] = {dnnl_acb, dnnl_acdb, dnnl_acdeb};
	struct qb_shape scalar = {.known = true};
	struct qb_layout one = qb_layout_dense(&scalar), l;
	dnnl_memory_desc_t md;

	(void)state;
	assert_int_equal(by_tag(&md, &(struct qb_shape){.ndim = 1, .dim = {1}}, dnnl_a), dnnl_success);
	assert_described(&one, &md);
	for (int ndim = 1; ndim <= 5; ndim++) {
		struct qb_shape s = random_shape(ndim);

		l = qb_layout_dense(&s);
		assert_int_equal(by_tag(&md, &s, dense[ndim - 1]), dnnl_success);
		assert_described(&l, &md);
		if (ndim >= 3) {
			l = qb_layout_channels_last(&s);
			assert_int_equal(by_tag(&md, &s, channels_last[ndim - 3]), dnnl_success);
			assert_described(&l, &md);
		}
	}
}

/* Small dimensions and strides, so that some overlap, some have gaps and some broadcast. */
static bool random_strides(struct qb_layout *l, dnnl_memory_desc_t *md)
{
	struct qb_shape s = random_shape(1 + (int)pick(4));
	dnnl_dims_t stride = {0};
	bool made;

	for (int d = 0; d < s.ndim; d++) {
		s.dim[d] = pick(4);
		stride[d] = pick(3) ? pick(9) : pick(2) * 16;
	}
	made = qb_layout_strided(l, s.ndim, s.dim, stride);
	assert_int_equal(made, by_strides(md, &s, stride) == dnnl_success);
	return made;
}

static void layout__of_any_strides__is_refused_or_equal_as_by_onednn(void **state)
{
	struct qb_layout kept = {0};
	dnnl_memory_desc_t kept_md;
	int made = 0, refused = 0, equal = 0;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		struct qb_layout l;
		dnnl_memory_desc_t md;

		if (!random_strides(&l, &md)) {
			refused++;
			continue;
		}
		assert_described(&l, &md);
		if (made++) {
			bool same = qb_layout_equal(&l, &kept);

			assert_int_equal(same, dnnl_memory_desc_equal(&md, &kept_md));
			equal += same;
		}
		kept = l;
		kept_md = md;
	}
	assert_true(made > 1000 && refused > 1000 && equal > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(layout__of_a_tag__is_that_of_onednn),
		cmocka_unit_test(layout__dense_and_channels_last__are_those_of_onednn),
		cmocka_unit_test(layout__of_any_strides__is_refused_or_equal_as_by_onednn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
