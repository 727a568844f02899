/* SPDX-License-Identifier: Apache-2.0
 *
 * The format: https://flatbuffers.dev/internals. A table begins with the distance back to its vtable, which holds its
 * own size, the table's, and where each field lies in the table (0: absent). Numbers are little-endian.
 */
#include "core/graph/flatbuffer.h"

#include <string.h>

static bool inside(struct qb_fb *fb, size_t at, size_t bytes)
{
	if (at > fb->size || bytes > fb->size - at) {
		fb->damaged = true;
		return false;
	}
	return true;
}

static uint32_t load(const uint8_t *p, int bytes)
{
	uint32_t v = 0;

	for (int i = bytes - 1; i >= 0; i--) {
		v = v << 8 | p[i];
	}
	return v;
}

static struct qb_fb_table table(struct qb_fb *fb, size_t at)
{
	struct qb_fb_table none = {.fb = fb}, t = {.fb = fb, .at = at};
	int64_t vtable;
	size_t size;

	if (!at || !inside(fb, at, 4)) {
		return none;
	}
	vtable = (int64_t)at - (int32_t)load(fb->bytes + at, 4);
	if (vtable < 0 || !inside(fb, (size_t)vtable, 4)) {
		fb->damaged = true;
		return none;
	}
	size = load(fb->bytes + vtable, 2);
	if (size < 4 || !inside(fb, (size_t)vtable, size)) {
		fb->damaged = true;
		return none;
	}
	t.vtable = (size_t)vtable;
	t.fields = (size - 4) / 2;
	return t;
}

/* Where the field's `bytes` bytes lie, or 0. */
static size_t field_at(const struct qb_fb_table *t, int field, size_t bytes)
{
	size_t offset;

	if (!t->at || (size_t)field >= t->fields) {
		return 0;
	}
	offset = load(t->fb->bytes + t->vtable + 4 + 2 * (size_t)field, 2);
	return offset && inside(t->fb, t->at + offset, bytes) ? t->at + offset : 0;
}

/* What an offset at `at` leads to, or 0. */
static size_t follow(struct qb_fb *fb, size_t at)
{
	size_t to;

	if (!at || !inside(fb, at, 4)) {
		return 0;
	}
	to = at + load(fb->bytes + at, 4);
	return inside(fb, to, 4) ? to : 0;
}

struct qb_fb_table qb_fb_root(struct qb_fb *fb)
{
	size_t at = inside(fb, 0, 8) ? load(fb->bytes, 4) : 0;

	if (!at) {
		fb->damaged = true;
	}
	return table(fb, at);
}

uint32_t qb_fb_uint(const struct qb_fb_table *t, int field, uint32_t fallback)
{
	size_t at = field_at(t, field, 4);

	return at ? load(t->fb->bytes + at, 4) : fallback;
}

int32_t qb_fb_int(const struct qb_fb_table *t, int field, int32_t fallback)
{
	return (int32_t)qb_fb_uint(t, field, (uint32_t)fallback);
}

uint64_t qb_fb_u64(const struct qb_fb_table *t, int field, uint64_t fallback)
{
	size_t at = field_at(t, field, 8);

	return at ? load(t->fb->bytes + at, 4) | (uint64_t)load(t->fb->bytes + at + 4, 4) << 32 : fallback;
}

int8_t qb_fb_byte(const struct qb_fb_table *t, int field, int8_t fallback)
{
	size_t at = field_at(t, field, 1);

	return at ? (int8_t)t->fb->bytes[at] : fallback;
}

static float as_float(uint32_t u)
{
	float f;

	memcpy(&f, &u, sizeof(f));
	return f;
}

float qb_fb_float(const struct qb_fb_table *t, int field, float fallback)
{
	size_t at = field_at(t, field, 4);

	return at ? as_float(load(t->fb->bytes + at, 4)) : fallback;
}

struct qb_fb_table qb_fb_sub(const struct qb_fb_table *t, int field)
{
	return table(t->fb, follow(t->fb, field_at(t, field, 4)));
}

struct qb_fb_vector qb_fb_list(const struct qb_fb_table *t, int field, size_t width)
{
	struct qb_fb_vector v = {NULL, 0};
	size_t at = follow(t->fb, field_at(t, field, 4)), count;

	if (!at) {
		return v;
	}
	count = load(t->fb->bytes + at, 4);
	if (count > t->fb->size / width || !inside(t->fb, at + 4, count * width)) {
		t->fb->damaged = true;
		return v;
	}
	v.data = t->fb->bytes + at + 4;
	v.count = count;
	return v;
}

size_t qb_fb_tables(const struct qb_fb_table *t, int field)
{
	return qb_fb_list(t, field, 4).count;
}

struct qb_fb_table qb_fb_table_at(const struct qb_fb_table *t, int field, size_t i)
{
	struct qb_fb_vector v = qb_fb_list(t, field, 4);

	return table(t->fb, i < v.count ? follow(t->fb, (size_t)(v.data - t->fb->bytes) + 4 * i) : 0);
}

int32_t qb_fb_int_at(const struct qb_fb_vector *v, size_t i)
{
	return (int32_t)load(v->data + 4 * i, 4);
}

int64_t qb_fb_long_at(const struct qb_fb_vector *v, size_t i)
{
	return (int64_t)(load(v->data + 8 * i, 4) | (uint64_t)load(v->data + 8 * i + 4, 4) << 32);
}

float qb_fb_float_at(const struct qb_fb_vector *v, size_t i)
{
	return as_float(load(v->data + 4 * i, 4));
}
