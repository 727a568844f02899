/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/spec/qat_spec.h"

#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/experiment/report/export.h"
#include "core/experiment/spec/scheme_spec.h"
#include "core/json/params.h"
#include "core/train/bn_reestimation.h"

static const double SGD_RATE = 0.01, QUANTIZER_RATE = 1e-3;
enum { STAGES_MAX = 8 };

/* ---- words ---- */

#define X(id, name) name,
static const char *const ranges_names[] = {QB_QAT_RANGES(X) NULL};
#undef X
static const char *const first_last_names[] = {[QB_ENDS_8BIT] = "8bit", [QB_ENDS_SAME] = "same", NULL};
static const char *const placement_names[] = {[QB_PLACE_LAYERS] = "layers", [QB_PLACE_ALL] = "all", NULL};
static const char *const float_name[] = {"float", NULL};

/* ---- the table ---- */

void qb_qat_spec_defaults(void *out)
{
	struct qb_qat_spec *s = out;

	*s = (struct qb_qat_spec){.ranges = QB_QAT_LEARNED, .first_last = QB_ENDS_8BIT, .placement = QB_PLACE_LAYERS};
	qb_train_spec_defaults(&s->train);
	qb_qat_config_init(&s->config);
	s->train.optimizer.decay = 5e-5;
	s->train.reestimate = -1;
	s->train.temperature = 4;
	/* An optimizer of their own, as Nagel et al. (2022) have it; what is learned is relative to the scales at first. */
	qb_optimizer_spec_defaults(&s->quantizers);
	s->quantizers.name = QB_OPTIMIZER_ADAM;
	s->quantizers.rate = QUANTIZER_RATE;
	s->quantizers.decay = 0;
}

static const struct qb_object oscillations = {
	.summary = "what counts as oscillating in reports, and what regularizers look at",
	.fields = (const struct qb_field[]){
		{"bits", QB_FIELD_INT, offsetof(struct qb_qat_spec, config.tracked_bits), 1, 8,
			.summary = "weights of integers of at most so many bits are tracked, dampened and frozen"},
		{"momentum", QB_FIELD_REAL, offsetof(struct qb_qat_spec, config.frequency_momentum), QB_FIELD_LEAST_REAL, 1,
			.summary = "of the frequency, an exponential moving average"},
		{"threshold", QB_FIELD_REAL, offsetof(struct qb_qat_spec, config.frequency_threshold), 0, 1,
			.summary = "a weight of a higher frequency oscillates"},
		{0}},
};

/* {"methods": ["adaround"]}, {"schemes": ["w8a8"], "epochs": 5} */
static const struct qb_field start_fields[] = {
	{"methods", QB_FIELD_LIST, offsetof(struct qb_qat_spec, start.methods), 1, QB_METHODS_MAX,
		.object = &qb_methods_object, .takes = "methods of post-training quantization that decide weights"},
	{"schemes", QB_FIELD_LIST, offsetof(struct qb_qat_spec, start.schemes), 1, STAGES_MAX, .any = qb_scheme_entries,
		.takes = "wider schemes, such as [\"w8a8\", \"w4a4\"]", .summary = "to train for first, one after the other"},
	{"epochs", QB_FIELD_INT, offsetof(struct qb_qat_spec, start.epochs), 1, 100000,
		.summary = "of each of the schemes; default: those of the job"},
	{0}};
static const struct qb_object start_object = {.fields = start_fields, .bytes = sizeof(struct qb_qat_spec)};
static const struct qb_field start_entries[] = {
	{.kind = QB_FIELD_CHOICE, .choices = float_name}, {.kind = QB_FIELD_OBJECT, .object = &start_object}, {0}};

static const struct qb_object calibration = {.fields = (const struct qb_field[]){
	QB_PTQ_CALIBRATION,
	{0}}};

