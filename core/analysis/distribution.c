/* SPDX-License-Identifier: Apache-2.0 */
#include "core/analysis/distribution.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/order.h"
#include "core/base/size.h"

struct qb_empirical {
	size_t n;
	double *x;        /* ascending */
	double *sum, *sum2; /* [n + 1]: of x and x^2 before i */
};

static struct qb_moments minus(struct qb_moments a, struct qb_moments b)
{
	return (struct qb_moments){a.m0 - b.m0, a.m1 - b.m1, a.m2 - b.m2};
}

static void add(struct qb_moments *to, struct qb_moments m, double weight)
{
	to->m0 += weight * m.m0;
	to->m1 += weight * m.m1;
	to->m2 += weight * m.m2;
}

static inline double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

/* Antiderivatives of p, z p and z^2 p of the standard densities, up to a constant that is the same everywhere: 0 at
 * z = 0. All three are known at z = +-inf where they are finite. */

static struct qb_moments uniform_at(double z, double low, double high)
{
	double w = high - low;

	z = clamp(z, low, high);
	return (struct qb_moments){z / w, z * z / (2 * w), z * z * z / (3 * w)};
}

static struct qb_moments gaussian_at(double z)
{
	double m0 = 0.5 * erf(z * M_SQRT1_2), p;

	if (isinf(z)) {
		return (struct qb_moments){m0, 0, m0};
	}
	p = exp(-0.5 * z * z) * 0.3989422804014326779;
	return (struct qb_moments){m0, -p, m0 - z * p};
}

static struct qb_moments laplace_at(double z)
{
	double a = fabs(z), e = exp(-a), s = copysign(0.5, z);

	if (isinf(z)) {
		return (struct qb_moments){s, 0, 2 * s};
	}
	return (struct qb_moments){s * -expm1(-a), -0.5 * (1 + a) * e,
		s * (2 - (2 + a * (2 + a)) * e)};
}

/* The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method. */
static double beta_fraction(double a, double b, double x)
{
	const double tiny = 1e-300;
	double c = 1, d = 1 - (a + b) * x / (a + 1), h;

	d = 1 / (fabs(d) < tiny ? tiny : d);
	h = d;
	for (int m = 1; m < 500; m++) {
		double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
		double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)), step;

		d = 1 / (1 + even * d);
		c = 1 + even / c;
		h *= d * c;
		d = 1 / (1 + odd * d);
		c = 1 + odd / c;
		step = d * c;
		h *= step;
		if (fabs(step - 1) < 1e-16) {
			break;
		}
	}
	return h;
}

struct student {
	double nu, norm; /* p(z) = norm (1 + z^2 / nu)^(-(nu + 1) / 2) */
};

static struct student student_of(double nu)
{
	return (struct student){nu,
		exp(lgamma((nu + 1) / 2) - lgamma(nu / 2)) / sqrt(nu * M_PI)};
}

/* The same for an even nu, a sum of nu / 2 terms (Abramowitz and Stegun, 26.7.4). */
static double student_mass_even(int nu, double z)
{
	double cos2 = nu / (nu + z * z), term = 1, sum = 1;

	for (int k = 2; k < nu; k += 2) {
		term *= cos2 * (k - 1) / k;
		sum += term;
	}
	return 0.5 * sum * z / sqrt(nu + z * z);
}

/* P(0 < Z < |z|), signed: an incomplete beta function of 1/2 and nu/2. */
static double student_mass(const struct student *s, double z, double p)
{
	double a = s->nu / 2, y = z * z / (s->nu + z * z);

	if (a == floor(a) && a <= 20) {
		return student_mass_even((int)s->nu, z);
	}
	/* The front factor y^(1/2) (1 - y)^(nu/2) / B(1/2, nu/2) is z p. */
	if (y < 1.5 / (a + 2.5)) {
		return z * p * beta_fraction(0.5, a, y);
	}
	return copysign(0.5 - fabs(z) * p * beta_fraction(a, 0.5, 1 - y) / s->nu, z);
}

static struct qb_moments student_at(const struct student *s, double z)
{
	double nu = s->nu, p, m0, g;

