# SPDX-License-Identifier: Apache-2.0
EXTRA_DIST += schema/openapi.yaml docs/hardware.md docs/jobs.md docs/networks.md docs/operations.md
