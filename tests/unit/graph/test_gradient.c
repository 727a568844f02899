/* SPDX-License-Identifier: Apache-2.0
 *
 * Every rule of differentiation against central differences in double precision: the loss is a sum of fixed weights times the
 * outputs of one operator. A rule without a case fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/size.h"
#include "core/graph/op.h"
#include "tests/unit/graph/gradient_check.h"

/* ---- cases ----
 * inputs, separated by blanks: "2,3" an input of the graph with elements in (-1, 1), all different, none near 0;
 * "0.5~2@2,3" in that range; "c2,3" a constant; "i2,3=0,1,..." int64 constants, "b..." booleans, "f..." float32; "~" absent.
 * A scalar has no dimensions: "@" an input, "i=1" a constant.
 * attributes, separated by blanks: name:i=1 an integer, name:I=1,2 integers, name:f=0.5, name:F=.., name:s=text. */
struct rule_case {
	enum qb_op_id op;
	int opset, outputs;
	const char *inputs, *attrs;
};

#define UNARY(op, range) {QB_OP_##op, 21, 1, range "@3,5", ""}

static const struct rule_case cases[] = {
	/* binary */
	{QB_OP_Add, 14, 1, "2,3 2,3", ""}, {QB_OP_Add, 14, 1, "2,3,4 3,1", ""}, {QB_OP_Add, 14, 1, "1,4 2,3,4", ""},
	{QB_OP_Sub, 14, 1, "2,3 3", ""}, {QB_OP_Sub, 14, 1, "4 2,3,1", ""},
	{QB_OP_Mul, 14, 1, "2,3 2,3", ""}, {QB_OP_Mul, 14, 1, "2,3,4 2,1,1", ""}, {QB_OP_Mul, 14, 1, "@ 2,3", ""},
	{QB_OP_Div, 14, 1, "2,3 0.5~2@2,3", ""}, {QB_OP_Div, 14, 1, "3,1 0.5~2@2,1,4", ""},
	{QB_OP_Pow, 15, 1, "0.3~2@2,3 -2~2@2,3", ""}, {QB_OP_Pow, 15, 1, "2,3 f=2", ""},
	{QB_OP_Pow, 15, 1, "2,3 f=3", ""}, {QB_OP_Pow, 15, 1, "0.3~2@2,3 f1=-0.5", ""},
	{QB_OP_Pow, 15, 1, "2,3 i1,3=1,2,3", ""}, {QB_OP_Pow, 15, 1, "0.3~2@2,3 0.5~2@3", ""},
	{QB_OP_PRelu, 16, 1, "2,3,4 3,1", ""}, {QB_OP_PRelu, 16, 1, "2,3 1", ""},
	{QB_OP_Mod, 13, 1, "-3~3@2,5 0.7~1.3@5", "fmod:i=1"}, {QB_OP_Mod, 13, 1, "-3~3@2,5 f=0.9", ""},
	{QB_OP_Max, 13, 1, "2,3 2,3", ""}, {QB_OP_Max, 13, 1, "2,3,4 0.1~0.8@4 0~0.7@3,1", ""}, {QB_OP_Max, 13, 1, "2,3", ""},
	{QB_OP_Min, 13, 1, "2,3 f=0.11", ""}, {QB_OP_Min, 13, 1, "2,3 -0.6~0.6@2,3 -0.5~0.5@1", ""},
	{QB_OP_Mean, 13, 1, "2,3 3 2,1", ""}, {QB_OP_Sum, 13, 1, "2,3 3 2,1", ""}, {QB_OP_Sum, 13, 1, "2,3", ""},
	{QB_OP_Where, 16, 1, "b2,3=1,0,1,0,0,1 2,3 2,3", ""}, {QB_OP_Where, 16, 1, "b3,1=1,0,1 2,1,4 4", ""},
	{QB_OP_Where, 16, 1, "b2,2=1,0,0,1 @ 2,2", ""},
	/* fake_quantize: beyond the range, where the rule is that of the function itself; tests/unit/ops/test_fake_quantize.c has the rest */
	{QB_OP_FakeQuantize, 1, 1, "2~5@2,3 0.1~0.2@1", "format:s=int4 estimator:s=lsq"},
	{QB_OP_FakeQuantize, 1, 1, "-5~-2@2,3 0.1~0.2@3", "format:s=int3 axis:i=1"},
	/* unary */
	UNARY(Abs, "-1~1"), UNARY(Acos, "-0.8~0.8"), UNARY(Acosh, "1.3~3"), UNARY(Asin, "-0.8~0.8"), UNARY(Asinh, "-2~2"),
	UNARY(Atan, "-2~2"), UNARY(Atanh, "-0.8~0.8"), UNARY(Ceil, "-2~2.1"), UNARY(Celu, "-2~2"), UNARY(Cos, "-2~2"),
	UNARY(Cosh, "-2~2"), UNARY(Elu, "-2~2"), UNARY(Erf, "-2~2"), UNARY(Exp, "-2~2"), UNARY(Floor, "-2~2.1"),
	UNARY(Gelu, "-3~3"), UNARY(HardSigmoid, "-4~4.1"), UNARY(HardSwish, "-4~4.1"), UNARY(LeakyRelu, "-2~2"),
	UNARY(Log, "0.3~3"), UNARY(Mish, "-3~3"), UNARY(Neg, "-1~1"), UNARY(Reciprocal, "0.5~2"), UNARY(Relu, "-1~1"),
	UNARY(Round, "-2~2.1"), UNARY(Selu, "-2~2"), UNARY(Shrink, "-1~1.07"), UNARY(Sigmoid, "-4~4"), UNARY(Sign, "-1~1"),
	UNARY(Sin, "-2~2"), UNARY(Sinh, "-2~2"), UNARY(Softplus, "-4~4"), UNARY(Softsign, "-2~2"), UNARY(Sqrt, "0.3~3"),
	UNARY(Swish, "-4~4"), UNARY(Tan, "-1~1"), UNARY(Tanh, "-2~2"), UNARY(ThresholdedRelu, "-2~2.1"),
	UNARY(Identity, "-1~1"), UNARY(Dropout, "-1~1"),
	{QB_OP_Celu, 12, 1, "-2~2@7", "alpha:f=0.5"}, {QB_OP_Elu, 6, 1, "-2~2@7", "alpha:f=0.5"},
	{QB_OP_Gelu, 20, 1, "-3~3@9", "approximate:s=tanh"}, {QB_OP_HardSigmoid, 6, 1, "-2~2.1@9", "alpha:f=0.4 beta:f=0.3"},
	{QB_OP_LeakyRelu, 16, 1, "-2~2@7", "alpha:f=0.3"}, {QB_OP_Selu, 6, 1, "-2~2@7", "alpha:f=1.5 gamma:f=1.1"},
	{QB_OP_Shrink, 9, 1, "-2~2.1@9", "lambd:f=0.7 bias:f=0.2"}, {QB_OP_Swish, 24, 1, "-2~2@7", "alpha:f=1.7"},
	{QB_OP_ThresholdedRelu, 10, 1, "-2~2.1@9", "alpha:f=0.4"},
	{QB_OP_Clip, 6, 1, "-2~2@9", "min:f=-0.7 max:f=0.9"}, {QB_OP_Clip, 13, 1, "-2~2@9 f=-0.7 f=0.9", ""},
	{QB_OP_Clip, 13, 1, "-2~2@9 ~ f=0.9", ""}, {QB_OP_Clip, 13, 1, "-2~2@9 -0.9~-0.5@ 0.4~0.9@", ""}, {QB_OP_Clip, 13, 1, "5", ""},
	{QB_OP_CastLike, 15, 1, "2,3 c1", ""}, {QB_OP_Cast, 13, 1, "2,3", "to:i=11"},
	/* moves */
	{QB_OP_Concat, 13, 1, "2,3 2,1 2,2", "axis:i=1"}, {QB_OP_Concat, 13, 1, "2,3,2 1,3,2", "axis:i=-3"},
	{QB_OP_Split, 18, 3, "2,6", "axis:i=1 num_outputs:i=3"}, {QB_OP_Split, 13, 2, "5,2 i2=2,3", ""},
	{QB_OP_DepthToSpace, 13, 1, "2,8,2,3", "blocksize:i=2"}, {QB_OP_DepthToSpace, 13, 1, "2,8,2,3", "blocksize:i=2 mode:s=CRD"},
	{QB_OP_SpaceToDepth, 13, 1, "2,3,4,6", "blocksize:i=2"},
	{QB_OP_Expand, 13, 1, "3,1 i3=2,3,4", ""}, {QB_OP_Expand, 13, 1, "2,3 i2=1,1", ""},
	{QB_OP_Tile, 13, 1, "2,3 i2=2,3", ""}, {QB_OP_Tile, 13, 1, "2,1,3 i3=1,4,2", ""},
	{QB_OP_Flatten, 13, 1, "2,3,4", "axis:i=2"}, {QB_OP_Reshape, 14, 1, "2,6 i3=3,-1,2", ""},
	{QB_OP_Squeeze, 13, 1, "2,1,3,1 i1=1", ""}, {QB_OP_Unsqueeze, 13, 1, "2,3 i2=0,3", ""},
	{QB_OP_Transpose, 13, 1, "2,3,4", ""}, {QB_OP_Transpose, 13, 1, "2,3,4", "perm:I=1,2,0"},
	{QB_OP_Slice, 13, 1, "5,6 i2=1,2 i2=4,6", ""}, {QB_OP_Slice, 13, 1, "5,6 i1=-1 i1=-7 i1=1 i1=-2", ""},
	{QB_OP_Slice, 13, 1, "7,4 i2=5,3 i2=0,0 i2=0,1 i2=-2,-1", ""}, {QB_OP_Slice, 9, 1, "5,6", "starts:I=1 ends:I=3 axes:I=1"},
	{QB_OP_Pad, 19, 1, "2,3 i4=1,0,2,1", ""}, {QB_OP_Pad, 19, 1, "4,3 i4=-1,1,2,-1 0.1~0.9@", ""},
	{QB_OP_Pad, 19, 1, "2,4 i4=0,2,0,3", "mode:s=reflect"}, {QB_OP_Pad, 19, 1, "3,4 i4=1,2,2,1", "mode:s=edge"},
	{QB_OP_Pad, 19, 1, "3,4 i4=1,2,2,1", "mode:s=wrap"},
	{QB_OP_CenterCropPad, 18, 1, "4,3 i2=1,6", ""}, {QB_OP_CenterCropPad, 18, 1, "2,5,4 i2=2,4", "axes:I=1,0"},
	{QB_OP_EyeLike, 9, 1, "2,3", ""}, {QB_OP_Trilu, 14, 1, "2,4,3", ""}, {QB_OP_Trilu, 14, 1, "4,4 i=-1", "upper:i=0"},
	{QB_OP_ReverseSequence, 10, 1, "4,3,2 i3=1,4,2", ""}, {QB_OP_ReverseSequence, 10, 1, "2,4 i2=3,2", "batch_axis:i=0 time_axis:i=1"},
	/* gathers */
	{QB_OP_Gather, 13, 1, "5,3 i2,2=1,4,1,-5", ""}, {QB_OP_Gather, 13, 1, "2,4,3 i3=3,0,3", "axis:i=-2"},
	{QB_OP_Gather, 13, 1, "2,4 i=1", "axis:i=1"},
	{QB_OP_GatherElements, 13, 1, "3,3 i2,3=1,2,0,2,0,0", ""}, {QB_OP_GatherElements, 13, 1, "2,3 i2,2=0,0,-1,2", "axis:i=1"},
	{QB_OP_GatherND, 13, 1, "2,3,2 i2,2=0,1,1,2", ""}, {QB_OP_GatherND, 13, 1, "3,2 i3,1=1,1,0", ""},
	{QB_OP_Scatter, 9, 1, "3,3 i2,3=1,0,2,0,2,1 2,3", ""}, {QB_OP_ScatterElements, 18, 1, "1,5 i1,2=1,3 1,2", "axis:i=1"},
	{QB_OP_ScatterElements, 18, 1, "1,5 i1,3=1,3,1 1,3", "axis:i=1 reduction:s=add"},
	{QB_OP_ScatterND, 18, 1, "4,3 i2,1=2,0 2,3", ""}, {QB_OP_ScatterND, 18, 1, "4,3 i2,1=2,2 2,3", "reduction:s=add"},
	/* reductions */
	{QB_OP_ReduceSum, 13, 1, "2,3,4 i1=1", ""}, {QB_OP_ReduceSum, 13, 1, "2,3", "keepdims:i=0"},
	{QB_OP_ReduceMean, 18, 1, "2,3,4 i2=0,2", "keepdims:i=0"}, {QB_OP_ReduceMean, 13, 1, "2,3,4", "axes:I=-1"},
	{QB_OP_ReduceMax, 18, 1, "2,3,4 i1=1", ""}, {QB_OP_ReduceMin, 18, 1, "2,3,4 i1=2", "keepdims:i=0"},
	{QB_OP_ReduceL1, 18, 1, "2,3,4 i1=1", ""}, {QB_OP_ReduceL2, 18, 1, "2,3,4 i1=1", "keepdims:i=0"},
	{QB_OP_ReduceLogSum, 18, 1, "0.3~2@2,3,4 i1=1", ""}, {QB_OP_ReduceLogSumExp, 18, 1, "2,3,4 i1=-1", "keepdims:i=0"},
	{QB_OP_ReduceSumSquare, 18, 1, "2,3,4 i1=0", ""},
	{QB_OP_ReduceL2, 18, 1, "2,3 i0=", "noop_with_empty_axes:i=1"}, {QB_OP_ReduceSumSquare, 18, 1, "2,3 ~", ""},
	{QB_OP_ReduceMax, 18, 1, "2,3 ~", "noop_with_empty_axes:i=1"},
	{QB_OP_ReduceProd, 18, 1, "2,3,4 i1=1", ""}, {QB_OP_ReduceProd, 13, 1, "2,3", "keepdims:i=0"},
	{QB_OP_CumSum, 14, 1, "2,4 i=1", ""}, {QB_OP_CumSum, 14, 1, "3,4 i=0", "exclusive:i=1 reverse:i=1"},
	{QB_OP_TopK, 11, 2, "3,5 i1=2", ""}, {QB_OP_TopK, 11, 2, "5,3 i1=3", "axis:i=0 largest:i=0"},
	/* products */
	{QB_OP_Gemm, 13, 1, "2,3 3,4 4", ""}, {QB_OP_Gemm, 13, 1, "3,2 3,4 2,1", "transA:i=1 alpha:f=0.5 beta:f=2"},
	{QB_OP_Gemm, 13, 1, "2,3 4,3", "transB:i=1 alpha:f=1.5"}, {QB_OP_Gemm, 13, 1, "3,2 4,3 @", "transA:i=1 transB:i=1"},
	{QB_OP_MatMul, 13, 1, "2,3 3,4", ""}, {QB_OP_MatMul, 13, 1, "2,5,3 3,4", ""}, {QB_OP_MatMul, 13, 1, "2,2,3,4 2,2,4,2", ""},
	{QB_OP_MatMul, 13, 1, "2,1,3,4 3,4,2", ""}, {QB_OP_MatMul, 13, 1, "3 3,4", ""}, {QB_OP_MatMul, 13, 1, "2,3,4 4", ""},
	{QB_OP_MatMul, 13, 1, "3 2,3,4", ""}, {QB_OP_MatMul, 13, 1, "4 4", ""}, {QB_OP_MatMul, 13, 1, "3,4 2,4,2", ""},
	{QB_OP_Einsum, 12, 1, "2,3,4 2,4,5", "equation:s=bij,bjk->bik"}, {QB_OP_Einsum, 12, 1, "2,3 2,3", "equation:s=ij,ij->"},
	{QB_OP_Einsum, 12, 1, "2,3,4 3,4", "equation:s=...ij,ij->...j"}, {QB_OP_Einsum, 12, 1, "2,3", "equation:s=ij->j"},
	{QB_OP_Einsum, 12, 1, "2,3 3,4 4", "equation:s=ab,bc,c->a"}, {QB_OP_Einsum, 12, 1, "2,3 4,1", "equation:s=ij,kj->ik"},
	{QB_OP_Conv, 11, 1, "2,3,5,5 4,3,3,3 4", ""}, {QB_OP_Conv, 11, 1, "1,4,6,5 4,2,3,2", "strides:I=2,1 pads:I=1,0,2,1 group:i=2"},
	{QB_OP_Conv, 11, 1, "2,3,7,7 3,1,3,3", "group:i=3 dilations:I=2,2 pads:I=1,1,1,1 strides:I=2,2"},
	{QB_OP_Conv, 11, 1, "1,2,9 3,2,4 3", "auto_pad:s=SAME_UPPER strides:I=2"}, {QB_OP_Conv, 11, 1, "1,2,3,4,3 2,2,2,2,2", ""},
	{QB_OP_Conv, 11, 1, "1,2,6,6 2,2,1,1", "strides:I=3,3"},
	{QB_OP_ConvTranspose, 11, 1, "2,3,4,4 3,2,3,3 2", ""},
	{QB_OP_ConvTranspose, 11, 1, "1,4,3,4 4,1,3,2 2", "group:i=2 strides:I=2,1 pads:I=1,0,1,1"},
	{QB_OP_ConvTranspose, 11, 1, "1,2,3,3 2,2,3,3 2", "strides:I=2,2 output_padding:I=1,1 pads:I=1,1,1,1"},
	{QB_OP_ConvTranspose, 11, 1, "1,2,3,3 2,2,2,2 2", "strides:I=2,2 output_shape:I=7,8"},
	{QB_OP_ConvTranspose, 11, 1, "1,2,5 2,1,3", "dilations:I=2 auto_pad:s=SAME_LOWER strides:I=2"},
	/* pools */
	{QB_OP_AveragePool, 19, 1, "2,2,5,6", "kernel_shape:I=3,2 strides:I=2,2 pads:I=1,0,1,1"},
	{QB_OP_AveragePool, 19, 1, "1,2,6,6", "kernel_shape:I=3,3 strides:I=2,2 pads:I=1,1,1,1 count_include_pad:i=1 ceil_mode:i=1"},
	{QB_OP_AveragePool, 19, 1, "1,2,8", "kernel_shape:I=3 dilations:I=2 auto_pad:s=SAME_UPPER"},
	{QB_OP_MaxPool, 12, 1, "2,2,5,6", "kernel_shape:I=3,3 strides:I=2,2 pads:I=1,1,1,1"},
	{QB_OP_MaxPool, 12, 2, "1,2,7", "kernel_shape:I=3 dilations:I=2 ceil_mode:i=1 strides:I=2"},
	{QB_OP_MaxPool, 12, 1, "1,1,4,4,3", "kernel_shape:I=2,2,2"},
	{QB_OP_MaxUnpool, 11, 1, "1,1,2,2 i1,1,2,2=5,7,13,8", "kernel_shape:I=2,2 strides:I=2,2"},
	{QB_OP_LpPool, 18, 1, "1,2,5,6", "kernel_shape:I=3,2 strides:I=2,2 pads:I=1,0,1,1"},
	{QB_OP_LpPool, 18, 1, "1,2,8", "kernel_shape:I=3 strides:I=2 ceil_mode:i=1 p:i=3"}, {QB_OP_LpPool, 18, 1, "1,1,6", "kernel_shape:I=2 p:i=1"},
	{QB_OP_GlobalLpPool, 2, 1, "2,3,4", "p:i=3"}, {QB_OP_GlobalLpPool, 2, 1, "2,3,2,2", ""},
	{QB_OP_GlobalAveragePool, 1, 1, "2,3,4,5", ""}, {QB_OP_GlobalMaxPool, 1, 1, "2,3,4,5", ""}, {QB_OP_GlobalMaxPool, 1, 1, "2,3,2,2,2,2", ""},
	/* normalizations */
	{QB_OP_BatchNormalization, 15, 1, "2,3,4 0.5~2@3 3 c3 c0.5~2@3", ""},
	{QB_OP_BatchNormalization, 15, 1, "4,3 0.5~2@3 3 c3 c0.5~2@3", "epsilon:f=0.1"},
	{QB_OP_InstanceNormalization, 6, 1, "2,3,4,2 0.5~2@3 3", ""}, {QB_OP_GroupNormalization, 21, 1, "2,4,3 0.5~2@4 4", "num_groups:i=2"},
	{QB_OP_GroupNormalization, 18, 1, "2,4,3 0.5~2@2 2", "num_groups:i=2 epsilon:f=0.01"},
	{QB_OP_LayerNormalization, 17, 1, "2,3,5 0.5~2@5 5", ""}, {QB_OP_LayerNormalization, 17, 1, "2,3,4 0.5~2@3,4", "axis:i=1 epsilon:f=0.1"},
	{QB_OP_LayerNormalization, 17, 1, "2,3,4 0.5~2@1,4 3,1", "axis:i=-2"},
	{QB_OP_LRN, 13, 1, "2,5,3", "size:i=3 alpha:f=0.5"}, {QB_OP_LRN, 13, 1, "1,3,2,2", "size:i=4 alpha:f=0.7 beta:f=0.5 bias:f=2"},
	{QB_OP_LRN, 13, 1, "1,3,2", "size:i=9 alpha:f=2"},
	{QB_OP_MeanVarianceNormalization, 13, 1, "2,3,2,2", ""}, {QB_OP_MeanVarianceNormalization, 13, 1, "3,5", "axes:I=1"},
	{QB_OP_Hardmax, 13, 1, "2,3", ""}, {QB_OP_Softmax, 13, 1, "2,3,4", ""}, {QB_OP_Softmax, 13, 1, "2,3,4", "axis:i=1"},
	{QB_OP_Softmax, 11, 1, "2,3,4", "axis:i=1"},
	{QB_OP_LogSoftmax, 13, 1, "2,3,4", "axis:i=-2"}, {QB_OP_LogSoftmax, 11, 1, "2,3,4", "axis:i=2"},
	{QB_OP_LpNormalization, 1, 1, "3,4", ""}, {QB_OP_LpNormalization, 1, 1, "3,4", "p:i=1 axis:i=0"},
	/* resizing */
	{QB_OP_Resize, 19, 1, "1,2,3,4 ~ f4=1,1,2,2", ""}, {QB_OP_Resize, 19, 1, "1,2,3,4 ~ f4=1,1,2,1.5", "mode:s=linear"},
	{QB_OP_Resize, 19, 1, "1,2,5,4 ~ ~ i4=1,2,8,3", "mode:s=linear coordinate_transformation_mode:s=align_corners"},
	{QB_OP_Resize, 19, 1, "1,1,5,6 ~ ~ i4=1,1,3,4", "mode:s=cubic antialias:i=1"},
	{QB_OP_Resize, 19, 1, "2,3,4 ~ ~ i1=7", "axes:I=2 nearest_mode:s=floor coordinate_transformation_mode:s=asymmetric"},
	{QB_OP_Resize, 10, 1, "1,1,4,5 f4=1,1,0.6,2", ""}, {QB_OP_Upsample, 9, 1, "1,2,3,4 f4=1,1,2,3", "mode:s=linear"},
	{QB_OP_Upsample, 7, 1, "1,2,3,4", "scales:F=1,1,2,2"},
	/* training graphs */
	{QB_OP_ShardSum, 1, 1, "2,3", ""}, {QB_OP_SumTo, 1, 1, "2,3,4", "shape:I=3,1"}, {QB_OP_BatchStatistics, 1, 1, "2,3,4", ""},
	{QB_OP_SoftmaxCrossEntropy, 1, 1, "2,4 c0~1@2,4 c2", ""},
	{QB_OP_SoftmaxCrossEntropy, 1, 1, "2,4,3 c0~1@2,4,3 c1", "axis:i=1 temperature:f=2.5"},
};

