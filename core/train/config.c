/* SPDX-License-Identifier: Apache-2.0 */
#include "core/train/config.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "core/base/size.h"

#define X(id, name, summary) name,
const char *const qb_optimizer_names[] = {QB_OPTIMIZERS(X) NULL};
const char *const qb_schedule_names[] = {QB_SCHEDULES(X) NULL};
const char *const qb_loss_names[] = {QB_LOSSES(X) NULL};
#undef X

static int find_name(const char *const *names, const char *name)
{
	for (int i = 0; names[i]; i++) {
		if (!strcmp(names[i], name)) {
			return i;
		}
	}
	return -1;
}

bool qb_optimizer_from_name(const char *name, enum qb_optimizer_kind *out)
{
	int i = find_name(qb_optimizer_names, name);

	*out = i < 0 ? *out : (enum qb_optimizer_kind)i;
	return i >= 0;
}

bool qb_schedule_from_name(const char *name, enum qb_schedule_kind *out)
{
	int i = find_name(qb_schedule_names, name);

	*out = i < 0 ? *out : (enum qb_schedule_kind)i;
	return i >= 0;
}

bool qb_loss_from_name(const char *name, enum qb_loss_kind *out)
{
	int i = find_name(qb_loss_names, name);

	*out = i < 0 ? *out : (enum qb_loss_kind)i;
	return i >= 0;
}

void qb_train_config_set_optimizer(struct qb_train_config *c, const struct qb_optimizer_config *o)
{
	for (int g = 0; g < QB_PARAMETER_GROUPS; g++) {
		c->optimizer[g] = *o;
		c->optimizer[g].decay = g == QB_PARAMETERS_WEIGHTS ? o->decay : 0;
	}
}

void qb_train_config_init(struct qb_train_config *c)
{
	const struct qb_optimizer_config sgd = {.kind = QB_OPTIMIZER_SGD, .rate = 0.1, .decay = 1e-4, .momentum = 0.9,
		.beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

	*c = (struct qb_train_config){.epochs = 1, .batch = 128, .accumulation = 1, .threads = 1,
		.schedule = {.kind = QB_SCHEDULE_COSINE, .factor = 0.1, .every = 1},
		.loss = {.kind = QB_LOSS_CROSS_ENTROPY, .axis = 1, .ignore = -100, .temperature = 1},
		.batch_norm = QB_BATCH_NORM_TRAIN, .batch_norm_momentum = 0.1, .evaluate_every = 1};
	qb_train_config_set_optimizer(c, &sgd);
}

/* ---- check ---- */

/* A member, its value and its range; NaN is in none. */
struct bound {
	const char *member;
	double value, least, most;
	bool open; /* most itself is excluded */
};

static enum qb_err check_bounds(const struct bound *b, size_t count, struct qb_errbuf *eb)
{
	for (size_t i = 0; i < count; i++) {
		if (!(b[i].value >= b[i].least && (b[i].open ? b[i].value < b[i].most : b[i].value <= b[i].most))) {
			return qb_fail(eb, QB_EINVAL, "%s of %g: it has to be from %g to %s%g", b[i].member, b[i].value,
				b[i].least, b[i].open ? "below " : "", b[i].most);
		}
	}
	return QB_OK;
}

static enum qb_err check_optimizer(const struct qb_optimizer_config *o, struct qb_errbuf *eb)
{
	const struct bound bounds[] = {
		{"rate", o->rate, 0, 1e30, false},
		{"decay", o->decay, 0, 1e6, false},
		{"momentum", o->momentum, 0, 1, true},
		{"beta1", o->beta1, 0, 1, true},
		{"beta2", o->beta2, 0, 1, true},
		{"epsilon", o->epsilon, 0, 1, false},
	};

	QB_TRY(check_bounds(bounds, QB_COUNT(bounds), eb));
	if (o->nesterov && (o->kind != QB_OPTIMIZER_SGD || o->momentum == 0)) {
		return qb_fail(eb, QB_EINVAL, "nesterov: it is a kind of momentum, which has to be above 0, of sgd");
	}
	return QB_OK;
}

static enum qb_err check_parts(const struct qb_train_config *c, struct qb_errbuf *eb)
{
	const double large = 0x1p53;
	const struct bound bounds[] = {
		{"epochs", c->epochs, 1, 1e6, false},
		{"batch", (double)c->batch, 1, 1 << 20, false},
		{"accumulation", (double)c->accumulation, 1, 1 << 20, false},
		{"shards", (double)c->shards, 0, (double)c->batch, false},
		{"threads", c->threads, 1, 4096, false},
		{"schedule.warm_up", (double)c->schedule.warm_up, 0, large, false},
		{"schedule.final", c->schedule.final, 0, 1, false},
		{"schedule.factor", c->schedule.factor, 0, 1, false},
		{"schedule.every", c->schedule.every, 1, 1e6, false},
		{"loss.smoothing", c->loss.smoothing, 0, 1, true},
		{"loss.distillation", c->loss.distillation, 0, 1, false},
		{"loss.temperature", c->loss.temperature, 1e-3, 1e3, false},
		{"augment.crop", (double)c->augment.crop, 0, 1 << 16, false},
		{"augment.shift", (double)c->augment.shift, 0, 1 << 20, false},
		{"augment.rotate", c->augment.rotate, 0, 180, false},
		{"augment.shear", c->augment.shear, 0, 2, false},
		{"augment.scale", c->augment.scale, 0, 0.9, false},
		{"augment.brightness", c->augment.brightness, 0, 1, false},
		{"augment.noise", c->augment.noise, 0, 1e6, false},
		{"batch_norm_momentum", c->batch_norm_momentum, 0, 1, false},
		{"clip_norm", c->clip_norm, 0, 1e30, false},
		{"ema", c->ema, 0, 1, true},
		{"evaluate_every", c->evaluate_every, 1, 1e6, false},
		{"patience", c->patience, 0, 1e6, false},
		{"checkpoint_every", (double)c->checkpoint_every, 0, large, false},
	};

	return check_bounds(bounds, QB_COUNT(bounds), eb);
}

enum qb_err qb_train_config_check(const struct qb_train_config *c, struct qb_errbuf *eb)
{
	static const char *const groups[QB_PARAMETER_GROUPS] = {"weights", "biases and norms", "quantizers"};

	for (int g = 0; g < QB_PARAMETER_GROUPS; g++) {
		enum qb_err err = check_optimizer(&c->optimizer[g], eb);

		if (err != QB_OK) {
			return qb_fail_in(eb, err, "optimizer of %s", groups[g]);
		}
	}
	QB_TRY(check_parts(c, eb));
	if (c->shards && c->batch % c->shards) {
		return qb_fail(eb, QB_EINVAL, "shards of %" PRId64 ": they have to divide the batch of %" PRId64, c->shards,
			c->batch);
	}
	if (c->loss.axis != 1 && c->loss.axis != -1) {
		return qb_fail(eb, QB_EINVAL, "loss.axis of %d: classes are the dimension 1, or -1 for the last", c->loss.axis);
	}
	if (c->loss.next_token && c->loss.axis != -1) {
		return qb_fail(eb, QB_EINVAL, "loss.next_token: the scores of tokens are the last dimension; set loss.axis to -1");
	}
	return QB_OK;
}
