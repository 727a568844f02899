/* SPDX-License-Identifier: Apache-2.0
 *
 * Trains the small network of tests/unit/train/small_qat.h quantized, and writes what is deployed: qat_export SCHEME METHODS DATA
 * OUT.onnx OUT.bin. DATA is written and read; OUT.bin has x [64,3,8,8] and the simulation's logits [64,4], float32.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/quant/qdq.h"
#include "core/train/bn_reestimation.h"
#include "core/train/deploy.h"
#include "core/train/trainer.h"
#include "tests/unit/train/small_qat.h"

struct parts {
	struct qat_start s;
	struct qb_train_method_list methods;
	struct qb_dataset *data;
	struct qb_qat *qat;
	struct qb_trainer *t;
};

static enum qb_err train(struct parts *p, const char *methods, const char *path, struct qb_errbuf *eb)
{
	const struct qb_input_spec input = {.name = "x", .dtype = QB_F32, .ndim = 4, .dim = {-1, 3, 8, 8}};
	const struct qb_train_callbacks none = {0};
	struct qb_train_config c;
	struct qb_train_result result;
	struct qb_qat_config q;
	json_t *list = json_loads(methods, 0, NULL);
	enum qb_err err = qb_train_method_list_parse(&p->methods, list, "methods", eb);

	json_decref(list);
	QB_TRY(err);
	qb_qat_config_init(&q);
	q.methods = &p->methods;
	qb_train_config_init(&c);
	c.batch = BATCH;
	c.epochs = 12;
	c.optimizer[QB_PARAMETERS_WEIGHTS].rate = c.optimizer[QB_PARAMETERS_NO_DECAY].rate = 0.02;
	c.optimizer[QB_PARAMETERS_QUANTIZERS] = (struct qb_optimizer_config){.kind = QB_OPTIMIZER_ADAM, .rate = 1e-3, .beta1 = 0.9,
		.beta2 = 0.999, .epsilon = 1e-8};
	QB_TRY(qb_dataset_open(&p->data, path, &input, 1, NULL, eb));
	QB_TRY(qb_qat_create(&p->qat, p->s.quantization, p->s.bound, &q, eb));
	QB_TRY(qb_trainer_create(&p->t, p->s.network, p->data, &c, qb_qat_hooks(p->qat), eb));
	QB_TRY(qb_trainer_run(p->t, &none, &result, eb));
	qb_qat_feed(p->qat);
	return qb_train_reestimate(p->t, QB_BN_REESTIMATION_BATCHES, NULL, eb);
}

static enum qb_err deploy(struct parts *p, const char *onnx, const char *bin, struct qb_errbuf *eb)
{
	const struct qb_deploy_options opt = {.scheme = &p->s.scheme, .batch = BATCH};
	struct qb_deployment d;
	struct qb_graph *qdq = NULL;
	float y[SAMPLES * CLASSES];
	FILE *f = fopen(bin, "wb");
	enum qb_err err;

	if (!f) {
		return qb_fail(eb, QB_EIO, "%s cannot be written", bin);
	}
	QB_TRY(qb_qat_deploy(&d, p->qat, p->t, &opt, eb));
	QB_TRY_OUT(qb_qdq_graph(&qdq, d.model, d.bound, d.quantization, eb));
	QB_TRY_OUT(qb_graph_export(qdq, onnx, eb));
	for (int i = 0; i < SAMPLES; i += BATCH) {
		qat_simulate(d.bound, d.quantization, qat_samples + i * IMAGE, y + i * CLASSES);
	}
	fwrite(qat_samples, sizeof(*qat_samples), SAMPLES * IMAGE, f);
	fwrite(y, sizeof(*y), SAMPLES * CLASSES, f);
	err = fclose(f) ? qb_fail(eb, QB_EIO, "%s cannot be written", bin) : QB_OK;
out:
	qb_graph_destroy(&qdq);
	qb_deployment_fini(&d);
	return err;
}

int main(int argc, char **argv)
{
	const struct qb_layer_scheme_options opt = {true, true};
	struct parts p = {0};
	struct qb_errbuf eb = {0};
	enum qb_err err;

	if (argc != 6 || !qat_write_data(argv[3])) {
		fprintf(stderr, "usage: qat_export SCHEME METHODS DATA OUT.onnx OUT.bin\n");
		return 2;
	}
	p.s = qat_start(argv[1], &opt);
	err = train(&p, argv[2], argv[3], &eb);
	err = err == QB_OK ? deploy(&p, argv[4], argv[5], &eb) : err;
	if (err != QB_OK) {
		fprintf(stderr, "%s\n", eb.text);
	}
	qb_trainer_destroy(&p.t);
	qb_qat_destroy(&p.qat);
	qb_dataset_close(&p.data);
	qb_train_method_list_fini(&p.methods);
	qat_start_fini(&p.s);
	return err == QB_OK ? 0 : 1;
}
