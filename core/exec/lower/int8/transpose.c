/* SPDX-License-Identifier: Apache-2.0
 *
 * Integer step of operators that exchange dimensions: whole runs of bytes where the innermost stays, else squares of 16 by
 * 16 bytes. What neither fits is moved byte by byte (core/exec/lower/int8/copy.c).
 */
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "core/base/size.h"
#include "core/exec/lower/int8/lower_int8.h"
#include "core/exec/lower/lowerings.h"
#include "core/exec/threads.h"

enum { WORTH_A_THREAD = 65536, SIDE = 16 };

/* Of n indices: bytes from one to the next in the input and in the output. */
struct dim {
	int64_t n, x, y;
};

struct transpose {
	struct dim outer[QB_MAX_DIMS];
	struct dim line;   /* of which bytes lie together in the output */
	struct dim across; /* ... and in the input; n is 1 where that is line too */
	int dims, threads;
	int64_t count;     /* of all outer indices */
};

static void turn_plain(const uint8_t *x, int64_t x_step, uint8_t *y, int64_t y_step, int64_t lines, int64_t across)
{
	for (int64_t a = 0; a < across; a++) {
		for (int64_t l = 0; l < lines; l++) {
			y[a * y_step + l] = x[l * x_step + a];
		}
	}
}

/* 16 rows of 16 bytes into 16 columns: four times the upper and lower halves are interleaved. */
static void turn_square(const uint8_t *x, int64_t x_step, uint8_t *y, int64_t y_step)
{
#if defined(__SSE2__)
	__m128i a[SIDE], b[SIDE];

	for (int i = 0; i < SIDE; i++) {
		a[i] = _mm_loadu_si128((const __m128i *)(x + i * x_step));
	}
	for (int round = 0; round < 4; round++) {
		for (int i = 0; i < SIDE / 2; i++) {
			b[2 * i] = _mm_unpacklo_epi8(a[i], a[i + SIDE / 2]);
			b[2 * i + 1] = _mm_unpackhi_epi8(a[i], a[i + SIDE / 2]);
		}
		memcpy(a, b, sizeof(a));
	}
	for (int i = 0; i < SIDE; i++) {
		_mm_storeu_si128((__m128i *)(y + i * y_step), a[i]);
	}
#else
	turn_plain(x, x_step, y, y_step, SIDE, SIDE);
#endif
}

/* y[a][l] = x[l][a] */
static void turn(const uint8_t *x, int64_t x_step, uint8_t *y, int64_t y_step, int64_t lines, int64_t across)
{
	int64_t l = 0, a;

	for (; l + SIDE <= lines; l += SIDE) {
		for (a = 0; a + SIDE <= across; a += SIDE) {
			turn_square(x + l * x_step + a, x_step, y + a * y_step + l, y_step);
		}
		turn_plain(x + l * x_step + a, x_step, y + a * y_step + l, y_step, SIDE, across - a);
	}
	turn_plain(x + l * x_step, x_step, y + l, y_step, lines - l, across);
}

static void transpose_one(const void *context, const struct qb_operands *at, int64_t i)
{
	const struct transpose *c = context;
	const uint8_t *x = at->read[0];
	uint8_t *y = at->write[0];

	for (int d = c->dims - 1; d >= 0; d--) {
		x += i % c->outer[d].n * c->outer[d].x;
		y += i % c->outer[d].n * c->outer[d].y;
		i /= c->outer[d].n;
	}
	if (c->line.x == 1) {
		memcpy(y, x, (size_t)c->line.n);
	} else {
		turn(x, c->line.x, y, c->across.y, c->line.n, c->across.n);
	}
}

static void run_transpose(const void *context, const struct qb_operands *at)
{
	const struct transpose *c = context;
	int64_t bytes = c->count * c->line.n * c->across.n;

	qb_threads_loop(bytes > WORTH_A_THREAD ? c->threads : 1, c->count, transpose_one, c, at);
}

/* Bytes from one index to the next of each dimension; false where bytes lie neither as images nor row-major. */
static bool steps_of(const struct qb_bytes *q, const struct qb_shape *s, int64_t *step)
{
	bool image = s->ndim == 4 && q->inner == s->dim[2] * s->dim[3] && q->channels == s->dim[1];
	int channel = image ? 1 : s->ndim - 1;
	int64_t next = q->stride;

	if (!image && (q->inner != 1 || s->ndim < 1 || q->channels != s->dim[channel])) {
		return false;
	}
	for (int i = s->ndim - 1; i >= 0; i--) {
		step[i] = i == channel ? 1 : next;
		next *= i == channel ? 1 : s->dim[i];
	}
	return true;
}