	if (isinf(z)) {
		double half = copysign(0.5, z);

		return (struct qb_moments){half, 0, nu > 2 ? half * nu / (nu - 2) : copysign(INFINITY, z)};
	}
	if (nu == 1) {
		return (struct qb_moments){atan(z) / M_PI, log1p(z * z) / (2 * M_PI),
			(z - atan(z)) / M_PI};
	}
	if (nu == 2) {
		double r = sqrt(2 + z * z);

		return (struct qb_moments){z / (2 * r), -1 / r, asinh(z * M_SQRT1_2) - z / r};
	}
	p = s->norm * exp(-(nu + 1) / 2 * log1p(z * z / nu));
	m0 = student_mass(s, z, p);
	g = -(nu + z * z) / (nu - 1) * p;
	return (struct qb_moments){m0, g, ((nu - 1) * z * g + nu * m0) / (nu - 2)};
}

static struct qb_moments empirical_at(const struct qb_empirical *e, double x)
{
	size_t lo = 0, hi = e->n;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (e->x[mid] <= x) {
			lo = mid + 1;
		} else {
			hi = mid;
		}
	}
	return (struct qb_moments){(double)lo / (double)e->n, e->sum[lo] / (double)e->n,
		e->sum2[lo] / (double)e->n};
}

/* The logistic density has a dilogarithm in its second moment: cell by cell by Gauss and Kronrod's 7 and 15 points. */

static const double kronrod_x[8] = {0, 0.207784955007898467600689403773245,
	0.405845151377397166906606412076961, 0.586087235467691130294144691693013,
	0.741531185599394439863864773280788, 0.864864423359769072789712788640926,
	0.949107912342758524526189684047851, 0.991455371120812639206854697526329};
static const double kronrod_w[8] = {0.209482141084727828012999174891714,
	0.204432940075298892414161999234649, 0.190350578064785409913256402421014,
	0.169004726639267902826583426598550, 0.140653259715525918745189590510238,
	0.104790010322250183839876322541518, 0.063092092629978553290700663189204,
	0.022935322010529224963732008058970};
static const double gauss_w[4] = {0.417959183673469387755102040816327,
	0.381830050505118944950369775488975, 0.279705391489276667901467771423780,
	0.129484966168869693270611432679082};

static double logistic_density(double z)
{
	double e = exp(-fabs(z));

	return e / ((1 + e) * (1 + e));
}

static struct qb_moments logistic_between(double a, double b, int depth)
{
	struct qb_moments k = {0}, g = {0};
	double mid = (a + b) / 2, half = (b - a) / 2;

	for (int i = 0; i < 8; i++) {
		for (int side = i ? -1 : 1; side <= 1; side += 2) {
			double z = mid + side * half * kronrod_x[i], p = logistic_density(z);
			struct qb_moments m = {p, z * p, z * z * p};

			add(&k, m, half * kronrod_w[i]);
			if (i % 2 == 0) {
				add(&g, m, half * gauss_w[i / 2]);
			}
		}
	}
	if (depth < 40 && fabs(k.m2 - g.m2) + fabs(k.m0 - g.m0) > 1e-14) {
		k = logistic_between(a, mid, depth + 1);
		add(&k, logistic_between(mid, b, depth + 1), 1);
	}
	return k;
}

/* Beyond 60 scales lies less than 1e-22 of the second moment. */
static struct qb_moments logistic_cell(double a, double b)
{
	a = clamp(a, -60, 60);
	b = clamp(b, -60, 60);
	return a < b ? logistic_between(a, b, 0) : (struct qb_moments){0};
}

/* z = (x - mean) / scale, back in x */
static struct qb_moments unscale(const struct qb_distribution *d, struct qb_moments m)
{
	double mu = d->mean, s = d->scale;

	return (struct qb_moments){m.m0, mu * m.m0 + s * m.m1,
		mu * mu * m.m0 + 2 * mu * s * m.m1 + s * s * m.m2};
}

static struct qb_moments standard_at(const struct qb_distribution *d, const struct student *s,
	double x)
{
	double z = (x - d->mean) / d->scale;

	switch (d->kind) {
	case QB_DIST_UNIFORM:
		return uniform_at(x, d->low, d->high);
	case QB_DIST_GAUSSIAN:
		return unscale(d, gaussian_at(z));
	case QB_DIST_LAPLACE:
		return unscale(d, laplace_at(z));
	case QB_DIST_STUDENT_T:
		return unscale(d, student_at(s, z));
	default:
		return empirical_at(d->empirical, x);
	}
}