/* Tested otherwise: what batch normalization reads is of its input (below); a quantizer's gradient is that of no derivative. */
static const enum qb_op_id elsewhere[] = {QB_OP_BatchNormalizationTraining, QB_OP_FakeQuantize};

/* ---- reading them ---- */

static struct qb_value *read_input(struct builder *b, const char *spec)
{
	switch (*spec) {
	case '~': return NULL;
	case 'i': return given(b, QB_I64, spec + 1);
	case 'b': return given(b, QB_BOOL, spec + 1);
	case 'f': return given(b, QB_F32, spec + 1);
	default: return drawn(b, spec);
	}
}

static void read_attr(struct builder *b, struct qb_node *n, char *text)
{
	char *colon = strchr(text, ':'), *value = colon + 3, *end;
	struct qb_attr *a = &n->attr[n->attrs++];
	int64_t *ints = qb_arena_alloc(b->g->arena, 8, sizeof(*ints));
	float *floats = qb_arena_alloc(b->g->arena, 8, sizeof(*floats));

	*colon = 0;
	*a = (struct qb_attr){.name = text, .s = value, .i = strtol(value, NULL, 10), .f = strtof(value, NULL), .ints = ints,
		.floats = floats};
	a->kind = colon[1] == 'i' ? QB_ATTR_INT : colon[1] == 'I' ? QB_ATTR_INTS : colon[1] == 'f' ? QB_ATTR_FLOAT :
		colon[1] == 'F' ? QB_ATTR_FLOATS : QB_ATTR_STRING;
	for (char *p = value; colon[1] == 'I' || colon[1] == 'F'; p = end + 1) {
		floats[a->count] = strtof(p, &end);
		ints[a->count] = strtol(p, NULL, 10);
		a->count++;
		if (*end != ',') {
			break;
		}
	}
}

