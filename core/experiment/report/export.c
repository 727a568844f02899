/* SPDX-License-Identifier: Apache-2.0 */
#include "core/experiment/report/export.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/base/size.h"
#include "core/quant/qdq.h"

const char *const qb_export_names[] = {"qdq", "encodings", "float", "report", NULL};

enum qb_err qb_export_path(char *path, size_t size, const struct qb_job *job, const char *name, struct qb_errbuf *eb)
{
	if (snprintf(path, size, "%s/%s", job->host->workdir, name) >= (int)size) {
		return qb_fail(eb, QB_EIO, "the path of the artifact %s is too long", name);
	}
	return QB_OK;
}

static enum qb_err open_file(FILE **f, const struct qb_job *job, const char *name,
	struct qb_errbuf *eb)
{
	char path[4096];

	QB_TRY(qb_export_path(path, sizeof(path), job, name, eb));
	*f = fopen(path, "w");
	return *f ? QB_OK : qb_fail(eb, QB_EIO, "%s: %s", path, strerror(errno));
}

static enum qb_err close_file(FILE *f, const char *name, struct qb_errbuf *eb)
{
	bool bad = ferror(f) != 0;

	return fclose(f) != 0 || bad ? qb_fail(eb, QB_EIO, "%s could not be written", name) : QB_OK;
}

/* A scheme's name as part of a file's; two schemes that come out alike are told apart by their number. */
static void file_name(char *out, size_t size, const struct qb_sweep *s, int scheme, const char *ending)
{
	const char *name = qb_sweep_quantization(s, scheme)->scheme.name;
	char plain[64];
	size_t n = 0;
	bool changed = false;

	for (; name[n] && n < sizeof(plain) - 1; n++) {
		bool good = isalnum((unsigned char)name[n]) || (n && strchr("._-", name[n]));

		plain[n] = good ? name[n] : '_';
		changed = changed || !good;
	}
	plain[n] = '\0';
	if (changed) {
		snprintf(out, size, "%s-%d%s", plain, scheme, ending);
	} else {
		snprintf(out, size, "%s%s", plain, ending);
	}
}

static enum qb_err write_qdq(const struct qb_job *job, const struct qb_sweep *s, int i,
	const char *name, struct qb_errbuf *eb)
{
	const struct qb_variant *v = qb_sweep_variant(s, i);
	const struct qb_quantization *q = qb_sweep_quantization(s, i);
	/* A rewritten network is that of the data's dimensions alone. */
	const struct qb_graph *model = v->model, *open = v->own ? NULL : v->model->open;
	struct qb_graph *g = NULL;
	char path[4096];
	enum qb_err err;

	QB_TRY(qb_export_path(path, sizeof(path), job, name, eb));
	if (open && qb_qdq_fits(open, v->network->graph, q)) {
		model = open;
	}
	QB_TRY(qb_qdq_graph(&g, model, v->network->graph, q, eb));
	err = qb_graph_export(g, path, eb);
	qb_graph_destroy(&g);
	return err;
}

/* AIMET's codes are unsigned, x = scale * (code + offset). Any scale is exact for zeros: theirs then is the one that AIMET
 * gives them, whose ranges reach 0.01 at least (MIN_RANGE). */
static json_t *encoding(const struct qb_quantizer *q, int64_t channel, bool zeros)
{
	double lo = qb_format_min(&q->format), hi = qb_format_max(&q->format);
	double zero = q->zero ? q->zero[channel] : 0, scale = zeros ? 0.01 / (hi - zero) : q->scale[channel];

	return json_pack("{s:i, s:s, s:s, s:f, s:f, s:I, s:f}", "bitwidth", q->format.bits, "dtype",
		"int", "is_symmetric", q->zero || !q->format.is_signed ? "False" : "True", "max",
		scale * (hi - zero), "min", scale * (lo - zero), "offset", (json_int_t)(lo - zero),
		"scale", scale);
}

/* Is all zeros what the quantizer of this value was made from? */
static bool is_zeros(const struct qb_variant *variant, const struct qb_quantization *q, int value)
{
	const struct qb_value *v = variant->network->graph->value[value];
	const struct qb_observer *o = variant->observer[value];
	float lo = 1, hi = 1;

	if (q->scheme.imported) {
		return false;
	}
	if (v->constant) {
		const float *x = q->constant[value] ? q->constant[value] : v->constant->data;
		size_t n = qb_tensor_size(v->constant), i = 0;

		while (i < n && x[i] == 0) {
			i++;
		}
		return i == n;
	}
	if (o && qb_observer_count(o)) {
		qb_observer_minmax(o, &lo, &hi);
	}
	return lo == 0 && hi == 0;
}

static enum qb_err encode_all(const struct qb_variant *variant, const struct qb_quantization *q,
	json_t *parameters, json_t *activations, struct qb_errbuf *eb)
{
	const struct qb_graph *g = variant->network->graph;

	for (int i = 0; i < q->values; i++) {
		const struct qb_value *v = g->value[i];
		json_t *list;
		bool zeros;

		if (!q->q[i] || (!v->constant && q->shared[i])) {
			continue;
		}
		if (q->q[i]->format.kind != QB_FORMAT_INT || q->q[i]->format.block) {
			return qb_fail(eb, QB_EUNSUPPORTED, "tensor %.200s is %s; AIMET's encodings hold integers per "
				"tensor or channel", v->name, q->q[i]->format.name);
		}
		list = json_array();
		zeros = is_zeros(variant, q, i);
		for (int64_t c = 0; c < q->q[i]->channels; c++) {
			json_array_append_new(list, encoding(q->q[i], c, zeros));
		}
		json_object_set_new(v->constant ? parameters : activations, v->name, list);
	}
	return QB_OK;
}

