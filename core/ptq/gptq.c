/* SPDX-License-Identifier: Apache-2.0
 *
 * The Cholesky factor and its inverse are ours and not LAPACK's (dpotrf, dtrtri): Debian's liblapack.so.3 is an alternative
 * of the reference and of OpenBLAS, whose sums depend on the processor and on the number of threads. On one covariance
 * of 1152 inputs of rank 288, damped by 0.01, the float64 inverse differs between the two, between OpenBLAS's kernels and
 * between one and two threads, and 8 to 10 of 664128 elements still do when rounded to float32. A job's bytes would
 * depend on the machine and on its packages.
 */
#include "core/ptq/gptq.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/arena.h"
#include "core/base/size.h"
#include "core/exec/onednn.h"

const struct qb_gptq_options qb_gptq_defaults = {0.01, 128, false};

/* Inputs whose products are summed in float32 before they are added to the sum. */
enum { RUN = 256 };

/* The Hessian */

enum qb_err qb_hessian_init(struct qb_hessian *h, int64_t k, struct qb_errbuf *eb)
{
	*h = (struct qb_hessian){.k = k, .sum = calloc((size_t)k * (size_t)k, sizeof(*h->sum))};
	return h->sum ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for the Hessian of %lld inputs", (long long)k);
}

void qb_hessian_fini(struct qb_hessian *h)
{
	free(h->sum);
	h->sum = NULL;
}

enum qb_err qb_hessian_update(struct qb_hessian *h, const float *x, int64_t n, int64_t from, int64_t to,
	struct qb_errbuf *eb)
{
	float *part = malloc((size_t)(to - from) * (size_t)to * sizeof(*part));
	enum qb_err err = part ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory for a Hessian");

	for (int64_t s = 0; err == QB_OK && s < n; s += RUN) {
		const float *at = x + s * h->k;

		err = qb_sgemm(&(struct qb_sgemm){.a_transposed = true, .m = to - from, .n = to, .k = QB_MIN(RUN, n - s),
			.alpha = 1, .a = at + from, .a_row = h->k, .b = at, .b_row = h->k, .c = part, .c_row = to}, eb);
		for (int64_t i = from; err == QB_OK && i < to; i++) {
			for (int64_t j = 0; j <= i; j++) {
				h->sum[i * h->k + j] += (double)part[(i - from) * to + j];
			}
		}
	}
	if (to == h->k) {
		h->samples += n;
	}
	free(part);
	return err;
}

/* The factor */

static double dot(const double *a, const double *b, int64_t n)
{
	double part[8] = {0}, sum = 0;
	int64_t i = 0;

	for (; i + 8 <= n; i += 8) {
		for (int k = 0; k < 8; k++) {
			part[k] += a[i + k] * b[i + k];
		}
	}
	for (; i < n; i++) {
		part[0] += a[i] * b[i];
	}
	for (int k = 0; k < 8; k++) {
		sum += part[k];
	}
	return sum;
}

double qb_hessian_loss(const struct qb_hessian *h, const double *error)
{
	double sum = 0;

	for (int64_t i = 0; i < h->k; i++) {
		const double *row = h->sum + i * h->k;

		if (error[i] != 0) {
			sum += error[i] * (2 * dot(row, error, i) + row[i] * error[i]);
		}
	}
	return sum / (double)QB_MAX(h->samples, 1);
}

/* a = L L^T in place, lower triangle; false where a is not positive definite. */
static bool cholesky(double *a, int64_t k)
{
	for (int64_t i = 0; i < k; i++) {
		for (int64_t j = 0; j < i; j++) {
			a[i * k + j] = (a[i * k + j] - dot(a + i * k, a + j * k, j)) / a[j * k + j];
		}
		a[i * k + i] -= dot(a + i * k, a + i * k, i);
		if (!(a[i * k + i] > 0)) {
			return false;
		}
		a[i * k + i] = sqrt(a[i * k + i]);
	}
	return true;
}

/* Row i of L^-1, which is kept transposed: column j of the inverse lies in row j of t [k, k]. */
static void invert_lower(const double *l, double *t, int64_t k)
{
	for (int64_t j = 0; j < k; j++) {
		t[j * k + j] = 1 / l[j * k + j];
		for (int64_t i = j + 1; i < k; i++) {
			t[j * k + i] = -dot(l + i * k + j, t + j * k + j, i - j) / l[i * k + i];
		}
	}
}