static struct qb_node *read_node(struct builder *b, const struct rule_case *c)
{
	char *inputs = qb_arena_strdup(b->g->arena, c->inputs), *attrs = qb_arena_strdup(b->g->arena, c->attrs), *rest;
	struct qb_value *in[MAX_INPUTS];
	struct qb_node *n;
	int count = 0;

	for (char *p = strtok_r(inputs, " ", &rest); p; p = strtok_r(NULL, " ", &rest)) {
		in[count++] = read_input(b, p);
	}
	n = add_node(b, c->op, c->opset, count, in, c->outputs);
	for (char *p = strtok_r(attrs, " ", &rest); p; p = strtok_r(NULL, " ", &rest)) {
		read_attr(b, n, p);
	}
	return n;
}

static struct qb_value *loss_of(struct builder *b, const struct qb_node *n)
{
	struct qb_value *loss = NULL;

	for (int i = 0; i < n->outputs; i++) {
		if (n->output[i]->dtype == QB_F32 || n->output[i]->dtype == QB_F64) {
			struct qb_value *s = weighted_sum(b, n->output[i]);

			loss = loss ? add_node(b, QB_OP_Add, 14, 2, (struct qb_value *[]){loss, s}, 1)->output[0] : s;
		}
	}
	return loss;
}