static json_t *quantizer_args(const struct qb_scheme *s)
{
	return json_pack("{s:i, s:i, s:s, s:s, s:b, s:s}", "activation_bitwidth",
		s->activations.quantized ? s->activations.format.bits : 32, "param_bitwidth",
		s->weights.quantized ? s->weights.format.bits : 32, "dtype", "int", "is_symmetric",
		s->weights.format.asymmetric ? "False" : "True", "per_channel_quantization",
		s->weights.granularity == QB_PER_CHANNEL, "quant_scheme", "post_training_tf");
}

static enum qb_err write_encodings(const struct qb_job *job, const struct qb_sweep *s, int i,
	const char *name, struct qb_errbuf *eb)
{
	const struct qb_quantization *q = qb_sweep_quantization(s, i);
	json_t *parameters = json_object(), *activations = json_object(), *all = NULL;
	char path[4096];
	enum qb_err err;

	QB_TRY_OUT(qb_export_path(path, sizeof(path), job, name, eb));
	QB_TRY_OUT(encode_all(qb_sweep_variant(s, i), q, parameters, activations, eb));
	all = json_pack("{s:s, s:O, s:O, s:o}", "version", "0.6.1", "activation_encodings", activations,
		"param_encodings", parameters, "quantizer_args", quantizer_args(&q->scheme));
	if (!all || json_dump_file(all, path, JSON_INDENT(1)) != 0) {
		err = qb_fail(eb, QB_EIO, "%s could not be written", path);
	}
out:
	json_decref(all);
	json_decref(parameters);
	json_decref(activations);
	return err;
}

/* What is written of every scheme. */
struct kind {
	unsigned flag;
	const char *name, *ending, *content_type;
	enum qb_err (*write)(const struct qb_job *job, const struct qb_sweep *s, int scheme, const char *name,
		struct qb_errbuf *eb);
};
static const struct kind kinds_of_scheme[] = {
	{QB_EXPORT_QDQ, "qdq", ".qdq.onnx", "application/octet-stream", write_qdq},
	{QB_EXPORT_ENCODINGS, "encodings", ".encodings.json", "application/json", write_encodings},
};

static enum qb_err export_scheme(struct qb_job *job, const struct qb_sweep *s, int i, const struct kind *kind,
	json_t *rows, struct qb_errbuf *eb)
{
	const char *scheme = qb_sweep_quantization(s, i)->scheme.name;
	struct qb_errbuf why = {0};
	char name[128];
	enum qb_err err;

	file_name(name, sizeof(name), s, i, kind->ending);
	err = kind->write(job, s, i, name, &why);
	if (err == QB_EUNSUPPORTED) {
		qb_job_log(job, "warning", "scheme %s is not exported as %s: %s", scheme, kind->name, why.text);
		json_array_append_new(rows,
			json_pack("{s:s, s:s, s:s}", "kind", kind->name, "scheme", scheme, "refused", why.text));
		return QB_OK;
	}
	if (err != QB_OK) {
		return qb_fail(eb, err, "%s", why.text);
	}
	qb_job_artifact(job, name, kind->content_type);
	json_array_append_new(rows,
		json_pack("{s:s, s:s, s:s}", "kind", kind->name, "scheme", scheme, "name", name));
	return QB_OK;
}

static enum qb_err export_float(struct qb_job *job, const struct qb_sweep *s, json_t *rows,
	struct qb_errbuf *eb)
{
	const struct qb_graph *model = s->variant[0].model;
	char path[4096];

	QB_TRY(qb_export_path(path, sizeof(path), job, "float.onnx", eb));
	QB_TRY(qb_graph_export(model->open ? model->open : model, path, eb));
	qb_job_artifact(job, "float.onnx", "application/octet-stream");
	json_array_append_new(rows, json_pack("{s:s, s:s}", "kind", "float", "name", "float.onnx"));
	return QB_OK;
}

enum qb_err qb_export_schemes(struct qb_job *job, const struct qb_sweep *sweep, unsigned kinds,
	json_t **rows, struct qb_errbuf *eb)
{
	json_t *list = json_array();
	enum qb_err err = QB_OK;

	if (kinds & QB_EXPORT_FLOAT) {
		QB_TRY_OUT(export_float(job, sweep, list, eb));
	}
	for (int i = 0; i < sweep->rows; i++) {
		for (size_t k = 0; k < QB_COUNT(kinds_of_scheme); k++) {
			if (kinds & kinds_of_scheme[k].flag) {
				QB_TRY_OUT(export_scheme(job, sweep, i, &kinds_of_scheme[k], list, eb));
			}
		}
	}
	*rows = list;
	list = NULL;
out:
	json_decref(list);
	return err;
}

enum qb_err qb_export_report(struct qb_job *job, const json_t *result, int64_t seed, struct qb_errbuf *eb)
{
	FILE *f;

	QB_TRY(open_file(&f, job, "report.html", eb));
	qb_report_write(f, result, &(struct qb_report_run){job->host, seed});
	QB_TRY(close_file(f, "report.html", eb));
	qb_job_artifact(job, "report.html", "text/html");
	return QB_OK;
}