static bool is_even(const struct qb_distribution *d)
{
	return (d->kind == QB_DIST_GAUSSIAN || d->kind == QB_DIST_LAPLACE ||
		d->kind == QB_DIST_STUDENT_T) && d->mean == 0;
}

/* Adds weight times the moments of the cells between edge[0] and edge[edges - 1]: m[edges - 1]. */
static void add_between(const struct qb_distribution *d, const double *edge, int edges,
	double weight, struct qb_moments *m)
{
	struct student s = d->kind == QB_DIST_STUDENT_T ? student_of(d->nu) : (struct student){0};
	struct qb_moments *at;
	int mirror = -1;

	if (d->kind == QB_DIST_LOGISTIC) {
		for (int i = 0; i + 1 < edges; i++) {
			struct qb_moments cell = logistic_cell((edge[i] - d->mean) / d->scale,
				(edge[i + 1] - d->mean) / d->scale);

			add(&m[i], unscale(d, cell), weight);
		}
		return;
	}
	at = malloc((size_t)edges * sizeof(*at));
	for (int i = 0; at && i < edges; i++) {
		/* Of an even density only one half is computed: edges of signed grids come in pairs. */
		if (edge[i] <= 0) {
			mirror = i;
		}
		while (edge[i] > 0 && mirror >= 0 && edge[mirror] > -edge[i]) {
			mirror--;
		}
		if (edge[i] > 0 && mirror >= 0 && is_even(d) && edge[mirror] == -edge[i]) {
			at[i] = (struct qb_moments){-at[mirror].m0, at[mirror].m1, -at[mirror].m2};
		} else {
			at[i] = standard_at(d, &s, edge[i]);
		}
		if (i) {
			add(&m[i - 1], minus(at[i], at[i - 1]), weight);
		}
	}
	free(at);
}

static void add_parts(const struct qb_distribution *d, const double *edge, int edges,
	struct qb_moments *m)
{
	double sum = 0;

	if (d->kind != QB_DIST_MIXTURE) {
		add_between(d, edge, edges, 1, m);
		return;
	}
	for (int i = 0; i < d->parts; i++) {
		sum += d->weight[i];
	}
	for (int i = 0; i < d->parts; i++) {
		add_between(&d->part[i], edge, edges, d->weight[i] / sum, m);
	}
}

/* P(X < -clip) and P(X > clip) */
static void tails(const struct qb_distribution *d, double *left, double *right)
{
	const double edge[4] = {-INFINITY, -d->clip, d->clip, INFINITY};
	struct qb_moments m[3] = {{0}};

	add_parts(d, edge, 4, m);
	*left = m[0].m0;
	*right = m[2].m0;
}

void qb_distribution_cells(const struct qb_distribution *d, const double *edge, int edges,
	struct qb_moments *m)
{
	double *all = malloc((size_t)(edges + 2) * sizeof(*all));
	double clip = d->clip > 0 ? d->clip : INFINITY, left, right;

	memset(m, 0, (size_t)(edges + 1) * sizeof(*m));
	if (!all) {
		for (int i = 0; i <= edges; i++) {
			m[i] = (struct qb_moments){NAN, NAN, NAN};
		}
		return;
	}
	all[0] = -clip;
	all[edges + 1] = clip;
	for (int i = 0; i < edges; i++) {
		all[i + 1] = clamp(edge[i], -clip, clip);
	}
	add_parts(d, all, edges + 2, m);
	if (isfinite(clip)) {
		int first = 0, last = edges;

		tails(d, &left, &right);
		while (first < edges && edge[first] < -clip) {
			first++;
		}
		while (last > 0 && edge[last - 1] >= clip) {
			last--;
		}
		add(&m[first], (struct qb_moments){1, -clip, clip * clip}, left);
		add(&m[last], (struct qb_moments){1, clip, clip * clip}, right);
	}
	free(all);
}

static double bound_of(const struct qb_distribution *d)
{
	double bound = 0;

	switch (d->kind) {
	case QB_DIST_UNIFORM:
		return fmax(fabs(d->low), fabs(d->high));
	case QB_DIST_EMPIRICAL:
		return fmax(fabs(d->empirical->x[0]), fabs(d->empirical->x[d->empirical->n - 1]));
	case QB_DIST_MIXTURE:
		for (int i = 0; i < d->parts; i++) {
			bound = fmax(bound, bound_of(&d->part[i]));
		}
		return bound;
	default:
		return INFINITY;
	}
}

