/* SPDX-License-Identifier: Apache-2.0
 *
 * The transforms, included once for each instruction set with NAME(x), TARGET (an attribute) and LANES defined, which end
 * with it: NAME(input) and NAME(output), of every form. VECTOR_MAX and VECTOR_MIN, where defined, are instructions that return
 * the second operand where one is NaN.
 */
typedef float NAME(lanes) __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));
typedef int32_t NAME(masks) __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(4)));
#define INLINE_TARGET TARGET __attribute__((always_inline)) static inline

/* The last channels may be fewer than a register holds. */
INLINE_TARGET void NAME(load)(NAME(lanes) *v, const float *x, int64_t left)
{
	if (left >= LANES) {
		*v = *(const NAME(lanes) *)(const void *)x;
	} else {
		*v = (NAME(lanes)){0};
		memcpy(v, x, (size_t)left * sizeof(*x));
	}
}

INLINE_TARGET void NAME(store)(float *y, const NAME(lanes) *v, int64_t left)
{
	if (left >= LANES) {
		*(NAME(lanes) *)(void *)y = *v;
	} else {
		memcpy(y, v, (size_t)left * sizeof(*y));
	}
}

/* v, or lo where it is less, or hi where it is more; NaN stays. */
INLINE_TARGET void NAME(clip)(NAME(lanes) *v, const NAME(lanes) *lo, const NAME(lanes) *hi)
{
#if defined(VECTOR_MAX)
	*v = VECTOR_MIN(*hi, VECTOR_MAX(*lo, *v));
#else
	for (int i = 0; i < LANES; i++) {
		(*v)[i] = (*v)[i] < (*lo)[i] ? (*lo)[i] : (*v)[i];
		(*v)[i] = (*v)[i] > (*hi)[i] ? (*hi)[i] : (*v)[i];
	}
#endif
}

/* v, times the slope where it is negative. */
INLINE_TARGET void NAME(leak)(NAME(lanes) *v, const NAME(lanes) *slope)
{
	NAME(lanes) less = *v * *slope, zero = {0};
	NAME(masks) where = *v < zero;

	*v = (NAME(lanes))(((NAME(masks))less & where) | ((NAME(masks))*v & ~where));
}

/* One row or column of the input's transform: B' d. */
INLINE_TARGET void NAME(input_six)(const NAME(lanes) *d, int step, NAME(lanes) *v, int to)
{
	NAME(lanes) d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step],
	      d5 = d[5 * step];
	NAME(lanes) a = d4 - 4 * d2, b = d3 - 4 * d1, c = d4 - d2, e = 2 * (d3 - d1);

	v[0] = 4 * d0 - 5 * d2 + d4;
	v[to] = a + b;
	v[2 * to] = a - b;
	v[3 * to] = c + e;
	v[4 * to] = c - e;
	v[5 * to] = 4 * d1 - 5 * d3 + d5;
}

INLINE_TARGET void NAME(input_five)(const NAME(lanes) *d, int step, NAME(lanes) *v, int to)
{
	NAME(lanes) d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step], d4 = d[4 * step];
	NAME(lanes) a = d3 - d1, b = d3 - d2;

	v[0] = 2 * (d0 - d2) + a;
	v[to] = b - 2 * d1;
	v[2 * to] = b - 2 * (d2 - d1);
	v[3 * to] = a;
	v[4 * to] = d4 - d2 - 2 * a;
}

INLINE_TARGET void NAME(input_four)(const NAME(lanes) *d, int step, NAME(lanes) *v, int to)
{
	NAME(lanes) d1 = d[step], d2 = d[2 * step];

	v[0] = d[0] - d2;
	v[to] = d1 + d2;
	v[2 * to] = d2 - d1;
	v[3 * to] = d[3 * step] - d1;
}

