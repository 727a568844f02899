/* SPDX-License-Identifier: Apache-2.0
 *
 * Rules of differentiation of functions of two numbers, of any number of numbers, and of Where; operands broadcast.
 */
#include "core/ops/element.h"
#include "core/ops/operands.h"
#include "core/ops/rule.h"

/* dx[i] = v, summed over what broadcasting added to input i. */
static void set(struct qb__rule *r, const struct qb_node *n, int i, struct qb_value *v, struct qb_value **dx)
{
	dx[i] = qb__rule_sum_to(r, v, &n->input[i]->shape);
}

enum qb_err qb__gradient_add(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	for (int i = 0; i < n->inputs; i++) {
		if (wanted[i]) {
			set(&r, n, i, dy[0], dx);
		}
	}
	return r.err;
}

enum qb_err qb__gradient_mean(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *share = qb__rule_div(&r, dy[0], qb__rule_number(&r, dy[0], n->inputs));

	for (int i = 0; i < n->inputs; i++) {
		if (wanted[i]) {
			set(&r, n, i, share, dx);
		}
	}
	return r.err;
}

enum qb_err qb__gradient_sub(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	if (wanted[0]) {
		set(&r, n, 0, dy[0], dx);
	}
	if (wanted[1]) {
		dx[1] = qb__rule_neg(&r, qb__rule_sum_to(&r, dy[0], &n->input[1]->shape));
	}
	return r.err;
}

enum qb_err qb__gradient_mul(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);

	for (int i = 0; i < 2; i++) {
		if (wanted[i]) {
			set(&r, n, i, qb__rule_mul(&r, dy[0], n->input[1 - i]), dx);
		}
	}
	return r.err;
}

/* y = a / b: da = dy / b, db = -da * y */
enum qb_err qb__gradient_div(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *da = qb__rule_div(&r, dy[0], n->input[1]);

	if (wanted[0]) {
		set(&r, n, 0, da, dx);
	}
	if (wanted[1]) {
		set(&r, n, 1, qb__rule_neg(&r, qb__rule_mul(&r, da, n->output[0])), dx);
	}
	return r.err;
}

/* dy * p * x^(p - 1); squares, the usual power, without Pow */
static struct qb_value *base_gradient(struct qb__rule *r, const struct qb_node *n, struct qb_value *dy, struct qb_value *p)
{
	const struct qb_tensor *constant = op_const(n, 1);
	struct qb_value *x = n->input[0], *lower;

	if (constant && qb_tensor_size(constant) == 1 && qb__op_load(constant->dtype, constant->data, 0) == 2) {
		return qb__rule_mul(r, dy, qb__rule_scale(r, x, 2));
	}
	lower = qb__rule_sub(r, p, qb__rule_number(r, x, 1));
	return qb__rule_mul(r, dy, qb__rule_mul(r, p, qb__rule_2(r, QB_OP_Pow, x, lower)));
}

enum qb_err qb__gradient_pow(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *x = n->input[0], *p = n->input[1], *zero, *log;

	if (wanted[0]) {
		set(&r, n, 0, base_gradient(&r, n, dy[0], p->dtype == x->dtype ? p : qb__rule_as(&r, p, x)), dx);
	}
	if (wanted[1]) { /* dy * y * log(x), 0 where x is 0 */
		zero = qb__rule_number(&r, x, 0);
		log = qb__rule_3(&r, QB_OP_Where, qb__rule_2(&r, QB_OP_Equal, x, zero), zero, qb__rule_1(&r, QB_OP_Log, x));
		log = qb__rule_mul(&r, dy[0], qb__rule_mul(&r, n->output[0], log));
		set(&r, n, 1, p->dtype == x->dtype ? log : qb__rule_as(&r, log, p), dx);
	}
	return r.err;
}

/* y = x where x > 0, else slope * x */
enum qb_err qb__gradient_prelu(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *x = n->input[0], *zero = qb__rule_number(&r, x, 0);
	struct qb_value *positive = qb__rule_2(&r, QB_OP_Greater, x, zero);

	if (wanted[0]) {
		dx[0] = qb__rule_3(&r, QB_OP_Where, positive, dy[0], qb__rule_mul(&r, dy[0], n->input[1]));
	}
	if (wanted[1]) {
		set(&r, n, 1, qb__rule_3(&r, QB_OP_Where, positive, zero, qb__rule_mul(&r, dy[0], x)), dx);
	}
	return r.err;
}

/* Max and Min: those that are the extreme share its gradient equally, as PyTorch's maximum does. */
enum qb_err qb__gradient_extreme(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *share = dy[0], *ties = NULL, *is;

	for (int i = 0; n->inputs > 1 && i < n->inputs; i++) {
		is = qb__rule_as(&r, qb__rule_2(&r, QB_OP_Equal, n->input[i], n->output[0]), dy[0]);
		dx[i] = is;
		ties = ties ? qb__rule_add(&r, ties, is) : is;
	}
	if (ties) {
		share = qb__rule_div(&r, dy[0], ties);
	}
	for (int i = 0; i < n->inputs; i++) {
		is = dx[i];
		dx[i] = NULL;
		if (wanted[i]) {
			set(&r, n, i, is ? qb__rule_mul(&r, share, is) : share, dx);
		}
	}
	return r.err;
}

enum qb_err qb__gradient_where(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *zero = qb__rule_number(&r, dy[0], 0);

	if (wanted[1]) {
		set(&r, n, 1, qb__rule_3(&r, QB_OP_Where, n->input[0], dy[0], zero), dx);
	}
	if (wanted[2]) {
		set(&r, n, 2, qb__rule_3(&r, QB_OP_Where, n->input[0], zero, dy[0]), dx);
	}
	return r.err;
}

/* y = a - b * floor(a / b), or truncated: da = dy, db = -dy * floor(a / b) = dy * (y - a) / b */
enum qb_err qb__gradient_mod(struct qb_graph *g, struct qb_node *n, struct qb_value *const *dy, const bool *wanted,
	struct qb_value **dx, struct qb_errbuf *eb)
{
	struct qb__rule r = qb__rule_of(g, n, eb);
	struct qb_value *v;

	if (wanted[0]) {
		set(&r, n, 0, dy[0], dx);
	}
	if (wanted[1]) {
		v = qb__rule_div(&r, qb__rule_sub(&r, n->output[0], n->input[0]), n->input[1]);
		set(&r, n, 1, qb__rule_mul(&r, dy[0], v), dx);
	}
	return r.err;
}