const struct qb_field qb_qat_fields[] = {
	{"model", QB_FIELD_UPLOAD, .required = true, .takes = "is missing; give the model to train",
		.summary = "a model's id, or a path for `quantbench run`: the float network"},
	QB_TRAIN_FIELDS,
	{"teacher", QB_FIELD_UPLOAD, .summary = "whose scores distillation learns; default: the model as it is in float"},
	{"scheme", QB_FIELD_ANY, offsetof(struct qb_qat_spec, asked.scheme), .any = qb_scheme_entries, .required = true,
		.takes = "say what to train for, such as \"w4a4\"", .summary = "what to train for, as one of a ptq job's schemes"},
	{"weights", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.halves.weights), .any = qb_part_entry},
	{"activations", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.halves.activations), .any = qb_part_entry},
	{"method", QB_FIELD_ANY, offsetof(struct qb_qat_spec, asked.method), .any = qb_train_method_entries,
		.summary = "how quantizers learn, and what keeps weights from oscillating; default: lsq"},
	{"ranges", QB_FIELD_CHOICE, offsetof(struct qb_qat_spec, ranges), .choices = ranges_names,
		.summary = "learned: scales are parameters; fixed: as calibrated; running: of activations a moving average of each "
			"batch's range"},
	{"first_last", QB_FIELD_CHOICE, offsetof(struct qb_qat_spec, first_last), .choices = first_last_names,
		.summary = "the first and the last layer: at 8 bits, or as all others"},
	{"placement", QB_FIELD_CHOICE, offsetof(struct qb_qat_spec, placement), .choices = placement_names,
		.summary = "which activations: layers, what convolutions and products read; all, sums, pools and outputs as well"},
	{"start", QB_FIELD_ANY, offsetof(struct qb_qat_spec, asked.start), .any = start_entries,
		.summary = "of the weights: float, as methods of post-training quantization (adaround, gptq ...) decide them, or as training for "
			"wider schemes leaves them"},
	{"calibration", QB_FIELD_OBJECT, .object = &calibration, .summary = "samples of the training data that set the first ranges"},
	{"quantizer_optimizer", QB_FIELD_OBJECT, offsetof(struct qb_qat_spec, quantizers), .object = &qb_optimizer_object,
		.summary = "of scales and offsets; relative to their first values; default: adam at 0.001, without decay"},
	{"oscillations", QB_FIELD_OBJECT, .object = &oscillations},
	{"export", QB_FIELD_CHOICES, offsetof(struct qb_ptq_spec, exports), .choices = qb_export_names,
		.summary = "more artifacts beside trained.onnx and the QDQ network: encodings (AIMET's form), float, report (HTML)"},
	{"latency", QB_FIELD_ANY, offsetof(struct qb_ptq_spec, asked.latency), .any = qb_latency_entries,
		.summary = "of float and of the result; default: it is not measured"},
	{0}};

/* ---- reading ---- */

/* A scheme of the job as one of a ptq job; its name is what it is called. New reference. */
static json_t *make_scheme(const json_t *v)
{
	return json_is_string(v) ? json_pack("{s:O, s:O}", "scheme", (json_t *)v, "name", (json_t *)v)
		: json_is_object(v) ? json_copy((json_t *)v) : json_pack("{s:O}", "scheme", (json_t *)v);
}

/* The job's own first, with the methods of the start; then those of stages. */
static json_t *make_schemes(const struct qb_qat_spec *s)
{
	json_t *own = make_scheme(s->asked.scheme), *all = json_array();
	const json_t *stage;
	size_t i;

	if (s->start.methods && own && !json_object_get(own, "methods")) {
		json_object_set(own, "methods", (json_t *)s->start.methods);
	}
	json_array_append_new(all, own);
	json_array_foreach(s->start.schemes, i, stage) {
		json_array_append_new(all, make_scheme(stage));
	}
	return all;
}

/* The fields that a ptq job has too. */
static void make_ptq(struct qb_qat_spec *s, const struct qb_job *job)
{
	static const char *const same[] = {"model", "data", "metric", "seed", "threads", "preprocess", "weights", "activations",
		"calibration", "samples", "text", "workdir", "checkpoints"};
	json_t *ptq = json_object(), *latency = json_object_get(job->spec, "latency");

	for (size_t i = 0; i < QB_COUNT(same); i++) {
		json_t *v = json_object_get(job->spec, same[i]);

		if (v) {
			json_object_set(ptq, same[i], v);
		}
	}
	json_object_set_new(ptq, "schemes", make_schemes(s));
	json_object_set_new(ptq, "latency", latency ? json_incref(latency) : json_false());
	s->ptq_job_spec = ptq;
	s->ptq_job = *job;
	s->ptq_job.spec = ptq;
}

static void scheme_path(size_t i, char *out, size_t size)
{
	if (i) {
		snprintf(out, size, "start.schemes[%zu]", i - 1);
	} else {
		snprintf(out, size, "scheme");
	}
}

static enum qb_err check_scheme(const struct qb_ptq_spec *p, int i, struct qb_errbuf *eb)
{
	const struct qb_scheme *s = &p->scheme[i];
	char at[64];