INLINE_TARGET void NAME(input_line)(const enum qb_f32_winograd_form f, const NAME(lanes) *d, int step, NAME(lanes) *v, int to)
{
	if (f == QB_WINOGRAD_2_OF_3) {
		NAME(input_four)(d, step, v, to);
	} else if (f == QB_WINOGRAD_4_OF_3) {
		NAME(input_six)(d, step, v, to);
	} else if (f != QB_WINOGRAD_4_OF_3_STRIDED) {
		NAME(input_five)(d, step, v, to);
	} else {
		NAME(input_five)(d, 2 * step, v, to);
		for (int i = 0; i < 4; i++) {
			v[(5 + i) * to] = d[(2 * i + 1) * step];
		}
	}
}

/* Of the output's: A' m. */
INLINE_TARGET void NAME(output_line)(const enum qb_f32_winograd_form f, const NAME(lanes) *m, int step, NAME(lanes) *y, int to)
{
	NAME(lanes) a = m[step] + m[2 * step], b = m[step] - m[2 * step], c = m[3 * step], e = c;

	if (f == QB_WINOGRAD_2_OF_3) {
		y[0] = m[0] + a;
		y[to] = b + c;
		return;
	}
	if (f == QB_WINOGRAD_4_OF_3) {
		c = m[3 * step] + m[4 * step];
		e = m[3 * step] - m[4 * step];
	}
	y[0] = m[0] + a + c;
	y[to] = b + 2 * e;
	y[2 * to] = a + 4 * c;
	if (f == QB_WINOGRAD_3_OF_3) {
		y[2 * to] += m[4 * step];
		return;
	}
	y[3 * to] = b + 8 * e + m[(f == QB_WINOGRAD_4_OF_3 ? 5 : 4) * step];
	for (int i = 0; f == QB_WINOGRAD_4_OF_3_STRIDED && i < 4; i++) {
		y[i * to] += m[(5 + i) * step];
	}
}

/* row [size][size]: where the tile's pixels lie; v [size][size][v_step]. */
INLINE_TARGET void NAME(input_body)(const enum qb_f32_winograd_form f, const float *const *row, int64_t channels, float *v, int64_t v_step)
{
	const int size = qb_f32_winograd_forms[f].size;

	for (int64_t c = 0; c < channels; c += LANES) {
		NAME(lanes) t[POINTS_MOST];

#pragma GCC unroll 9
		for (int i = 0; i < size; i++) {
			NAME(lanes) d[SIZE_MOST];

#pragma GCC unroll 9
			for (int k = 0; k < size; k++) {
				NAME(load)(&d[k], row[k * size + i] + c, channels - c);
			}
			NAME(input_line)(f, d, 1, t + i, size);
		}
#pragma GCC unroll 9
		for (int i = 0; i < size; i++) {
			NAME(lanes) u[SIZE_MOST];

			NAME(input_line)(f, t + i * size, 1, u, 1);
#pragma GCC unroll 9
			for (int k = 0; k < size; k++) {
				*(NAME(lanes) *)(void *)(v + (i * size + k) * v_step + c) = u[k];
			}
		}
	}
}

/* What makes outputs of sums, for the channels of one register. lo: also the slope of a leaky activation. */
struct NAME(ending) {
	NAME(lanes) bias, lo, hi, gain, shift;
	bool leaky, gains, adds_last;
};

INLINE_TARGET void NAME(begin_ending)(struct NAME(ending) *e, const struct qb_epilogue *p, int64_t outputs, int64_t c)
{
	int64_t left = outputs - c;
	bool clips = p->act.kind == QB_ACT_RELU || p->act.kind == QB_ACT_CLIP;
	NAME(lanes) zero = {0};

	e->bias = e->gain = e->shift = zero;
	e->leaky = p->act.kind == QB_ACT_LEAKY;
	e->gains = p->affine.scale;
	e->adds_last = p->residual_last;
	e->lo = zero + (clips || e->leaky ? p->act.lo : -INFINITY);
	e->hi = zero + (clips ? p->act.hi : INFINITY);
	if (p->bias) {
		NAME(load)(&e->bias, p->bias + c, left);
	}
	if (e->gains) {
		NAME(load)(&e->gain, p->affine.scale + c, left);
		NAME(load)(&e->shift, p->affine.shift + c, left);
	}
}