/* Outermost in the output first, dimensions of 1 left out, those that stay neighbours joined. */
static int settle_dims(struct dim *d, int count)
{
	int kept = 0;

	for (int i = 1; i < count; i++) {
		for (int k = i; k > 0 && d[k].y > d[k - 1].y; k--) {
			struct dim t = d[k];

			d[k] = d[k - 1];
			d[k - 1] = t;
		}
	}
	for (int i = 0; i < count; i++) {
		struct dim *last = kept ? &d[kept - 1] : NULL;

		if (d[i].n == 1) {
			continue;
		}
		if (last && last->x == d[i].n * d[i].x && last->y == d[i].n * d[i].y) {
			*last = (struct dim){last->n * d[i].n, d[i].x, d[i].y};
		} else {
			d[kept++] = d[i];
		}
	}
	return kept;
}

static enum qb_err add_transpose(struct qb_builder *b, const struct qb_node *n, struct dim *d, int count,
	const struct qb_bytes *x, const struct qb_bytes *y, struct qb_errbuf *eb)
{
	struct transpose c = {.across = {1, 1, 1}, .count = 1, .threads = qb_builder_threads(b)};

	count = settle_dims(d, count);
	if (!count || d[count - 1].y != 1 || x->scale != y->scale || x->zero != y->zero || x->top != y->top) {
		return QB_EUNSUPPORTED;
	}
	c.line = d[--count];
	for (int i = 0; i < count; i++) {
		if (c.line.x != 1 && d[i].x == 1) {
			c.across = d[i];
		} else {
			c.outer[c.dims++] = d[i];
			c.count *= d[i].n;
		}
	}
	/* Narrow strips are as quick byte by byte. */
	if (c.line.x != 1 && (c.line.n < SIDE || c.across.n < SIDE)) {
		return QB_EUNSUPPORTED;
	}
	return qb_builder_call(b, n, &(struct qb_call){.name = "int8 transpose", .fn = run_transpose, QB_CONTEXT(c),
		.reads = {x->buffer}, .writes = {y->buffer}}, eb);
}

static enum qb_err plan_transpose(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	const struct qb_shape *from = &n->input[0]->shape, *to = &n->output[0]->shape;
	int64_t x_step[QB_MAX_DIMS], y_step[QB_MAX_DIMS];
	const int64_t *perm;
	struct dim d[QB_MAX_DIMS];
	struct qb_bytes x, y;
	int given = qb_node_ints(n, "perm", &perm);

	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (!steps_of(&x, from, x_step) || !steps_of(&y, to, y_step)) {
		return QB_EUNSUPPORTED;
	}
	for (int i = 0; i < to->ndim; i++) {
		int k = given == to->ndim ? (int)perm[i] : to->ndim - 1 - i;

		d[i] = (struct dim){to->dim[i], x_step[k], y_step[i]};
	}
	return add_transpose(b, n, d, to->ndim, &x, &y, eb);
}

enum qb_err qb__plan_int8_transpose(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	enum qb_err err = plan_transpose(b, n, eb);

	return err == QB_EUNSUPPORTED ? qb__plan_int8_copy(b, op, eb) : err;
}

/* An image's pixels put in rows, as before attention: [N,C,H,W] seen as [..., H * W]. */
static enum qb_err plan_rows(struct qb_builder *b, const struct qb_node *n, struct qb_errbuf *eb)
{
	struct qb_bytes x, y;
	struct dim d[3];

	if (n->outputs > 1 && n->output[1]) {
		return QB_EUNSUPPORTED;
	}
	QB_TRY(qb_builder_bytes(b, n->input[0], &x, eb));
	QB_TRY(qb_builder_define_bytes(b, n->output[0], &y, eb));
	if (y.inner != 1 || x.inner == 1 || y.channels != x.inner) {
		return QB_EUNSUPPORTED;
	}
	d[0] = (struct dim){x.pixels / x.inner, x.inner * x.stride, x.channels * y.stride};
	d[1] = (struct dim){x.channels, 1, y.stride};
	d[2] = (struct dim){x.inner, x.stride, 1};
	return add_transpose(b, n, d, 3, &x, &y, eb);
}

/* New shapes: on the same bytes where they lie alike, else moved. */
enum qb_err qb__plan_int8_alias(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb)
{
	const struct qb_node *n = &op->node;
	enum qb_err err = n->outputs > 1 && n->output[1]
		? QB_EUNSUPPORTED : qb_builder_alias_bytes(b, n->output[0], n->input[0], eb);

	err = err == QB_EUNSUPPORTED ? plan_rows(b, n, eb) : err;
	return err == QB_EUNSUPPORTED ? qb__plan_int8_copy(b, op, eb) : err;
}