static void check_case(const struct rule_case *c)
{
	struct builder b = {.g = qb_graph_create(), .seed = 5 + (uint64_t)(c - cases)};
	struct qb_errbuf eb = {0};
	struct qb_node *n;
	char what[256];

	snprintf(what, sizeof(what), "%s opset %d (%s) [%s]", qb_op_of(c->op)->type, c->opset, c->inputs, c->attrs);
	n = read_node(&b, c);
	must(n->op->infer(b.g, n, &eb), &eb, what);
	check_gradients(&b, loss_of(&b, n), what);
	qb_graph_destroy(&b.g);
}

static void rules__every_case__agrees_with_central_differences(void **state)
{
	(void)state;
	for (size_t i = 0; i < QB_COUNT(cases); i++) {
		check_case(&cases[i]);
	}
}

static void rules__every_rule__has_a_case(void **state)
{
	(void)state;
	for (int id = 0; id < QB_OP_IDS; id++) {
		const struct qb_op *op = qb_op_of((enum qb_op_id)id);
		bool found = !op->gradient;

		for (size_t i = 0; i < QB_COUNT(cases) && !found; i++) {
			found = cases[i].op == op->id;
		}
		for (size_t i = 0; i < QB_COUNT(elsewhere) && !found; i++) {
			found = elsewhere[i] == op->id;
		}
		if (!found) {
			fail_msg("%s has a rule of differentiation and no case here", op->type);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules__every_rule__has_a_case),
		cmocka_unit_test(rules__every_case__agrees_with_central_differences),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
