/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a FlatBuffer that may lie: every offset is checked before it is followed. What is out of bounds reads as absent
 * and sets `damaged`, which the caller looks at when a stage is done. Fields are known by their number in the schema.
 */
#ifndef QB_GRAPH_FLATBUFFER_H
#define QB_GRAPH_FLATBUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct qb_fb {
	const uint8_t *bytes;
	size_t size;
	bool damaged;
};

/* A table; at 0 is one that is absent, whose fields all are. */
struct qb_fb_table {
	struct qb_fb *fb;
	size_t at, vtable, fields;
};

/* count elements from data on, not aligned; empty where absent. */
struct qb_fb_vector {
	const uint8_t *data;
	size_t count;
};

struct qb_fb_table qb_fb_root(struct qb_fb *fb);
int32_t qb_fb_int(const struct qb_fb_table *t, int field, int32_t fallback);
uint32_t qb_fb_uint(const struct qb_fb_table *t, int field, uint32_t fallback);
uint64_t qb_fb_u64(const struct qb_fb_table *t, int field, uint64_t fallback);
int8_t qb_fb_byte(const struct qb_fb_table *t, int field, int8_t fallback);
float qb_fb_float(const struct qb_fb_table *t, int field, float fallback);
struct qb_fb_table qb_fb_sub(const struct qb_fb_table *t, int field);
/* width: bytes of an element. */
struct qb_fb_vector qb_fb_list(const struct qb_fb_table *t, int field, size_t width);
/* Table i of a list of tables. */
struct qb_fb_table qb_fb_table_at(const struct qb_fb_table *t, int field, size_t i);
/* How many a list of tables holds. */
size_t qb_fb_tables(const struct qb_fb_table *t, int field);
int32_t qb_fb_int_at(const struct qb_fb_vector *v, size_t i);
int64_t qb_fb_long_at(const struct qb_fb_vector *v, size_t i);
float qb_fb_float_at(const struct qb_fb_vector *v, size_t i);

#endif