double qb_distribution_bound(const struct qb_distribution *d)
{
	return d->clip > 0 ? fmin(d->clip, bound_of(d)) : bound_of(d);
}

static enum qb_err check_one(const struct qb_distribution *d, bool clipped, struct qb_errbuf *eb)
{
	if (d->kind == QB_DIST_UNIFORM) {
		return isfinite(d->low) && isfinite(d->high) && d->low < d->high ? QB_OK
			: qb_fail(eb, QB_EINVAL, "uniform: low %g must be below high %g, both finite", d->low,
				d->high);
	}
	if (d->kind == QB_DIST_EMPIRICAL) {
		return d->empirical ? QB_OK : qb_fail(eb, QB_EINVAL, "empirical: there is no data");
	}
	if (!(d->scale > 0) || !isfinite(d->scale) || !isfinite(d->mean)) {
		return qb_fail(eb, QB_EINVAL, "the distribution's scale %g must be positive and its mean %g "
			"finite", d->scale, d->mean);
	}
	if (d->kind == QB_DIST_STUDENT_T && (!(d->nu > 0) || !isfinite(d->nu))) {
		return qb_fail(eb, QB_EINVAL, "student_t: nu %g must be positive", d->nu);
	}
	if (d->kind == QB_DIST_STUDENT_T && d->nu <= 2 && !clipped) {
		return qb_fail(eb, QB_EINVAL,
			"student_t: with nu %g the second moment is infinite; give a clip or nu above 2", d->nu);
	}
	return QB_OK;
}

enum qb_err qb_distribution_check(const struct qb_distribution *d, struct qb_errbuf *eb)
{
	if (!(d->clip >= 0) || isinf(d->clip)) {
		return qb_fail(eb, QB_EINVAL, "clip %g must be positive, or 0 for none", d->clip);
	}
	if (d->kind != QB_DIST_MIXTURE) {
		return check_one(d, d->clip > 0, eb);
	}
	if (d->parts < 1) {
		return qb_fail(eb, QB_EINVAL, "mixture: it has no parts");
	}
	for (int i = 0; i < d->parts; i++) {
		if (!(d->weight[i] > 0) || !isfinite(d->weight[i])) {
			return qb_fail(eb, QB_EINVAL, "mixture: weight %d is %g; weights are positive", i,
				d->weight[i]);
		}
		if (d->part[i].kind == QB_DIST_MIXTURE || d->part[i].clip != 0) {
			return qb_fail(eb, QB_EINVAL,
				"mixture: part %d is a mixture or has a clip; give the clip to the whole", i);
		}
		QB_TRY(check_one(&d->part[i], d->clip > 0, eb));
	}
	return QB_OK;
}

enum qb_err qb_empirical_create(struct qb_empirical **out, const float *x, size_t n,
	struct qb_errbuf *eb)
{
	struct qb_empirical *e = calloc(1, sizeof(*e));
	size_t bytes;
	enum qb_err err = QB_OK;

	if (!e || n > SIZE_MAX / 4 || qb_mul_overflows(3 * (n + 1), sizeof(double), &bytes) ||
		!(e->x = malloc(bytes))) {
		err = qb_fail(eb, QB_ENOMEM, "no memory for the distribution of %zu elements", n);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		if (isfinite(x[i])) {
			e->x[e->n++] = x[i];
		}
	}
	if (!e->n) {
		err = qb_fail(eb, QB_EINVAL, "the tensor has no finite number");
		goto out;
	}
	qsort(e->x, e->n, sizeof(*e->x), qb_double_order);
	e->sum = e->x + n + 1;
	e->sum2 = e->sum + n + 1;
	e->sum[0] = e->sum2[0] = 0;
	for (size_t i = 0; i < e->n; i++) {
		e->sum[i + 1] = e->sum[i] + e->x[i];
		e->sum2[i + 1] = e->sum2[i] + e->x[i] * e->x[i];
	}
	*out = e;
	e = NULL;
out:
	qb_empirical_destroy(&e);
	return err;
}

size_t qb_empirical_count(const struct qb_empirical *e)
{
	return e->n;
}

double qb_empirical_at(const struct qb_empirical *e, size_t i)
{
	return e->x[i];
}

void qb_empirical_destroy(struct qb_empirical **e)
{
	if (*e) {
		free((*e)->x);
		free(*e);
		*e = NULL;
	}
}