static double entry(const struct qb_hessian *h, int64_t i, int64_t j)
{
	return i > j ? h->sum[i * h->k + j] : h->sum[j * h->k + i];
}

/* H in reverse order, damped. A column that no input ever feeds is alone with itself. */
static void fill_reversed(const struct qb_hessian *h, const int32_t *order, double damping, double *a)
{
	int64_t k = h->k;
	double mean = 0;

	for (int64_t i = 0; i < k; i++) {
		mean += entry(h, i, i) / (double)k;
	}
	mean = mean > 0 ? mean : 1;
	for (int64_t i = 0; i < k; i++) {
		for (int64_t j = 0; j <= i; j++) {
			a[i * k + j] = entry(h, order[k - 1 - i], order[k - 1 - j]);
		}
		a[i * k + i] += a[i * k + i] == 0 ? mean : 0;
		a[i * k + i] += damping * mean;
	}
}

/* H^-1 = U^T U. Read backwards H is L L^T; read forwards again L is upper triangular, and U its inverse. */
static enum qb_err factorise(struct qb_gptq *g, const struct qb_hessian *h, struct qb_errbuf *eb)
{
	int64_t k = g->k;
	size_t n = (size_t)k * (size_t)k;
	double *a = calloc(n, sizeof(*a)), *t = calloc(n, sizeof(*t)), damping = g->opt.damping;
	enum qb_err err = QB_OK;

	if (!a || !t) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the Hessian of %lld inputs", (long long)k);
		goto out;
	}
	for (;; damping = fmin(fmax(damping, 1e-6) * 10, 1)) {
		fill_reversed(h, g->order, damping, a);
		if (cholesky(a, k)) {
			break;
		}
		if (damping >= 1) {
			err = qb_fail(eb, QB_EINVAL, "the layer's inputs are not finite numbers");
			goto out;
		}
	}
	invert_lower(a, t, k);
	/* U_ij = (L^-1)_(k-1-i)(k-1-j), and t is L^-1 transposed. */
	for (int64_t i = 0; i < k; i++) {
		for (int64_t j = i; j < k; j++) {
			g->u[i * k + j] = (float)t[(k - 1 - j) * k + (k - 1 - i)];
		}
	}
out:
	free(a);
	free(t);
	return err;
}

struct ranked {
	double weight;
	int32_t column;
};

static int by_weight(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;

	if (x->weight != y->weight) {
		return x->weight > y->weight ? -1 : 1;
	}
	return x->column < y->column ? -1 : x->column > y->column;
}

static enum qb_err choose_order(struct qb_gptq *g, const struct qb_hessian *h, struct qb_errbuf *eb)
{
	struct ranked *r = malloc((size_t)g->k * sizeof(*r));

	if (!r) {
		return qb_fail(eb, QB_ENOMEM, "no memory for the order of %lld columns", (long long)g->k);
	}
	for (int64_t j = 0; j < g->k; j++) {
		r[j] = (struct ranked){entry(h, j, j), (int32_t)j};
	}
	if (g->opt.act_order) {
		qsort(r, (size_t)g->k, sizeof(*r), by_weight);
	}
	for (int64_t j = 0; j < g->k; j++) {
		g->order[j] = r[j].column;
	}
	free(r);
	return QB_OK;
}

enum qb_err qb_gptq_create(struct qb_gptq **out, const struct qb_hessian *h, const struct qb_gptq_options *opt,
	struct qb_errbuf *eb)
{
	struct qb_gptq *g = calloc(1, sizeof(*g));
	enum qb_err err = QB_OK;

	if (g) {
		*g = (struct qb_gptq){.k = h->k, .opt = *opt, .order = calloc((size_t)h->k, sizeof(*g->order)),
			.u = calloc((size_t)h->k * (size_t)h->k, sizeof(*g->u))};
	}
	if (!g || !g->order || !g->u) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the Hessian of %lld inputs", (long long)h->k);
		goto out;
	}
	QB_TRY_OUT(choose_order(g, h, eb));
	QB_TRY_OUT(factorise(g, h, eb));
	*out = g;
	g = NULL;
out:
	qb_gptq_destroy(&g);
	return err;
}

void qb_gptq_destroy(struct qb_gptq **g)
{
	if (*g) {
		free((*g)->order);
		free((*g)->u);
		free(*g);
		*g = NULL;
	}
}

/* Rounding */