INLINE_TARGET void NAME(end)(const struct NAME(ending) *e, NAME(lanes) *v, const float *residual, int64_t left)
{
	NAME(lanes) more = {0};

	if (residual) {
		NAME(load)(&more, residual, left);
	}
	*v += e->bias;
	*v = residual && !e->adds_last ? *v + more : *v;
	if (e->leaky) {
		NAME(leak)(v, &e->lo);
	} else {
		NAME(clip)(v, &e->lo, &e->hi);
	}
	*v = e->gains ? *v * e->gain + e->shift : *v;
	*v = residual && e->adds_last ? *v + more : *v;
}

/* m [size][size][m_step]; y [out][out]: where the outputs go, NULL outside; residual likewise or NULL. */
INLINE_TARGET void NAME(output_body)(const enum qb_f32_winograd_form f, const float *m, int64_t m_step, int64_t outputs,
	const struct qb_epilogue *p, const float *const *residual, float *const *y)
{
	const int size = qb_f32_winograd_forms[f].size, out = qb_f32_winograd_forms[f].out;

	for (int64_t c = 0; c < outputs; c += LANES) {
		NAME(lanes) t[OUT_MOST * SIZE_MOST];
		struct NAME(ending) e;

		NAME(begin_ending)(&e, p, outputs, c);
#pragma GCC unroll 9
		for (int i = 0; i < size; i++) {
			NAME(lanes) d[SIZE_MOST];

#pragma GCC unroll 9
			for (int k = 0; k < size; k++) {
				d[k] = *(const NAME(lanes) *)(const void *)(m + (k * size + i) * m_step + c);
			}
			NAME(output_line)(f, d, 1, t + i, size);
		}
#pragma GCC unroll 4
		for (int i = 0; i < out; i++) {
			NAME(lanes) u[OUT_MOST];

			NAME(output_line)(f, t + i * size, 1, u, 1);
#pragma GCC unroll 4
			for (int k = 0; k < out; k++) {
				float *to = y[i * out + k];

				if (to) {
					NAME(end)(&e, &u[k], residual ? residual[i * out + k] + c : NULL, outputs - c);
					NAME(store)(to + c, &u[k], outputs - c);
				}
			}
		}
	}
}

#define SIZED(f) \
	TARGET static void NAME(input_##f)(const float *const *row, int64_t channels, float *v, int64_t v_step) \
	{ \
		NAME(input_body)(f, row, channels, v, v_step); \
	} \
	TARGET static void NAME(output_##f)(const float *m, int64_t m_step, int64_t outputs, const struct qb_epilogue *p, \
		const float *const *residual, float *const *y) \
	{ \
		NAME(output_body)(f, m, m_step, outputs, p, residual, y); \
	}
SIZED(QB_WINOGRAD_4_OF_3) SIZED(QB_WINOGRAD_3_OF_3) SIZED(QB_WINOGRAD_2_OF_3) SIZED(QB_WINOGRAD_4_OF_2) SIZED(QB_WINOGRAD_4_OF_3_STRIDED)
#undef SIZED

static const struct level NAME(level) = {
	{NAME(input_QB_WINOGRAD_4_OF_3), NAME(input_QB_WINOGRAD_3_OF_3), NAME(input_QB_WINOGRAD_2_OF_3), NAME(input_QB_WINOGRAD_4_OF_2),
		NAME(input_QB_WINOGRAD_4_OF_3_STRIDED)},
	{NAME(output_QB_WINOGRAD_4_OF_3), NAME(output_QB_WINOGRAD_3_OF_3), NAME(output_QB_WINOGRAD_2_OF_3), NAME(output_QB_WINOGRAD_4_OF_2),
		NAME(output_QB_WINOGRAD_4_OF_3_STRIDED)},
};

#undef INLINE_TARGET
#undef TARGET
#undef LANES
#undef NAME
