# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/train/test_config
tests_unit_train_test_config_SOURCES = tests/unit/train/test_config.c
tests_unit_train_test_config_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/train/test_steps
tests_unit_train_test_steps_SOURCES = tests/unit/train/test_steps.c
tests_unit_train_test_steps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/train/test_samples
tests_unit_train_test_samples_SOURCES = tests/unit/train/test_samples.c
tests_unit_train_test_samples_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/train/test_augment_warp
tests_unit_train_test_augment_warp_SOURCES = tests/unit/train/test_augment_warp.c
tests_unit_train_test_augment_warp_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/train/test_methods
tests_unit_train_test_methods_SOURCES = tests/unit/train/test_methods.c
tests_unit_train_test_methods_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/train/test_toy
tests_unit_train_test_toy_SOURCES = tests/unit/train/test_toy.c
tests_unit_train_test_toy_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/train/test_trainer
tests_unit_train_test_trainer_SOURCES = tests/unit/train/test_trainer.c \
	tests/unit/networks/named_network.c tests/unit/networks/named_network.h
tests_unit_train_test_trainer_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# Trains and prints each step: what test_training.py compares with PyTorch.
noinst_PROGRAMS += tests/tools/train_steps
tests_tools_train_steps_SOURCES = tests/tools/train_steps.c
tests_tools_train_steps_CFLAGS = $(AM_CFLAGS)
check_SCRIPTS += tests/unit/train/test_training.py
EXTRA_DIST += tests/unit/train/test_training.py tests/unit/train/training_networks.py
check_PROGRAMS += tests/unit/train/test_qat
tests_unit_train_test_qat_SOURCES = tests/unit/train/test_qat.c tests/unit/train/small_qat.c tests/unit/train/small_qat.h
tests_unit_train_test_qat_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# Trains, deploys and exports: what test_qat_export.py runs in ONNX Runtime.
noinst_PROGRAMS += tests/tools/qat_export
tests_tools_qat_export_SOURCES = tests/tools/qat_export.c tests/unit/train/small_qat.c tests/unit/train/small_qat.h
tests_tools_qat_export_CFLAGS = $(AM_CFLAGS)
check_SCRIPTS += tests/unit/train/test_qat_export.py
EXTRA_DIST += tests/unit/train/test_qat_export.py
