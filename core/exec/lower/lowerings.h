/* SPDX-License-Identifier: Apache-2.0
 *
 * How operators are lowered to steps of a plan: one row an operator, in float (f32/) and on bytes (int8/). A lowering that
 * returns QB_EUNSUPPORTED leaves the node to the operator's evaluation in plain C; so does `none`.
 */
#ifndef QB_EXEC_LOWER_LOWERINGS_H
#define QB_EXEC_LOWER_LOWERINGS_H

#include "core/exec/builder.h"
#include "core/ops/op.h"

/* type, qb__plan_... in float, qb__plan_... on bytes */
#define QB_LOWERINGS(X) \
	X(Abs, eltwise, int8_lookup_table) \
	X(Acos, none, int8_lookup_table) \
	X(Acosh, none, int8_lookup_table) \
	X(ActivationGradient, activation_gradient, none) \
	X(Add, add, int8_binary) \
	X(Asin, none, int8_lookup_table) \
	X(Asinh, none, int8_lookup_table) \
	X(Atan, none, int8_lookup_table) \
	X(Atanh, none, int8_lookup_table) \
	X(AveragePool, pool, int8_pool) \
	X(AveragePoolGradient, average_pool_gradient, none) \
	X(BatchNormalization, batch_norm, int8_batch_norm) \
	X(BatchNormalizationTraining, batch_norm_training, none) \
	X(BatchNormalizationTrainingGradient, batch_norm_training_gradient, none) \
	X(BatchNormalizationTrainingSums, batch_norm_training_sums, none) \
	X(BatchStatistics, batch_statistics, none) \
	X(Cast, cast, none) \
	X(CastLike, cast, none) \
	X(Ceil, none, int8_lookup_table) \
	X(Celu, none, int8_lookup_table) \
	X(CenterCropPad, none, int8_copy) \
	X(Clip, clip, int8_lookup_table) \
	X(Compress, none, int8_copy) \
	X(Concat, concat, int8_concat) \
	X(Conv, conv, int8_conv) \
	X(ConvInputGradient, conv_input_gradient, none) \
	X(ConvTranspose, conv_transpose, int8_conv_transpose) \
	X(ConvWeightGradient, conv_weight_gradient, none) \
	X(Cos, none, int8_lookup_table) \
	X(Cosh, none, int8_lookup_table) \
	X(DepthToSpace, copy, int8_copy) \
	X(Div, binary, int8_binary) \
	X(Dropout, alias, int8_alias) \
	X(Elu, eltwise, int8_lookup_table) \
	X(Erf, eltwise, int8_lookup_table) \
	X(Exp, eltwise, int8_lookup_table) \
	X(Expand, copy, int8_copy) \
	X(FakeQuantize, fake_quantize, none) \
	X(FakeQuantizeGradient, fake_quantize_gradient, none) \
	X(Flatten, alias, int8_alias) \
	X(Floor, none, int8_lookup_table) \
	X(Gather, copy, int8_copy) \
	X(GatherGradient, gather_gradient, none) \
	X(Gelu, eltwise, int8_lookup_table) \
	X(Gemm, gemm, int8_gemm) \
	X(GlobalAveragePool, global_pool, int8_global_pool) \
	X(GlobalMaxPool, global_pool, int8_global_pool) \
	X(GroupNormalization, group_norm, none) \
	X(HardSigmoid, none, int8_lookup_table) \
	X(HardSwish, eltwise, int8_lookup_table) \
	X(Identity, alias, int8_alias) \
	X(InstanceNormalization, group_norm, none) \
	X(LayerNormalization, layer_norm, int8_layer_norm) \
	X(LayerNormalizationGradient, layer_norm_gradient, none) \
	X(LeakyRelu, eltwise, int8_lookup_table) \
	X(Log, none, int8_lookup_table) \
	X(LogSoftmax, softmax, none) \
	X(MatMul, matmul, int8_matmul) \
	X(Max, binary, int8_lookup_table) \
	X(MaxPool, pool, int8_pool) \
	X(MaxPoolGradient, max_pool_gradient, none) \
	X(Min, binary, int8_lookup_table) \
	X(Mish, eltwise, int8_lookup_table) \
	X(Mul, binary, int8_binary) \
	X(Neg, none, int8_lookup_table) \
	X(PRelu, none, int8_binary) \
	X(Pad, pad, int8_copy) \
	X(Pow, binary, int8_binary) \
	X(Reciprocal, none, int8_lookup_table) \
	X(ReduceL1, reduce, none) \
	X(ReduceL2, reduce, none) \
	X(ReduceMax, reduce, none) \
	X(ReduceMean, reduce, int8_mean) \
	X(ReduceMin, reduce, none) \
	X(ReduceSum, reduce, none) \
	X(ReduceSumSquare, reduce, none) \
	X(Relu, clip, int8_lookup_table) \
	X(Reshape, alias, int8_alias) \
	X(Resize, resize, int8_resize) \
	X(ResizeGradient, resize_gradient, none) \
	X(ReverseSequence, none, int8_copy) \
	X(Round, none, int8_lookup_table) \
	X(Selu, none, int8_lookup_table) \
	X(ShardSum, shard_sum, none) \
	X(Shrink, none, int8_lookup_table) \
	X(Sigmoid, eltwise, int8_lookup_table) \
	X(Sign, none, int8_lookup_table) \
	X(Sin, none, int8_lookup_table) \
	X(Sinh, none, int8_lookup_table) \
	X(Slice, copy, int8_copy) \
	X(Softmax, softmax, int8_softmax) \
	X(SoftmaxCrossEntropy, cross_entropy, none) \
	X(SoftmaxCrossEntropyGradient, cross_entropy_gradient, none) \
	X(SoftmaxGradient, softmax_gradient, none) \
	X(Softplus, none, int8_lookup_table) \
	X(Softsign, none, int8_lookup_table) \
	X(SpaceToDepth, copy, int8_copy) \
	X(Split, copy, int8_copy) \
	X(Sqrt, eltwise, int8_lookup_table) \
	X(Squeeze, alias, int8_alias) \
	X(Sub, binary, int8_binary) \
	X(SumTo, sum_to, none) \
	X(Swish, eltwise, int8_lookup_table) \
	X(Tan, none, int8_lookup_table) \
	X(Tanh, eltwise, int8_lookup_table) \
	X(ThresholdedRelu, none, int8_lookup_table) \
	X(Tile, copy, int8_copy) \
	X(Transpose, transpose, int8_transpose) \
	X(Unsqueeze, alias, int8_alias) \
	X(Upsample, resize, int8_resize)

