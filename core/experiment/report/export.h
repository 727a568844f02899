/* SPDX-License-Identifier: Apache-2.0
 *
 * What a ptq job leaves behind beside its results: "export": ["qdq", "encodings", "float", "report"].
 * - qdq: SCHEME.qdq.onnx, the scheme as a network that ONNX Runtime runs;
 * - encodings: SCHEME.encodings.json, scales and offsets in the form of AIMET (0.6.1);
 * - float: float.onnx, the network with its batch norms folded, which the schemes quantize;
 * - report: report.html, the whole job on a page that needs nothing else.
 */
#ifndef QB_EXPERIMENT_REPORT_EXPORT_H
#define QB_EXPERIMENT_REPORT_EXPORT_H

#include <stdio.h>

#include "core/experiment/experiment.h"
#include "core/ptq/sweep.h"

enum { QB_EXPORT_QDQ = 1, QB_EXPORT_ENCODINGS = 2, QB_EXPORT_FLOAT = 4, QB_EXPORT_REPORT = 8 };

/* Bit i of QB_EXPORT_... is qb_export_names[i]; NULL-terminated. */
extern const char *const qb_export_names[];

/* Where an artifact of that name goes. */
enum qb_err qb_export_path(char *path, size_t size, const struct qb_job *job, const char *name, struct qb_errbuf *eb);
/* Writes all but the report. *rows: [{"kind", "scheme", "name"}], or "refused" with the reason in place of "name" where
 * the kind has no words for the scheme. */
enum qb_err qb_export_schemes(struct qb_job *job, const struct qb_sweep *sweep, unsigned kinds,
	json_t **rows, struct qb_errbuf *eb);
enum qb_err qb_export_report(struct qb_job *job, const json_t *result, int64_t seed, struct qb_errbuf *eb);

/* The result object of a ptq job as a page; host says when and by what it ran. */
struct qb_report_run {
	const struct qb_host *host;
	int64_t seed;
};
void qb_report_write(FILE *f, const json_t *result, const struct qb_report_run *run);

#endif