/* Some rows at work, by columns in the order of rounding. */
struct rows {
	const struct qb_gptq *g;
	int64_t rows, blocks; /* blocks of a shared scale in one row */
	struct qb_quantizer q; /* of these rows */
	struct qb_quantizer column; /* of one column: a scale a row, no blocks */
	float *w, *out;       /* [k, rows] */
	float *error;         /* [block, rows] */
	struct qb_blocks of;  /* [rows, blocks] */
	float *span;          /* [rows, format.block]: a block's weights */
};

static void rows_fini(struct rows *r)
{
	free(r->w);
	free(r->out);
	free(r->error);
	qb_blocks_fini(&r->of);
	free(r->span);
	qb_quantizer_fini(&r->column);
}

static enum qb_err rows_init(struct rows *r, const struct qb_gptq *g, const struct qb_quantizer *q, int64_t first,
	const float *w, int64_t rows, struct qb_errbuf *eb)
{
	int64_t k = g->k, block = q->format.block;
	size_t n = (size_t)(rows * k);
	bool zeros = q->zero || q->format.asymmetric;

	*r = (struct rows){.g = g, .rows = rows, .blocks = block ? (k + block - 1) / block : 0, .q = *q,
		.column = {.format = q->format, .axis = 0, .channels = rows}};
	if (q->channels > 1) {
		r->q.scale += first;
		r->q.zero = q->zero ? q->zero + first : NULL;
		r->q.channels = rows;
	}
	r->column.format.block = 0;
	r->column.format.real_scale = true;
	r->column.scale = calloc((size_t)rows, sizeof(float));
	r->column.zero = zeros ? calloc((size_t)rows, sizeof(int32_t)) : NULL;
	r->w = malloc(n * sizeof(float));
	r->out = malloc(n * sizeof(float));
	r->error = malloc((size_t)g->opt.block * (size_t)rows * sizeof(float));
	r->span = malloc((size_t)(rows * QB_MAX(block, 1)) * sizeof(float));
	if (!r->column.scale || (zeros && !r->column.zero) || !r->w || !r->out || !r->error || !r->span ||
		qb_blocks_init(&r->of, rows * r->blocks, eb) != QB_OK) {
		rows_fini(r);
		return qb_fail(eb, QB_ENOMEM, "no memory to round %zu weights", n);
	}
	for (int64_t i = 0; i < rows; i++) {
		int64_t c = r->q.channels > 1 ? i : 0;

		r->column.scale[i] = r->q.scale[c];
		if (q->zero) {
			r->column.zero[i] = r->q.zero[c];
		}
		for (int64_t j = 0; j < k; j++) {
			r->w[j * rows + i] = w[i * k + g->order[j]];
		}
	}
	if (block && g->opt.act_order) {
		qb_blocks_of(&r->q, w, rows, k, &r->of);
	}
	return QB_OK;
}

/* The blocks that begin with the j-th column. */
static void begin_blocks(struct rows *r, int64_t j)
{
	int64_t block = r->q.format.block, n = QB_MIN(block, r->g->k - j);
	struct qb_blocks now = {r->column.scale, r->column.zero};

	for (int64_t i = 0; i < r->rows; i++) {
		for (int64_t c = 0; c < n; c++) {
			r->span[i * n + c] = r->w[(j + c) * r->rows + i];
		}
	}
	qb_blocks_of(&r->q, r->span, r->rows, n, &now);
	for (int64_t i = 0; i < r->rows; i++) {
		r->of.scale[i * r->blocks + j / block] = now.scale[i];
		r->of.zero[i * r->blocks + j / block] = now.zero ? now.zero[i] : 0;
	}
}

/* Scales and zero points of the j-th column where they are those of a block. */
static void choose_scales(struct rows *r, int64_t j)
{
	const struct qb_gptq *g = r->g;
	int64_t block = r->q.format.block;

	if (block && !g->opt.act_order && j % block == 0) {
		begin_blocks(r, j);
	}
	for (int64_t i = 0; block && g->opt.act_order && i < r->rows; i++) {
		int64_t at = i * r->blocks + g->order[j] / block;

		r->column.scale[i] = r->of.scale[at];
		if (r->column.zero) {
			r->column.zero[i] = r->of.zero[at];
		}
	}
}