#define QB_PLANS(X) \
	X(add) X(alias) X(batch_norm) X(binary) X(clip) X(concat) X(conv) X(conv_transpose) X(eltwise) X(fake_quantize) X(fake_quantize_gradient) X(gemm) X(global_pool) X(group_norm) \
	X(layer_norm) X(matmul) X(copy) X(pad) X(pool) X(reduce) X(resize) X(softmax) X(transpose) \
	X(average_pool_gradient) X(cross_entropy) X(cross_entropy_gradient) X(layer_norm_gradient) X(max_pool_gradient) X(resize_gradient) X(softmax_gradient) \
	X(cast) X(gather_gradient) \
	X(activation_gradient) X(batch_norm_training) X(batch_norm_training_gradient) X(batch_norm_training_sums) X(batch_statistics) \
	X(conv_input_gradient) X(conv_weight_gradient) X(shard_sum) X(sum_to) \
	X(int8_alias) X(int8_batch_norm) X(int8_binary) X(int8_conv) X(int8_conv_transpose) X(int8_gemm) X(int8_global_pool) X(int8_layer_norm) \
	X(int8_matmul) X(int8_concat) X(int8_mean) X(int8_copy) X(int8_pool) X(int8_product) X(int8_resize) X(int8_softmax) X(int8_lookup_table) X(int8_transpose)

#define X(name) \
	enum qb_err qb__plan_##name(struct qb_builder *b, const struct qb_lowered *op, \
		struct qb_errbuf *eb);
QB_PLANS(X)
#undef X

/* What qb_builder_attr leaves out, in place on the node's output: its residual, then an activation that is no post-op. */
enum qb_err qb__plan_epilogue(struct qb_builder *b, const struct qb_lowered *op,
	const struct qb_place *y, struct qb_errbuf *eb);

typedef enum qb_err qb_lowering(struct qb_builder *b, const struct qb_lowered *op, struct qb_errbuf *eb);

/* NULL: the operator has none. */
qb_lowering *qb__lowering_f32(const struct qb_op *op);
qb_lowering *qb__lowering_int8(const struct qb_op *op);

#endif
