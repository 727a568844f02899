# SPDX-License-Identifier: Apache-2.0
# The daemon as a program, with a worker that misbehaves when it is told to; and results of real ones.
API_TESTS = \
	tests/api/test_access.py \
	tests/api/test_arm_worker.py \
	tests/api/test_backup.py \
	tests/api/test_cache.py \
	tests/api/test_cgroup.py \
	tests/api/test_checkpoints.py \
	tests/api/test_connections.py \
	tests/api/test_contract.py \
	tests/api/test_daemon.py \
	tests/api/test_deliveries.py \
	tests/api/test_engine.py \
	tests/api/test_export.py \
	tests/api/test_grids.py \
	tests/api/test_gzip.py \
	tests/api/test_job_lists.py \
	tests/api/test_kills.py \
	tests/api/test_labels.py \
	tests/api/test_log.py \
	tests/api/test_metric_list.py tests/api/test_migrations.py \
	tests/api/test_requests.py \
	tests/api/test_results.py \
	tests/api/test_retention.py \
	tests/api/test_scheduling.py \
	tests/api/test_serving.py \
	tests/api/test_settings.py \
	tests/api/test_slurm.py \
	tests/api/test_sshd.py \
	tests/api/test_storage.py \
	tests/api/test_storage_failures.py \
	tests/api/test_submission.py \
	tests/api/test_targets.py \
	tests/api/test_training.py \
	tests/api/test_workers.py
check_SCRIPTS += $(API_TESTS)
EXTRA_DIST += $(API_TESTS) tests/api/contract_hooks.py tests/api/crowd.py tests/api/daemon.py tests/api/hook.py tests/api/kills.py tests/api/process.py tests/api/fake_worker.py