/* Column j, and what it does to the columns up to end. */
static void round_column(struct rows *r, int64_t j, int64_t begin, int64_t end)
{
	const float *u = r->g->u + j * r->g->k;
	float *w = r->w + j * r->rows, *out = r->out + j * r->rows, *error = r->error + (j - begin) * r->rows;

	choose_scales(r, j);
	qb_qdq(&r->column, w, out, 1, r->rows, 1);
	for (int64_t i = 0; i < r->rows; i++) {
		error[i] = (w[i] - out[i]) / u[j];
	}
	for (int64_t l = j + 1; l < end; l++) {
		float *rest = r->w + l * r->rows;

		for (int64_t i = 0; i < r->rows; i++) {
			rest[i] -= error[i] * u[l];
		}
	}
}

static enum qb_err round_all(struct rows *r, struct qb_errbuf *eb)
{
	int64_t k = r->g->k, step = r->g->opt.block;

	for (int64_t begin = 0; begin < k; begin += step) {
		int64_t end = QB_MIN(begin + step, k), after = end;

		/* A block that shares a scale needs all its weights up to date when its first column comes. */
		if (r->q.format.block && !r->g->opt.act_order && end < k && end % r->q.format.block) {
			after = QB_MIN(k, (end / r->q.format.block + 1) * r->q.format.block);
		}
		for (int64_t j = begin; j < end; j++) {
			round_column(r, j, begin, after);
		}
		if (after < k) {
			QB_TRY(qb_sgemm(&(struct qb_sgemm){.a_transposed = true, .m = k - after, .n = r->rows, .k = end - begin,
				.alpha = -1, .a = r->g->u + begin * k + after, .a_row = k, .b = r->error, .b_row = r->rows,
				.beta = 1, .c = r->w + after * r->rows, .c_row = r->rows}, eb));
		}
	}
	return QB_OK;
}

/* Of one row. */
static double row_loss(const struct qb_hessian *h, const float *w, const float *quantized, double *error)
{
	for (int64_t j = 0; j < h->k; j++) {
		error[j] = (double)w[j] - (double)quantized[j];
	}
	return qb_hessian_loss(h, error);
}

/* Row by row the better of what GPTQ found and the nearest. */
static enum qb_err take_better(const struct rows *r, const struct qb_hessian *h, const float *w, float *out,
	double loss[2], struct qb_errbuf *eb)
{
	int64_t k = h->k;
	float *near = malloc((size_t)k * sizeof(*near));
	double *error = malloc((size_t)k * sizeof(*error));
	enum qb_err err = near && error ? QB_OK : qb_fail(eb, QB_ENOMEM, "no memory to round %lld weights",
		(long long)k);

	for (int64_t i = 0; err == QB_OK && i < r->rows; i++) {
		int64_t c = r->q.channels > 1 ? i : 0;
		struct qb_quantizer one = {.format = r->q.format, .axis = -1, .channels = 1,
			.scale = r->q.scale + c, .zero = r->q.zero ? r->q.zero + c : NULL};
		double before, after;

		qb_qdq(&one, w + i * k, near, 1, 1, k);
		before = row_loss(h, w + i * k, near, error);
		after = row_loss(h, w + i * k, out + i * k, error);
		if (!(after <= before)) {
			struct qb_blocks own = {r->of.scale + i * r->blocks, r->of.zero + i * r->blocks};

			memcpy(out + i * k, near, (size_t)k * sizeof(*near));
			if (r->blocks) {
				qb_blocks_of(&one, w + i * k, 1, k, &own);
			}
		}
		loss[0] += before;
		loss[1] += after <= before ? after : before;
	}
	free(near);
	free(error);
	return err;
}

enum qb_err qb_gptq_round(const struct qb_gptq *g, const struct qb_gptq_rows *rows, double loss[2], struct qb_errbuf *eb)
{
	struct rows r = {0};
	enum qb_err err;

	QB_TRY(rows_init(&r, g, rows->q, rows->first, rows->w, rows->rows, eb));
	QB_TRY_OUT(round_all(&r, eb));
	for (int64_t i = 0; i < r.rows; i++) {
		for (int64_t j = 0; j < g->k; j++) {
			rows->out[i * g->k + g->order[j]] = r.out[j * r.rows + i];
		}
	}
	err = rows->h ? take_better(&r, rows->h, rows->w, rows->out, loss, eb) : QB_OK;
	if (rows->blocks) {
		memcpy(rows->blocks->scale, r.of.scale, (size_t)(rows->rows * r.blocks) * sizeof(*r.of.scale));
		memcpy(rows->blocks->zero, r.of.zero, (size_t)(rows->rows * r.blocks) * sizeof(*r.of.zero));
	}
out:
	rows_fini(&r);
	return err;
}
