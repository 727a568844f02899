# SPDX-License-Identifier: Apache-2.0
check_PROGRAMS += tests/unit/exec/test_networks
tests_unit_exec_test_networks_SOURCES = tests/unit/exec/test_networks.c $(LEVELS)
tests_unit_exec_test_networks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_networks_emulated
tests_unit_exec_test_networks_emulated_SOURCES = tests/unit/exec/test_networks.c
tests_unit_exec_test_networks_emulated_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_exec_test_networks_emulated_LDADD = $(EMULATED) $(LDADD)
check_PROGRAMS += tests/unit/exec/test_int8_kernels
tests_unit_exec_test_int8_kernels_SOURCES = tests/unit/exec/test_int8_kernels.c $(LEVELS)
tests_unit_exec_test_int8_kernels_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_int8_kernels_emulated
tests_unit_exec_test_int8_kernels_emulated_SOURCES = tests/unit/exec/test_int8_kernels.c
tests_unit_exec_test_int8_kernels_emulated_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_exec_test_int8_kernels_emulated_LDADD = $(EMULATED) $(LDADD)
check_SCRIPTS += tests/unit/exec/test_f32_neon.sh tests/unit/exec/test_int8_neon.sh
EXTRA_DIST += tests/unit/exec/test_f32_neon.sh tests/unit/exec/test_int8_neon.sh tests/unit/cross/arm.sh tests/unit/cross/cmocka.h
check_PROGRAMS += tests/unit/exec/test_computed_operands
tests_unit_exec_test_computed_operands_SOURCES = tests/unit/exec/test_computed_operands.c tests/unit/exec/graph_maker.c \
	tests/unit/exec/graph_maker.h $(LEVELS)
tests_unit_exec_test_computed_operands_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_layout
tests_unit_exec_test_layout_SOURCES = tests/unit/exec/test_layout.c
tests_unit_exec_test_layout_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_reorder
tests_unit_exec_test_reorder_SOURCES = tests/unit/exec/test_reorder.c $(LEVELS)
tests_unit_exec_test_reorder_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
# As in a build without oneDNN: the object comes before the same names of libquantbench.a.
check_PROGRAMS += tests/unit/exec/test_reorder_without_onednn
tests_unit_exec_test_reorder_without_onednn_SOURCES = $(tests_unit_exec_test_reorder_SOURCES) $(ONEDNN_ABSENT)
tests_unit_exec_test_reorder_without_onednn_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_lowered
tests_unit_exec_test_lowered_SOURCES = tests/unit/exec/test_lowered.c \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_exec_test_lowered_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_team
# The team alone, so that check-threads need not build all of core.
tests_unit_exec_test_team_SOURCES = tests/unit/exec/test_team.c core/exec/threads.c core/base/err.c
tests_unit_exec_test_team_CFLAGS = $(AM_CFLAGS) $(OPENMP_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_exec_test_team_LDADD = $(CMOCKA_LIBS) $(OPENMP_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_shards
tests_unit_exec_test_shards_SOURCES = tests/unit/exec/test_shards.c tests/unit/exec/graph_maker.c \
	tests/unit/exec/graph_maker.h $(LEVELS)
tests_unit_exec_test_shards_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_training_steps
TRAINING_CHECK = tests/unit/exec/graph_maker.c tests/unit/exec/graph_maker.h tests/unit/exec/training_check.c \
	tests/unit/exec/training_check.h
tests_unit_exec_test_training_steps_SOURCES = tests/unit/exec/test_training_steps.c $(TRAINING_CHECK) $(LEVELS)
tests_unit_exec_test_training_steps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_training_convs
tests_unit_exec_test_training_convs_SOURCES = tests/unit/exec/test_training_convs.c $(TRAINING_CHECK) $(LEVELS)
tests_unit_exec_test_training_convs_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_training_blocks
tests_unit_exec_test_training_blocks_SOURCES = tests/unit/exec/test_training_blocks.c $(TRAINING_CHECK) $(LEVELS)
tests_unit_exec_test_training_blocks_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_f32_kernels
tests_unit_exec_test_f32_kernels_SOURCES = tests/unit/exec/test_f32_kernels.c $(LEVELS)
tests_unit_exec_test_f32_kernels_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_gemm_backward
tests_unit_exec_test_gemm_backward_SOURCES = tests/unit/exec/test_gemm_backward.c $(LEVELS)
tests_unit_exec_test_gemm_backward_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_gemm_backward_emulated
tests_unit_exec_test_gemm_backward_emulated_SOURCES = tests/unit/exec/test_gemm_backward.c
tests_unit_exec_test_gemm_backward_emulated_CFLAGS = $(tests_unit_exec_test_gemm_backward_CFLAGS)
tests_unit_exec_test_gemm_backward_emulated_LDADD = $(EMULATED) $(LDADD)
check_PROGRAMS += tests/unit/exec/test_f32_kernels_emulated
tests_unit_exec_test_f32_kernels_emulated_SOURCES = tests/unit/exec/test_f32_kernels.c
tests_unit_exec_test_f32_kernels_emulated_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_exec_test_f32_kernels_emulated_LDADD = $(EMULATED) $(LDADD)
check_PROGRAMS += tests/unit/exec/test_float_steps
tests_unit_exec_test_float_steps_SOURCES = tests/unit/exec/test_float_steps.c $(LEVELS) \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_exec_test_float_steps_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_float_steps_without_onednn
tests_unit_exec_test_float_steps_without_onednn_SOURCES = $(tests_unit_exec_test_float_steps_SOURCES) $(ONEDNN_ABSENT)
tests_unit_exec_test_float_steps_without_onednn_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
check_PROGRAMS += tests/unit/exec/test_float_steps_emulated
tests_unit_exec_test_float_steps_emulated_SOURCES = tests/unit/exec/test_float_steps.c \
	tests/unit/graph/model_builder.c tests/unit/graph/model_builder.h
tests_unit_exec_test_float_steps_emulated_CFLAGS = $(AM_CFLAGS) $(CMOCKA_CFLAGS)
tests_unit_exec_test_float_steps_emulated_LDADD = $(EMULATED) $(LDADD)
check_SCRIPTS += tests/unit/exec/test_int8_networks.py
EXTRA_DIST += tests/unit/exec/test_int8_networks.py tests/unit/exec/small_networks.py \
	tests/unit/exec/constant_networks.py
