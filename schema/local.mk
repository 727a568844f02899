# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += schema/openapi.yaml schema/examples/outliers.json schema/jobs/diagnose.json schema/jobs/hwcost.json schema/jobs/inspect.json schema/jobs/outliers.json \
	schema/jobs/ptq.json schema/jobs/qat.json schema/jobs/sqnr.json schema/jobs/tensor.json schema/jobs/toy.json schema/jobs/train.json