	scheme_path((size_t)i, at, sizeof(at));
	if (s->imported) {
		return qb_fail_field(eb, QB_EJOB, at, "", "carried is what the file brings; name the scheme to train for");
	}
	if (!s->weights.quantized && !s->activations.quantized && !s->layers) {
		return qb_fail_field(eb, QB_EJOB, at, "", "quantizes nothing; a train job trains in float");
	}
	if (qb_method_list_changes_graph(&p->methods[i])) {
		return qb_fail_field(eb, QB_EJOB, "", "start", "has methods that rewrite the network, and what trains is the network "
			"as it is; use methods that decide weights, such as adaround or gptq");
	}
	return QB_OK;
}

static enum qb_err parse_ptq(struct qb_qat_spec *s, const struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_ptq_spec *p = &s->train.ptq;
	unsigned exports = p->exports;

	make_ptq(s, job);
	QB_TRY(qb_ptq_spec_parse(p, &s->ptq_job, scheme_path, eb));
	p->exports = exports;
	for (int i = 0; i < p->schemes; i++) {
		QB_TRY(check_scheme(p, i, eb));
	}
	s->stages = p->schemes - 1;
	if (s->stages && !job->host->workdir && !job->checked) {
		return qb_fail_field(eb, QB_EJOB, "start", "schemes", "leave a network each, and there is no folder to write to; give one with "
			"--out");
	}
	return QB_OK;
}

static enum qb_err read_start(struct qb_qat_spec *s, struct qb_errbuf *eb)
{
	const json_t *v = s->asked.start;

	if (!v || (json_is_string(v) && !strcmp(json_string_value(v), float_name[0]))) {
		return QB_OK;
	}
	if (!json_is_object(v)) {
		return qb_fail_field(eb, QB_EJOB, "", "start", "must be \"float\", or an object with \"methods\" or \"schemes\"");
	}
	QB_TRY(qb_fields_read(s, v, "start", start_fields, NULL, eb));
	if (!s->start.methods && !s->start.schemes) {
		return qb_fail_field(eb, QB_EJOB, "", "start", "says neither methods nor schemes; leave it out to begin in float");
	}
	return QB_OK;
}

enum qb_err qb_qat_spec_parse(struct qb_qat_spec *out, const struct qb_job *job, struct qb_errbuf *eb)
{
	struct qb_train_spec *t = &out->train;

	qb_qat_spec_defaults(out);
	t->ptq.threads = t->ptq.most_threads = job->host->threads;
	QB_TRY(qb_job_read(out, job, qb_qat_fields, eb));
	QB_TRY(read_start(out, eb));
	QB_TRY(qb_train_method_read(&out->methods, out->asked.method, "method", eb));
	QB_TRY(qb_train_spec_read_teacher(t, job, false, eb));
	QB_TRY(parse_ptq(out, job, eb));
	if (t->ptq.exports && !job->host->workdir && !job->checked) {
		return qb_fail_field(eb, QB_EJOB, "", "export", "there is no folder to write to; give one with --out");
	}
	if (t->reestimate < 0) {
		t->reestimate = t->batch_norm == QB_BATCH_NORM_TRAIN ? QB_BN_REESTIMATION_BATCHES : 0;
	}
	out->config.methods = &out->methods;
	out->config.ranges = (enum qb_qat_ranges)out->ranges;
	out->config.seed = (uint64_t)t->ptq.seed;
	return qb_train_spec_finish(t, job, eb);
}

void qb_qat_spec_fini(struct qb_qat_spec *s)
{
	qb_train_method_list_fini(&s->methods);
	qb_train_spec_fini(&s->train);
	json_decref(s->ptq_job_spec);
}

/* ---- to the trainer ---- */

struct qb_train_config qb_qat_spec_train_config(const struct qb_qat_spec *s)
{
	struct qb_train_spec t = s->train;
	struct qb_train_config c;

	if (t.optimizer.rate < 0 && t.optimizer.name == QB_OPTIMIZER_SGD) {
		t.optimizer.rate = SGD_RATE;
	}
	c = qb_train_spec_config(&t);
	c.optimizer[QB_PARAMETERS_QUANTIZERS] = qb_optimizer_spec_config(&s->quantizers);
	return c;
}

struct qb_layer_scheme_options qb_qat_spec_layers(const struct qb_qat_spec *s)
{
	return (struct qb_layer_scheme_options){.ends_at_8_bits = s->first_last == QB_ENDS_8BIT,
		.layers_only = s->placement == QB_PLACE_LAYERS};
}
